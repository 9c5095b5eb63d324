"""Modbus, on a serial line (RTU) or over TCP: registers and bits instead of bytes.

pymodbus encodes and decodes; the bytes go through :class:`~PyExpLabSys.transport.byte_transport.ByteTransport`, so
that its lock, its trace and its way back into step after a fault hold here too.

Source: "MODBUS Application Protocol Specification" V1.1b3, sections 6 (functions) and 7 (exceptions); "MODBUS over
serial line" V1.02, section 2.5.1 (RTU frames, silence between them); "MODBUS Messaging on TCP/IP" V1.0b, section 3.1.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PyExpLabSys.errors import CommandRejectedError, ProtocolError, SettingsError
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.framing import Framing, counted
from PyExpLabSys.transport.serial_channel import open_serial
from PyExpLabSys.transport.tcp_channel import open_tcp

if TYPE_CHECKING:
    from pymodbus.pdu import ModbusPDU

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "the device failed",
    5: "accepted, but it will take long",
    6: "the device is busy",
    8: "parity error in the device's memory",
    10: "the gateway has no path to the device",
    11: "the gateway got no answer from the device",
}
#: A character on a serial line: start, 8 data, parity or a second stop, stop.
CHARACTER_BITS = 11
SILENT_CHARACTERS = 3.5
#: Above 19200 Bd the silence no longer shrinks with the characters.
SILENCE_MIN_S = 0.00175
FRAME_MAX_BYTES = 260


class Expected(NamedTuple):
    """What the answer to a request must look like, from the function on: how it begins, and how many bytes it has."""

    beginning: bytes
    length: int


class ModbusTransport:
    """Several threads may use it, and several instruments share it; a line has one ModbusTransport, not one for each.

    Args:
        line: The wire; from now on it belongs to this transport, which closes it.
        tcp: Whether frames are those of Modbus TCP; otherwise those of RTU.
        baudrate: The speed of an RTU line; it decides how long the line must be silent between two frames.

    Attributes:
        addresses: Those that a device can have: on an RTU line 0 is for all, and none answers.

    Raises:
        SettingsError: pymodbus is not installed.
    """

    def __init__(self, line: ByteTransport, *, tcp: bool = False, baudrate: int = 9600) -> None:
        _require_pymodbus()
        from pymodbus.framer import FramerBase, FramerRTU, FramerSocket
        from pymodbus.pdu import DecodePDU

        self.name = line.name
        self.addresses = range(0 if tcp else 1, 256)
        self._line = line
        self._tcp = tcp
        self._decoder = DecodePDU(is_server=False)
        self._framer: FramerBase = FramerSocket(self._decoder) if tcp else FramerRTU(self._decoder)
        self._silence_s = 0.0 if tcp else silence_s(baudrate)
        self._silent_since_s = line.clock.monotonic()
        self._transaction = 0

    def exchange(
        self,
        address: int,
        request: "ModbusPDU",
        expected: Expected,
        *,
        timeout_s: float | None = None,
        late_s: float | None = None,
    ) -> "ModbusPDU":
        """Send a request to the device with this address and return its answer.

        Raises:
            CommandRejectedError: it answers with an exception.
            ProtocolError: what came is no answer of this device to this request.
            TransportError: the wire failed, or no complete answer came in time.
        """
        line = self._line
        with line.locked():
            self._transaction = self._transaction % 0xFFFF + 1 if self._tcp else 0
            request.dev_id, request.transaction_id = address, self._transaction
            frame = self._framer.buildFrame(request)
            framing = self._tcp_framing() if self._tcp else self._rtu_framing(address, expected)
            self._wait_for_silence()
            try:
                reply = line.exchange(frame, framing, timeout_s=timeout_s, late_s=late_s)
                return self._decode(reply, address, expected)
            except ProtocolError:
                line.mark_out_of_step()
                raise
            finally:
                self._silent_since_s = line.clock.monotonic()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other threads off the line, for exchanges that belong together; may be nested."""
        with self._line.locked():
            yield

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._line.closed

    def close(self) -> None:
        """Give the wire back; a second time does nothing."""
        self._line.close()

    def _wait_for_silence(self) -> None:
        clock = self._line.clock
        clock.sleep(max(0.0, self._silent_since_s + self._silence_s - clock.monotonic()))

    def _rtu_framing(self, address: int, expected: Expected) -> Framing:
        """An RTU frame does not say where it ends: only who knows the question knows that."""
        function = expected.beginning[0]

        def length(header: bytes) -> int:
            if header[0] == address and header[1] == function | 0x80:
                return 5
            if header[0] != address or not expected.beginning.startswith(header[1:]):
                raise ProtocolError(
                    f"{self.name}: function {function} of unit {address} answered with a frame that begins {header!r}"
                )
            return expected.length + 3

        return counted(3, length)

    def _tcp_framing(self) -> Framing:
        """A frame of Modbus TCP has its length in its header."""

        def length(header: bytes) -> int:
            if header[2:4] != b"\0\0":
                raise ProtocolError(f"{self.name}: {header!r} is no Modbus, its protocol is not 0")
            return 6 + int.from_bytes(header[4:6], "big")

        return counted(6, length, longest=FRAME_MAX_BYTES)

    def _decode(self, reply: bytes, address: int, expected: Expected) -> "ModbusPDU":
        function = expected.beginning[0]
        what = f"{self.name}: function {function} of unit {address}"
        _, replied_by, transaction, pdu = self._framer.decode(reply)
        if not pdu:
            raise ProtocolError(f"{what} answered with {reply!r}, whose checksum or length is wrong")
        if replied_by != address or transaction != self._transaction:
            raise ProtocolError(
                f"{what}, transaction {self._transaction}, answered by unit {replied_by}, transaction {transaction}"
            )
        if len(pdu) == 2 and pdu[0] == function | 0x80:
            meaning = EXCEPTIONS.get(pdu[1], "which Modbus does not define")
            raise CommandRejectedError(f"{what} refused with exception {pdu[1]}: {meaning}")
        decoded = self._decoder.decode(pdu)
        if decoded is None or len(pdu) != expected.length or not pdu.startswith(expected.beginning):
            raise ProtocolError(f"{what} answered with {reply!r}, which is no answer to this request")
        return decoded


def silence_s(baudrate: int) -> float:
    """Return how long an RTU line must be silent between two frames in s: 3.5 characters."""
    return max(SILENCE_MIN_S, SILENT_CHARACTERS * CHARACTER_BITS / baudrate)


def open_modbus_rtu(
    url: str,
    *,
    baudrate: int = 19200,
    bytesize: int = 8,
    parity: str = "E",
    stopbits: float = 1,
    timeout_s: float = 2.0,
    trace: Path | None = None,
) -> ModbusTransport:
    """Open a serial line with Modbus RTU; defaults are those of Modbus, arguments those of ``open_serial``."""
    _require_pymodbus()  # before the port is opened, which nobody would close
    line = open_serial(
        url,
        baudrate=baudrate,
        bytesize=bytesize,
        parity=parity,
        stopbits=stopbits,
        timeout_s=timeout_s,
        trace=trace,
    )
    return ModbusTransport(line, baudrate=baudrate)


def open_modbus_tcp(
    host: str, port: int = 502, *, timeout_s: float = 2.0, connect_timeout_s: float = 5.0, trace: Path | None = None
) -> ModbusTransport:
    """Connect to a Modbus TCP device or gateway; arguments are those of ``open_tcp``."""
    _require_pymodbus()
    line = open_tcp(host, port, timeout_s=timeout_s, connect_timeout_s=connect_timeout_s, trace=trace)
    return ModbusTransport(line, tcp=True)


def _require_pymodbus() -> None:
    try:
        import pymodbus  # noqa: F401 (only whether it is there)
    except ImportError as error:
        raise SettingsError("Modbus needs pymodbus, install it with: pip install 'PyExpLabSys[modbus]'") from error
