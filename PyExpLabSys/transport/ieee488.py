"""What replies of SCPI instruments are made of: texts, numbers, blocks of bytes; and where such a reply ends.

Source: IEEE 488.2-1992, section 8 (blocks: 8.7.9); SCPI-1999, volume 1, 7.2.1 (what stands in place of a number).
"""

import math
import re

from PyExpLabSys.errors import CommandRejectedError, ProtocolError
from PyExpLabSys.transport.framing import Framing

#: A block that claims to be longer than this is noise: no memory of such an instrument is larger.
LONGEST_BLOCK_BYTES = 2**28

#: What instruments send in place of a number.
OVERLOAD = 9.9e37
NOT_A_NUMBER = 9.91e37

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(E[+-]?\d+)?", re.IGNORECASE)
BLOCK = re.compile(rb"#([1-9])")


def reply_until(terminator: bytes) -> Framing:
    r"""A reply ends at a terminator, but not at one within a block: ``#14A\nBC\n`` is one reply.

    A block is a number sign, one digit that says how many digits follow, and these, which say how many bytes follow.
    """
    if not terminator:
        raise ValueError("an empty terminator ends nothing")
    # A number sign begins a block only where a value begins, and not within a text in quotes.
    piece = re.compile(rb"\"[^\"\r\n]*\"|(?<![^,;\r\n])#([1-9])|" + re.escape(terminator))

    def length(buffer: bytes) -> int | None:
        if b"#" not in buffer:  # the readings of a long scan come in many pieces: look at each quickly
            end = buffer.find(terminator)
            return None if end < 0 else end + len(terminator)
        position = 0
        while match := piece.search(buffer, position):
            if match[0] == terminator:
                return match.end()
            position = match.end()
            if match[1] is not None:
                position = _end_of_block(buffer, position, int(match[1]))
        return None

    return length


def _end_of_block(buffer: bytes, position: int, wanted: int) -> int:
    """Return where a block ends whose digits begin at this position; where it is, if there are no digits."""
    digits = buffer[position : position + wanted]
    if not digits.isdigit():
        return position
    if int(digits) > LONGEST_BLOCK_BYTES:
        raise ProtocolError(f"{buffer[:40]!r} claims a block of {int(digits)} bytes")
    # If some of the digits have not come yet, this is beyond the buffer as well, and all will be looked at again.
    return position + wanted + int(digits)


def decode_text(reply: bytes) -> str:
    """Return a reply as text without spaces and line ends around it, whichever of these the instrument sends.

    Raises:
        ProtocolError: it is no printable ASCII.
    """
    text = reply.decode("latin-1").strip("\r\n \0")
    if not text.isascii() or not text.replace("\t", " ").isprintable():
        raise ProtocolError(f"{reply[:200]!r} is garbled")
    return text


def decode_block(reply: bytes) -> bytes:
    r"""Return what is in a definite-length block: ``b"(@101)"`` of ``b"#16(@101)\n"``.

    Raises:
        ProtocolError: it is none, or not whole, or more comes behind it.
    """
    start = reply.lstrip(b"\r\n ")
    match = BLOCK.match(start)
    digits = start[2 : 2 + int(match[1])] if match else b""
    if match is None or len(digits) != int(match[1]) or not digits.isdigit():
        raise ProtocolError(f"{reply[:200]!r} is no block")
    begin = 2 + len(digits)
    end = begin + int(digits)
    if len(start) < end or start[end:].strip(b"\r\n"):
        raise ProtocolError(f"{reply[:200]!r} does not have the {int(digits)} bytes that it claims")
    return start[begin:end]


def decode_reading(text: str) -> float:
    """Return a number, infinite if it stands for an overload, NaN if it stands for "not a number".

    Raises:
        ProtocolError: it is none.
    """
    if NUMBER.fullmatch(text.strip()) is None:
        raise ProtocolError(f"{text[:200]!r} is no number")
    number = float(text)
    if abs(number) == NOT_A_NUMBER:
        return math.nan
    return math.copysign(math.inf, number) if abs(number) >= OVERLOAD else number


def decode_number(text: str) -> float:
    """Return a number where nothing but a number will do.

    Raises:
        CommandRejectedError: it stands for an overload, or for "not a number".
        ProtocolError: it is none.
    """
    number = decode_reading(text)
    if not math.isfinite(number):
        raise CommandRejectedError(f"{text} is no value: overload, or nothing was measured")
    return number


def decode_register(text: str) -> int:
    """Return the bits of a register.

    Raises:
        ProtocolError: it is no number from 0 up.
    """
    number = decode_number(text)
    if number < 0 or number != int(number):
        raise ProtocolError(f"{text!r} is no register")
    return int(number)
