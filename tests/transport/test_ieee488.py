"""Where replies with blocks in them end, and what values look like."""

import math

import pytest

from PyExpLabSys.errors import CommandRejectedError, ProtocolError
from PyExpLabSys.transport.ieee488 import (
    decode_block,
    decode_number,
    decode_reading,
    decode_register,
    decode_text,
    reply_until,
)

REPLIES = [
    pytest.param(b"+1.5E+00\n", id="number"),
    pytest.param(b"\n", id="empty"),
    pytest.param(b"#214(@101,102,103)\n", id="block"),
    pytest.param(b"#13A\nB\n", id="terminator-in-a-block"),
    pytest.param(b"#15\n#9\n9\n", id="what-looks-like-a-block-in-a-block"),
    pytest.param(b"1;#13\n\n\n;#12;\n,2\n", id="blocks-between-other-values"),
    pytest.param(b'"a #19;,#15",1\n', id="text-that-looks-like-a-block"),
    pytest.param(b"#B1000\n", id="binary-number"),
    pytest.param(b"+10155RDNG#,#\n", id="number-signs-without-meaning"),
    pytest.param(b"#3ab\n", id="noise-that-begins-like-a-block"),
    pytest.param(b"#10\n", id="empty-block"),
    pytest.param(b'"torn text\n', id="quote-without-end"),
]


@pytest.mark.parametrize("reply", REPLIES)
def test_reply_ends_where_it_ends_however_it_comes(reply: bytes) -> None:
    framing = reply_until(b"\n")
    for come in range(len(reply)):
        assert framing(reply[:come]) is None
    assert framing(reply) == framing(reply + b"#15abc") == len(reply)


def test_terminator_of_two_bytes() -> None:
    framing = reply_until(b"\r\n")
    assert framing(b"#14\r\n\r\n\r") is None
    assert framing(b"#14\r\n\r\n\r\n+") == 9
    with pytest.raises(ValueError, match="terminator"):
        reply_until(b"")


def test_block_that_claims_gigabytes_is_noise() -> None:
    with pytest.raises(ProtocolError, match="999999999 bytes"):
        reply_until(b"\n")(b"#9999999999")


@pytest.mark.parametrize(
    ("reply", "data"),
    [
        (b"#214(@101,102,103)\n", b"(@101,102,103)"),
        (b"#13(@)\n", b"(@)"),
        (b"#10\n", b""),
        (b"\n#14\n\n\n\n\r\n", b"\n" * 4),
    ],
)
def test_blocks(reply: bytes, data: bytes) -> None:
    assert decode_block(reply) == data


@pytest.mark.parametrize(
    "reply", [b"(@101)\n", b"#0(@)\n", b"#15(@)\n", b"#13(@)x\n", b"#2x3(@)\n", b"#", b"", b"#29\n"]
)
def test_what_is_no_block(reply: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_block(reply)


@pytest.mark.parametrize("reply", [b"+1.0\n", b"+1.0\r\n", b"\n+1.0\r", b" +1.0 \n", b"+1.0"])
def test_text_has_no_line_ends(reply: bytes) -> None:
    assert decode_text(reply) == "+1.0"


def test_text_of_several_columns() -> None:
    assert decode_text(b"1\t2\n") == "1\t2"


@pytest.mark.parametrize("reply", [b"\xff+1.0\n", b"+1\x00.0\n", b"+1\x1b.0\n", b"+1\n.0\n"])
def test_garbled_text(reply: bytes) -> None:
    with pytest.raises(ProtocolError, match="garbled"):
        decode_text(reply)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+1.04523087E-03", 0.00104523087),
        ("1", 1.0),
        ("-12", -12.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("9.89E37", 9.89e37),
    ],
)
def test_numbers(text: str, number: float) -> None:
    assert decode_reading(text) == decode_number(text) == number


@pytest.mark.parametrize("text", ["", "+", "VDC", "+1.0VDC", "1,2", "nan", "inf", "1_0", "++1", "0x10", "1.0E"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ProtocolError, match="no number"):
        decode_reading(text)


def test_overload_is_no_value() -> None:
    assert decode_reading("+9.90000000E+37") == decode_reading("+9.9E37") == math.inf
    assert decode_reading("-9.9E+37") == -math.inf
    assert math.isnan(decode_reading("+9.910000E+37"))
    for text in ("+9.90000000E+37", "-9.9E37", "+9.91E37"):
        with pytest.raises(CommandRejectedError, match="no value"):
            decode_number(text)


def test_registers() -> None:
    assert decode_register("+16") == 16
    assert decode_register("128") == 128
    for text in ("-1", "1.5", "x"):
        with pytest.raises(ProtocolError):
            decode_register(text)
