"""ProPar, the protocol of Bronkhorst: messages that read and set parameters, in hexadecimal digits.

Source: Bronkhorst's manual 9.17.027, "RS232 interface": ASCII messages, chained parameters, table of status codes.
"""

import math
import re
import struct
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from PyExpLabSys.errors import CommandRejectedError, ProtocolError

Value = int | float | str

LINE_END = b"\r\n"
FRAME = re.compile(rb":((?:[0-9A-F]{2})+)\r\n")
LONGEST = 0xFF

STATUS, WRITE, ANSWER, READ = 0x00, 0x01, 0x02, 0x04
#: Commands that set parameters without an answer.
UNANSWERED = frozenset({0x02, 0x03})
CHAINED = 0x80
#: The node that is connected directly, whatever its number on the bus.
LOCAL_NODE = 0x80

STATUS_TEXTS = {
    0x00: "ok",
    0x01: "process claimed",
    0x02: "command unknown",
    0x03: "process unknown",
    0x04: "parameter unknown",
    0x05: "parameter type wrong",
    0x06: "parameter value not allowed",
    0x07: "network not active",
    0x08: "time-out of the start character",
    0x09: "time-out of the serial line",
    0x0A: "hardware memory",
    0x0B: "node number",
    0x0C: "communication",
    0x0D: "parameter can only be read",
    0x0E: "communication with the computer",
    0x0F: "no RS-232 connection",
    0x10: "computer out of memory",
    0x11: "parameter can only be written",
    0x12: "configuration unknown",
    0x13: "no free node address",
    0x14: "wrong interface",
    0x15: "serial port",
    0x16: "opening of the communication",
    0x17: "communication",
    0x18: "bus master",
    0x19: "time-out of the answer",
    0x1A: "no start character",
    0x1B: "first digit",
    0x1C: "buffer overflow in the host",
    0x1D: "buffer overflow",
    0x1E: "no answer",
    0x1F: "closing of the communication",
    0x20: "synchronisation",
    0x21: "send error",
    0x22: "protocol",
    0x23: "buffer overflow in the module",
}
#: Of the interface itself, which has not reached the instrument.
ERROR_TEXTS = {3: "protocol", 4: "protocol", 5: "no such node, or it rejects the message", 9: "no answer of the node"}


class Kind(Enum):
    """The type of a parameter: its bits in a frame, and how its bytes are to be read."""

    CHAR = (0x00, ">B")
    INT = (0x20, ">H")
    LONG = (0x40, ">I")
    FLOAT = (0x40, ">f")
    STRING = (0x60, "")

    def __init__(self, bits: int, layout: str) -> None:
        self.bits = bits
        self.layout = layout


class Parameter(NamedTuple):
    """Something that an instrument knows.

    Attributes:
        process: The part of the instrument that has it.
        number: Its number there.
        length: Of a string that always has the same length, padded with blanks; 0: any.
    """

    process: int
    number: int
    kind: Kind
    length: int = 0


def encode(node: int, body: bytes) -> bytes:
    """Return the frame of a message: colon, length, node and body in hexadecimal digits, carriage return, line feed."""
    if len(body) >= LONGEST:
        raise ValueError(f"{len(body)} bytes do not fit into one message; ask for fewer parameters at once")
    return b":" + bytes([len(body) + 1, node, *body]).hex().upper().encode("ascii") + LINE_END


def addressed(request: bytes) -> tuple[int, int]:
    """Return for which node a frame is, and its command byte; ValueError if it is no frame."""
    match = FRAME.fullmatch(request)
    if match is None or len(match[1]) < 6:
        raise ValueError(f"{request!r} is no frame, such as ':06800401210120' with carriage return and line feed")
    _, node, command = bytes.fromhex(match[1].decode("ascii"))[:3]
    return node, command


def decode(reply: bytes, node: int) -> bytes:
    """Return the body of a reply, from its command byte on.

    Raises:
        CommandRejectedError: the reply says that there was an error.
        ProtocolError: it is garbled, or of another node.
    """
    match = FRAME.fullmatch(reply)
    message = bytes.fromhex(match[1].decode("ascii")) if match is not None else b""
    if len(message) < 2 or message[0] != len(message) - 1:
        raise ProtocolError(f"{reply!r} is no frame")
    if message[0] == 1:  # the interface, for an instrument that it did not reach
        code = message[1]
        raise CommandRejectedError(f"{reply!r}: error {code}, {ERROR_TEXTS.get(code, 'general')}")
    if message[1] != node:
        raise ProtocolError(f"{reply!r} is the answer of node {message[1]}, not of {node}")
    body = message[2:]
    if body[0] == STATUS and len(body) == 3 and body[1]:
        meaning = STATUS_TEXTS.get(body[1], "a code that the manual does not have")
        raise CommandRejectedError(f"{reply!r}: status {body[1]:02X}, {meaning}, at byte {body[2]} of the request")
    return body


def encode_read(
    parameters: Sequence[Parameter], node: int = LOCAL_NODE, *, indices: Sequence[int] | None = None
) -> bytes:
    """Return the request for some parameters; those of one process should stand together.

    Args:
        parameters: What is asked for.
        node: Who is asked.
        indices: By which numbers, up to 31, the answer calls them. By default their own, so that an answer tells what
            it answers.
    """
    body = bytearray([READ])
    for place, parameter in enumerate(parameters):
        process_mark, parameter_mark, begins = _chaining(parameters, place)
        index = parameter.number if indices is None else indices[place]
        if begins:
            body.append(parameter.process | process_mark)
        body += bytes([index | parameter.kind.bits | parameter_mark, parameter.process])
        body.append(parameter.number | parameter.kind.bits)
        if parameter.kind is Kind.STRING:
            body.append(parameter.length)
    return encode(node, bytes(body))


def decode_values(
    reply: bytes,
    parameters: Sequence[Parameter],
    node: int = LOCAL_NODE,
    *,
    indices: Sequence[int] | None = None,
) -> list[Value]:
    """Return the values in the answer to :func:`encode_read`, strings without their padding.

    Raises:
        CommandRejectedError: the instrument has no such parameter.
        ProtocolError: this is no answer to that request.
    """
    body = decode(reply, node)
    if body[0] != ANSWER:
        raise ProtocolError(f"{reply!r} is no answer to a request for values")
    rest = body[1:]
    values = []
    for place, parameter in enumerate(parameters):
        process_mark, parameter_mark, begins = _chaining(parameters, place)
        index = parameter.number if indices is None else indices[place]
        head = bytes([parameter.process | process_mark]) if begins else b""
        head += bytes([index | parameter.kind.bits | parameter_mark])
        if not rest.startswith(head):
            raise ProtocolError(f"{reply!r} is the answer to another request, or there is no {parameter} in it")
        value, rest = _take_value(rest[len(head) :], parameter, reply)
        values.append(value)
    if rest:
        raise ProtocolError(f"{reply!r} has more in it than was asked for")
    return values


def encode_write(parameter: Parameter, value: Value, node: int = LOCAL_NODE) -> bytes:
    """Return the request to set a parameter, and to say whether that was done."""
    head = bytes([WRITE, parameter.process, parameter.number | parameter.kind.bits])
    if isinstance(value, str):
        text = value.encode("ascii").ljust(parameter.length)
        data = bytes([parameter.length]) + text + (b"" if parameter.length else b"\0")
        if parameter.kind is not Kind.STRING or 0 < parameter.length < len(text):
            raise ValueError(f"{value!r} is no value of {parameter}")
        return encode(node, head + data)
    try:
        return encode(node, head + struct.pack(parameter.kind.layout, value))
    except struct.error as error:
        raise ValueError(f"{value!r} is no value of {parameter}: {error}") from None


def decode_written(reply: bytes, node: int = LOCAL_NODE) -> None:
    """Return if the answer to :func:`encode_write` says that it was done.

    Raises:
        CommandRejectedError: it says no.
        ProtocolError: it is no such answer.
    """
    body = decode(reply, node)
    if body[0] != STATUS or len(body) != 3:
        raise ProtocolError(f"{reply!r} does not say whether the value was taken")


def _chaining(parameters: Sequence[Parameter], place: int) -> tuple[int, int, bool]:
    """Return the marks of process and parameter, and whether the process is named here: it is once for all of it."""
    process = parameters[place].process
    later = parameters[place + 1 :]
    process_mark = CHAINED if any(parameter.process != process for parameter in later) else 0
    parameter_mark = CHAINED if later and later[0].process == process else 0
    return process_mark, parameter_mark, place == 0 or parameters[place - 1].process != process


def _take_value(data: bytes, parameter: Parameter, reply: bytes) -> tuple[Value, bytes]:
    """Return the value that the data begin with, and the data behind it."""
    if parameter.kind is Kind.STRING:
        length, text = data[:1], data[1:]
        end = text.find(b"\0") if length == b"\0" else int.from_bytes(length, "big")
        string = text[:end].decode("latin-1")
        if not length or not 0 <= end <= len(text) or not string.isprintable():
            raise ProtocolError(f"{reply!r} has no text for {parameter}")
        return string.rstrip(), text[end + (length == b"\0") :]
    size = struct.calcsize(parameter.kind.layout)
    if len(data) < size:
        raise ProtocolError(f"{reply!r} ends in the middle of {parameter}")
    value: int | float = struct.unpack(parameter.kind.layout, data[:size])[0]
    if not math.isfinite(value):
        raise ProtocolError(f"{reply!r}: {value} is no value of {parameter}")
    return value, data[size:]
