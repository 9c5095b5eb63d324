r"""All that goes over a wire, as a text file that people can read and that can be played back.

A line has a time in s, a sign and what belongs to it; bytes that are no printable ASCII stand as ``\x0d``::

    # PyExpLabSys trace of /dev/ttyUSB0, 2026-03-01T12:00:00+00:00
    0.000000 > *X01\x0d
    0.018211 < X01075.4\x0d
    1.000000 > *X01\x0d
    3.000000 - 2.0
    3.100000 ! /dev/ttyUSB0 is gone

``>`` was written, ``<`` was read; ``-``: nothing came for so many seconds; ``!``: the wire failed.
"""

import re
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from PyExpLabSys.errors import TransportError
from PyExpLabSys.transport.channel import ByteChannel
from PyExpLabSys.transport.clock import Clock

LINE = re.compile(r"(\d+\.\d+) ([<>!-]) (.*)")
ESCAPE = re.compile(r"\\x([0-9a-f]{2})")


class Event(NamedTuple):
    """One line of a trace: when in s since its begin, which sign, and the text behind it."""

    time_s: float
    sign: str
    text: str


def escape(data: bytes) -> str:
    r"""Return bytes as text: printable ASCII but the backslash as it is, all others as ``\x0d``."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else f"\\x{byte:02x}" for byte in data)


def unescape(text: str) -> bytes:
    """Return the bytes that :func:`escape` was given.

    Raises:
        ValueError: a backslash without the two digits of a byte, or a character that is no ASCII.
    """
    plain = ESCAPE.sub("", text)
    if "\\" in plain or not plain.isascii():
        raise ValueError(f"{text!r} is not how a trace writes bytes")
    return ESCAPE.sub(lambda match: chr(int(match[1], 16)), text).encode("latin-1")


def read_trace(path: Path) -> list[Event]:
    """Return the events of a trace file.

    Raises:
        ValueError: a line is not that of a trace; the message names it.
    """
    events = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        match = LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"{path}, line {number}: {line!r} is no line of a trace")
        events.append(Event(float(match[1]), match[2], match[3]))
    return events


class TracedChannel(ByteChannel):
    """A channel that writes down all that goes through it; the file is whole up to the last line at any time."""

    def __init__(self, channel: ByteChannel, path: Path, clock: Clock) -> None:
        self.name = channel.name
        self._channel = channel
        self._clock = clock
        self._began_s = clock.monotonic()
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._file.write(f"# PyExpLabSys trace of {self.name}, {datetime.now(UTC).isoformat(timespec='seconds')}\n")

    def write(self, data: bytes, timeout_s: float) -> None:
        """Write to the wire, and down."""
        self._note(">", escape(data))
        try:
            self._channel.write(data, timeout_s)
        except TransportError as error:
            self._note("!", str(error))
            raise

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Read from the wire and write it down."""
        try:
            data = self._channel.read(max_bytes, timeout_s)
        except TransportError as error:
            self._note("!", str(error))
            raise
        if data:
            self._note("<", escape(data))
        elif timeout_s > 0.0:
            self._note("-", str(timeout_s))
        return data

    def close(self) -> None:
        """Close the wire and the file."""
        self._channel.close()
        self._file.close()

    def _note(self, sign: str, text: str) -> None:
        # Another thread may have closed us meanwhile: then there is no more to tell.
        if not self._file.closed:
            self._file.write(f"{self._clock.monotonic() - self._began_s:.6f} {sign} {' '.join(text.splitlines())}\n")


class ReplayedChannel(ByteChannel):
    """Answers what a trace says, without waiting, if it is asked what the trace says.

    Raises:
        TransportError: from :meth:`write`, if other bytes are written than were recorded.
    """

    def __init__(self, path: Path) -> None:
        self.name = f"trace {path}"
        self._events = deque(read_trace(path))

    def write(self, data: bytes, timeout_s: float) -> None:  # noqa: ARG002 (a trace takes everything at once)
        """Check that these bytes come next in the trace."""
        if self._next_is("<", "-"):
            raise TransportError(f"{self.name} has {self._events[0]} where {data!r} is written")
        if not self._next_is(">"):
            self._fail_if_recorded()
            raise TransportError(f"{self.name} ends where {data!r} is written")
        recorded = unescape(self._events.popleft().text)
        if recorded != data:
            raise TransportError(f"{self.name} has {recorded!r} where {data!r} is written")

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Return what was read at this place of the trace."""
        if self._next_is("<"):
            event = self._events.popleft()
            data = unescape(event.text)
            if len(data) > max_bytes:
                self._events.appendleft(event._replace(text=escape(data[max_bytes:])))
            return data[:max_bytes]
        if self._next_is("-") and timeout_s > 0.0:
            self._events.popleft()
        self._fail_if_recorded()
        return b""

    def close(self) -> None:
        """Do nothing: a trace needs no closing."""

    def _next_is(self, *signs: str) -> bool:
        return bool(self._events) and self._events[0].sign in signs

    def _fail_if_recorded(self) -> None:
        if self._next_is("!"):
            raise TransportError(self._events.popleft().text)
