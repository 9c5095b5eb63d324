"""Driver for the Pfeiffer controllers of one or two vacuum gauges: TPG 261 and TPG 262.

Source: Pfeiffer's manual of the TPG 261/262, chapter on the serial interface: handshake, mnemonics, error word.
"""

import re
from collections.abc import Callable
from typing import ClassVar, NamedTuple, TypeVar

from PyExpLabSys.errors import CommandRejectedError, InstrumentError, ProtocolError, TransportError
from PyExpLabSys.instrument import Instrument, InstrumentInfo
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.framing import exactly
from PyExpLabSys.transport.serial_channel import SerialSettings, open_serial

Answer = TypeVar("Answer")

LINE_END = b"\r\n"
MNEMONIC = re.compile(r"[A-Z][A-Z0-9]{2}(,[ -+\--~]+)*")
VALUE = re.compile(r"[ +-]?\d\.\d+E[+-]?\d{1,2}", re.IGNORECASE)
ECHO_TEST = bytes(range(0x20, 0x7F))

MEASUREMENT_STATUS = {
    0: "ok",
    1: "under range",
    2: "over range",
    3: "sensor error",
    4: "sensor switched off",
    5: "no sensor",
    6: "identification error",
    7: "hot cathode gauge error",
}
GAUGE_IDS = {
    "TPR": "Pirani gauge or Pirani capacitive gauge",
    "IKR9": "cold cathode gauge, down to 1E-9 mbar",
    "IKR11": "cold cathode gauge, down to 1E-11 mbar",
    "PKR": "full range cold cathode gauge",
    "PBR": "full range Bayard-Alpert gauge",
    "IMR": "Pirani high pressure gauge",
    "CMR": "linear gauge",
    "PCR": "Pirani capacitive gauge",
    "APR": "piezo gauge",
    "noSEn": "no sensor",
    "noid": "gauge that the controller cannot identify",
}
PRESSURE_UNITS = {0: "mbar/bar", 1: "Torr", 2: "Pascal"}
ERRORS = {"1000": "controller error", "0100": "no hardware", "0010": "parameter not allowed", "0001": "syntax error"}


class RefusedError(CommandRejectedError, OSError):
    """The controller answered NAK; also an OSError, which is what scripts for this driver catch."""


class HandshakeError(ProtocolError, OSError):
    """Neither ACK nor NAK came; also an OSError, which is what scripts for this driver catch."""


class GaugeReading(NamedTuple):
    """What a gauge shows: a pressure in the unit of the controller, and what that is worth."""

    pressure: float
    status: tuple[int, str]


def encode(command: str) -> bytes:
    """Return the line of a mnemonic and its parameters, ``PR1`` or ``UNI,2``."""
    if MNEMONIC.fullmatch(command) is None:
        raise ValueError(f"{command!r} is no mnemonic of three characters with parameters behind commas")
    return command.encode("ascii") + LINE_END


def is_acknowledged(reply: bytes, command: str) -> bool:
    """Return whether the controller understood a command; if not, it has an error word to tell.

    Raises:
        HandshakeError: the reply is neither yes nor no.
    """
    if reply == TPG26x.ACK + LINE_END:
        return True
    if reply == TPG26x.NAK + LINE_END:
        return False
    raise HandshakeError(f"{command} answered with {reply!r}, which is neither ACK nor NAK")


def decode(reply: bytes) -> str:
    """Return the text of a line of data.

    Raises:
        ProtocolError: it is garbled.
    """
    text = reply.removesuffix(LINE_END).decode("latin-1")
    if not reply.endswith(LINE_END) or not text or not (text.isascii() and text.isprintable()):
        raise ProtocolError(f"{reply!r} is no line of data")
    return text


def decode_readings(data: str, count: int = 1) -> tuple[GaugeReading, ...]:
    """Return the readings in ``status,pressure`` or, of two gauges, ``status,pressure,status,pressure``.

    Raises:
        ProtocolError: the data are something else.
    """
    fields = data.split(",")
    if len(fields) != 2 * count:
        raise ProtocolError(f"{data!r} does not hold the readings of {count} gauges")
    return tuple(_decode_reading(*fields[index : index + 2]) for index in range(0, len(fields), 2))


def decode_pressure(data: str) -> float:
    """Return the pressure in ``status,pressure``, in the unit of the controller.

    Raises:
        CommandRejectedError: there is none: the status says why.
        ProtocolError: the data are something else.
    """
    ((pressure, (code, message)),) = decode_readings(data)
    if code:
        raise CommandRejectedError(f"no pressure, the controller says {data!r}: {message}")
    return pressure


def decode_gauge_ids(data: str) -> tuple[str, str, str, str]:
    """Return name and meaning of both gauges; letter case differs between controllers.

    Raises:
        ProtocolError: the data are not two names.
    """
    names = [name.strip() for name in data.split(",")]
    if len(names) != 2 or not all(names):
        raise ProtocolError(f"{data!r} are not the names of two gauges")
    meanings = {known.lower(): meaning for known, meaning in GAUGE_IDS.items()}
    first, second = names
    return first, meanings.get(first.lower(), first), second, meanings.get(second.lower(), second)


def decode_unit(data: str) -> str:
    """Return the name of a unit.

    Raises:
        ProtocolError: the data are no number of one.
    """
    if not data.isdecimal() or int(data) not in PRESSURE_UNITS:
        raise ProtocolError(f"{data!r} is no unit of pressure")
    return PRESSURE_UNITS[int(data)]


class TPG26x(Instrument):
    """One controller on one port.

    Before the first question, and after each one without a valid answer, it is told to forget what it was doing: it may
    be sending readings by itself, or be in the middle of an exchange.

    Args:
        port: What :func:`~PyExpLabSys.transport.serial_channel.open_serial` opens.
        baudrate: As the controller is set: 9600 when it comes from the factory.
        transport: Where the controller is connected already; the port's arguments mean nothing then.
    """

    INFO = InstrumentInfo(
        maker="Pfeiffer Vacuum",
        model="TPG 261, TPG 262",
        buses=("RS-232",),
        quantities={"read_pressure": "mbar, Torr or Pa, as set"},
        serial=SerialSettings(baudrate=9600),
    )
    #: As long as in the setups where these controllers run.
    TIMEOUT_S = 1.0
    #: The manual names no limit; twice the time-out leaves as much again for one that was busy.
    LATE_S = 2.0

    ETX: ClassVar[bytes] = b"\x03"
    ENQ: ClassVar[bytes] = b"\x05"
    ACK: ClassVar[bytes] = b"\x06"
    NAK: ClassVar[bytes] = b"\x15"
    CR: ClassVar[bytes] = b"\r"
    LF: ClassVar[bytes] = b"\n"

    def __init__(
        self, port: str = "/dev/ttyUSB0", baudrate: int = 9600, *, transport: ByteTransport | None = None
    ) -> None:
        super().__init__(transport or open_serial(port, baudrate=baudrate), owns=transport is None)
        self._in_doubt = True

    @classmethod
    def identify(cls, transport: ByteTransport) -> str | None:
        """Return which firmware answers, and with which gauges; None if no such controller does."""
        controller = cls(transport=transport)
        try:
            return f"Pfeiffer TPG 261/262, firmware {controller.program_number()}, gauges {controller.command('TID')}"
        except InstrumentError:
            return None

    def command(self, command: str) -> str:
        """Send a mnemonic, perhaps with parameters, and return the data that it leads to.

        Raises:
            RefusedError: the controller does not take it; the message has the reason.
            ProtocolError: what came is no answer.
        """
        return self._query(command, str)

    def program_number(self) -> str:
        """Return the number of the firmware."""
        return self.command("PNR")

    def read_pressure(self, gauge: int = 1) -> float:
        """Return the pressure of gauge 1 or 2 in the unit of the controller, usually mbar.

        Raises:
            CommandRejectedError: it has none: out of its range, switched off, broken, absent.
        """
        return self._query(_gauge_mnemonic(gauge), decode_pressure)

    def pressure_gauge(self, gauge: int = 1) -> tuple[float, tuple[int, str]]:
        """Return what gauge 1 or 2 shows, in the unit of the controller, and (code, meaning) of its status.

        With any code but 0 the number is no pressure.
        """
        return self._query(_gauge_mnemonic(gauge), decode_readings)[0]

    def pressure_gauges(self) -> tuple[float, tuple[int, str], float, tuple[int, str]]:
        """Return what both gauges show at the same moment: pressure and status, as :meth:`pressure_gauge` has them."""
        first, second = self._query("PRX", lambda data: decode_readings(data, 2))
        return (*first, *second)

    def gauge_identification(self) -> tuple[str, str, str, str]:
        """Return name and meaning of gauge 1, and of gauge 2; a name that is not known is its own meaning."""
        return self._query("TID", decode_gauge_ids)

    def pressure_unit(self) -> str:
        """Return the unit of all pressures: ``mbar/bar``, ``Torr`` or ``Pascal``."""
        return self._query("UNI", decode_unit)

    def set_pressure_unit(self, unit: str) -> None:
        """Set the unit of all pressures: ``mbar/bar``, ``Torr`` or ``Pascal``."""
        numbers = {name: number for number, name in PRESSURE_UNITS.items()}
        if unit not in numbers:
            raise ValueError(f"unit {unit!r}: there are {', '.join(numbers)}")
        if self._query(f"UNI,{numbers[unit]}", decode_unit) != unit:
            raise CommandRejectedError(f"the controller did not take the unit {unit}")

    def rs232_communication_test(self) -> bool:
        """Return whether the controller sends all printable characters back as they were sent."""
        with self._transport.locked():
            self._begin("RST")
            # From here on each character comes back at once, until ETX: there is no line of data.
            self._in_doubt = True
            self._transport.send(self.ENQ)
            echo = self._exchange(ECHO_TEST, exactly(len(ECHO_TEST)))
            self._transport.send(self.ETX)
            return echo == ECHO_TEST

    def _query(self, command: str, decode_data: Callable[[str], Answer]) -> Answer:
        with self._transport.locked():
            self._begin(command)
            return self._step(self.ENQ, lambda reply: decode_data(decode(reply)))

    def _begin(self, command: str) -> None:
        """Send a command and see that it is understood, so that an enquiry brings its data."""
        line = encode(command)
        if self._in_doubt:
            self._transport.send(self.ETX)
            self._transport.mark_out_of_step()
            self._in_doubt = False
        if not self._step(line, lambda reply: is_acknowledged(reply, command)):
            error = self._step(self.ENQ, decode)
            raise RefusedError(f"{command} refused with {error}: {ERRORS.get(error, 'not one of the known errors')}")

    def _step(self, request: bytes, decode_reply: Callable[[bytes], Answer]) -> Answer:
        """Do half an exchange; if no valid reply comes, nobody knows what the controller will say next."""
        try:
            return self._ask(request, LINE_END, decode_reply)
        except (TransportError, ProtocolError):
            self._in_doubt = True
            raise


class TPG262(TPG26x):
    """A TPG 262, with two gauges."""


class TPG261(TPG26x):
    """A TPG 261, with one gauge."""


def _gauge_mnemonic(gauge: int) -> str:
    if gauge not in {1, 2}:
        raise ValueError(f"gauge {gauge}: there are 1 and 2")
    return f"PR{gauge}"


def _decode_reading(status: str, pressure: str) -> GaugeReading:
    status, pressure = status.strip(), pressure.strip()
    if not status.isdecimal() or int(status) not in MEASUREMENT_STATUS or VALUE.fullmatch(pressure) is None:
        raise ProtocolError(f"{status!r}, {pressure!r} are no status and pressure")
    return GaugeReading(float(pressure), (int(status), MEASUREMENT_STATUS[int(status)]))
