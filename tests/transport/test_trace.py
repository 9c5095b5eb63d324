"""Traces: readable, whole at any time, and played back they give the same answers and the same errors."""

from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from PyExpLabSys.errors import InstrumentError, TransportError, TransportTimeoutError
from PyExpLabSys.simulators.serving.base import MessageSimulator
from PyExpLabSys.simulators.serving.faults import Fault, FaultySimulator
from PyExpLabSys.simulators.serving.memory import SimulatedChannel, VirtualClock
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.framing import until
from PyExpLabSys.transport.trace import Event, ReplayedChannel, escape, read_trace, unescape

CR = until(b"\r")


@hypothesis.given(st.binary(max_size=50))
def test_escaped_bytes_come_back(data: bytes) -> None:
    text = escape(data)
    assert unescape(text) == data
    assert text.isascii()
    assert text.isprintable()


def test_escaped_bytes_are_readable() -> None:
    assert escape(b"*X01\r\\\xff") == r"*X01\x0d\x5c\xff"


@pytest.mark.parametrize("text", ["\\", r"\x0", r"\n", "é", r"\x0G"])
def test_what_is_no_escaped_text(text: str) -> None:
    with pytest.raises(ValueError, match="is not how a trace writes bytes"):
        unescape(text)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "oven.trace"


@pytest.fixture
def faults() -> FaultySimulator:
    return FaultySimulator(MessageSimulator(lambda request, _: b"A" + request, CR, delay_s=0.25))


def record(path: Path, faults: FaultySimulator) -> ByteTransport:
    clock = VirtualClock(50.0)
    return ByteTransport(SimulatedChannel(faults, clock=clock, name="COM7"), clock=clock, trace=path)


def ask(transport: ByteTransport, number: int) -> bytes | str:
    try:
        return transport.exchange(b"%d\r" % number, CR, late_s=4.0)
    except TransportTimeoutError:
        return "time-out"
    except InstrumentError as error:
        return str(error)


def test_trace_is_readable_while_it_is_written(path: Path, faults: FaultySimulator) -> None:
    transport = record(path, faults)
    ask(transport, 1)
    first, *lines = path.read_text(encoding="utf-8").splitlines()
    assert first.startswith("# PyExpLabSys trace of COM7, 20")
    assert lines == [r"0.000000 > 1\x0d", r"0.250000 < A1\x0d"]
    transport.close()
    record(path, faults).close()
    assert path.read_text(encoding="utf-8").count("# PyExpLabSys trace") == 2


def test_trace_played_back_gives_the_same_answers_and_errors(path: Path, faults: FaultySimulator) -> None:
    transport = record(path, faults)
    recorded = [ask(transport, 0)]
    for fault in (Fault.SILENCE, Fault.GARBAGE, Fault.HALF_A_REPLY, Fault.LATE, Fault.WRONG_ECHO, Fault.UNPLUGGED):
        faults.inject(fault, late_s=3.0)
        recorded += [ask(transport, 1), ask(transport, 2)]
    transport.close()
    assert recorded[1] == "time-out"
    assert recorded[2] == b"A2\r"
    assert recorded[-1] == "COM7 is unplugged"

    replayed = ByteTransport(ReplayedChannel(path))
    answers = [ask(replayed, 0)]
    for _ in range(6):
        answers += [ask(replayed, 1), ask(replayed, 2)]
    assert answers == recorded
    replayed.close()


def test_trace_of_another_driver_does_not_fit(path: Path, faults: FaultySimulator) -> None:
    transport = record(path, faults)
    ask(transport, 1)
    ask(transport, 2)
    transport.close()
    replayed = ByteTransport(ReplayedChannel(path))
    assert ask(replayed, 1) == b"A1\r"
    with pytest.raises(TransportError, match=r"has b'2\\r' where b'3\\r' is written"):
        replayed.exchange(b"3\r", CR)


def test_trace_has_an_end(path: Path, faults: FaultySimulator) -> None:
    transport = record(path, faults)
    ask(transport, 1)
    transport.close()
    replayed = ByteTransport(ReplayedChannel(path))
    ask(replayed, 1)
    with pytest.raises(TransportError, match="ends where"):
        replayed.exchange(b"2\r", CR)


def test_written_where_something_was_read(path: Path) -> None:
    path.write_text("0.0 < abc\n")
    with pytest.raises(TransportError, match="where b'1' is written"):
        ReplayedChannel(path).write(b"1", 1.0)


def test_recorded_read_is_given_in_parts_if_asked_for(path: Path) -> None:
    path.write_text("0.0 < a\\x00c\n0.1 - 2.0\n")
    channel = ReplayedChannel(path)
    assert [channel.read(2, 0.0), channel.read(2, 0.0), channel.read(2, 0.0), channel.read(2, 1.0)] == [
        b"a\0",
        b"c",
        b"",
        b"",
    ]


def test_file_that_is_no_trace(path: Path) -> None:
    path.write_text("# a comment\n\n0.5 > a\n0.7 ? b\n")
    with pytest.raises(ValueError, match=r"oven\.trace, line 4: '0\.7 \? b' is no line"):
        read_trace(path)


def test_events_of_a_file(path: Path) -> None:
    path.write_text("# a comment\n\n0.5 > a > b\n0.75 ! gone\n")
    assert read_trace(path) == [Event(0.5, ">", "a > b"), Event(0.75, "!", "gone")]


def test_closed_by_another_thread_in_the_middle(path: Path, faults: FaultySimulator) -> None:
    transport = record(path, faults)
    transport.close()
    with pytest.raises(TransportError, match="closed"):
        transport._channel.read(1, 1.0)
