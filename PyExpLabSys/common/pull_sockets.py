"""Sockets that others ask for values: the latest point of each codename, over UDP."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from PyExpLabSys.common import socket_wire as wire
from PyExpLabSys.common.socket_access import AllowList, Everybody
from PyExpLabSys.common.socket_ports import refuse_served, status_text
from PyExpLabSys.common.socket_server import Address, UdpServer

Point = tuple[Any, Any]


class PullUDPHandler:
    """The wire side of a pull socket: what is answered to which request.

    Args:
        server: The socket that it answers for.
    """

    def __init__(self, server: "CommonDataPullSocket") -> None:
        self._server = server
        self._whole: dict[str, Callable[[], str]] = {
            "name": lambda: server.socket_name,
            "raw": lambda: ";".join(self._raw(name) for name in server.codenames),
            "json": lambda: wire.json_array(self._json(name) for name in server.codenames),
            "raw_wn": lambda: ";".join(f"{name}:{self._raw(name)}" for name in server.codenames),
            "json_wn": lambda: wire.json_object({name: self._json(name) for name in server.points()}),
            "codenames_raw": lambda: ",".join(server.codenames),
            "codenames_json": lambda: wire.json_text(server.codenames),
            "status": status_text,
        }
        self._of_one = {"raw": self._raw, "json": self._json}

    def answer(self, request: bytes, sender: Address) -> bytes:
        """Return the reply to a request; ``UNKNOWN_COMMMAND`` for what is none, and for who may not ask."""
        if not self._server.allow_list.allows(sender[0]):
            return self.on_fault()
        try:
            text = request.decode("utf-8")
        except UnicodeDecodeError:
            return self.on_fault()
        codename, mark, form = text.rpartition("#")
        if not mark:
            whole = self._whole.get(text)
            return self.on_fault() if whole is None else wire.encode(whole())
        of_one = self._of_one.get(form)
        if of_one is None or not self._server.has(codename):
            return self.on_fault()
        return wire.encode(of_one(codename))

    def on_fault(self) -> bytes:
        """Return the reply to what cannot be answered."""
        return wire.UNKNOWN_COMMAND.encode("ascii")

    def on_too_large(self, reply: bytes, most: int) -> bytes:
        """Return what is said in place of a reply that no datagram can carry."""
        text = f"{wire.PUSH_ERROR}#The reply has {len(reply)} bytes, and at most {most} can be sent: ask for less"
        return text.encode("ascii")

    def _raw(self, codename: str) -> str:
        point = self._server.fresh_point(codename)
        return wire.OLD_DATA if point is None else f"{point[0]!s},{point[1]!s}"

    def _json(self, codename: str) -> str:
        point = self._server.fresh_point(codename)
        # NumPy's numbers and what JSON does not know: each element by itself, so that one odd value spoils no other.
        return f'"{wire.OLD_DATA}"' if point is None else wire.json_array(map(wire.json_text, point))


class CommonDataPullSocket(UdpServer):
    """What the two kinds of pull sockets have in common.

    Args:
        name: The name that it answers to ``name``.
        codenames: What it has values of.
        port: The UDP port, 0 for any free one.
        default_x: x of each codename before its first point.
        default_y: y likewise.
        timeouts: After how many seconds a point is old: one number, one for each codename, or None for never.
        check_activity: Whether the status tells that nothing happens any longer.
        activity_timeout: After how many seconds.
        init_timeouts: False: there are no time-outs, whatever is in ``timeouts``.
        handler_class: What makes the replies.
        poke_on_set: Whether setting a point counts as activity.
        interface: The address to listen on; empty: all of this computer's.
        allow_from: The networks that may ask, such as ``10.0.1.0/24``; None: everybody.

    Raises:
        ValueError: The port is served by this process, a codename is there twice or has one of the characters
            ``# , ; : &``, or the number of time-outs is wrong.
        PortStillReserved: Another program has the port.
    """

    #: Whether the age of a point is that of its own x; else of the moment when it was set.
    X_IS_TIME: ClassVar[bool]

    def __init__(
        self,
        name: str,
        codenames: Sequence[str],
        port: int,
        default_x: Any,
        default_y: Any,
        timeouts: float | Sequence[float | None] | None,
        check_activity: bool,
        activity_timeout: float,
        init_timeouts: bool = True,
        handler_class: type[PullUDPHandler] = PullUDPHandler,
        *,
        poke_on_set: bool = True,
        interface: str = "",
        allow_from: Iterable[str] | None = None,
    ) -> None:
        refuse_served(port)
        self.codenames = list(codenames)
        self._timeouts_s = _timeouts(self.codenames, timeouts if init_timeouts else None)
        _check(self.codenames)
        self.allow_list = Everybody() if allow_from is None else AllowList(allow_from)
        self.poke_on_set = poke_on_set
        self._points: dict[str, Point] = dict.fromkeys(self.codenames, (default_x, default_y))
        self._set_at: dict[str, float] = dict.fromkeys(self.codenames, 0.0)
        super().__init__(name, port, handler_class(self), check_activity, activity_timeout, interface)

    def points(self) -> dict[str, Point]:
        """Return the points by codename, as of now."""
        return self._points.copy()

    def has(self, codename: str) -> bool:
        """Return whether there is a point of this codename."""
        return codename in self._points

    def fresh_point(self, codename: str) -> Point | None:
        """Return the point of a codename, None if it is old."""
        timeout_s = self._timeouts_s.get(codename)
        # The time first: should a new point come in between, it is at worst called old, never the other way round.
        set_at = self._set_at.get(codename, 0.0)
        point = self._points[codename]
        if timeout_s is None:
            return point
        try:
            is_old = time.time() - (point[0] if self.X_IS_TIME else set_at) > timeout_s
        except TypeError:  # x is no time: whoever asked for a time-out must not take it for fresh
            is_old = True
        return None if is_old else point

    def state(self) -> dict[str, Any]:
        """Return the entry of this port in :data:`DATA`."""
        own = {"codenames": self.codenames.copy(), "data": self.points(), "timeouts": self._timeouts_s.copy()}
        return super().state() | own

    def _set(self, codename: str, point: Sequence[Any], set_at: float) -> None:
        x, y = point
        self._points[codename] = (x, y)
        self._set_at[codename] = set_at
        if self.poke_on_set:
            self.poke()


class DateDataPullSocket(CommonDataPullSocket):
    """Answers with the latest (unix time, value) of each codename; the age of a point is that of its time.

    The arguments are those of :class:`CommonDataPullSocket`.
    """

    TYPE = "date"
    X_IS_TIME = True

    def __init__(
        self,
        name: str,
        codenames: Sequence[str],
        port: int = 9000,
        default_x: Any = 0.0,
        default_y: Any = 0.0,
        timeouts: float | Sequence[float | None] | None = None,
        check_activity: bool = True,
        activity_timeout: float = 900,
        poke_on_set: bool = True,
        *,
        interface: str = "",
        allow_from: Iterable[str] | None = None,
    ) -> None:
        super().__init__(
            name,
            codenames,
            port,
            default_x,
            default_y,
            timeouts,
            check_activity,
            activity_timeout,
            poke_on_set=poke_on_set,
            interface=interface,
            allow_from=allow_from,
        )

    def set_point(self, codename: str, point: Sequence[Any]) -> None:
        """Publish a point: its unix time in s, and its value."""
        self._set(codename, point, 0.0)

    def set_point_now(self, codename: str, value: Any) -> None:
        """Publish a value with the time of now."""
        self._set(codename, (time.time(), value), 0.0)


class DataPullSocket(CommonDataPullSocket):
    """Answers with the latest (x, y) of each codename; the age of a point counts from when it was set.

    The arguments are those of :class:`CommonDataPullSocket`.
    """

    TYPE = "data"
    X_IS_TIME = False

    def __init__(
        self,
        name: str,
        codenames: Sequence[str],
        port: int = 9010,
        default_x: Any = 0.0,
        default_y: Any = 0.0,
        timeouts: float | Sequence[float | None] | None = None,
        check_activity: bool = True,
        activity_timeout: float = 900,
        poke_on_set: bool = True,
        *,
        interface: str = "",
        allow_from: Iterable[str] | None = None,
    ) -> None:
        super().__init__(
            name,
            codenames,
            port,
            default_x,
            default_y,
            timeouts,
            check_activity,
            activity_timeout,
            poke_on_set=poke_on_set,
            interface=interface,
            allow_from=allow_from,
        )

    def set_point(self, codename: str, point: Sequence[Any], timestamp: float | None = None) -> None:
        """Publish a point.

        Args:
            codename: Of what.
            point: x and y.
            timestamp: The unix time in s from which its age counts; None: now.
        """
        self._set(codename, point, time.time() if timestamp is None else timestamp)

    def state(self) -> dict[str, Any]:
        """Return the entry of this port in :data:`DATA`."""
        return super().state() | {"timestamps": self._set_at.copy()}


def _timeouts(codenames: list[str], timeouts: float | Sequence[float | None] | None) -> dict[str, float | None]:
    if timeouts is None or isinstance(timeouts, int | float):
        return dict.fromkeys(codenames, timeouts)
    if len(timeouts) != len(codenames):
        raise ValueError("If a list of timeouts is supplied, it must have as many items as there are in codenames")
    return dict(zip(codenames, timeouts, strict=True))


def _check(codenames: list[str]) -> None:
    for position, codename in enumerate(codenames):
        if codename in codenames[:position]:
            raise ValueError(f"Codenames must be unique; '{codename}' is present more than once")
        for character in wire.BAD_CHARS:
            if character in codename:
                raise ValueError(f"The character '{character}' is not allowed in the codenames")
