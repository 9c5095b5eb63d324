"""Who may use a socket, by the address that a datagram comes from."""

import ipaddress
import threading
import time
from collections.abc import Callable, Iterable

from PyExpLabSys.common.attached_networks import attached_networks

#: After how many seconds the networks of this computer are looked at again: it may get its address long after boot.
REFRESH_S = 10.0


class AllowList:
    """Allows the networks that are named, or, if none are, those that this computer is attached to.

    Args:
        networks: Such as ``10.0.1.0/24`` or ``10.0.1.17``; empty: nobody; None: the attached networks.
        attached: What returns these.
        monotonic: The clock, in s.

    Raises:
        ValueError: A network is none.
    """

    def __init__(
        self,
        networks: Iterable[str] | None,
        *,
        attached: Callable[[], list[ipaddress.IPv4Network]] = attached_networks,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if isinstance(networks, str):
            networks = networks.split(",")
        self._named = None if networks is None else [ipaddress.IPv4Network(text.strip()) for text in networks]
        self._attached, self._monotonic = attached, monotonic
        self._seen: tuple[float, list[ipaddress.IPv4Network]] | None = None
        self._lock = threading.Lock()

    def allows(self, address: str) -> bool:
        """Return whether a sender may use the socket."""
        sender = ipaddress.IPv4Address(address)
        return any(sender in network for network in self._networks())

    def _networks(self) -> list[ipaddress.IPv4Network]:
        if self._named is not None:
            return self._named
        now_s = self._monotonic()
        with self._lock:
            if self._seen is None or now_s - self._seen[0] >= REFRESH_S:
                self._seen = (now_s, self._attached())
            return self._seen[1]


class Everybody:
    """Allows everybody."""

    def allows(self, address: str) -> bool:  # noqa: ARG002 (the interface)
        """Return True."""
        return True
