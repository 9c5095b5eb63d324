"""Where the records of a point log stand: fixed-size segments behind five operations.

The queue decides what is stored where; a segment only knows how to store, read, sync and drop bytes.
"""

import mmap
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from PyExpLabSys.common.records import RECORD, RECORD_BYTES, record_dtype

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEGMENT_RECORDS = 1 << 16


class Segment(ABC):
    """Room for a fixed number of records with consecutive sequence numbers, and the codenames that they mean.

    Attributes:
        first_sequence: Sequence number of its first record.
        capacity_bytes: Size of its record area; offsets count from its beginning.
        codenames: Codename of each local id, complete for all records of this segment.
        store: ``store(offset, head, time, value)`` writes one record; called for each point, under the
            queue's lock, and so as near to one call into C as the storage allows.
    """

    store: Callable[[int, int, float, float], None]

    def __init__(self, first_sequence: int, records: int, codenames: tuple[str, ...]) -> None:
        self.first_sequence = first_sequence
        self.capacity_bytes = records * RECORD_BYTES
        self.codenames = codenames

    @abstractmethod
    def store_many(self, offset: int, records: "NDArray[Any]") -> None:
        """Write consecutive records of :func:`~PyExpLabSys.common.records.record_dtype`."""

    @abstractmethod
    def read(self, start: int, end: int) -> "NDArray[Any]":
        """Return a copy of the records between two offsets in bytes."""

    @abstractmethod
    def sync(self) -> None:
        """Return when all that was stored survives a power cut, as far as this storage can."""

    @abstractmethod
    def drop(self) -> None:
        """Give the storage back; the segment is not used again."""


class MemorySegment(Segment):
    """A segment in the memory of this process.

    The memory is the system's own (an anonymous mapping), so that it goes back to the system when a backlog
    has been delivered, which Python's allocator does not promise.
    """

    def __init__(self, first_sequence: int, records: int, codenames: tuple[str, ...]) -> None:
        super().__init__(first_sequence, records, codenames)
        if sys.platform == "win32":
            self._memory = mmap.mmap(-1, self.capacity_bytes)
        else:
            self._memory = mmap.mmap(-1, self.capacity_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.store = partial(RECORD.pack_into, self._memory)

    def store_many(self, offset: int, records: "NDArray[Any]") -> None:
        """Write consecutive records."""
        self._memory[offset : offset + len(records) * RECORD_BYTES] = records.tobytes()

    def read(self, start: int, end: int) -> "NDArray[Any]":
        """Return a copy of the records between two offsets."""
        import numpy as np

        return np.frombuffer(self._memory[start:end], record_dtype())

    def sync(self) -> None:
        """Do nothing: memory does not survive a power cut."""

    def drop(self) -> None:
        """Give the memory back."""
        self._memory.close()
