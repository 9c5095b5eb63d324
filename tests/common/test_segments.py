"""A segment stores records at offsets and gives its memory back."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from PyExpLabSys.common.records import KIND_POINT, RECORD, RECORD_BYTES, head_of, record_dtype
from PyExpLabSys.common.segments import SEGMENT_RECORDS, MemorySegment


@pytest.fixture
def segment() -> MemorySegment:
    return MemorySegment(101, 4, ("a", "b"))


def _points(count: int) -> NDArray[Any]:
    points = np.zeros(count, record_dtype())
    points["kind"], points["time"], points["value"] = KIND_POINT, np.arange(count), np.arange(count) + 0.5
    return points


def test_a_segment_knows_its_numbers_and_its_codenames(segment: MemorySegment) -> None:
    assert (segment.first_sequence, segment.capacity_bytes, segment.codenames) == (101, 4 * 24, ("a", "b"))


def test_a_new_segment_holds_no_valid_record(segment: MemorySegment) -> None:
    assert segment.read(0, segment.capacity_bytes)["kind"].tolist() == [0, 0, 0, 0]


def test_what_is_stored_is_read_back_from_the_same_place(segment: MemorySegment) -> None:
    segment.store(2 * RECORD_BYTES, head_of(1), 1.5, -0.25)
    assert segment.read(0, segment.capacity_bytes).tobytes() == (
        bytes(2 * RECORD_BYTES) + RECORD.pack(head_of(1), 1.5, -0.25) + bytes(RECORD_BYTES)
    )


def test_many_records_are_stored_as_one_by_one(segment: MemorySegment) -> None:
    one_by_one = MemorySegment(101, 4, ())
    for i in range(3):
        one_by_one.store((1 + i) * RECORD_BYTES, head_of(0), float(i), i + 0.5)
    segment.store_many(RECORD_BYTES, _points(3))
    assert segment.read(0, 4 * RECORD_BYTES).tobytes() == one_by_one.read(0, 4 * RECORD_BYTES).tobytes()


def test_records_that_are_not_contiguous_are_stored_too(segment: MemorySegment) -> None:
    segment.store_many(0, _points(8)[::2])
    assert segment.read(0, segment.capacity_bytes)["time"].tolist() == [0.0, 2.0, 4.0, 6.0]


def test_what_was_read_does_not_change_with_what_is_stored_later(segment: MemorySegment) -> None:
    segment.store(0, head_of(0), 1.0, 1.0)
    before = segment.read(0, RECORD_BYTES)
    segment.store(0, head_of(0), 2.0, 2.0)
    assert before["time"][0] == 1.0


def test_nothing_is_stored_beyond_the_end(segment: MemorySegment) -> None:
    with pytest.raises(struct.error):
        segment.store(segment.capacity_bytes, head_of(0), 1.0, 1.0)
    with pytest.raises(IndexError):
        segment.store_many(3 * RECORD_BYTES, _points(2))


def test_memory_that_was_read_is_closed_when_dropped(segment: MemorySegment) -> None:
    kept = segment.read(0, segment.capacity_bytes)
    segment.sync()
    segment.drop()
    assert segment._memory.closed
    assert len(kept) == 4
    with pytest.raises(TypeError):
        segment.store(0, head_of(0), 1.0, 1.0)


def test_the_system_has_its_memory_back_after_a_drop() -> None:
    def resident_pages() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    segments = [MemorySegment(1, SEGMENT_RECORDS, ()) for _ in range(20)]
    records = _points(SEGMENT_RECORDS)
    before = resident_pages()
    for segment in segments:
        segment.store_many(0, records)
    filled = resident_pages()
    for segment in segments:
        segment.drop()
    pages = 20 * SEGMENT_RECORDS * RECORD_BYTES // 4096
    assert filled - before > 0.9 * pages
    assert filled - resident_pages() > 0.9 * pages
