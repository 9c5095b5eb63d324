"""Which UDP ports this process serves, and how each of them does."""

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakValueDictionary

from PyExpLabSys.common.system_status import SystemStatus
from PyExpLabSys.common.udp_exchange import DEFAULT_TIMEOUT_S, exchange
from PyExpLabSys.errors import ProtocolError

#: Clients receive a status with buffers of 4096 bytes, and UDP cuts off the rest without a word.
LARGEST_STATUS = 4096


@dataclass(frozen=True, kw_only=True)
class PortStatus:
    """How a served port does.

    Attributes:
        name: The name of its socket.
        type: ``date``, ``data`` or ``push``.
        status: ``OK``, ``INACTIVE`` when nothing happened for longer than its activity time-out, ``DISABLED`` when that
            is not checked.
        since_last_activity: Seconds since something happened; None when that is not checked.
    """

    name: str
    type: str
    status: str
    since_last_activity: float | None

    @classmethod
    def ask(cls, host: str, port: int, timeout: float = DEFAULT_TIMEOUT_S) -> "PortStatus":
        """Ask a socket on any computer, over UDP: a TCP connection to such a port is refused, however well it does.

        Raises:
            TimeoutError: Nothing answered within ``timeout`` seconds.
            ProtocolError: What answered is no such socket.
        """
        reply = exchange(host, port, b"status", timeout)
        try:
            fields = json.loads(reply)["socket_server_status"][str(port)]
            return cls(**{name: fields[name] for name in ("name", "type", "status", "since_last_activity")})
        except (ValueError, KeyError, TypeError) as error:
            raise ProtocolError(f"{host}:{port} answered 'status' with {reply[:200]!r}") from error

    def as_dict(self) -> dict[str, object]:
        """Return it as it stands in the reply to ``status``."""
        return {
            "name": self.name,
            "type": self.type,
            "status": self.status,
            "since_last_activity": self.since_last_activity,
        }


class Served(Protocol):
    """What serves a port."""

    def state(self) -> dict[str, Any]:
        """Return its entry in :data:`DATA`."""
        ...

    def port_status(self) -> PortStatus:
        """Return how it does."""
        ...


# Weak, so that a socket that nobody keeps and that was never started does not hold its port for ever.
_SERVED: WeakValueDictionary[int, Served] = WeakValueDictionary()
#: Held from the look whether a port is served until it is.
CLAIMING = threading.Lock()


class _Ports(Mapping[int, dict[str, Any]]):
    """What each served port holds, as of now."""

    def __getitem__(self, port: int) -> dict[str, Any]:
        return _SERVED[port].state()

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(_SERVED.keys()))

    def __len__(self) -> int:
        return len(_SERVED)

    def __repr__(self) -> str:
        return repr(dict(self))


#: By port, what the sockets of this process hold. Each look makes the dictionaries anew: nobody can write through them.
DATA: Mapping[int, dict[str, Any]] = _Ports()


def refuse_served(port: int) -> None:
    """Raise a ValueError if this process serves a port already."""
    if port in _SERVED:
        raise ValueError(f"A UDP server already exists on port: {port}")


def add(port: int, served: Served) -> None:
    """Show a port as served."""
    _SERVED[port] = served


def remove(port: int, served: Served) -> None:
    """Show a port as not served any longer, unless another one serves it by now."""
    if _SERVED.get(port) is served:
        del _SERVED[port]


def socket_server_status() -> dict[int, dict[str, object]]:
    """Return name, type, status and seconds since the last activity of each port that this process serves."""
    return {port: served.port_status().as_dict() for port, served in sorted(_SERVED.items())}


def status_text() -> str:
    """Return the reply to ``status``: this computer and all served ports as JSON, below 4096 bytes where that can be.

    The long description of what the computer is for is all that may be of any length; it is cut if it must be.
    """
    system = SystemStatus().complete_status()
    status = {"system_status": system, "socket_server_status": socket_server_status()}
    text = json.dumps(status)
    purpose = system.get("purpose")
    if len(text) > LARGEST_STATUS and purpose and purpose["long_description"]:
        description = purpose["long_description"]
        rest = len(text) - len(json.dumps(description))
        # A character takes at most 12 characters of JSON, two escapes of six.
        purpose["long_description"] = description[: max(0, (LARGEST_STATUS - rest - 5) // 12)] + "..."
        text = json.dumps(status)
    return text
