"""Driver for Omega iSeries controllers and meters: CNi16, CNi32, CNi8 and DPi.

Source: Omega's manual of the iSeries' communication option: command structure, table of commands, error messages.
"""

import re
from collections.abc import Callable
from typing import ClassVar, TypeVar

from PyExpLabSys.errors import CommandRejectedError, InstrumentError, ProtocolError
from PyExpLabSys.instrument import Instrument, InstrumentInfo
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.serial_channel import SerialSettings, open_serial

Answer = TypeVar("Answer")

TERMINATOR = b"\r"
RECOGNITION_CHARACTER = "*"
HIGHEST_ADDRESS = 0xC7
COMMAND = re.compile(r"[A-Z][0-9A-F]{2}")
NUMBER = re.compile(r"[+-]?\d+\.?\d*")
REFUSAL = re.compile(r"\?(\d\d)")
UNANSWERED_WITHOUT_ECHO = "PWDEZ"
REASONS = {"43": "command unknown", "46": "format wrong", "48": "checksum wrong", "50": "parity wrong", "56": "address"}

#: Bits of a setpoint: sign, place of the decimal point (1: after the last digit), magnitude.
SETPOINT_SIGN = 0x800000
SETPOINT_MAGNITUDE = 0x0FFFFF
SETPOINT_MAX_DECIMALS = 3
ALARM_NONE = 0x40


def encode_address(address: int | str) -> str:
    """Return the two digits by which an instrument on RS-485 is called.

    Args:
        address: A number, 0 to 199, or the hexadecimal digits that the instrument shows: ``"1"``, ``"0A"``.
    """
    number = int(address, 16) if isinstance(address, str) else address
    if not 0 <= number <= HIGHEST_ADDRESS:
        raise ValueError(f"address {address!r} is outside 0 to {HIGHEST_ADDRESS} (hexadecimal C7)")
    return f"{number:02X}"


def encode(command: str, address: str = "", recognition_character: str = RECOGNITION_CHARACTER) -> bytes:
    """Return the frame of a command: recognition character, address, letter and two digits, data, carriage return."""
    if not COMMAND.match(command):
        raise ValueError(f"{command!r} does not begin with a letter and two hexadecimal digits")
    return (recognition_character + address + command).encode("ascii") + TERMINATOR


def decode(reply: bytes, command: str, address: str = "", *, echo: bool = True) -> str:
    """Return the data in the reply to a command.

    Args:
        reply: What came, with its carriage return.
        command: What was asked; its first three characters come back in front of the data if the echo is on.
        address: The address that was asked, empty on RS-232.
        echo: Whether the instrument is set to repeat the command.

    Raises:
        CommandRejectedError: the reply is an error code.
        ProtocolError: the reply does not repeat the command, or is garbled.
    """
    prefix = address + command[:3]
    text = reply.decode("latin-1").removesuffix("\r")
    refusal = REFUSAL.fullmatch(text.removeprefix(address))
    if refusal is not None:
        reason = REASONS.get(refusal[1], "a code that the manual does not have")
        raise CommandRejectedError(f"{prefix} refused with {text}: {reason}")
    if not reply.endswith(TERMINATOR) or not (text.isascii() and text.isprintable()):
        raise ProtocolError(f"{prefix} answered with {reply!r}: garbled")
    if not echo:
        return text
    if not text.startswith(prefix):
        raise ProtocolError(f"{prefix} answered with {reply!r}: not the answer to this command")
    return text.removeprefix(prefix)


def decode_number(data: str) -> float:
    """Return the number in the data of a reading.

    Raises:
        CommandRejectedError: the instrument has no reading: the sensor is open, or beyond the range.
        ProtocolError: the data are no number.
    """
    if data.startswith("?"):
        raise CommandRejectedError(f"no reading, the instrument shows {data!r}: beyond its range, or no sensor")
    if NUMBER.fullmatch(data) is None:
        raise ProtocolError(f"{data!r} is no reading")
    return float(data)


def encode_setpoint(value: float, decimals: int = 1) -> str:
    """Return a setpoint as six hexadecimal digits: ``2003E8`` is 100.0."""
    if not 0 <= decimals <= SETPOINT_MAX_DECIMALS:
        raise ValueError(f"a setpoint has 0 to {SETPOINT_MAX_DECIMALS} decimals, not {decimals}")
    magnitude = round(abs(value) * 10**decimals)
    if magnitude > SETPOINT_MAGNITUDE:
        raise ValueError(f"{value} with {decimals} decimals is too large for this instrument")
    sign = SETPOINT_SIGN if value < 0 else 0
    return f"{sign | (decimals + 1) << 20 | magnitude:06X}"


def decode_setpoint(data: str) -> float:
    """Return the setpoint in six hexadecimal digits.

    Raises:
        ProtocolError: these are not six such digits, or they have no decimal point.
    """
    if re.fullmatch(r"[0-9A-F]{6}", data) is None or not int(data, 16) >> 20 & 7:
        raise ProtocolError(f"{data!r} is no setpoint")
    bits = int(data, 16)
    value = (bits & SETPOINT_MAGNITUDE) / 10.0 ** ((bits >> 20 & 7) - 1)
    return -value if bits & SETPOINT_SIGN else value


def decode_alarms(data: str) -> tuple[bool, bool]:
    """Return whether alarm 1 and alarm 2 are on: ``@`` none, ``A`` the first, ``B`` the second, ``C`` both.

    Raises:
        ProtocolError: the data are none of these.
    """
    if data not in {"@", "A", "B", "C"}:
        raise ProtocolError(f"{data!r} is no state of two alarms")
    bits = ord(data) - ALARM_NONE
    return bool(bits & 1), bool(bits & 2)


class ISeries(Instrument):
    """One port with one instrument (RS-232) or several (RS-485).

    Args:
        port: What :func:`~PyExpLabSys.transport.serial_channel.open_serial` opens.
        baudrate: As the instrument is set: 9600 when it comes from the factory, 19200 in most setups.
        comm_stnd: ``rs232``, or ``rs485``, where each question names the address of the instrument that is meant.
        echo: Whether the instrument is set to repeat the command in its answer, as it is when it comes from the
            factory. Keep it so: without, only the look of an answer says whose it is.
        transport: Where the instrument is connected already; the port's arguments mean nothing then.
    """

    INFO = InstrumentInfo(
        maker="Omega",
        model="iSeries CNi16, CNi32, CNi8, DPi",
        buses=("RS-232", "RS-485"),
        quantities={"read_temperature": "degC", "read_setpoint": "degC"},
        serial=SerialSettings(baudrate=9600, bytesize=7, parity="O"),
    )
    #: As long as in the setups where these instruments run.
    TIMEOUT_S = 2.0
    #: The manual names no limit; twice the time-out leaves as much again for one that was busy.
    LATE_S = 4.0
    #: What begins a question, as the instrument is set: a subclass for one that is set otherwise has another.
    pre_string: ClassVar[str] = RECOGNITION_CHARACTER
    end_string: ClassVar[str] = TERMINATOR.decode("ascii")
    #: On RS-485, who is meant if nobody is named.
    DEFAULT_ADDRESS: ClassVar[str] = "1"

    def __init__(
        self,
        port: str,
        baudrate: int = 19200,
        comm_stnd: str = "rs232",
        *,
        echo: bool = True,
        transport: ByteTransport | None = None,
    ) -> None:
        if comm_stnd not in {"rs232", "rs485"}:
            raise ValueError(f"comm_stnd is 'rs232' or 'rs485', not {comm_stnd!r}")
        super().__init__(
            transport or open_serial(port, baudrate=baudrate, bytesize=7, parity="O"), owns=transport is None
        )
        self._addressed = comm_stnd == "rs485"
        self._echo = echo

    @classmethod
    def identify(cls, transport: ByteTransport) -> str | None:
        """Return which iSeries instrument answers a harmless question, for its reading; None if none does."""
        for comm_stnd in ("rs232", "rs485"):
            try:
                reading = cls("", comm_stnd=comm_stnd, transport=transport).command("X01")
            except InstrumentError:
                continue
            return f"Omega iSeries ({comm_stnd}), it shows {reading}"
        return None

    def command(
        self,
        command: str,
        response_length: int | None = None,  # noqa: ARG002 (scripts give it; a reply ends with its carriage return)
        address: int | str | None = None,
    ) -> str:
        """Send a command and return the data in the reply, without what it repeats of the command.

        Args:
            command: Letter, two hexadecimal digits and data: ``X01``, ``W012003E8``.
            response_length: Not needed any more.
            address: On RS-485 a number, or hexadecimal digits as the instrument shows them; by default ``"1"``.

        Raises:
            CommandRejectedError: the instrument refuses.
            ProtocolError: the reply is garbled, or one to another command.
        """
        if not self._echo and command[:1] in UNANSWERED_WITHOUT_ECHO:
            self._transport.send(encode(command, self._called(address), self.pre_string))
            # Nothing comes back, unless it refuses: that must not be taken for the next answer.
            self._transport.mark_out_of_step()
            return ""
        return self._query(command, address, str)

    def read_temperature(self, address: int | str | None = None) -> float:
        """Return the present reading in the unit that the instrument shows, usually degC.

        Raises:
            CommandRejectedError: it has none: the sensor is open, or beyond the range.
        """
        return self._query("X01", address, decode_number)

    def read_setpoint(self, number: int = 1, address: int | str | None = None) -> float:
        """Return setpoint 1 or 2 as stored, in the unit that the instrument shows, usually degC."""
        return self._query(f"R{_setpoint_index(number)}", address, decode_setpoint)

    def set_setpoint(
        self, temperature_degc: float, number: int = 1, address: int | str | None = None, *, decimals: int = 1
    ) -> None:
        """Store setpoint 1 or 2 (in the unit that the instrument shows).

        It goes to a memory that endures a limited number of writings: not for ramps.
        """
        self.command(f"W{_setpoint_index(number)}{encode_setpoint(temperature_degc, decimals)}", address=address)

    def read_alarms(self, address: int | str | None = None) -> tuple[bool, bool]:
        """Return whether alarm 1 and alarm 2 are on."""
        return self._query("U01", address, decode_alarms)

    def identify_device(self, address: int | str | None = None) -> str:
        """Return what the instrument answers to ``R26``, which some setups take for its name."""
        return self.command("R26", address=address)

    def reset_device(self, address: int | str | None = None) -> str:
        """Restart the instrument, as if its supply had been switched off and on; return the data of its reply."""
        return self.command("Z02", address=address)

    def _query(self, command: str, address: int | str | None, decode_data: Callable[[str], Answer]) -> Answer:
        called = self._called(address)
        return self._ask(
            encode(command, called, self.pre_string),
            TERMINATOR,
            lambda reply: decode_data(decode(reply, command, called, echo=self._echo)),
        )

    def _called(self, address: int | str | None) -> str:
        """Return what stands before a command: nothing on RS-232."""
        if self._addressed:
            return encode_address(self.DEFAULT_ADDRESS if address is None else address)
        if address is not None:
            raise ValueError(f"address {address!r} on RS-232: addresses are for comm_stnd='rs485'")
        return ""


class CNi3244_C24(ISeries):  # noqa: N801 (by this name scripts know it)
    """A CNi3244-C24 on RS-232 at 19200 baud."""

    def __init__(self, port: str, *, transport: ByteTransport | None = None) -> None:
        super().__init__(port, transport=transport)


def _setpoint_index(number: int) -> str:
    if number not in {1, 2}:
        raise ValueError(f"setpoint {number}: there are 1 and 2")
    return f"{number:02d}"
