"""From bytes to requests, and several instruments on one line."""

from PyExpLabSys.errors import ProtocolError
from PyExpLabSys.simulators.serving.base import Answer, MessageSimulator, SharedLine
from PyExpLabSys.transport.framing import until

CR = until(b"\r")


def shout(request: bytes, now_s: float) -> bytes:
    return request.upper() if request.startswith(b"a") else b""


def test_requests_are_put_together_and_taken_apart() -> None:
    simulator = MessageSimulator(shout, CR, delay_s=0.5)
    assert simulator.feed(b"ab", 1.0) == []
    assert simulator.feed(b"c\rad\ra", 2.0) == [Answer(0.5, b"ABC\r"), Answer(0.5, b"AD\r")]
    assert simulator.feed(b"e\r", 3.0) == [Answer(0.5, b"AE\r")]


def test_no_answer_is_no_answer() -> None:
    assert MessageSimulator(shout, CR).feed(b"b\r", 1.0) == []


def test_instrument_is_told_the_time() -> None:
    simulator = MessageSimulator(lambda _, now_s: b"%d" % now_s, CR)
    assert simulator.feed(b"?\r", 17.0) == [Answer(0.0, b"17")]


def test_what_is_no_request_is_forgotten() -> None:
    def framing(buffer: bytes) -> int | None:
        if buffer.startswith(b"#"):
            raise ProtocolError("noise")
        return CR(buffer)

    simulator = MessageSimulator(shout, framing)
    assert simulator.feed(b"#\xff", 1.0) == []
    assert simulator.feed(b"a\r", 1.0) == [Answer(0.0, b"A\r")]


def test_all_on_a_line_hear_and_the_first_answer_comes_first() -> None:
    heard: list[bytes] = []

    def silent(request: bytes, now_s: float) -> bytes:
        heard.append(request)
        return b""

    slow = MessageSimulator(shout, CR, delay_s=2.0)
    fast = MessageSimulator(shout, CR, delay_s=1.0)
    line = SharedLine(slow, MessageSimulator(silent, CR), fast)
    assert line.feed(b"a\r", 0.0) == [Answer(1.0, b"A\r"), Answer(2.0, b"A\r")]
    assert heard == [b"a\r"]
