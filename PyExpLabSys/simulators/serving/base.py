"""What a simulated instrument on a wire is, and how one that handles whole messages becomes one."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from PyExpLabSys.errors import ProtocolError
from PyExpLabSys.transport.framing import Framing

#: An instrument's side of one exchange: the request and the time in s in, the reply out (empty: it does not answer).
Handler = Callable[[bytes, float], bytes]


class Answer(NamedTuple):
    """What comes out of an instrument: so many seconds after it was fed, these bytes; None: its plug is pulled."""

    delay_s: float
    data: bytes | None


class ByteSimulator(Protocol):
    """An instrument as seen from the wire."""

    def feed(self, data: bytes, now_s: float) -> Sequence[Answer]:
        """Take bytes that arrive at a time in s, perhaps half a message, and return what comes back and when."""
        ...


class MessageSimulator:
    """Collects bytes to messages and hands each to the handler of an instrument.

    Args:
        handle: The instrument: gets a whole request with its terminator, and the time in s; returns the reply.
        framing: Where a request ends.
        delay_s: How long the instrument takes to answer in s.
    """

    def __init__(self, handle: Handler, framing: Framing, *, delay_s: float = 0.0) -> None:
        self._handle = handle
        self._framing = framing
        self._delay_s = delay_s
        self._buffer = b""

    def feed(self, data: bytes, now_s: float) -> list[Answer]:
        """Return the replies to all requests that are complete with these bytes."""
        self._buffer += data
        answers = []
        while (request := self._next_request()) is not None:
            reply = self._handle(request, now_s)
            if reply:
                answers.append(Answer(self._delay_s, reply))
        return answers

    def _next_request(self) -> bytes | None:
        try:
            length = self._framing(self._buffer)
        except ProtocolError:
            # As instruments do: what is no request is forgotten.
            self._buffer = b""
            return None
        if length is None:
            return None
        request, self._buffer = self._buffer[:length], self._buffer[length:]
        return request


class SharedLine:
    """Several instruments on one line, as on RS-485: each hears everything, and answers what is for it."""

    def __init__(self, *members: ByteSimulator) -> None:
        self._members = members

    def feed(self, data: bytes, now_s: float) -> list[Answer]:
        """Return the answers of all members, in the order in which they come."""
        answers = [answer for member in self._members for answer in member.feed(data, now_s)]
        return sorted(answers, key=lambda answer: answer.delay_s)
