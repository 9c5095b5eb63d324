"""Faults on request."""

import pytest

from PyExpLabSys.simulators.serving.base import Answer, MessageSimulator
from PyExpLabSys.simulators.serving.faults import Fault, FaultySimulator, flip_bit
from PyExpLabSys.transport.framing import until

REPLY = b"X01075.4\r"


def oven(*, seed: int = 0) -> FaultySimulator:
    return FaultySimulator(MessageSimulator(lambda *_: REPLY, until(b"\r"), delay_s=0.1), seed=seed)


@pytest.mark.parametrize(
    ("fault", "answers"),
    [
        (Fault.SILENCE, []),
        (Fault.WRONG_ECHO, [Answer(0.1, b"Y01075.4\r")]),
        (Fault.WRONG_CHECKSUM, [Answer(0.1, b"X01075.5\r")]),
        (Fault.HALF_A_REPLY, [Answer(0.1, b"X010")]),
        (Fault.LATE, [Answer(2.1, REPLY)]),
        (Fault.UNPLUGGED, [Answer(0.1, b"X010"), Answer(0.1, None)]),
    ],
)
def test_each_fault_once(fault: Fault, answers: list[Answer]) -> None:
    faulty = oven()
    faulty.inject(fault, late_s=2.0)
    assert faulty.feed(b"?", 0.0) == []  # half a question is no occasion to fail
    assert faulty.feed(b"\r", 0.0) == answers
    assert faulty.feed(b"?\r", 0.0) == [Answer(0.1, REPLY)]


def test_every_fault_has_its_name_on_the_command_line() -> None:
    assert {fault.value for fault in Fault} == {
        "silence",
        "garbage",
        "wrong-echo",
        "wrong-checksum",
        "half-a-reply",
        "late",
        "unplugged",
    }


def test_garbage_is_as_long_as_the_reply_and_ends_as_it_does() -> None:
    faulty = oven()
    faulty.inject(Fault.GARBAGE)
    ((_, data),) = faulty.feed(b"?\r", 0.0)
    assert data is not None
    assert data != REPLY
    assert len(data) == len(REPLY)
    assert data.endswith(b"\r")


@pytest.mark.parametrize(
    ("reply", "end"), [(b"@253ACK1.23E-3;FF", b";FF"), (b"1.0\r\n", b"\r\n"), (b"1.0\x03", b"\x03"), (b";FFF", b"")]
)
def test_what_ends_a_message_is_spared(reply: bytes, end: bytes) -> None:
    faulty = FaultySimulator(MessageSimulator(lambda *_: reply, until(b"?")))
    for fault in (Fault.GARBAGE, Fault.WRONG_CHECKSUM):
        faulty.inject(fault)
        ((_, data),) = faulty.feed(b"?", 0.0)
        assert data is not None
        assert data != reply
        assert len(data) == len(reply)
        assert data.endswith(end)


def test_half_of_one_byte_is_nothing() -> None:
    faulty = FaultySimulator(MessageSimulator(lambda *_: b"\x06", until(b"?")))
    faulty.inject(Fault.HALF_A_REPLY)
    assert faulty.feed(b"?", 0.0) == []
    faulty.inject(Fault.UNPLUGGED)
    assert faulty.feed(b"?", 0.0) == [Answer(0.0, None)]


def test_until_healed() -> None:
    faulty = oven()
    faulty.inject(Fault.SILENCE, times=None)
    assert [faulty.feed(b"?\r", 0.0) for _ in range(5)] == [[]] * 5
    faulty.heal()
    assert faulty.feed(b"?\r", 0.0) == [Answer(0.1, REPLY)]


def test_counted() -> None:
    faulty = oven()
    faulty.inject(Fault.SILENCE, times=2)
    assert [bool(faulty.feed(b"?\r", 0.0)) for _ in range(4)] == [False, False, True, True]


def test_chances_are_those_of_the_seed() -> None:
    def silences(seed: int) -> list[bool]:
        faulty = oven(seed=seed)
        faulty.inject(Fault.SILENCE, times=None, chance=0.3)
        return [not faulty.feed(b"?\r", 0.0) for _ in range(1000)]

    assert silences(1) == silences(1)
    assert silences(1) != silences(2)
    assert 200 < sum(silences(1)) < 400


def test_instrument_obeys_even_if_its_answer_is_lost() -> None:
    asked: list[bytes] = []

    def obey(request: bytes, now_s: float) -> bytes:
        asked.append(request)
        return b"ok\r"

    faulty = FaultySimulator(MessageSimulator(obey, until(b"\r")))
    faulty.inject(Fault.SILENCE)
    faulty.feed(b"set\r", 0.0)
    assert asked == [b"set\r"]


def test_plug_that_the_instrument_pulls_itself_stays_pulled() -> None:
    class Dead:
        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            return [Answer(0.0, None)]

    for fault in Fault:
        faulty = FaultySimulator(Dead())
        faulty.inject(fault)
        assert Answer(0.0, None) in faulty.feed(b"?", 0.0)


def test_flipped_bit() -> None:
    assert flip_bit(b"abc", 1) == b"acc"
    assert flip_bit(flip_bit(b"abc", 1), 1) == b"abc"
