"""ProPar: frames of the manual, chains, and all that is no valid reply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from PyExpLabSys.errors import CommandRejectedError, ProtocolError
from PyExpLabSys.transport.propar import (
    Kind,
    Parameter,
    Value,
    addressed,
    decode,
    decode_values,
    decode_written,
    encode,
    encode_read,
    encode_write,
)

MEASURE = Parameter(1, 0, Kind.INT)
SETPOINT = Parameter(1, 1, Kind.INT)
CONTROL_MODE = Parameter(1, 4, Kind.CHAR)
CAPACITY = Parameter(1, 13, Kind.FLOAT)
FLUID = Parameter(1, 17, Kind.STRING, 10)
CAPACITY_UNIT = Parameter(1, 31, Kind.STRING, 7)
FMEASURE = Parameter(33, 0, Kind.FLOAT)
SERIAL_NUMBER = Parameter(113, 3, Kind.STRING)
USER_TAG = Parameter(113, 6, Kind.STRING)
VALVE = Parameter(114, 1, Kind.LONG)
IDENTIFICATION = (SERIAL_NUMBER, USER_TAG, MEASURE, CAPACITY, CAPACITY_UNIT, FLUID)


@pytest.mark.parametrize(
    ("parameters", "indices", "request_digits", "reply_digits", "values"),
    [
        pytest.param((MEASURE,), (1,), "06800401210120", "06800201211F40", [8000], id="measure"),
        pytest.param((SETPOINT,), (1,), "06800401210121", "06800201213E80", [16000], id="setpoint"),
        pytest.param((FMEASURE,), (0,), "06800421402140", "08800221403FA00000", [1.25], id="fmeasure"),
        pytest.param(
            IDENTIFICATION,
            (12, 13, 14, 15, 16, 17),
            "1A8004F1EC7163006D71660001AE0120CF014DF0017F077101710A",
            "388002F1EC004D313233343536373841006D00555345525441470001AE1F40CF40A00000"
            "F0076D6C6E2F6D696E710A4E322020202020202020",
            ["M12345678A", "USERTAG", 8000, 5.0, "mln/min", "N2"],
            id="identification-chained",
        ),
        pytest.param((VALVE,), (1,), "06800472417241", "088002724100FFFFFF", [16777215], id="long"),
        pytest.param((CONTROL_MODE,), (4,), "06800401040104", "0580020104FF", [255], id="char"),
    ],
)
def test_reading(
    parameters: tuple[Parameter, ...],
    indices: tuple[int, ...],
    request_digits: str,
    reply_digits: str,
    values: list[Value],
) -> None:
    assert encode_read(parameters, indices=indices) == f":{request_digits}\r\n".encode()
    assert decode_values(f":{reply_digits}\r\n".encode(), parameters, indices=indices) == values


@pytest.mark.parametrize(
    ("parameter", "value", "request_digits", "reply_digits"),
    [
        pytest.param(SETPOINT, 16000, "06800101213E80", "0480000005", id="set-2.5-of-5.0"),
        pytest.param(CONTROL_MODE, 18, "058001010412", "0480000004", id="control-mode-rs232"),
        pytest.param(FMEASURE, 1.25, "08800121403FA00000", "0480000007", id="float"),
        pytest.param(FLUID, "N2", "0F800101710A4E322020202020202020", "048000000F", id="padded-text"),
        pytest.param(USER_TAG, "TAG", "09800171660054414700", "0480000008", id="text-that-a-zero-ends"),
    ],
)
def test_writing(parameter: Parameter, value: Value, request_digits: str, reply_digits: str) -> None:
    assert encode_write(parameter, value) == f":{request_digits}\r\n".encode()
    decode_written(f":{reply_digits}\r\n".encode())


def test_unknown_parameter() -> None:
    with pytest.raises(CommandRejectedError, match="status 04, parameter unknown, at byte 6"):
        decode_values(b":0480000406\r\n", [MEASURE])
    with pytest.raises(CommandRejectedError, match="status 04"):
        decode_written(b":0480000406\r\n")


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (0x01, "process claimed"),
        (0x02, "command unknown"),
        (0x06, "value not allowed"),
        (0x08, "time-out of the start character"),
        (0x0B, "node number"),
        (0x0D, "only be read"),
        (0x11, "only be written"),
        (0x13, "no free node"),
        (0x18, "bus master"),
        (0x19, "time-out of the answer"),
        (0x1E, "no answer"),
        (0x20, "synchronisation"),
        (0x23, "buffer overflow in the module"),
        (0x24, "a code that the manual does not have"),
    ],
)
def test_status_codes(code: int, meaning: str) -> None:
    with pytest.raises(CommandRejectedError, match=f"status {code:02X}, .*{meaning}"):
        decode(f":048000{code:02X}02\r\n".encode(), 0x80)


@pytest.mark.parametrize(("code", "meaning"), [(4, "protocol"), (5, "no such node"), (9, "no answer"), (1, "general")])
def test_errors_of_an_interface_that_did_not_reach_the_instrument(code: int, meaning: str) -> None:
    with pytest.raises(CommandRejectedError, match=f"error {code}, {meaning}"):
        decode(f":01{code:02X}\r\n".encode(), 3)


@pytest.mark.parametrize(
    "reply",
    [
        b"06800201011F40\r\n",
        b":06800201011F40\r",
        b":06800201001f40\r\n",
        b":0680020120XX40\r\n",
        b":0680020120\xff40\r\n",
        b":06800201201F4\r\n",
        b":07800201201F40\r\n",
        b":05800201201F40\r\n",
        b"noise:06800201201F40\r\n",
        b":\r\n",
        b":00\r\n",
        b"\r\n",
        b"",
        b":06030201201F40\r\n",
        b":0480000005\r\n",
        b":06800101201F40\r\n",
        b":06800221201F40\r\n",
        b":06800201211F40\r\n",
        b":06800201401F40\r\n",
        b":058002012012\r\n",
        b":04800201A0\r\n",
        b":07800201201F4000\r\n",
        b":06800281201F40\r\n",
    ],
    ids=[
        *("no-colon", "no-line-feed", "small-letters", "no-digits", "no-ascii", "half-a-byte"),
        *("longer-than-it-says", "shorter-than-it-says", "noise-before", "empty", "length-0", "nothing-but-end"),
        *("nothing", "other-node", "status-ok", "no-answer", "other-process", "other-index", "other-type"),
        *("half-a-value", "no-value", "more-than-asked", "promises-another-process"),
    ],
)
def test_invalid_replies_to_a_read(reply: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_values(reply, [MEASURE])


@pytest.mark.parametrize("value", ["7FC00000", "7F800000", "FF800000"], ids=["nan", "inf", "minus-inf"])
def test_floats_that_are_no_numbers(value: str) -> None:
    with pytest.raises(ProtocolError):
        decode_values(f":0880022140{value}\r\n".encode(), [FMEASURE])


@pytest.mark.parametrize(
    "text", ["00414243", "09414243", "0341", "", "0341420A"], ids=["no-zero", "too-long", "cut", "no-length", "control"]
)
def test_texts_that_are_none(text: str) -> None:
    body = bytes.fromhex("027163" + text)
    with pytest.raises(ProtocolError):
        decode_values(encode(0x80, body), [SERIAL_NUMBER])


@pytest.mark.parametrize("reply", [b":06800201211F40\r\n", b":03800000\r\n", b":0403000005\r\n", b":048000\r\n"])
def test_invalid_replies_to_a_write(reply: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_written(reply)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [(SETPOINT, 0x10000), (SETPOINT, -1), (CONTROL_MODE, 256), (SETPOINT, "1"), (CAPACITY_UNIT, "more than 7")],
    ids=["too-large", "negative", "char-too-large", "text-for-a-number", "text-too-long"],
)
def test_values_that_cannot_be_sent(parameter: Parameter, value: Value) -> None:
    with pytest.raises(ValueError, match="no value of"):
        encode_write(parameter, value)


def test_too_many_parameters_for_one_message() -> None:
    with pytest.raises(ValueError, match="fewer parameters"):
        encode_read([MEASURE] * 90)


@pytest.mark.parametrize("request_bytes", [b":0280\r\n", b"hello\r\n", b":06800401210120", b""])
def test_request_that_is_no_frame(request_bytes: bytes) -> None:
    with pytest.raises(ValueError, match="no frame"):
        addressed(request_bytes)


@given(
    st.lists(st.sampled_from(IDENTIFICATION), min_size=1, max_size=8),
    st.integers(1, 128),
)
def test_an_answer_that_repeats_the_chain_is_understood(parameters: list[Parameter], node: int) -> None:
    """Built here from the request alone: each name in it is followed by a value, and the question is left out."""
    request = bytes.fromhex(encode_read(parameters, node)[1:-2].decode())
    values: dict[Kind, tuple[bytes, Value]] = {
        Kind.INT: (b"\x1f\x40", 8000),
        Kind.FLOAT: (b"\x40\xa0\0\0", 5.0),
        Kind.STRING: (b"\x03N2 ", "N2"),
    }
    place, answer, chained = 3, bytearray([2]), False
    for parameter in parameters:
        if not chained:
            answer.append(request[place])
            place += 1
        chained = request[place] >= 0x80
        answer.append(request[place])
        assert request[place + 1] == parameter.process
        place += 3 + (parameter.kind is Kind.STRING)
        answer += values[parameter.kind][0]
    assert place == len(request)
    reply = encode(node, bytes(answer))
    assert decode_values(reply, parameters, node) == [values[parameter.kind][1] for parameter in parameters]
