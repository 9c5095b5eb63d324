"""Where messages end."""

import pytest

from PyExpLabSys.errors import ProtocolError
from PyExpLabSys.transport.framing import Framing, counted, exactly, until, until_any

NETSTRING = counted(2, lambda header: 2 + header[1], longest=20)


@pytest.mark.parametrize(
    ("framing", "buffer", "length"),
    [
        (until(b"\r"), b"", None),
        (until(b"\r"), b"abc", None),
        (until(b"\r"), b"abc\rd", 4),
        (until(b"\r\n"), b"abc\r", None),
        (until(b"\r\n"), b"a\rbc\r\nd\r\n", 6),
        (until_any(b"FF", b"\r"), b"abcd", None),
        (until_any(b"FF", b"\r"), b"aFFb\r", 3),
        (until_any(b"FF", b"\r"), b"a\rbFF", 2),
        (exactly(3), b"AB", None),
        (exactly(3), b"abcd", 3),
        (NETSTRING, b":", None),
        (NETSTRING, b":\x03ab", None),
        (NETSTRING, b":\x03abcd", 5),
        (NETSTRING, b":\x00x", 2),
    ],
)
def test_length_of_the_first_message(framing: Framing, buffer: bytes, length: int | None) -> None:
    assert framing(buffer) == length


def test_message_that_claims_too_much_is_noise() -> None:
    with pytest.raises(ProtocolError, match="claims a message of 257 bytes"):
        NETSTRING(b":\xff")
    with pytest.raises(ProtocolError, match="claims"):
        counted(4, lambda _: 2)(b"abcd")


@pytest.mark.parametrize(
    "make",
    [lambda: until(b""), until_any, lambda: exactly(0), lambda: counted(0, len)],
    ids=["until", "any", "0", "h0"],
)
def test_framing_that_ends_nothing(make) -> None:
    with pytest.raises(ValueError, match=r"."):
        make()
