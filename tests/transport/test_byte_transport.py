"""Questions and answers, and that no answer is ever taken for that to another question (P8)."""

import logging
import threading
import time
from dataclasses import dataclass
from unittest.mock import patch

import hypothesis
import pytest
from hypothesis import strategies as st

from PyExpLabSys.errors import ProtocolError, TransportError, TransportTimeoutError
from PyExpLabSys.simulators.serving.base import Answer, MessageSimulator
from PyExpLabSys.simulators.serving.memory import SimulatedChannel, VirtualClock, in_memory
from PyExpLabSys.transport import byte_transport
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.channel import ByteChannel
from PyExpLabSys.transport.framing import counted, exactly, until

CR = until(b"\r")
LATE_S = 5.0


class Planned:
    """Answers question after question as planned: a plan is a list of (delay in s, bytes), ``{}`` for the question."""

    def __init__(self, *plans: list[tuple[float, bytes]]) -> None:
        self.plans = list(plans)
        self.asked: list[tuple[float, bytes]] = []

    def feed(self, data: bytes, now_s: float) -> list[Answer]:
        self.asked.append((now_s, data))
        plan = self.plans.pop(0) if self.plans else [(0.0, b"{}")]
        return [Answer(delay_s, what.replace(b"{}", data)) for delay_s, what in plan]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(1000.0)


def test_reply_in_pieces(clock: VirtualClock) -> None:
    transport = in_memory(Planned([(0.1, b"a"), (0.2, b"b"), (0.3, b"c\rrest")]), clock=clock)
    assert transport.exchange(b"?", CR) == b"abc\r"
    assert clock.monotonic() == pytest.approx(1000.3)


def test_time_out_is_for_the_whole_reply(clock: VirtualClock) -> None:
    transport = in_memory(Planned([(0.3 * n, b"x") for n in range(100)]), clock=clock, timeout_s=1.0)
    with pytest.raises(
        TransportTimeoutError, match=r"no complete reply to b'\?' within 1.0 s, 4 bytes came, the last: b'xxxx'"
    ):
        transport.exchange(b"?", CR)
    assert clock.monotonic() == pytest.approx(1001.0)


def test_time_out_of_one_exchange(clock: VirtualClock) -> None:
    transport = in_memory(Planned([(3.0, b"{}")]), clock=clock, timeout_s=1.0)
    assert transport.exchange(b"slow\r", CR, timeout_s=4.0) == b"slow\r"


def test_what_came_unasked_is_thrown_away(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    transport = in_memory(Planned([(0.0, b"{}"), (0.1, b"power failed\r")], [(0.0, b"{}")]), clock=clock)
    assert transport.exchange(b"1\r", CR) == b"1\r"
    clock.sleep(1.0)
    with caplog.at_level(logging.DEBUG):
        assert transport.exchange(b"2\r", CR) == b"2\r"
    assert "thrown away" in caplog.text
    assert "power failed" in caplog.text


def test_answers_that_came_in_one_piece_with_the_last_one_are_thrown_away(clock: VirtualClock) -> None:
    transport = in_memory(Planned([(0.0, b"{}0\r0\r")]), clock=clock)
    assert transport.exchange(b"1\r", CR) == b"1\r"
    assert transport.exchange(b"2\r", CR) == b"2\r"


def test_in_step_nothing_waits(clock: VirtualClock) -> None:
    transport = in_memory(Planned(), clock=clock)
    for number in range(10):
        transport.exchange(b"%d\r" % number, CR, late_s=LATE_S)
    assert clock.monotonic() == 1000.0


def test_next_question_waits_until_no_answer_can_come(clock: VirtualClock) -> None:
    planned = Planned([(4.9, b"late\r")])
    transport = in_memory(planned, clock=clock, timeout_s=1.0)
    with pytest.raises(TransportTimeoutError):
        transport.exchange(b"1\r", CR, late_s=LATE_S)
    assert clock.monotonic() == 1001.0
    assert transport.exchange(b"2\r", CR, late_s=LATE_S) == b"2\r"
    assert planned.asked[1][0] == pytest.approx(1000.0 + LATE_S, abs=0.06)
    # And that was it.
    assert transport.exchange(b"3\r", CR, late_s=LATE_S) == b"3\r"
    assert planned.asked[2][0] == planned.asked[1][0]


def test_late_time_belongs_to_the_last_question(clock: VirtualClock) -> None:
    """A question that may be answered very late and was answered at once does not slow down what comes after it."""
    transport = in_memory(Planned([(0.0, b"{}")], []), clock=clock, timeout_s=1.0)
    transport.exchange(b"1\r", CR, late_s=1000.0)
    with pytest.raises(TransportTimeoutError):
        transport.exchange(b"2\r", CR, late_s=2.0)
    assert transport.exchange(b"3\r", CR) == b"3\r"
    assert clock.monotonic() < 1003.0


def test_late_answer_is_waited_for_until_its_end(clock: VirtualClock) -> None:
    """It begins before the guard time is over, and its end comes after it."""
    characters = [(4.99 + 0.03 * n, b"%d" % n) for n in range(10)] + [(5.3, b"\r")]
    transport = in_memory(Planned(characters, [(0.5, b"{}")]), clock=clock, timeout_s=1.0)
    with pytest.raises(TransportTimeoutError):
        transport.exchange(b"1\r", CR, late_s=LATE_S)
    assert transport.exchange(b"2\r", CR) == b"2\r"


def test_line_that_is_never_silent_is_an_error(clock: VirtualClock) -> None:
    planned = Planned([(0.02 * n, b"noise") for n in range(100000)])
    transport = in_memory(planned, clock=clock, timeout_s=1.0)
    for _ in range(3):
        with pytest.raises(TransportTimeoutError, match=r"never becomes silent|no complete reply"):
            transport.exchange(b"1\r", CR)
    assert len(planned.asked) == 1


def test_mark_out_of_step(clock: VirtualClock) -> None:
    transport = in_memory(Planned([(0.0, b"#\r"), (0.5, b"rest\r")]), clock=clock, timeout_s=1.0)
    assert transport.exchange(b"1\r", CR) == b"#\r"
    transport.mark_out_of_step()
    assert transport.exchange(b"2\r", CR) == b"2\r"


def test_message_that_can_never_be_one_leaves_the_line_out_of_step(clock: VirtualClock) -> None:
    transport = in_memory(Planned([(0.0, b"\xff"), (0.5, b"\x03ab")]), clock=clock, timeout_s=1.0)
    framing = counted(1, lambda header: header[0], longest=10)
    with pytest.raises(ProtocolError):
        transport.exchange(b"1\r", framing)
    assert transport.exchange(b"\x02x", framing) == b"\x02x"


class Interrupted(BaseException):
    pass


def test_interrupted_exchange_leaves_the_line_out_of_step(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while waiting: the answer still comes."""
    transport = in_memory(Planned([(0.5, b"late\r")]), clock=clock, timeout_s=1.0)

    def interrupt(channel: SimulatedChannel, max_bytes: int, timeout_s: float) -> bytes:
        if timeout_s > 0.0:
            raise Interrupted
        return b""

    with monkeypatch.context() as patched:
        patched.setattr(SimulatedChannel, "read", interrupt)
        with pytest.raises(Interrupted):
            transport.exchange(b"1\r", CR)
    assert transport.exchange(b"2\r", CR) == b"2\r"


def test_line_that_was_closed_out_of_step_is_so_when_it_is_opened_again() -> None:
    """On a real wire, the answer comes to whoever has the port open by then."""
    line = Planned([(0.6, b"late\r")])
    channel = SimulatedChannel(line, name="/dev/ttyReopened")
    first = ByteTransport(channel, timeout_s=0.1)
    with pytest.raises(TransportTimeoutError):
        first.exchange(b"1\r", CR, late_s=0.8)
    with patch.object(channel, "close"):
        first.close()
    second = ByteTransport(channel, timeout_s=1.0)
    assert second.exchange(b"2\r", CR) == b"2\r"
    assert line.asked[1][0] - line.asked[0][0] >= 0.8
    with patch.object(channel, "close"):
        second.close()
    # In step when it was closed, it is when it is opened.
    began_s = time.monotonic()
    assert ByteTransport(channel).exchange(b"3\r", CR) == b"3\r"
    assert time.monotonic() - began_s < 0.5


# ---------------------------------------------------------------------------------------- P8, for all that can happen


@dataclass(frozen=True)
class Question:
    """What happens to one question: the answer's pieces, and how long until the next question."""

    delays_s: tuple[float, ...]
    answered: bool
    gap_s: float


questions = st.lists(
    st.builds(
        Question,
        delays_s=st.lists(st.floats(0.0, LATE_S), min_size=1, max_size=4).map(lambda delays: tuple(sorted(delays))),
        answered=st.booleans(),
        gap_s=st.sampled_from([0.0, 0.3, 1.0, 4.0, 10.0]),
    ),
    min_size=1,
    max_size=8,
)


def ask_all(transport: ByteTransport, planned: Planned, script: list[Question]) -> list[tuple[bytes, bytes | None]]:
    """Ask question after question; return each with its answer, which says by its number whose it is."""
    answers: list[tuple[bytes, bytes | None]] = []
    for number, question in enumerate(script):
        whole = b"%08d\r" % number
        count = len(question.delays_s)
        ends = [len(whole) * (piece + 1) // count for piece in range(count)]
        pieces = [whole[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        planned.plans = [list(zip(question.delays_s, pieces, strict=True)) if question.answered else []]
        try:
            answers.append((whole, transport.exchange(b"?\r", CR, late_s=LATE_S)))
        except TransportTimeoutError:
            answers.append((whole, None))
        transport.clock.sleep(question.gap_s)
    return answers


def own_answers_only(answers: list[tuple[bytes, bytes | None]]) -> bool:
    return all(answer in {None, expected} for expected, answer in answers)


@hypothesis.settings(max_examples=500)
@hypothesis.given(script=questions, timeout_s=st.sampled_from([0.1, 1.0, 2.0, 5.0]))
def test_no_answer_is_taken_for_that_to_another_question(script: list[Question], timeout_s: float) -> None:
    planned = Planned()
    transport = in_memory(planned, clock=VirtualClock(), timeout_s=timeout_s)
    answers = ask_all(transport, planned, script)
    assert own_answers_only(answers)
    # Nor is the price of it an answer that came in time.
    for question, (_, answer) in zip(script, answers, strict=True):
        if question.answered and question.delays_s[-1] < timeout_s - 1e-6:
            assert answer is not None


class WithoutDrain(ByteTransport):
    """Empties the input before a question, as most drivers do, and thinks that this is enough."""

    def _get_in_step(self, timeout_s: float) -> None:
        self._buffer.clear()
        while self._channel.read(4096, 0.0):
            pass


class WithoutSilence(ByteTransport):
    """Waits for the guard time, but not for the end of what comes at its end."""

    def _get_in_step(self, timeout_s: float) -> None:
        self._buffer.clear()
        if not self._in_step:
            self.clock.sleep(max(0.0, self._answers_end_s - self.clock.monotonic()))
        while self._channel.read(4096, 0.0):
            pass


def test_control_emptying_the_input_is_not_enough() -> None:
    def goes_wrong(script: list[Question]) -> bool:
        planned, clock = Planned(), VirtualClock()
        transport = WithoutDrain(SimulatedChannel(planned, clock=clock), timeout_s=1.0, clock=clock)
        return not own_answers_only(ask_all(transport, planned, script))

    assert hypothesis.find(questions, goes_wrong, settings=hypothesis.settings(max_examples=1000, database=None))


def test_control_waiting_without_silence_is_not_enough(clock: VirtualClock) -> None:
    characters = [(4.99 + 0.03 * n, b"%d" % n) for n in range(10)] + [(5.3, b"\r")]
    planned = Planned(characters, [(0.5, b"{}")])
    transport = WithoutSilence(SimulatedChannel(planned, clock=clock), timeout_s=1.0, clock=clock)
    with pytest.raises(TransportTimeoutError):
        transport.exchange(b"1\r", CR, late_s=LATE_S)
    assert transport.exchange(b"2\r", CR) != b"2\r"


# ------------------------------------------------------------------------------------------------ talking instruments


def test_streamed_messages_come_in_order_and_none_is_lost(clock: VirtualClock) -> None:
    pieces = [(0.1, b"1\r2"), (0.2, b"\r3\r"), (5.0, b"4"), (8.0, b"\r")]
    transport = in_memory(Planned(pieces), clock=clock, timeout_s=1.0)
    transport.send(b"start\r")
    assert [transport.receive(CR) for _ in range(3)] == [b"1\r", b"2\r", b"3\r"]
    with pytest.raises(TransportTimeoutError):
        transport.receive(CR)
    with pytest.raises(TransportTimeoutError):  # half of it has come
        transport.receive(CR, timeout_s=5.0)
    assert transport.receive(CR, timeout_s=5.0) == b"4\r"


def test_send_waits_for_the_line_as_well(clock: VirtualClock) -> None:
    planned = Planned([(1.5, b"late\r")], [(0.0, b"hello\r")])
    transport = in_memory(planned, clock=clock, timeout_s=1.0)
    with pytest.raises(TransportTimeoutError):
        transport.exchange(b"1\r", CR, late_s=2.0)
    transport.send(b"start\r")
    assert transport.receive(CR) == b"hello\r"


# ------------------------------------------------------------------------------------------------------------ threads


def test_two_threads_on_one_line_get_their_own_answers() -> None:
    transport = in_memory(MessageSimulator(lambda request, _: b"to " + request, CR, delay_s=0.0005))
    wrong: list[bytes] = []

    def ask(name: bytes) -> None:
        for number in range(100):
            question = b"%s%d\r" % (name, number)
            if transport.exchange(question, CR) != b"to " + question:
                wrong.append(question)

    threads = [threading.Thread(target=ask, args=(name,)) for name in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert not wrong


def test_locked_keeps_exchanges_together(clock: VirtualClock) -> None:
    planned = Planned()
    transport = in_memory(planned, clock=clock)
    about_to_ask = threading.Event()

    def ask() -> None:
        about_to_ask.set()
        transport.exchange(b"other\r", CR)

    thread = threading.Thread(target=ask)
    with transport.locked():
        transport.exchange(b"select channel 2\r", CR)
        thread.start()
        assert about_to_ask.wait(10.0)
        with transport.locked():
            transport.exchange(b"read it\r", CR)
    thread.join(10.0)
    assert [question for _, question in planned.asked] == [b"select channel 2\r", b"read it\r", b"other\r"]


class HangingChannel(ByteChannel):
    """Nothing comes, however long the time-out, until it is closed."""

    name = "hanging"

    def __init__(self) -> None:
        self.reading = threading.Event()
        self._closed = threading.Event()

    def write(self, data: bytes, timeout_s: float) -> None:
        pass

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        if timeout_s > 0.0:
            self.reading.set()
            assert self._closed.wait(30.0)
            raise TransportError("closed")
        return b""

    def close(self) -> None:
        self._closed.set()


def test_close_ends_an_exchange_that_hangs() -> None:
    channel = HangingChannel()
    transport = ByteTransport(channel)
    errors: list[Exception] = []

    def ask() -> None:
        try:
            transport.exchange(b"?", CR)
        except TransportError as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert channel.reading.wait(10.0)
    transport.close()
    thread.join(10.0)
    assert len(errors) == 1


def test_closed_transport_says_so(clock: VirtualClock) -> None:
    transport = in_memory(Planned(), clock=clock, name="COM7")
    assert not transport.closed
    transport.close()
    transport.close()
    assert transport.closed
    for call in (lambda: transport.exchange(b"?", CR), lambda: transport.send(b"?"), lambda: transport.receive(CR)):
        with pytest.raises(TransportError, match="COM7 is closed"):
            call()


def test_failed_write_leaves_the_line_out_of_step(clock: VirtualClock) -> None:
    """How much of the request went out is unknown, so an answer may come."""

    class Clogged(SimulatedChannel):
        clogged = True

        def write(self, data: bytes, timeout_s: float) -> None:
            super().write(data, timeout_s)
            if self.clogged:
                self.clogged = False
                raise TransportTimeoutError("took no bytes")

    transport = ByteTransport(Clogged(Planned([(1.0, b"late\r")]), clock=clock), clock=clock)
    with pytest.raises(TransportTimeoutError):
        transport.exchange(b"1\r", CR)
    assert transport.exchange(b"2\r", CR) == b"2\r"


def test_silence_is_longer_than_a_character_of_300_baud() -> None:
    assert byte_transport.SILENCE_S > 10 / 300


def test_exact_counts(clock: VirtualClock) -> None:
    transport = in_memory(Planned([(0.0, b"\x06"), (0.1, b"abc")]), clock=clock)
    with transport.locked():
        assert transport.exchange(b"?", exactly(1)) == b"\x06"
        assert transport.receive(exactly(3)) == b"abc"
