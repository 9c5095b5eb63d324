"""Questions and answers over a wire: one at a time, each with a time-out, and never the answer to another question."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PyExpLabSys.errors import TransportError, TransportTimeoutError
from PyExpLabSys.transport.channel import ByteChannel
from PyExpLabSys.transport.clock import SYSTEM_CLOCK, Clock
from PyExpLabSys.transport.framing import Framing
from PyExpLabSys.transport.trace import TracedChannel

LOGGER = logging.getLogger(__name__)

#: A line is silent if nothing comes for this long in s: more than a character of 300 baud takes.
SILENCE_S = 0.05
CHUNK_BYTES = 4096
#: How much of a reply that is not whole stands in an error message.
SHOWN_BYTES = 80

#: Lines that were closed out of step, by their names, and until when in s (of the system's clock) answers may come:
#: who opens them again meanwhile would get the answer to a question of before.
_LEFT_OUT_OF_STEP: dict[str, float] = {}


class ByteTransport:
    """Exchanges messages over a channel; threads and instruments may share one.

    After a time-out, or a reply that was no valid one, the line is *out of step*: an answer may still come, and would
    be taken for the answer to the next question. So that question waits: all that comes is thrown away until no answer
    can come any more (``late_s`` after the last request went out) and the line has been silent.

    Args:
        channel: The wire; from now on it belongs to this transport, which closes it.
        timeout_s: How long a complete reply may take in s, where an exchange does not say otherwise.
        clock: What times the waits.
        trace: A file to which all that goes over the wire is appended, in a readable form.
    """

    def __init__(
        self,
        channel: ByteChannel,
        *,
        timeout_s: float = 2.0,
        clock: Clock = SYSTEM_CLOCK,
        trace: Path | None = None,
    ) -> None:
        self.name = channel.name
        self.timeout_s = timeout_s
        self.clock = clock
        self._channel = channel if trace is None else TracedChannel(channel, trace, clock)
        self._lock = threading.RLock()
        self._closed = False
        self._buffer = bytearray()
        left_s = _LEFT_OUT_OF_STEP.pop(self.name, None) if clock is SYSTEM_CLOCK else None
        self._in_step = left_s is None
        self._answers_end_s = clock.monotonic() if left_s is None else left_s

    def exchange(
        self, request: bytes, framing: Framing, *, timeout_s: float | None = None, late_s: float | None = None
    ) -> bytes:
        """Send a request and return the reply to it, the first message that comes after it.

        Args:
            request: The bytes to send.
            framing: Where the reply ends.
            timeout_s: How long the complete reply may take, by default that of the transport.
            late_s: The longest in s that an answer may come after its request; by default the time-out.

        Raises:
            TransportTimeoutError: no complete reply in time, or after an earlier one the line did not become silent.
            TransportError: the wire failed.
            ProtocolError: the framing says that what came is no message.
        """
        limit_s = self.timeout_s if timeout_s is None else timeout_s
        with self.locked():
            self._get_in_step(limit_s)
            # Until the reply is complete, and for good if it never is, whatever the reason.
            self._in_step = False
            self._write(request, limit_s, limit_s if late_s is None else late_s)
            reply = self._read_message(framing, limit_s, f"to {request!r}")
            self._in_step = True
            return reply

    def send(self, request: bytes, *, timeout_s: float | None = None) -> None:
        """Send what gets no reply. Whatever gets one, even one that does not matter, is an :meth:`exchange`."""
        limit_s = self.timeout_s if timeout_s is None else timeout_s
        with self.locked():
            if not self._in_step:
                self._get_in_step(limit_s)
            self._write(request, limit_s, 0.0)

    def receive(self, framing: Framing, *, timeout_s: float | None = None) -> bytes:
        """Return the next message of an instrument that talks without being asked.

        Messages come in order and none is lost; half a message stays, and the next call returns it whole. A time-out
        is no fault of the line here: the instrument has nothing to say.
        """
        limit_s = self.timeout_s if timeout_s is None else timeout_s
        with self.locked():
            return self._read_message(framing, limit_s, "that nobody asked for")

    def mark_out_of_step(self) -> None:
        """The last reply was no valid one: what else comes belongs to it, so throw it away before the next request."""
        with self._lock:
            self._in_step = False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other threads off the line, for exchanges that belong together; may be nested."""
        with self._lock:
            if self._closed:
                raise TransportError(f"{self.name} is closed; open it again")
            yield

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    def close(self) -> None:
        """Give the wire back; an exchange of another thread ends with a TransportError. A second time does nothing."""
        # Without the lock: it would wait for an exchange that hangs, and that is one reason to close.
        if not self._closed and not self._in_step and self.clock is SYSTEM_CLOCK:
            _LEFT_OUT_OF_STEP[self.name] = self._answers_end_s
        self._closed = True
        self._channel.close()

    def _write(self, request: bytes, timeout_s: float, late_s: float) -> None:
        try:
            self._channel.write(request, timeout_s)
        finally:
            self._answers_end_s = self.clock.monotonic() + late_s

    def _read_message(self, framing: Framing, timeout_s: float, which: str) -> bytes:
        deadline_s = self.clock.monotonic() + timeout_s
        while (length := framing(bytes(self._buffer))) is None:
            left_s = max(0.0, deadline_s - self.clock.monotonic())
            data = self._channel.read(CHUNK_BYTES, left_s)
            if not data:
                came = f"{len(self._buffer)} bytes came, the last: {bytes(self._buffer[-SHOWN_BYTES:])!r}"
                came = came if self._buffer else "nothing came"
                raise TransportTimeoutError(f"{self.name}: no complete reply {which} within {timeout_s} s, {came}")
            self._buffer += data
        message = bytes(self._buffer[:length])
        del self._buffer[:length]
        return message

    def _get_in_step(self, timeout_s: float) -> None:
        """Throw away what nobody asked for; if the line is out of step, until no answer can come any more."""
        wait_s = 0.0
        give_up_s = max(self._answers_end_s, self.clock.monotonic()) + timeout_s
        thrown_away = bytes(self._buffer)
        self._buffer.clear()
        while True:
            now_s = self.clock.monotonic()
            if now_s > give_up_s:
                raise TransportTimeoutError(
                    f"{self.name} never becomes silent, last came {thrown_away[-40:]!r}: does another program, or an"
                    " instrument in a mode of talking by itself, use this line?"
                )
            if not self._in_step:
                wait_s = max(SILENCE_S, self._answers_end_s - now_s)
            data = self._channel.read(CHUNK_BYTES, wait_s)
            if not data:
                break
            thrown_away = (thrown_away + data)[-CHUNK_BYTES:]
        if thrown_away:
            LOGGER.debug("%s: thrown away, as nobody asked for it: %r", self.name, thrown_away)
        self._in_step = True
