"""The queue against a list: order, nothing lost, nothing twice, exact counts, memory given back, no missed wake-up."""

import math
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from numpy.typing import NDArray

from PyExpLabSys.common import point_queue as point_queue_module
from PyExpLabSys.common.batch import Batch
from PyExpLabSys.common.point_queue import FIRST_SEQUENCE, Cursor, PointQueue
from PyExpLabSys.common.records import CODENAMES_MAX, KIND_POINT, head_of, record_dtype
from PyExpLabSys.common.segments import MemorySegment

PATIENCE_S = 10.0
ROUNDS = 300
HEAD = head_of(0)


class Storage:
    """Makes segments and knows which of them still hold memory."""

    def __init__(self) -> None:
        self.segments: list[MemorySegment] = []
        self.fail_with: BaseException | None = None

    def __call__(self, first_sequence: int, records: int, codenames: tuple[str, ...]) -> MemorySegment:
        if self.fail_with is not None:
            raise self.fail_with
        self.segments.append(MemorySegment(first_sequence, records, codenames))
        return self.segments[-1]

    @property
    def held(self) -> list[MemorySegment]:
        return [segment for segment in self.segments if not segment._memory.closed]


def _records(numbers: range) -> NDArray[Any]:
    records = np.zeros(len(numbers), record_dtype())
    records["kind"], records["time"], records["value"] = KIND_POINT, numbers, numbers
    return records


def _append(queue: PointQueue, numbers: range) -> list[bool]:
    return [queue.append(HEAD, float(number), float(number)) for number in numbers]


def _take(cursor: Cursor, records: int = 1000) -> list[float]:
    """Read, settle and return the values."""
    batch = cursor.read(records)
    if batch is None:
        return []
    cursor.settle(batch.last_sequence)
    return batch.values.tolist()


def _drain(cursor: Cursor, records: int = 1000) -> list[float]:
    values: list[float] = []
    while part := _take(cursor, records):
        values += part
    return values


# --- one thread, one thing at a time -----------------------------------------------------------------------------


def test_points_come_out_as_they_went_in() -> None:
    queue = PointQueue()
    names = [queue.register(name) for name in ("a", "b")]
    cursor = queue.cursor(bound=10, vital=True)
    queue.append(head_of(names[1]), 1.25, -3.5)
    queue.append(head_of(names[0]), 2.0, math.nan)
    batch = cursor.read(10)
    assert batch is not None
    assert [batch.codenames[i] for i in batch.ids] == ["b", "a"]
    assert batch.times.tolist() == [1.25, 2.0]
    assert batch.values[0] == -3.5
    assert math.isnan(batch.values[1])
    assert batch.sequences.tolist() == [FIRST_SEQUENCE, FIRST_SEQUENCE + 1]
    assert (batch.first_sequence, batch.last_sequence) == (FIRST_SEQUENCE, FIRST_SEQUENCE + 1)


def test_a_codename_has_one_id_for_ever() -> None:
    queue = PointQueue(segment_records=4)
    assert [queue.register(name) for name in ("a", "b", "a", "c", "b")] == [0, 1, 0, 2, 1]


def test_registering_leaves_no_empty_segments_behind() -> None:
    storage = Storage()
    queue = PointQueue(4, storage)
    for number in range(100):
        queue.register(f"codename {number}")
    assert len(storage.held) == 1
    assert queue.next_sequence == FIRST_SEQUENCE


def test_no_more_codenames_than_their_field_can_tell_apart() -> None:
    queue = PointQueue(1)
    queue._codenames = tuple(str(number) for number in range(CODENAMES_MAX))
    assert queue.register("7") == 7
    with pytest.raises(ValueError, match="no room for 'one more'"):
        queue.register("one more")


def test_a_codename_whose_segment_cannot_be_made_is_not_registered() -> None:
    storage = Storage()
    queue = PointQueue(4, storage)
    cursor = queue.cursor(bound=10, vital=True)
    queue.register("a")
    storage.fail_with = OSError("no memory")
    with pytest.raises(OSError, match="no memory"):
        queue.register("b")
    storage.fail_with = None
    queue.append(head_of(queue.register("b")), 1.0, 1.0)
    batch = cursor.read(1)
    assert batch is not None
    assert batch.codenames[batch.ids[0]] == "b"


def test_a_segment_that_cannot_be_made_costs_only_the_point_at_hand() -> None:
    storage = Storage()
    queue = PointQueue(2, storage)
    cursor = queue.cursor(bound=10, vital=True)
    assert _append(queue, range(2)) == [True, True]
    storage.fail_with = OSError("no memory")
    with pytest.raises(OSError, match="no memory"):
        queue.append(HEAD, 9.0, 9.0)
    storage.fail_with = None
    assert _append(queue, range(2, 5)) == [True, True, True]
    assert _drain(cursor) == [0.0, 1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize("ask", [lambda cursor: cursor.read(10), Cursor.oldest_time], ids=["read", "oldest-time"])
def test_appends_do_not_wait_for_numpy_to_be_imported_nor_for_arrays_to_be_made(
    ask: Callable[[Cursor], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = PointQueue()
    cursor = queue.cursor(bound=10, vital=True)
    _append(queue, range(3))
    locked: list[bool] = []

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def watching(*arguments: Any) -> Any:
            locked.append(queue._lock.locked())
            return function(*arguments)

        return watching

    monkeypatch.setattr(point_queue_module, "record_dtype", watched(record_dtype))
    monkeypatch.setattr(point_queue_module, "_batch", watched(point_queue_module._batch))
    ask(cursor)
    assert locked
    assert not any(locked)


def test_a_cursor_begins_at_the_present() -> None:
    queue = PointQueue(4)
    _append(queue, range(6))
    cursor = queue.cursor(bound=10, vital=False)
    assert cursor.waiting == 0
    assert cursor.read(10) is None
    assert cursor.oldest_time() is None
    _append(queue, range(6, 8))
    assert _drain(cursor) == [6.0, 7.0]


@pytest.mark.parametrize("bound", [0, -1])
def test_a_bound_without_room_is_refused(bound: int) -> None:
    with pytest.raises(ValueError, match="leaves no room"):
        PointQueue().cursor(bound=bound, vital=True)


def test_at_the_bound_of_a_vital_cursor_new_points_are_refused() -> None:
    queue = PointQueue(4)
    cursor = queue.cursor(bound=3, vital=True)
    assert _append(queue, range(5)) == [True, True, True, False, False]
    assert (queue.refused, cursor.lost, cursor.waiting) == (2, 0, 3)
    assert _take(cursor, 1) == [0.0]
    assert _append(queue, range(5, 7)) == [True, False]
    assert _drain(cursor) == [1.0, 2.0, 5.0]


def test_at_the_bound_of_another_cursor_its_oldest_points_are_lost() -> None:
    queue = PointQueue(4)
    vital = queue.cursor(bound=100, vital=True)
    other = queue.cursor(bound=3, vital=False)
    assert all(_append(queue, range(10)))
    assert (queue.refused, other.lost, other.waiting) == (0, 7, 3)
    assert _drain(other) == [7.0, 8.0, 9.0]
    assert _drain(vital) == [float(number) for number in range(10)]


def test_a_large_bound_makes_room_for_some_points_at_once() -> None:
    queue = PointQueue(16)
    cursor = queue.cursor(bound=640, vital=False)
    _append(queue, range(640))
    assert cursor.lost == 0
    _append(queue, range(640, 641))
    assert (cursor.lost, cursor.waiting) == (10, 631)
    _append(queue, range(641, 650))
    assert (cursor.lost, cursor.waiting) == (10, 640)


def test_a_batch_in_hand_is_not_lost_when_those_behind_it_are() -> None:
    queue = PointQueue(4)
    cursor = queue.cursor(bound=4, vital=False)
    _append(queue, range(4))
    batch = cursor.read(2)
    assert batch is not None
    _append(queue, range(4, 11))
    assert cursor.waiting == 2 + 4
    assert cursor.oldest_time() == 0.0
    cursor.settle(batch.first(1).last_sequence)
    assert (cursor.waiting, cursor.oldest_time()) == (1 + 4, 1.0)
    assert not cursor.wait_settled(batch.last_sequence + 1, 0.0)
    cursor.settle(batch.last_sequence)
    assert cursor.wait_settled(batch.last_sequence + 1, 0.0)
    assert (cursor.waiting, cursor.lost, cursor.oldest_time()) == (4, 5, 7.0)
    assert _drain(cursor) == [7.0, 8.0, 9.0, 10.0]


def test_a_batch_in_hand_that_fills_the_bound_is_not_lost() -> None:
    queue = PointQueue(4)
    cursor = queue.cursor(bound=3, vital=False)
    _append(queue, range(3))
    batch = cursor.read(3)
    assert batch is not None
    _append(queue, range(3, 5))
    assert (cursor.waiting, cursor.lost) == (3 + 2, 0)
    cursor.settle(batch.last_sequence)
    assert _drain(cursor) == [3.0, 4.0]


def test_a_full_secondary_cursor_does_not_hold_segments() -> None:
    storage = Storage()
    queue = PointQueue(4, storage)
    cursor = queue.cursor(bound=8, vital=False)
    _append(queue, range(4))
    cursor.read(4)
    _append(queue, range(4, 4000))
    assert len(storage.held) <= 4


def test_what_is_not_settled_is_read_again() -> None:
    queue = PointQueue(8)
    cursor = queue.cursor(bound=8, vital=True)
    _append(queue, range(5))
    batch = cursor.read(4)
    assert batch is not None
    cursor.settle(batch.first(2).last_sequence)
    assert _drain(cursor) == [2.0, 3.0, 4.0]


def test_memory_is_given_back_when_the_last_cursor_has_passed() -> None:
    storage = Storage()
    queue = PointQueue(4, storage)
    fast, slow = queue.cursor(bound=100, vital=True), queue.cursor(bound=100, vital=False)
    _append(queue, range(40))
    assert len(_drain(fast)) == 40
    assert len(storage.held) == 10
    for _ in range(9):
        held = len(storage.held)
        assert len(_take(slow)) == 4
        assert len(storage.held) == held - 1
    assert _drain(slow) == [36.0, 37.0, 38.0, 39.0]
    assert storage.held == storage.segments[-1:]


def test_records_that_are_no_points_are_settled_but_not_delivered() -> None:
    queue = PointQueue(8)
    cursor = queue.cursor(bound=8, vital=True)
    records = _records(range(4))
    records["kind"] = [KIND_POINT, 2, KIND_POINT, 3]
    assert queue.extend(records) == 4
    batch = cursor.read(8)
    assert batch is not None
    assert batch.values.tolist() == [0.0, 2.0]
    assert batch.sequences.tolist() == [FIRST_SEQUENCE, FIRST_SEQUENCE + 2]
    assert batch.last_sequence == FIRST_SEQUENCE + 3
    cursor.settle(batch.last_sequence)
    assert cursor.waiting == 0


def test_a_closed_queue_refuses_and_still_gives_what_it_has() -> None:
    queue = PointQueue(4)
    cursor = queue.cursor(bound=10, vital=True)
    _append(queue, range(2))
    queue.close()
    assert not queue.append(HEAD, 2.0, 2.0)
    assert queue.extend(_records(range(3))) == 0
    assert queue.refused == 4
    assert not cursor.wait(10, 0.0)
    assert not queue.append(HEAD, 2.0, 2.0)
    assert _drain(cursor) == [0.0, 1.0]
    assert not queue.append(HEAD, 2.0, 2.0)
    assert queue.refused == 6


# --- values that are no numbers ----------------------------------------------------------------------------------


def _state(queue: PointQueue, *cursors: Cursor) -> object:
    return (
        queue.next_sequence,
        queue.refused,
        [(cursor.position, cursor.lost, cursor.waiting, cursor.oldest_time()) for cursor in cursors],
    )


@pytest.mark.parametrize(
    ("time", "value"),
    [(1.0, "1.0"), ("1.0", 1.0), (1.0, None), (1.0, 10**400)],
    ids=["text", "text-as-time", "none", "too-large"],
)
@pytest.mark.parametrize("waiting", range(13))
@pytest.mark.parametrize("vital", [True, False], ids=["vital", "secondary"])
def test_what_is_no_number_changes_nothing_wherever_it_comes(time: Any, value: Any, waiting: int, vital: bool) -> None:
    # 4 records fill a segment, 12 the bound: it comes on the straight way and on each way around.
    queue = PointQueue(4)
    cursor = queue.cursor(bound=12, vital=vital)
    _append(queue, range(waiting))
    before = _state(queue, cursor)
    for _ in range(3):
        with pytest.raises(struct.error):
            queue.append(HEAD, time, value)
    assert _state(queue, cursor) == before
    assert _drain(cursor) == [float(number) for number in range(waiting)]
    assert queue.append(HEAD, 5.0, 5.0)
    assert _drain(cursor) == [5.0]


# --- any order of calls ------------------------------------------------------------------------------------------


class Reader:
    """A cursor, and what it must have seen."""

    def __init__(self, cursor: Cursor, bound: int, start: int) -> None:
        self.cursor, self.bound = cursor, bound
        self.start = self.next = start
        self.hand: Batch | None = None
        self.skipped = 0
        self.hurried_to = 0

    @property
    def settled(self) -> int:
        """How many records it has settled or lost before those that it was seen to skip."""
        return (self.next if self.hand is None else self.hand.first_sequence) - self.start


class QueueAgainstList(RuleBasedStateMachine):
    """Whatever is called in whatever order, each cursor sees the log, in order, less what it is known to have lost."""

    @initialize(segment_records=st.sampled_from([1, 4, 7]))
    def begin(self, segment_records: int) -> None:
        self.storage = Storage()
        self.segment_records = segment_records
        self.queue = PointQueue(segment_records, self.storage)
        self.names = ["first"]
        assert self.queue.register("first") == 0
        self.log: list[tuple[str, float]] = []
        self.readers: list[Reader] = []
        self.refused = 0
        self.closed = False

    @property
    def end(self) -> int:
        return FIRST_SEQUENCE + len(self.log)

    def room(self) -> int:
        """How many points the log must take before it refuses."""
        if self.closed:
            return 0
        lags = [r.bound - (self.end - r.cursor.position) for r in self.readers if r.cursor.vital]
        return min(lags, default=1_000_000)

    def check_losses(self, lags: list[tuple[int, int]], taken: int) -> None:
        """Check that a cursor has lost points only at its bound, and no more than make room."""
        for reader, (lag, lost) in zip(self.readers, lags, strict=True):
            newly = reader.cursor.lost - lost
            over = max(0, lag + taken - reader.bound)
            assert newly == 0 if over == 0 or reader.cursor.vital else newly < over + max(1, reader.bound // 64)

    def lags(self) -> list[tuple[int, int]]:
        return [(self.end - reader.cursor.position, reader.cursor.lost) for reader in self.readers]

    @precondition(lambda self: len(self.readers) < 4)
    @rule(bound=st.integers(1, 20) | st.just(130), vital=st.booleans())
    def add_cursor(self, bound: int, vital: bool) -> None:
        self.readers.append(Reader(self.queue.cursor(bound=bound, vital=vital), bound, self.end))

    @rule(name=st.sampled_from("abcde"))
    def register(self, name: str) -> None:
        if name not in self.names:
            self.names.append(name)
        assert self.queue.register(name) == self.names.index(name)

    @rule(data=st.data(), count=st.integers(1, 5), value=st.floats())
    def append(self, data: st.DataObject, count: int, value: float) -> None:
        for _ in range(count):
            codename_id = data.draw(st.integers(0, len(self.names) - 1))
            lags, room = self.lags(), self.room()
            assert self.queue.append(head_of(codename_id), float(self.end), value) == (room > 0)
            self.note([(self.names[codename_id], value)], lags, room)

    @rule(data=st.data(), count=st.integers(0, 40))
    def extend(self, data: st.DataObject, count: int) -> None:
        codename_id = data.draw(st.integers(0, len(self.names) - 1))
        records = _records(range(self.end, self.end + count))
        records["codename"] = codename_id
        lags, room = self.lags(), self.room()
        assert self.queue.extend(records) == min(room, count)
        self.note([(self.names[codename_id], float(number)) for number in records["value"]], lags, room)

    def note(self, points: list[tuple[str, float]], lags: list[tuple[int, int]], room: int) -> None:
        self.log += points[:room]
        self.refused += len(points[room:])
        self.check_losses(lags, min(len(points), room))
        if points[:room]:
            self.check_that_passed_segments_are_dropped(but=1)

    @rule(value=st.sampled_from(["text", None, 10**400]))
    def append_what_is_no_number(self, value: Any) -> None:
        held = self.storage.held
        with pytest.raises(struct.error):
            self.queue.append(HEAD, 1.0, value)
        assert self.storage.held == held

    @rule(data=st.data(), records=st.integers(1, 10))
    def read(self, data: st.DataObject, records: int) -> None:
        idle = [reader for reader in self.readers if reader.hand is None]
        if not idle:
            return
        reader = data.draw(st.sampled_from(idle))
        batch = reader.cursor.read(records)
        if batch is None:
            assert reader.next + reader.cursor.lost - reader.skipped == self.end
            return
        skipped = batch.first_sequence - reader.next
        assert skipped == reader.cursor.lost - reader.skipped
        reader.skipped = reader.cursor.lost
        assert 1 <= len(batch) <= min(records, self.segment_records)
        assert batch.sequences.tolist() == list(range(batch.first_sequence, batch.last_sequence + 1))
        assert batch.times.tolist() == batch.sequences.tolist()
        expected = self.log[batch.first_sequence - FIRST_SEQUENCE : batch.last_sequence + 1 - FIRST_SEQUENCE]
        assert [batch.codenames[i] for i in batch.ids] == [name for name, _ in expected]
        assert np.array_equal(batch.values, [value for _, value in expected], equal_nan=True)
        reader.hand = batch
        reader.next = batch.last_sequence + 1

    @rule(data=st.data(), points=st.integers(0, 10))
    def settle(self, data: st.DataObject, points: int) -> None:
        busy = [reader for reader in self.readers if reader.hand is not None]
        if not busy:
            return
        reader = data.draw(st.sampled_from(busy))
        assert reader.hand is not None
        part = reader.hand.first(points)
        reader.cursor.settle(part.last_sequence)
        rest = reader.hand.after(part.last_sequence)
        reader.hand = rest if len(rest) else None
        self.check_that_passed_segments_are_dropped(but=0)

    @rule(data=st.data(), records=st.integers(1, 10))
    def wait(self, data: st.DataObject, records: int) -> None:
        if self.readers:
            cursor = data.draw(st.sampled_from(self.readers)).cursor
            assert cursor.wait(records, 0.0) == (self.end - cursor.position >= records)

    @rule(data=st.data())
    def hurry(self, data: st.DataObject) -> None:
        if self.readers:
            reader = data.draw(st.sampled_from(self.readers))
            reader.hurried_to = reader.cursor.hurry()
            assert reader.hurried_to == self.end

    @rule(data=st.data())
    def wait_although_hurried(self, data: st.DataObject) -> None:
        hurried = [reader for reader in self.readers if reader.cursor.position < reader.hurried_to]
        if hurried:
            # Would hang without a time-out, were it not for the hurry.
            assert not data.draw(st.sampled_from(hurried)).cursor.wait(1_000_000)

    @precondition(lambda self: len(self.log) > 60)
    @rule()
    def close(self) -> None:
        self.queue.close()
        self.closed = True

    def check_that_passed_segments_are_dropped(self, *, but: int) -> None:
        # An append drops what is passed when it looks closer, that is at the next segment; a settling cursor at once.
        passed = min((reader.cursor.position for reader in self.readers), default=self.end)
        *others, _head = self.storage.held
        useless = [
            s for s, following in zip(others, self.storage.held[1:], strict=True) if following.first_sequence <= passed
        ]
        assert len(useless) <= but + len(self.names)

    @invariant()
    def counts_add_up(self) -> None:
        assert self.queue.next_sequence == self.end
        assert self.queue.refused == self.refused
        for reader in self.readers:
            in_hand = 0 if reader.hand is None else len(reader.hand)
            unseen_losses = reader.cursor.lost - reader.skipped
            assert reader.cursor.waiting == self.end - reader.next - unseen_losses + in_hand
            assert self.end - reader.cursor.position <= reader.bound
            oldest = reader.next + unseen_losses if reader.hand is None else reader.hand.sequences[0]
            assert reader.cursor.oldest_time() == (oldest if reader.cursor.waiting else None)
            everything_settled = reader.cursor.wait_settled(self.end, 0.0)
            assert everything_settled == (reader.cursor.waiting == 0)

    def teardown(self) -> None:
        for reader in getattr(self, "readers", []):
            reader.hand = None
        # What is left can be read to its end.
        for reader in getattr(self, "readers", []):
            values = _drain(reader.cursor, 3)
            assert np.array_equal(
                values, [value for _, value in self.log[len(self.log) - len(values) :]], equal_nan=True
            )


TestQueueAgainstList = QueueAgainstList.TestCase
TestQueueAgainstList.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


# --- several threads ---------------------------------------------------------------------------------------------


class ToldCondition(threading.Condition):
    """Tells when a thread has begun to wait, and counts how often waiting threads were woken."""

    def __init__(self, lock: Any) -> None:
        super().__init__(lock)
        self.waits = threading.Event()
        self.notified = 0

    def wait(self, timeout: float | None = None) -> bool:
        # The lock is held: whoever needs it now gets it when the thread is waiting, and not before.
        self.waits.set()
        return super().wait(timeout)

    def notify_all(self) -> None:
        self.notified += 1
        super().notify_all()


class Waiter:
    """Calls a function in a thread and keeps what it returned."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self.result: object = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.result = self._function()

    @property
    def is_waiting(self) -> bool:
        return self._thread.is_alive()

    def join(self) -> object:
        self._thread.join(2 * PATIENCE_S)
        assert not self._thread.is_alive(), "still waiting"
        return self.result


@pytest.fixture
def many_switches() -> Iterator[None]:
    """Let threads take turns as often as possible."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def _watched(queue: PointQueue, **arguments: Any) -> tuple[Cursor, ToldCondition]:
    cursor = queue.cursor(**arguments)
    cursor._changed = told = ToldCondition(queue._lock)
    return cursor, told


def _wait(cursor: Cursor, records: int) -> bool:
    began = time.monotonic()
    ready = cursor.wait(records, PATIENCE_S)
    assert time.monotonic() - began < PATIENCE_S, "a wake-up was missed: only the time-out ended the wait"
    return ready


def _wait_in_thread(cursor: Cursor, told: ToldCondition, records: int) -> Waiter:
    told.waits.clear()
    waiter = Waiter(lambda: _wait(cursor, records))
    assert told.waits.wait(PATIENCE_S)
    return waiter


@pytest.mark.parametrize("records", [1, 3, 4, 5, 6, 9])
def test_the_point_that_is_waited_for_wakes_and_none_before_it(records: int) -> None:
    queue = PointQueue(4)
    cursor, told = _watched(queue, bound=100, vital=True)
    waiter = _wait_in_thread(cursor, told, records)
    _append(queue, range(records - 1))
    assert told.notified == 0
    assert waiter.is_waiting
    _append(queue, range(records - 1, records))
    assert waiter.join() is True
    _append(queue, range(records, 3 * records))
    assert told.notified == 1


@pytest.mark.parametrize("count", [1, 3, 4, 20])
def test_many_points_at_once_wake_too(count: int) -> None:
    queue = PointQueue(4)
    cursor, told = _watched(queue, bound=100, vital=True)
    _append(queue, range(2))
    waiter = _wait_in_thread(cursor, told, 2 + count)
    queue.extend(_records(range(2, 2 + count)))
    assert waiter.join() is True
    assert told.notified == 1


def test_a_hurry_wakes_only_for_what_waits() -> None:
    queue = PointQueue(4)
    cursor, told = _watched(queue, bound=100, vital=True)
    waiter = _wait_in_thread(cursor, told, 2)
    cursor.hurry()
    assert waiter.is_waiting
    _append(queue, range(1))
    assert waiter.is_waiting
    end = cursor.hurry()
    assert waiter.join() is False
    assert not cursor.wait_settled(end, 0.0)
    assert _take(cursor) == [0.0]
    assert cursor.wait_settled(end, 0.0)
    assert not cursor.wait(1, 0.0)


def test_after_the_last_hurry_nobody_waits_any_more() -> None:
    queue = PointQueue(4)
    cursor, told = _watched(queue, bound=100, vital=True)
    waiter = _wait_in_thread(cursor, told, 1)
    cursor.hurry(for_ever=True)
    assert waiter.join() is False
    assert cursor.wait(1) is False
    _append(queue, range(1))
    assert cursor.wait(1) is True


def test_settling_wakes_who_waits_for_it() -> None:
    queue = PointQueue(4)
    cursor, told = _watched(queue, bound=100, vital=True)
    _append(queue, range(6))
    waiter = Waiter(lambda: cursor.wait_settled(FIRST_SEQUENCE + 6, PATIENCE_S))
    assert told.waits.wait(PATIENCE_S)
    assert len(_take(cursor)) == 4
    assert waiter.is_waiting
    assert len(_take(cursor)) == 2
    assert waiter.join() is True


@pytest.mark.parametrize("already", [0, 3, 4])
def test_what_is_no_number_does_not_use_up_the_wake_up(already: int) -> None:
    queue = PointQueue(4)
    cursor, told = _watched(queue, bound=100, vital=True)
    _append(queue, range(already))
    waiter = _wait_in_thread(cursor, told, already + 1)
    with pytest.raises(struct.error):
        queue.append(HEAD, 1.0, "text")  # type: ignore[arg-type]
    assert told.notified == 0
    _append(queue, range(1))
    assert waiter.join() is True


def test_an_append_that_is_interrupted_does_not_use_up_the_wake_up() -> None:
    class Interrupted(MemorySegment):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self._plainly, self.store = self.store, self._interrupt

        def _interrupt(self, *_arguments: Any) -> None:
            self.store = self._plainly
            raise KeyboardInterrupt

    queue = PointQueue(4, Interrupted)
    cursor, told = _watched(queue, bound=100, vital=True)
    waiter = _wait_in_thread(cursor, told, 1)
    told.waits.clear()
    with pytest.raises(KeyboardInterrupt):
        queue.append(HEAD, 0.0, 0.0)
    assert told.waits.wait(PATIENCE_S), "looked, found nothing and waits again"
    queue._store = queue._head.store
    _append(queue, range(1))
    assert waiter.join() is True


@pytest.mark.parametrize("records", [1, 2, 5])
@pytest.mark.usefixtures("many_switches")
def test_no_wake_up_is_ever_missed(records: int) -> None:
    queue = PointQueue(7)
    cursor = queue.cursor(bound=100, vital=True)
    together = threading.Barrier(2, timeout=PATIENCE_S)

    def append_from_time_to_time() -> None:
        for _ in range(ROUNDS):
            together.wait()
            _append(queue, range(records))

    appending = Waiter(append_from_time_to_time)
    woken = 0
    for _ in range(ROUNDS):
        together.wait()
        woken += _wait(cursor, records)
        taken = len(_take(cursor))
        while taken < records:
            taken += len(_take(cursor))
        assert taken == records
    appending.join()
    assert woken == ROUNDS


@pytest.mark.usefixtures("many_switches")
def test_no_hurry_is_ever_missed() -> None:
    queue = PointQueue(7)
    cursor = queue.cursor(bound=100, vital=True)
    together = threading.Barrier(2, timeout=PATIENCE_S)

    def append_and_hurry() -> None:
        for _ in range(ROUNDS):
            together.wait()
            _append(queue, range(1))
            assert cursor.wait_settled(cursor.hurry(), PATIENCE_S)

    hurrying = Waiter(append_and_hurry)
    for _ in range(ROUNDS):
        together.wait()
        assert not _wait(cursor, 2)
        assert _take(cursor) == [0.0]
    hurrying.join()


@pytest.mark.usefixtures("many_switches")
def test_points_of_many_threads_arrive_once_and_each_threads_own_in_order() -> None:
    threads, points = 4, 3000
    storage = Storage()
    queue = PointQueue(64, storage)
    ids = [queue.register(f"thread {number}") for number in range(threads)]
    cursor = queue.cursor(bound=threads * points, vital=True)
    slow = queue.cursor(bound=100, vital=False)

    def append(codename_id: int) -> None:
        for number in range(0, points, 10):
            for single in range(number, number + 5):
                assert queue.append(head_of(codename_id), float(single), float(single))
            records = _records(range(number + 5, number + 10))
            records["codename"] = codename_id
            assert queue.extend(records) == 5

    appending = [Waiter(partial(append, codename_id)) for codename_id in ids]
    seen: list[list[float]] = [[] for _ in ids]
    following = FIRST_SEQUENCE
    while following < FIRST_SEQUENCE + threads * points:
        assert _wait(cursor, 1)
        batch = cursor.read(50)
        assert batch is not None
        assert batch.sequences.tolist() == list(range(following, batch.last_sequence + 1))
        following = batch.last_sequence + 1
        for codename_id, value in zip(batch.ids.tolist(), batch.values.tolist(), strict=True):
            seen[codename_id].append(value)
        cursor.settle(batch.last_sequence)
    for waiter in appending:
        waiter.join()
    assert seen == [[float(number) for number in range(points)]] * threads
    assert (cursor.waiting, queue.refused) == (0, 0)
    assert slow.lost + slow.waiting == threads * points
    assert len(storage.held) <= 4
