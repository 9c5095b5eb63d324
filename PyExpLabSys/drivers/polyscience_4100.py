"""Driver for PolyScience recirculating chillers of the 4100 series; the 6000, DuraChill and LS have the same commands.

Source: PolyScience's manuals of these series, on serial communication: format, table of commands, error reply.
"""

import logging
import math
import re
from collections.abc import Callable

from PyExpLabSys.errors import CommandRejectedError, InstrumentError, ProtocolError
from PyExpLabSys.instrument import Answer, Instrument, InstrumentInfo
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.framing import Framing
from PyExpLabSys.transport.serial_channel import SerialSettings, open_serial

LOGGER = logging.getLogger(__name__)

TERMINATOR = b"\r"
NUMBER = re.compile(r"[+-]\d{3}\.\d")
DONE, REFUSED = "!", "?"
#: A setpoint goes over the wire as three digits, without a sign.
SETPOINT_DIGITS_MAX = 999
KPA_IN_BAR = 100.0


def encode(command: str) -> bytes:
    """Return the bytes of a command: its letters, perhaps digits, and a carriage return."""
    return command.encode("ascii") + TERMINATOR


def encode_setpoint(temperature: float) -> str:
    """Return the command for a setpoint: ``SS020``; it is rounded to whole degrees.

    Raises:
        ValueError: it has no such three digits.
    """
    if not 0 <= temperature <= SETPOINT_DIGITS_MAX:
        raise ValueError(f"a setpoint of {temperature} cannot be sent: it goes as three digits without a sign")
    return f"SS{round(temperature):03d}"


def reply_to(request: bytes) -> Framing:
    """Return where the reply to a request ends: at a carriage return, but not at that of an echo in front of it."""

    def length(buffer: bytes) -> int | None:
        begin = len(request) if buffer.startswith(request) else 0
        end = buffer.find(TERMINATOR, begin)
        return None if end < 0 else end + len(TERMINATOR)

    return length


def decode(reply: bytes, command: str) -> str:
    """Return the data in the reply to a command; a unit may be set to repeat the command in front of it.

    Raises:
        CommandRejectedError: the unit refuses.
        ProtocolError: what came is no reply.
    """
    text = reply.decode("latin-1").removeprefix(command).strip("\r")
    if text == REFUSED:
        raise CommandRejectedError(f"{command} refused: unknown, or out of the range of the unit")
    if not text or not (text.isascii() and text.isprintable()):
        raise ProtocolError(f"{command} answered with {reply!r}: garbled")
    return text


def decode_number(data: str) -> float:
    """Return the number in the data of a reading.

    Raises:
        ProtocolError: the data are none.
    """
    if NUMBER.fullmatch(data) is None:
        raise ProtocolError(f"{data!r} is no reading")
    return float(data)


def decode_done(data: str) -> str:
    """Return the data of a reply to a command that sets something.

    Raises:
        ProtocolError: the data do not say that it is done.
    """
    return _one_of(data, DONE)


class Polyscience4100(Instrument):
    """One chiller on one port. Temperatures are in the unit that it is set to, usually degC.

    Args:
        port: What :func:`~PyExpLabSys.transport.serial_channel.open_serial` opens.
        baudrate: As the chiller is set.
        transport: Where the chiller is connected already; the port's arguments mean nothing then.

    Attributes:
        max_setpoint: :meth:`set_setpoint` sets nothing above this.
        min_setpoint: Nor anything below this.
    """

    INFO = InstrumentInfo(
        maker="PolyScience",
        model="4100, 6000, DuraChill, LS",
        buses=("RS-232",),
        quantities={
            "read_temperature": "degC",
            "read_setpoint": "degC",
            "read_pressure": "bar",
            "read_flow_rate": "l/min",
            "read_ambient_temperature": "degC",
        },
        serial=SerialSettings(baudrate=9600),
    )
    #: As long as in the setups where these chillers run.
    TIMEOUT_S = 0.5
    #: The manual names no limit; twice the time-out leaves as much again for one that was busy.
    LATE_S = 1.0

    def __init__(
        self, port: str = "/dev/ttyUSB0", *, baudrate: int = 9600, transport: ByteTransport | None = None
    ) -> None:
        super().__init__(transport or open_serial(port, baudrate=baudrate), owns=transport is None)
        self.max_setpoint = 30.0
        self.min_setpoint = 10.0

    @classmethod
    def identify(cls, transport: ByteTransport) -> str | None:
        """Return a text if what answers has unit, status and temperature as these chillers have, None if not."""
        chiller = cls(transport=transport)
        try:
            return (
                f"PolyScience 4100 or alike, {chiller.read_temperature()} deg{chiller.read_unit()},"
                f" {chiller.read_status()}"
            )
        except InstrumentError:
            return None

    def comm(self, cmd: str) -> str:
        """Send a command and return the reply without its carriage return.

        Raises:
            CommandRejectedError: the chiller does not know it, or the value is out of its range.
        """
        return self._query(cmd, str)

    def set_setpoint(self, value: float) -> bool:
        """Regulate to a temperature in whole degrees, at least ``min_setpoint`` and at most ``max_setpoint``.

        Returns:
            True; what the chiller does not take raises CommandRejectedError.
        """
        if math.isnan(value):
            raise ValueError("nan is no setpoint")
        allowed = min(max(value, self.min_setpoint), self.max_setpoint)
        command = encode_setpoint(allowed)
        if allowed != value:
            LOGGER.warning(
                "%s: setpoint %s is outside %s to %s, %s is set",
                self._transport.name,
                value,
                self.min_setpoint,
                self.max_setpoint,
                allowed,
            )
        self._query(command, decode_done)
        return True

    def turn_unit_on(self, turn_on: bool) -> str:
        """Let the chiller run, or stand by; return its reply."""
        if not isinstance(turn_on, bool):
            raise ValueError(f"True turns the chiller on and False off, {turn_on!r} neither")
        return self._query(f"SO{turn_on:d}", decode_done)

    def read_setpoint(self) -> float:
        """Return the setpoint."""
        return self._query("RS", decode_number)

    def read_unit(self) -> str:
        """Return the unit of all temperatures: ``C`` or ``F``."""
        return self._query("RU", lambda data: _one_of(data, "C", "F"))

    def read_temperature(self) -> float:
        """Return the temperature of the fluid."""
        return self._query("RT", decode_number)

    def read_pressure(self) -> float:
        """Return the pressure of the fluid in bar."""
        return self._query("RK", decode_number) / KPA_IN_BAR

    def read_flow_rate(self) -> float:
        """Return the flow of the fluid in l/min."""
        return self._query("RL", decode_number)

    def read_ambient_temperature(self) -> float:
        """Return the temperature at the electronics."""
        return self._query("RA", decode_number)

    def read_status(self) -> str:
        """Return ``On`` if the chiller runs, ``Off`` if it stands by."""
        return {"1": "On", "0": "Off"}[self._query("RW", lambda data: _one_of(data, "0", "1"))]

    def read_fault_status(self) -> str:
        """Return the two characters of the fault status: ``00`` if all is well; the others depend on the model."""
        return self._query("RF", str)

    def _query(self, command: str, decode_data: Callable[[str], Answer]) -> Answer:
        """Return what ``decode_data`` makes of the data in the reply."""
        request = encode(command)
        return self._ask(request, reply_to(request), lambda reply: decode_data(decode(reply, command)))


def _one_of(data: str, *known: str) -> str:
    if data not in known:
        raise ProtocolError(f"{data!r} came where {' or '.join(known)} was expected")
    return data
