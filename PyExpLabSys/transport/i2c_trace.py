"""Traces of what goes over an I2C bus, in the form that :mod:`PyExpLabSys.transport.trace` describes, and their replay.

A transfer that writes and reads is a line with ``>``, then one with ``<``; a device that is only called, an empty
``>``. A trace is that of one device, which its first line names.
"""

from collections import deque
from datetime import UTC, datetime
from pathlib import Path

from PyExpLabSys.errors import TransportError
from PyExpLabSys.transport.clock import Clock
from PyExpLabSys.transport.i2c_bus import I2CBus, transport_error
from PyExpLabSys.transport.trace import escape, read_trace, unescape


class TracedBus:
    """A bus that writes down all that goes over it; the file is whole up to the last line at any time.

    Args:
        bus: The bus itself.
        title: What messages call the device; the first line of the trace says it.
        path: The file.
        clock: What gives each line its time.
    """

    def __init__(self, bus: I2CBus, title: str, path: Path, clock: Clock) -> None:
        self.name = bus.name
        self._bus = bus
        self._title = title
        self._clock = clock
        self._began_s = clock.monotonic()
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._file.write(f"# PyExpLabSys trace of {title}, {datetime.now(UTC).isoformat(timespec='seconds')}\n")

    def transfer(self, address: int, data: bytes, count: int) -> bytes:
        """Do a transfer, and write it down."""
        if data or not count:
            self._note(">", escape(data))
        try:
            reply = self._bus.transfer(address, data, count)
        except OSError as error:
            failure = transport_error(self._title, error)
            self._note("!", str(failure))
            raise failure from error
        if count:
            self._note("<", escape(reply))
        return reply

    def close(self) -> None:
        """Close the bus and the file."""
        self._bus.close()
        self._file.close()

    def _note(self, sign: str, text: str) -> None:
        # Another thread may have closed us meanwhile: then there is no more to tell.
        if not self._file.closed:
            self._file.write(f"{self._clock.monotonic() - self._began_s:.6f} {sign} {' '.join(text.splitlines())}\n")


class ReplayedBus:
    """Answers what a trace says, without waiting, if it is asked what the trace says.

    Raises:
        TransportError: from :meth:`transfer`, if it is not what was recorded, or if what was recorded is a failure.
    """

    def __init__(self, path: Path) -> None:
        self.name = f"trace {path}"
        self._events = deque(read_trace(path))

    def transfer(self, address: int, data: bytes, count: int) -> bytes:  # noqa: ARG002 (a trace is of one device)
        """Return what this transfer brought when it was recorded."""
        if data or not count:
            recorded = self._next(">", f"{data!r} is written")
            if recorded != data:
                raise TransportError(f"{self.name} has {recorded!r} where {data!r} is written")
        if self._events and self._events[0].sign == "!":
            raise TransportError(self._events.popleft().text)
        reply = self._next("<", f"{count} bytes are read") if count else b""
        if len(reply) != count:
            raise TransportError(f"{self.name} has {reply!r} where {count} bytes are read")
        return reply

    def close(self) -> None:
        """Do nothing: a trace needs no closing."""

    def _next(self, sign: str, what: str) -> bytes:
        if not self._events:
            raise TransportError(f"{self.name} ends where {what}")
        event = self._events.popleft()
        if event.sign != sign:
            raise TransportError(f"{self.name} has {event} where {what}")
        return unescape(event.text)
