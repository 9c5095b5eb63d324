"""Asks on a port, at one speed after the other, each known instrument whether it is there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from PyExpLabSys.cli._driver_catalog import driver_names, find_driver, info_of
from PyExpLabSys.errors import InstrumentError, TransportError, TransportTimeoutError
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.channel import ByteChannel
from PyExpLabSys.transport.framing import Framing
from PyExpLabSys.transport.serial_channel import SerialChannel, SerialSettings
from PyExpLabSys.transport.tcp_channel import TcpChannel

#: Speeds to which instruments are set, after those that they have from the factory.
COMMON_SPEEDS = (9600, 19200, 38400, 57600, 115200)


@dataclass
class Round:
    """What is asked without setting the port anew: these drivers, at these settings; None: a network has none."""

    settings: SerialSettings | None
    drivers: list[str] = field(default_factory=list)


class ListeningChannel(ByteChannel):
    """A wire that notes whether anything came, and whether it failed: ``identify`` tells neither."""

    def __init__(self, channel: ByteChannel) -> None:
        self.name = channel.name
        self.heard = b""
        self.failure: TransportError | None = None
        self._channel = channel

    def write(self, data: bytes, timeout_s: float) -> None:
        """Hand the bytes on."""
        try:
            self._channel.write(data, timeout_s)
        except TransportError as error:
            self._note(error)
            raise

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Return what has come, and note it."""
        try:
            data = self._channel.read(max_bytes, timeout_s)
        except TransportError as error:
            self._note(error)
            raise
        self.heard += data
        return data

    def close(self) -> None:
        """Give the wire back."""
        self._channel.close()

    def _note(self, error: TransportError) -> None:
        if not isinstance(error, TransportTimeoutError):
            self.failure = error


class HastyTransport(ByteTransport):
    """Waits less long than drivers want to: where everybody is asked, most do not answer.

    A late answer to one driver's question is no danger to another one, which takes only what is in its own form.
    """

    def __init__(self, channel: ByteChannel, limit_s: float) -> None:
        super().__init__(channel, timeout_s=limit_s)
        self._limit_s = limit_s

    def exchange(
        self, request: bytes, framing: Framing, *, timeout_s: float | None = None, late_s: float | None = None
    ) -> bytes:
        """Send a request and return the reply, if it comes within the shorter of both limits."""
        limit_s = self._limit_s if timeout_s is None else min(timeout_s, self._limit_s)
        return super().exchange(
            request, framing, timeout_s=limit_s, late_s=limit_s if late_s is None else min(late_s, limit_s)
        )


def drivers_that_ask() -> tuple[list[str], list[str]]:
    """Return the drivers that have a harmless question for who is there, and those that have none."""
    asking: list[str] = []
    silent: list[str] = []
    for name in driver_names():
        try:
            can = _has_question(find_driver(name))
        except Exception:  # noqa: BLE001 (`pyexplabsys drivers` tells of one that cannot be loaded)
            can = False
        (asking if can else silent).append(name)
    return asking, silent


def rounds(names: Sequence[str], speeds: Sequence[int], *, network: bool) -> list[Round]:
    """Return what to ask, in this order.

    Args:
        names: The drivers.
        speeds: Those to try; if there are none, first each instrument's own, then the common ones.
        network: Whether the port is one in a network, which has no settings.
    """
    # What is for one model before what is for all that speak its language.
    ordered = sorted(names, key=lambda name: (-len(find_driver(name).__mro__), name))
    if network:
        return [Round(None, ordered)]
    found: list[Round] = []
    asked: set[tuple[str, SerialSettings]] = set()
    for speed in speeds or (None, *COMMON_SPEEDS):
        together: dict[SerialSettings, Round] = {}
        for name in ordered:
            factory = info_of(find_driver(name)).serial or SerialSettings()
            settings = factory if speed is None else replace(factory, baudrate=speed)
            if (name, settings) not in asked:
                asked.add((name, settings))
                together.setdefault(settings, Round(settings)).drivers.append(name)
        found += together.values()
    return found


def answers(port: str, asked: Round, limit_s: float) -> Iterator[tuple[str, str | None, bytes]]:
    """Ask all drivers of a round, and yield for each what its instrument says it is, and what bytes came.

    Args:
        port: A device or URL.
        asked: Whom to ask, at which settings.
        limit_s: How long an answer may take, in s.

    Raises:
        TransportError: the port cannot be opened, or failed.
    """
    channel = ListeningChannel(_open(port, asked.settings))
    transport = HastyTransport(channel, limit_s)
    try:
        for name in asked.drivers:
            channel.heard = b""
            kind = find_driver(name)
            # The question to another instrument may stand half understood in this one, which takes it for the begin
            # of ours. The end of ours ends that; so the second time counts as well.
            identity = _identity(kind, transport) or _identity(kind, transport)
            yield name, identity, channel.heard
            if channel.failure is not None:
                raise channel.failure
    finally:
        transport.close()


def told(settings: SerialSettings | None) -> str:
    """Return settings as people write them: ``9600 baud 7O1``."""
    if settings is None:
        return "in the network"
    handshake = " XON/XOFF" if settings.xonxoff else " RTS/CTS" if settings.rtscts else ""
    return f"{settings.baudrate} baud {settings.bytesize}{settings.parity}{settings.stopbits:g}{handshake}"


def is_network(port: str) -> bool:
    """Return whether a port is one in a network, without speed."""
    return port.startswith("socket://")


def _identity(kind: Any, transport: ByteTransport) -> str | None:
    try:
        identity: str | None = kind.identify(transport)
    except InstrumentError:
        return None
    return identity


def _open(port: str, settings: SerialSettings | None) -> ByteChannel:
    if settings is not None:
        return SerialChannel(port, settings)
    parts = urlsplit(port)
    if not parts.hostname or not parts.port:
        raise ValueError(f"{port} is not of the form socket://HOST:PORT")
    return TcpChannel(parts.hostname, parts.port, name=port)


def _has_question(kind: Any) -> bool:
    """Return whether a class has ``identify`` from a driver, and not only that of the base, which never knows."""
    return any("identify" in vars(base) for base in kind.__mro__ if not base.__module__.endswith(".instrument"))
