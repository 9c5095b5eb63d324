"""An instrument that knows only the exchanges of a test: the vectors of a fact sheet, byte for byte."""

from collections.abc import Mapping

from PyExpLabSys.simulators.serving.base import Answer
from PyExpLabSys.simulators.serving.memory import VirtualClock, in_memory
from PyExpLabSys.transport.byte_transport import ByteTransport


class Exchanges:
    """Answers the requests that it knows, and fails the test at any other one.

    Args:
        replies: For each request its reply; empty: it gets none.
    """

    def __init__(self, replies: Mapping[bytes, bytes]) -> None:
        self._replies = replies

    def feed(self, data: bytes, now_s: float) -> list[Answer]:
        """Return the reply to a request, which must come whole."""
        if data not in self._replies:
            raise AssertionError(f"the driver sends {data!r}, known are {list(self._replies)}")
        reply = self._replies[data]
        return [Answer(0.0, reply)] if reply else []


def exchanging(replies: Mapping[bytes, bytes]) -> ByteTransport:
    """Return a transport with these exchanges at its end, on a virtual clock."""
    return in_memory(Exchanges(replies), clock=VirtualClock())
