"""Driver for the MKS 925 MicroPirani, a vacuum transducer on RS-232 or RS-485.

Source: MKS' manual of the 925 transducer: the protocol of the 9xx family (frames, addresses), table of commands, NAK
codes.
"""

import re
from collections.abc import Callable
from typing import TypeVar

from PyExpLabSys.errors import CommandRejectedError, InstrumentError, ProtocolError
from PyExpLabSys.instrument import Instrument, InstrumentInfo
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.serial_channel import SerialSettings, open_serial

Answer = TypeVar("Answer")

TERMINATOR = b";FF"
#: All instruments on the line obey and answer, each with its own address: for a line with only one.
UNIVERSAL_ADDRESS = 254
FACTORY_BAUDRATE = 9600
BAUDRATES = (4800, 9600, 19200, 38400, 57600, 115200, 230400)
UNITS = ("TORR", "MBAR", "PASCAL")
COMMAND = re.compile(r"[A-Za-z0-9]+(?:\?|![ -:<-~]*)")
REPLY = re.compile(rb"@(\d{3})(ACK|NAK)([ -:<-~]*);FF")
NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:E[+-]?\d+)?")
SERIAL = re.compile(r"\d{10,12}")
REASONS = {
    "8": "the pressure is too high to adjust zero",
    "9": "the pressure is too low to adjust the atmosphere",
    "160": "command unknown",
    "169": "argument wrong",
    "172": "value out of range",
    "175": "? or ! missing or wrong",
    "180": "parameter locked",
}

#: How long in s after its reply it may take until it uses a new speed: nothing on the line tells when it does.
SPEED_CHANGE_S = 0.1


def encode(command: str, address: int = UNIVERSAL_ADDRESS) -> bytes:
    """Return the frame of a command: at sign, three digits of address, command, ``;FF``.

    Args:
        command: ``PR1?`` to ask, ``U!MBAR`` to set.
        address: 1 to 253, or 254 for whoever is there.
    """
    if not 1 <= address <= UNIVERSAL_ADDRESS:
        raise ValueError(f"address {address} is outside 1 to 254 (255 reaches everybody, but is never answered)")
    if COMMAND.fullmatch(command) is None:
        raise ValueError(f"{command!r} is no command: PR1? asks, U!MBAR sets")
    return f"@{address:03d}{command}".encode("ascii") + TERMINATOR


def decode(reply: bytes, command: str, address: int = UNIVERSAL_ADDRESS) -> str:
    """Return the data in the reply to a command.

    Args:
        reply: What came, with its ``;FF``.
        command: What was asked, for the messages.
        address: Who was asked; who answers to the universal address tells its own.

    Raises:
        CommandRejectedError: the reply is a NAK.
        ProtocolError: the reply is garbled, or from another instrument.
    """
    match = REPLY.fullmatch(reply)
    if match is None:
        raise ProtocolError(f"{command} answered with {reply!r}: garbled")
    sender, verdict, data = match[1].decode("ascii"), match[2], match[3].decode("ascii")
    if address not in {UNIVERSAL_ADDRESS, int(sender)}:
        raise ProtocolError(f"{command} for address {address:03d} answered by {sender}")
    if verdict == b"NAK":
        reason = REASONS.get(data, "a code that the manual does not have") if data else "it says no reason"
        raise CommandRejectedError(f"{command} refused by address {sender} with NAK{data}: {reason}")
    return data


def decode_number(data: str) -> float:
    """Return the number in the data of a reply: ``1.23E-3``.

    Raises:
        ProtocolError: the data are no number.
    """
    if NUMBER.fullmatch(data) is None:
        raise ProtocolError(f"{data!r} is no number")
    return float(data)


class Mks925(Instrument):
    """One transducer; several with different addresses may share a line, as ``transport=``.

    Args:
        port: What :func:`~PyExpLabSys.transport.serial_channel.open_serial` opens.
        address: 1 to 253; by default whoever is there, which is for a line with only one.
        baudrate: As the instrument is set, 9600 when it comes from the factory.
        transport: Where the instrument is connected already; the port's arguments mean nothing then.
    """

    INFO = InstrumentInfo(
        maker="MKS",
        model="925 MicroPirani",
        buses=("RS-232", "RS-485"),
        quantities={"read_pressure": "Torr, mbar or Pa, as set"},
        serial=SerialSettings(baudrate=FACTORY_BAUDRATE),
    )
    #: As long as in the setups where these instruments run; answers usually come within some 10 ms.
    TIMEOUT_S = 2.0
    #: The manual names no limit; twice the time-out leaves as much again for one that was busy.
    LATE_S = 4.0

    def __init__(
        self,
        port: str,
        *,
        address: int = UNIVERSAL_ADDRESS,
        baudrate: int = FACTORY_BAUDRATE,
        transport: ByteTransport | None = None,
    ) -> None:
        encode("PR1?", address)  # an address that does not exist shows before a port is opened
        super().__init__(transport or open_serial(port, baudrate=baudrate), owns=transport is None)
        self._port = port
        self._address = address

    @classmethod
    def identify(cls, transport: ByteTransport) -> str | None:
        """Return model and serial number of the 925 that is alone on this line, None if there is none."""
        gauge = cls("", transport=transport)
        try:
            model = gauge._query("MD?", str)
            return f"MKS {model}, serial number {gauge.read_serial()}" if model.startswith("925") else None
        except InstrumentError:
            return None

    def comm(self, command: str) -> str:
        """Send a command and return the whole reply: ``comm("PR1?")`` returns ``@253ACK1.23E-3;FF``.

        Raises:
            CommandRejectedError: the instrument refuses.
            ProtocolError: the reply is garbled, or from another instrument.
        """
        return self._reply(command, str)

    def read_pressure(self) -> float:
        """Return the pressure in the unit that the instrument is set to, Torr when it comes from the factory."""
        return self._query("PR1?", decode_number)

    def read_unit(self) -> str:
        """Return the unit of the pressure: ``TORR``, ``MBAR`` or ``PASCAL``."""
        return self._query("U?", _decode_unit)

    def change_unit(self, unit: str) -> str:
        """Set the unit of the pressure, ``TORR``, ``MBAR`` or ``PASCAL``, and return the whole reply."""
        if unit not in UNITS:
            raise ValueError(f"unit {unit!r} is none of {', '.join(UNITS)}")
        return self._reply(f"U!{unit}", _expect(unit))

    def read_serial(self) -> str:
        """Return the serial number."""
        return self._query("SN?", _decode_serial)

    def set_comm_speed(self, speed: int) -> str:
        """Set the speed of the instrument, open its port again at that, and return the whole reply.

        If this fails on the way, the instrument may have either speed: open it anew with ``baudrate=``.

        Args:
            speed: In baud, 4800 to 230400.

        Raises:
            ValueError: there is no such speed; or the transport was given, and who opened it must open it again.
        """
        if speed not in BAUDRATES:
            raise ValueError(f"{speed} baud is none of {', '.join(map(str, BAUDRATES))}")
        if not self._owns:
            raise ValueError(f"the line was opened elsewhere: send comm('BR!{speed}') and open it there at that speed")
        with self._transport.locked():
            reply = self._reply(f"BR!{speed}", _expect(str(speed)))
            clock = self._transport.clock
            self._transport.close()
            clock.sleep(SPEED_CHANGE_S)
            self._transport = open_serial(self._port, baudrate=speed)
        self._query("BR?", _expect(str(speed)))
        return reply

    def _query(self, command: str, decode_data: Callable[[str], Answer]) -> Answer:
        """Return what ``decode_data`` makes of the data in the reply."""
        return self._ask(
            encode(command, self._address),
            TERMINATOR,
            lambda reply: decode_data(decode(reply, command, self._address)),
        )

    def _reply(self, command: str, check_data: Callable[[str], object]) -> str:
        """Return the whole reply, after ``check_data`` has seen its data."""

        def check(reply: bytes) -> str:
            check_data(decode(reply, command, self._address))
            return reply.decode("ascii")

        return self._ask(encode(command, self._address), TERMINATOR, check)


def _decode_unit(data: str) -> str:
    if data not in UNITS:
        raise ProtocolError(f"{data!r} is no unit")
    return data


def _decode_serial(data: str) -> str:
    if SERIAL.fullmatch(data) is None:
        raise ProtocolError(f"{data!r} is no serial number")
    return data


def _expect(value: str) -> Callable[[str], str]:
    """Return a check that an instrument repeats what was set."""

    def check(data: str) -> str:
        if data != value:
            raise ProtocolError(f"{data!r} came back where {value!r} was set")
        return data

    return check
