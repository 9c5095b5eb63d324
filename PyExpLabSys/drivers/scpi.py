r"""Driver for any instrument that is asked in SCPI, and the base of the drivers of those that have more to tell.

Source: IEEE 488.2-1992, sections 7 and 8 (what is sent and what comes back, blocks: 8.7.9), 10 (common commands), 11
(status); SCPI-1999, volume 1 chapter 6 (headers), volume 2 chapter 21 (error queue).
"""

import logging
import re
from collections.abc import Callable
from enum import IntFlag
from typing import ClassVar, NamedTuple

from PyExpLabSys.errors import CommandRejectedError, InstrumentError, ProtocolError
from PyExpLabSys.instrument import Answer, Instrument, InstrumentInfo
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.framing import Framing, until, until_any
from PyExpLabSys.transport.ieee488 import decode_block, decode_register, decode_text, reply_until
from PyExpLabSys.transport.serial_channel import SerialSettings, open_serial
from PyExpLabSys.transport.tcp_channel import open_tcp
from PyExpLabSys.transport.usbtmc_channel import open_usbtmc
from PyExpLabSys.transport.visa_channel import open_visa

LOGGER = logging.getLogger(__name__)

INTERFACES = ("file", "serial", "lan", "usbtmc", "gpib", "visa")
LINE_FEED = "\n"
#: No error queue is as long; one that has not become empty by then never will.
LONGEST_ERROR_QUEUE = 100

QUOTED = re.compile(r"\"[^\"]*\"?|'[^']*'?")
ERROR = re.compile(r"([+-]?\d+),\s*\"(.*)\"")


class EventStatus(IntFlag):
    """Bits of the standard event status register (IEEE 488.2, 11.5.1); reading it clears it."""

    OPERATION_COMPLETE = 1
    REQUEST_CONTROL = 2
    QUERY_ERROR = 4
    DEVICE_ERROR = 8
    EXECUTION_ERROR = 16
    COMMAND_ERROR = 32
    USER_REQUEST = 64
    POWER_ON = 128


class Identity(NamedTuple):
    """What ``*IDN?`` tells."""

    maker: str
    model: str
    serial: str
    firmware: str


class QueuedError(NamedTuple):
    """An entry of the error queue; code 0 means that it is empty."""

    code: int
    text: str


def encode(command: str, line_ending: str = LINE_FEED) -> bytes:
    """Return the bytes of a command.

    Raises:
        ValueError: it is empty, or has a character that cannot be sent, or that would end it too early.
    """
    if not command or not command.isascii() or not command.isprintable():
        raise ValueError(f"{command!r} is no command: printable ASCII in one line is needed")
    return (command + line_ending).encode("ascii")


def is_query(command: str) -> bool:
    """Return whether a command is answered: a header in it has a question mark (not its data, not a text in quotes)."""
    parts = QUOTED.sub("", command).split(";")
    return any("?" in part.split()[0] for part in parts if part.strip())


def decode_error(text: str) -> QueuedError:
    """Return an entry of the error queue: ``-113,"Undefined header"``.

    Raises:
        ProtocolError: it is none.
    """
    match = ERROR.fullmatch(text)
    if match is None:
        raise ProtocolError(f"{text!r} is no entry of an error queue")
    return QueuedError(int(match[1]), match[2].replace('""', '"'))


def decode_identity(text: str) -> Identity:
    """Return the four fields of an identification.

    Raises:
        ProtocolError: there are fewer.
    """
    fields = [field.strip() for field in text.split(",", 3)]
    if len(fields) != len(Identity._fields):
        raise ProtocolError(f"{text!r} is no identification: four fields are needed")
    return Identity(*fields)


def open_interface(
    interface: str,
    *,
    device: str,
    tcp_port: int,
    hostname: str,
    baudrate: int,
    visa_string: str,
    gpib_address: int | None,
) -> ByteTransport:
    """Open what the arguments of :class:`SCPI` name, by VISA what is none of the others."""
    match interface:
        case "serial":
            return open_serial(device, baudrate=baudrate, xonxoff=True)
        case "lan":
            return open_tcp(hostname, tcp_port)
        case "file":
            return open_usbtmc(device)
        case "gpib":
            if gpib_address is None:
                raise ValueError("interface 'gpib' wants a gpib_address")
            return open_visa(f"GPIB0::{gpib_address}::INSTR")
        case _:
            return open_visa(visa_string)


class SCPI(Instrument):
    r"""One instrument that understands SCPI, or is asked in another text language (``expect_return``).

    Args:
        interface: ``serial`` (``device``, ``baudrate``; 8N1, XON/XOFF), ``lan`` (``hostname``, ``tcp_port``), ``file``
            (``device``: a node of the kernel's usbtmc driver), ``usbtmc`` or ``visa`` (``visa_string``: the name of a
            VISA resource), ``gpib`` (``gpib_address`` on board 0, by VISA).
        device: Port or device node.
        tcp_port: Of the raw socket.
        hostname: Name or address.
        baudrate: As the instrument is set.
        visa_string: ``USB0::0x0957::0x2007::MY49000001::INSTR``, ``TCPIP::10.0.0.7::5025::SOCKET``.
        gpib_address: Primary address.
        line_ending: What ends a command (but for ``file``, where its last packet does), and on ``serial`` a reply.
        transport: Where the instrument is connected already; the arguments of other connections mean nothing then.

    Attributes:
        comm_dev: The transport.
        interface: As given.
        device: As given.
        line_ending: As given.
    """

    INFO = InstrumentInfo(
        maker="any maker's",
        model="instrument that speaks SCPI",
        buses=("TCP", "RS-232", "USB", "GPIB"),
        serial=SerialSettings(baudrate=9600, xonxoff=True),
    )
    TIMEOUT_S = 2.0
    #: An answer may come as late again as it may take; :meth:`_exchange` applies that to longer waits, too.
    LATE_S = 4.0
    #: What a model's name looks like, for :meth:`identify`.
    MODEL: ClassVar[re.Pattern[str]] = re.compile(".*")

    def __init__(
        self,
        interface: str,
        device: str = "",
        tcp_port: int = 5025,
        hostname: str = "",
        baudrate: int = 9600,
        visa_string: str = "",
        gpib_address: int | None = None,
        line_ending: str = "\r",
        *,
        transport: ByteTransport | None = None,
    ) -> None:
        if interface not in INTERFACES:
            raise ValueError(f"interface is one of {', '.join(INTERFACES)}, not {interface!r}")
        super().__init__(
            transport
            or open_interface(
                interface,
                device=device,
                tcp_port=tcp_port,
                hostname=hostname,
                baudrate=baudrate,
                visa_string=visa_string,
                gpib_address=gpib_address,
            ),
            owns=transport is None,
        )
        self.comm_dev = self._transport
        self.interface, self.device, self.line_ending = interface, device, line_ending
        self._request_ending = "" if interface == "file" else line_ending
        self._framing = reply_until((line_ending if interface == "serial" else LINE_FEED).encode("ascii"))

    @classmethod
    def identify(cls, transport: ByteTransport) -> str | None:
        """Return the identification of an instrument whose model this driver is for, None if there is none."""
        for ending in (b"\n", b"\r"):
            try:
                reply = transport.exchange(
                    b"*IDN?" + ending, until_any(b"\n", b"\r"), timeout_s=cls.TIMEOUT_S, late_s=cls.LATE_S
                )
                identity = decode_identity(decode_text(reply))
            except InstrumentError:
                continue
            return ", ".join(identity) if cls.MODEL.fullmatch(identity.model) else None
        return None

    def scpi_comm(self, command: str, expect_return: bool = False, *, timeout_s: float | None = None) -> str:
        """Send a command and return the reply without its line end; ``""`` if it is no query.

        What a setting does is not checked: :meth:`scpi_set` does that.

        Args:
            command: In any language; a question mark in a header makes it a query.
            expect_return: There is a reply, whatever the command looks like.
            timeout_s: For commands that take longer than others; by default 2 s.

        Raises:
            TransportTimeoutError: no reply; instruments give none if they refuse. :meth:`read_errors` may know why.
            ProtocolError: the reply is garbled.
        """
        if expect_return or is_query(command):
            return self._query(command, str, timeout_s=timeout_s)
        self._transport.send(encode(command, self._request_ending))
        return ""

    def scpi_block(self, command: str, *, timeout_s: float | None = None) -> bytes:
        """Ask what is answered with a definite-length block, and return the bytes in it."""
        return self._ask(encode(command, self._request_ending), self._framing, decode_block, timeout_s=timeout_s)

    def scpi_set(self, *commands: str) -> None:
        """Send commands without reply and make sure that the instrument accepts all of them.

        Raises:
            CommandRejectedError: it does not; the message has what its error queue says. The queue is empty then.
        """
        with self._transport.locked():
            for error in self.read_errors():
                LOGGER.warning("%s: from before in the error queue: %s, %s", self._transport.name, *error)
            for command in commands:
                self.scpi_comm(command)
            errors = self.read_errors()
        if errors:
            reasons = "; ".join(f"{error.code}, {error.text}" for error in errors)
            raise CommandRejectedError(f"{self._transport.name} refuses {'; '.join(commands)}: {reasons}")

    def read_errors(self) -> list[QueuedError]:
        """Empty the error queue and return what was in it, the oldest first."""
        errors: list[QueuedError] = []
        with self._transport.locked():
            while (error := self._query("SYST:ERR?", decode_error)).code:
                errors.append(error)
                if len(errors) > LONGEST_ERROR_QUEUE:
                    raise ProtocolError(f"{self._transport.name}: the error queue never ends, last came {error}")
        return errors

    def read_identity(self) -> Identity:
        """Return maker, model, serial number and firmware."""
        return self._query("*IDN?", decode_identity)

    def read_event_status(self) -> EventStatus:
        """Return the standard event status register, and clear it."""
        return EventStatus(self._query("*ESR?", decode_register) & 0xFF)

    def read_software_version(self) -> str:
        """Return the identification as the instrument sends it."""
        return self.scpi_comm("*IDN?")

    def reset_device(self) -> bool:
        """Bring all settings to those of the factory; return True."""
        self.scpi_comm("*RST")
        return True

    def device_clear(self) -> bool:
        """Stop what is being measured, and leave the settings as they are; return True."""
        self.scpi_comm("ABORt")
        return True

    def clear_error_queue(self) -> str:
        """Empty the error queue and all event registers; return the standard event status as it was, as text."""
        with self._transport.locked():
            status = self.scpi_comm("*ESR?")
            self.scpi_comm("*CLS")
        return status

    def _query(self, command: str, decode: Callable[[str], Answer], *, timeout_s: float | None = None) -> Answer:
        """Return what ``decode`` makes of the reply to a query."""
        request = encode(command, self._request_ending)
        return self._ask(request, self._framing, lambda reply: decode(decode_text(reply)), timeout_s=timeout_s)

    def _exchange(self, request: bytes, framing: Framing | bytes, *, timeout_s: float | None = None) -> bytes:
        """Send a request and return the bytes of the reply; the longer it may take, the longer may it be late."""
        limit_s = self.TIMEOUT_S if timeout_s is None else timeout_s
        end = until(framing) if isinstance(framing, bytes) else framing
        return self._transport.exchange(request, end, timeout_s=limit_s, late_s=max(self.LATE_S, 2 * limit_s))
