"""The base of every driver."""

import pytest

from PyExpLabSys.errors import CommandRejectedError, ProtocolError, TransportTimeoutError
from PyExpLabSys.instrument import Instrument, InstrumentInfo
from PyExpLabSys.simulators.serving.base import Answer
from PyExpLabSys.simulators.serving.memory import VirtualClock, in_memory
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.framing import exactly


class Stick(Instrument):
    INFO = InstrumentInfo(maker="Nobody", model="Stick", buses=("RS-232",))
    TIMEOUT_S = 0.5
    LATE_S = 3.0

    def read(self, question: bytes) -> bytes:
        return self._ask(question, b"\r", self.decode)

    @staticmethod
    def decode(reply: bytes) -> bytes:
        if reply.startswith(b"?"):
            raise CommandRejectedError("refused")
        if reply.startswith(b"#"):
            raise ProtocolError("garbled")
        return reply[:-1]


class Scripted:
    def __init__(self, *answers: list[Answer]) -> None:
        self.answers = list(answers)
        self.asked_s: list[float] = []

    def feed(self, data: bytes, now_s: float) -> list[Answer]:
        self.asked_s.append(now_s)
        return self.answers.pop(0) if self.answers else [Answer(0.0, b"ok\r")]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def test_with_closes_what_the_driver_opened(clock: VirtualClock) -> None:
    transport = in_memory(Scripted(), clock=clock)
    with Stick(transport, owns=True) as stick:
        assert stick.read(b"?") == b"ok"
    assert transport.closed
    stick.close()


def test_with_leaves_open_what_it_was_given(clock: VirtualClock) -> None:
    transport = in_memory(Scripted(), clock=clock)
    with Stick(transport, owns=False):
        pass
    assert not transport.closed


def test_time_limits_are_those_of_the_driver(clock: VirtualClock) -> None:
    scripted = Scripted([])
    stick = Stick(in_memory(scripted, clock=clock, timeout_s=99.0), owns=False)
    with pytest.raises(TransportTimeoutError):
        stick.read(b"?")
    assert clock.monotonic() == 0.5
    assert stick.read(b"?") == b"ok"
    assert scripted.asked_s == pytest.approx([0.0, 3.0], abs=0.06)


def test_garbled_reply_leaves_the_line_out_of_step(clock: VirtualClock) -> None:
    scripted = Scripted([Answer(0.0, b"#\r"), Answer(2.0, b"rest\r")])
    stick = Stick(in_memory(scripted, clock=clock), owns=False)
    with pytest.raises(ProtocolError):
        stick.read(b"?")
    assert stick.read(b"?") == b"ok"


def test_refusal_is_an_answer_like_others(clock: VirtualClock) -> None:
    scripted = Scripted([Answer(0.0, b"?\r")])
    stick = Stick(in_memory(scripted, clock=clock), owns=False)
    with pytest.raises(CommandRejectedError):
        stick.read(b"?")
    assert stick.read(b"?") == b"ok"
    assert clock.monotonic() == 0.0


def test_framing_instead_of_a_terminator(clock: VirtualClock) -> None:
    stick = Stick(in_memory(Scripted(), clock=clock), owns=False)
    assert stick._exchange(b"?", exactly(2), timeout_s=1.0) == b"ok"


def test_most_instruments_do_not_say_what_they_are(clock: VirtualClock) -> None:
    transport: ByteTransport = in_memory(Scripted(), clock=clock)
    assert Stick.identify(transport) is None
