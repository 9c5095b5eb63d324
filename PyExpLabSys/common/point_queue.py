"""The queue between measuring and storing: one append-only log, one cursor for each sink.

Appending is a few hundred nanoseconds and never waits for a sink: all that is not needed for every point (a new
segment, a bound that is reached, a thread to be woken) is folded into one number, the offset at which the next
append has to look closer.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PyExpLabSys.common.batch import Batch
from PyExpLabSys.common.records import CODENAMES_MAX, KIND_POINT, RECORD, RECORD_BYTES, record_dtype
from PyExpLabSys.common.segments import SEGMENT_RECORDS, MemorySegment, Segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST_SEQUENCE = 1


class PointQueue:
    """An append-only log of points in segments, read through cursors.

    The bound is charged to each cursor's own lag. When a *vital* cursor reaches it, new points are refused;
    any other cursor loses its own oldest points instead.

    Args:
        segment_records: Records in each segment.
        new_segment: Makes the storage of a segment from its first sequence number, its number of records and
            the codenames so far.
    """

    __slots__ = (
        "_closed",
        "_codenames",
        "_cursors",
        "_head",
        "_lock",
        "_new_segment",
        "_offset",
        "_refused",
        "_segment_records",
        "_segments",
        "_stop",
        "_store",
    )

    def __init__(
        self,
        segment_records: int = SEGMENT_RECORDS,
        new_segment: Callable[[int, int, tuple[str, ...]], Segment] = MemorySegment,
    ) -> None:
        self._segment_records = segment_records
        self._new_segment = new_segment
        self._lock = threading.Lock()
        self._codenames: tuple[str, ...] = ()
        self._cursors: list[Cursor] = []
        self._refused = 0
        self._closed = False
        self._segments: deque[Segment] = deque()
        self._head: Segment
        self._store: Callable[[int, int, float, float], None]
        self._offset = 0
        self._stop = 0
        self._begin_segment(FIRST_SEQUENCE, self._codenames)

    def register(self, codename: str) -> int:
        """Return the local id of a codename; a new one begins a new segment."""
        with self._lock:
            if codename in self._codenames:
                return self._codenames.index(codename)
            if len(self._codenames) == CODENAMES_MAX:
                raise ValueError(f"no room for {codename!r}: a queue holds {CODENAMES_MAX} codenames")
            codenames = (*self._codenames, codename)
            # First the segment, which may fail: a codename without one would be known, but mean nothing to readers.
            self._begin_segment(self._next_sequence(), codenames)
            self._codenames = codenames
            return len(codenames) - 1

    def cursor(self, *, bound: int, vital: bool) -> "Cursor":
        """Return a new cursor at the present end of the log.

        Args:
            bound: The most records that may wait for it.
            vital: At the bound, refuse new points rather than lose this cursor's oldest.
        """
        if bound < 1:
            raise ValueError(f"a bound of {bound} points leaves no room for any")
        with self._lock:
            cursor = Cursor(self, self._lock, self._next_sequence(), bound, vital=vital)
            self._cursors.append(cursor)
            self._look_ahead()
            return cursor

    def append(self, head: int, time: float, value: float) -> bool:
        """Append one record and return True, or return False when it is refused (see :class:`PointQueue`).

        Args:
            head: Kind, flags and codename id (:func:`~PyExpLabSys.common.records.head_of`).
            time: Unix time in s.
            value: The value.

        Raises:
            struct.error: Time or value is not a number; nothing was changed.
        """
        with self._lock:
            offset = self._offset
            if offset >= self._stop:
                RECORD.pack(head, time, value)  # raises before anything is lost, refused or announced for it
                if not self._look_closer(1):
                    return False
                offset = self._offset
            self._store(offset, head, time, value)
            self._offset = offset + RECORD_BYTES
            return True

    def extend(self, records: "NDArray[Any]") -> int:
        """Append records of :func:`~PyExpLabSys.common.records.record_dtype` and return how many were taken.

        Less than all are taken only when the rest is refused.
        """
        taken = 0
        with self._lock:
            while taken < len(records):
                if self._offset >= self._stop and not self._look_closer(len(records) - taken):
                    break
                room = (self._stop - self._offset) // RECORD_BYTES
                part = records[taken : taken + room]
                self._head.store_many(self._offset, part)
                self._offset += len(part) * RECORD_BYTES
                taken += len(part)
        return taken

    def close(self) -> None:
        """Refuse every point from now on."""
        with self._lock:
            self._closed = True
            self._stop = 0

    @property
    def next_sequence(self) -> int:
        """Sequence number that the next record gets."""
        with self._lock:
            return self._next_sequence()

    @property
    def refused(self) -> int:
        """Number of points refused so far."""
        return self._refused

    def _next_sequence(self) -> int:
        return self._head.first_sequence + self._offset // RECORD_BYTES

    def _begin_segment(self, first_sequence: int, codenames: tuple[str, ...]) -> None:
        segment = self._new_segment(first_sequence, self._segment_records, codenames)
        if self._segments and self._segments[-1].first_sequence == first_sequence:
            self._segments.pop().drop()  # nothing was ever stored in it
        self._segments.append(segment)
        self._head, self._store, self._offset = segment, segment.store, 0
        self._look_ahead()

    def _look_closer(self, wanted: int) -> bool:
        """Do what is due before the next append; False when there is no room for it."""
        sequence = self._next_sequence()
        if self._closed or any(cursor.vital and cursor._is_full(sequence) for cursor in self._cursors):
            self._refused += wanted
            return False
        if self._offset == self._head.capacity_bytes:
            self._begin_segment(sequence, self._codenames)
        for cursor in self._cursors:
            if cursor._is_full(sequence):
                cursor._lose_oldest()
            cursor._notify_before(sequence)
        self._drop_settled()
        self._look_ahead()
        return True

    def _look_ahead(self) -> None:
        """Set the offset at which the next append has to look closer."""
        ahead = [(cursor._next_event() - self._head.first_sequence) * RECORD_BYTES for cursor in self._cursors]
        self._stop = 0 if self._closed else min([self._head.capacity_bytes, *ahead])

    def _drop_settled(self) -> None:
        """Drop the segments that every cursor has passed."""
        settled = min((cursor.position for cursor in self._cursors), default=self._next_sequence())
        while len(self._segments) > 1 and self._segments[1].first_sequence <= settled:
            self._segments.popleft().drop()

    def _segment_of(self, sequence: int) -> tuple[Segment, int]:
        """Return the segment that holds a sequence number, and the sequence number at which its records end."""
        end = self._next_sequence()
        for segment in reversed(self._segments):
            if segment.first_sequence <= sequence:
                return segment, end
            end = segment.first_sequence
        raise LookupError(f"sequence number {sequence} has been dropped; the oldest kept is {end}")


class Cursor:
    """How far one sink has come. One thread reads through it; the others only ask or wake it.

    Attributes:
        position: Every sequence number below it is settled for this sink, or in hand.
        lost: Number of records that this sink never gets because it was at its bound.
    """

    def __init__(self, queue: PointQueue, lock: threading.Lock, position: int, bound: int, *, vital: bool) -> None:
        self._queue = queue
        self._changed = threading.Condition(lock)
        self._bound = bound
        self.vital = vital
        self.position = position
        self.lost = 0
        self._hand_start = self._hand_end = position
        self._hand_times: NDArray[Any]
        self._wake_at: int | None = None
        self._alarm_at: int | None = None
        self._hurry_until = 0
        self._interrupted = self._left = False

    @property
    def waiting(self) -> int:
        """Number of records that are not settled for this sink, those in hand included."""
        with self._changed:
            return self._queue._next_sequence() - self.position + self._in_hand_below_position()

    def oldest_time(self) -> float | None:
        """Return the unix time in s of the oldest record that waits, None when nothing does."""
        record_dtype()  # as in read
        with self._changed:
            if self._in_hand_below_position():
                return float(self._hand_times[self._hand_start - self._hand_end])
            if self.position == self._queue._next_sequence():
                return None
            segment, _ = self._queue._segment_of(self.position)
            offset = (self.position - segment.first_sequence) * RECORD_BYTES
            return float(segment.read(offset, offset + RECORD_BYTES)["time"][0])

    def wait(self, records: int, timeout_s: float | None = None) -> bool:
        """Wait until so many records can be read; False after the time-out or when told to :meth:`hurry`."""
        with self._changed:
            self._wake_at = self.position + records
            try:
                self._changed.wait_for(self._is_due_or_armed, timeout_s)
                return self._is_ready()
            finally:
                self._wake_at = self._alarm_at = None
                self._queue._look_ahead()

    def hurry(self, *, for_ever: bool = False) -> int:
        """Let no :meth:`wait` wait before what was appended so far is settled; return the number at which that ends.

        Args:
            for_ever: Never wait again, whatever is appended.
        """
        with self._changed:
            self._interrupted |= for_ever
            self._hurry_until = self._queue._next_sequence()
            self._changed.notify_all()
            return self._hurry_until

    def wait_settled(self, sequence: int, timeout_s: float | None) -> bool:
        """Wait until everything below a sequence number is settled for this sink, and return whether it is.

        False after the time-out, or once nobody reads any more (:meth:`leave`).
        """

        def settled() -> bool:
            return self.position >= sequence and self._hand_start >= min(self._hand_end, sequence)

        with self._changed:
            self._changed.wait_for(lambda: settled() or self._left, timeout_s)
            return settled()

    def leave(self) -> None:
        """Say that nobody reads through this cursor any more, so that nobody waits for it in vain."""
        with self._changed:
            self._left = True
            self._changed.notify_all()

    def read(self, records: int) -> Batch | None:
        """Take the next points in hand, of at most so many records and one segment; None when nothing waits.

        What is in hand has to be settled before the next is read.
        """
        record_dtype()  # imports numpy the first time: not while appends wait for the lock
        with self._changed:
            start = self.position
            if start == self._queue._next_sequence():
                return None
            segment, segment_end = self._queue._segment_of(start)
            end = min(start + records, segment_end)
            first, last = ((sequence - segment.first_sequence) * RECORD_BYTES for sequence in (start, end))
            taken = segment.read(first, last)
            self._hand_start, self._hand_end, self._hand_times = start, end, taken["time"]
        return _batch(start, taken, segment.codenames)

    def settle(self, sequence: int) -> None:
        """Say that everything in hand up to and including a sequence number is done with."""
        with self._changed:
            self._hand_start = max(self._hand_start, sequence + 1)
            self.position = max(self.position, sequence + 1)
            self._queue._drop_settled()
            self._queue._look_ahead()
            self._changed.notify_all()

    def _in_hand_below_position(self) -> int:
        # Only when records behind the hand were lost: the log may have dropped those in hand.
        return max(0, min(self._hand_end, self.position) - self._hand_start)

    def _is_ready(self) -> bool:
        return self._wake_at is not None and self._queue._next_sequence() >= self._wake_at

    def _is_due(self) -> bool:
        return self._interrupted or self.position < self._hurry_until or self._is_ready()

    def _is_due_or_armed(self) -> bool:
        # Armed again after each wake-up: the append that was announced may have been interrupted (Ctrl-C).
        if self._is_due():
            return True
        self._alarm_at = self._wake_at
        self._queue._look_ahead()
        return False

    def _is_full(self, sequence: int) -> bool:
        return sequence - self.position >= self._bound

    def _next_event(self) -> int:
        """Return the sequence number whose append concerns this cursor."""
        full_at = self.position + self._bound
        return full_at if self._alarm_at is None else min(full_at, self._alarm_at - 1)

    def _lose_oldest(self) -> None:
        # Some at once, so that the cost of making room is shared by the appends that use it; what is in hand stays.
        start = max(self.position, self._hand_end)
        end = min(start + max(1, self._bound // 64), self._queue._next_sequence())
        self.lost += end - start
        self.position = max(end, self.position)

    def _notify_before(self, sequence: int) -> None:
        if self._alarm_at is not None and sequence + 1 >= self._alarm_at:
            self._alarm_at = None
            self._changed.notify_all()


def _batch(first_sequence: int, records: "NDArray[Any]", codenames: tuple[str, ...]) -> Batch:
    import numpy as np

    positions = np.flatnonzero(records["kind"] == KIND_POINT)
    points = records[positions]
    return Batch(
        first_sequence=first_sequence,
        last_sequence=first_sequence + len(records) - 1,
        sequences=positions + first_sequence,
        ids=points["codename"],
        times=points["time"],
        values=points["value"],
        codenames=codenames,
    )
