"""Delivery against sinks that take, refuse, fail, hang and heal: in order, each point once, and it always ends."""

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from PyExpLabSys.common import delivery as delivery_module
from PyExpLabSys.common.batch import Batch
from PyExpLabSys.common.delivery import FIRST_DELAY_S, Backoff, Delivery
from PyExpLabSys.common.point_queue import Cursor, PointQueue
from PyExpLabSys.common.records import head_of
from PyExpLabSys.common.set_aside import SetAsideFile, SetAsidePoint, read_set_aside
from PyExpLabSys.common.sink import Sink
from PyExpLabSys.errors import DestinationMisconfigured, PointsRejected, TryAgainLater

PATIENCE_S = 10.0
FOR_EVER_S = 1000.0


class ScriptedSink(Sink):
    """Does what its script says at each call, then takes everything; knows what it was given and what it took."""

    name = "scripted"

    def __init__(self, *script: Exception | Callable[[Batch], None], batch_points: int = 100) -> None:
        self.batch_points = batch_points
        self.script = list(script)
        self.changed = threading.Condition()
        self.calls: list[int] = []
        self.stored: list[float] = []
        self.closed: list[bool] = []
        self.interruptions = 0

    def store(self, batch: Batch) -> None:
        with self.changed:
            self.calls.append(len(batch))
            self.changed.notify_all()
        if self.script:
            step = self.script.pop(0)
            if isinstance(step, Exception):
                raise step
            step(batch)
        with self.changed:
            self.stored += batch.values.tolist()
            self.changed.notify_all()

    def interrupt(self) -> None:
        self.interruptions += 1

    def close(self, *, delivered: bool) -> None:
        self.closed.append(delivered)

    def wait_for(self, condition: Callable[[], object]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE_S), (self.calls, self.stored[:100])


def _take(batch: Batch) -> None:
    """A step of a script: take the batch."""


class FailingSink(ScriptedSink):
    """Never takes anything."""

    def store(self, batch: Batch) -> None:
        with self.changed:
            self.calls.append(len(batch))
            self.changed.notify_all()
        raise TryAgainLater("gone")


class HangingSink(ScriptedSink):
    """Accepts a batch and does not answer until it is released; interrupted, it says that it failed."""

    name = "hanging"

    def __init__(self, *, can_be_interrupted: bool = True, batch_points: int = 100) -> None:
        super().__init__(batch_points=batch_points)
        self.released = threading.Event()
        self._can_be_interrupted = can_be_interrupted

    def store(self, batch: Batch) -> None:
        super().store(batch.first(0))
        assert self.released.wait(2 * PATIENCE_S)
        if self.interruptions and self._can_be_interrupted:
            raise TryAgainLater("interrupted")
        with self.changed:
            self.stored += batch.values.tolist()

    def interrupt(self) -> None:
        super().interrupt()
        if self._can_be_interrupted:
            self.released.set()


class Line:
    """A queue with deliveries from it."""

    def __init__(self, folder: Path, segment_records: int = 64) -> None:
        self.queue = PointQueue(segment_records)
        self.queue.register("dummy")
        self.folder = folder
        self.deliveries: list[Delivery] = []
        self.count = 0

    def to(
        self,
        sink: Sink,
        *,
        store_within_s: float = 0.001,
        retry_cap_s: float = 0.001,
        bound: int = 100_000,
        vital: bool = True,
        kind: type[Delivery] = Delivery,
    ) -> Delivery:
        delivery = kind(
            sink,
            self.queue.cursor(bound=bound, vital=vital),
            SetAsideFile(self.folder / f"{sink.name}.jsonl", sink.name),
            store_within_s=store_within_s,
            retry_cap_s=retry_cap_s,
        )
        self.deliveries.append(delivery)
        return delivery

    def put(self, count: int) -> list[float]:
        """Append points with values that go on counting, and return these."""
        values = [float(number) for number in range(self.count, self.count + count)]
        self.count += count
        for value in values:
            self.queue.append(head_of(0), 1e9 + value, value)
        return values


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    line = Line(tmp_path / "rejected")
    yield line
    for delivery in line.deliveries:
        delivery.request_stop()
        delivery._give_up.set()
        if isinstance(delivery.sink, HangingSink):
            delivery.sink.released.set()


def _finish(delivery: Delivery) -> None:
    assert delivery.stop(grace_s=PATIENCE_S)


def _levels(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [record.levelno for record in caplog.records if record.levelno >= logging.INFO]


# --- everything is well ------------------------------------------------------------------------------------------


def test_points_arrive_in_order_and_once(line: Line) -> None:
    sink = ScriptedSink(batch_points=10)
    delivery = line.to(sink)
    delivery.start()
    values = line.put(500)
    sink.wait_for(lambda: len(sink.stored) == 500)
    _finish(delivery)
    assert sink.stored == values
    assert max(sink.calls) <= 10
    assert sink.closed == [True]


def test_the_thread_is_named_after_its_sink_and_keeps_no_script_from_ending(line: Line) -> None:
    delivery = line.to(ScriptedSink())
    delivery.start()
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "delivery to scripted"]
    assert thread.daemon
    _finish(delivery)


def test_the_longest_wait_is_the_sinks_own(line: Line) -> None:
    sink = ScriptedSink()
    sink.timeout_s = 7.5
    assert line.to(sink).timeout_s == 7.5


@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_a_stop_that_comes_before_the_thread_is_under_way_loses_nothing(line: Line, count: int) -> None:
    class Late(Delivery):
        def run(self) -> None:
            assert self._stopping.wait(PATIENCE_S)
            super().run()

    sink = ScriptedSink()
    delivery = line.to(sink, kind=Late)
    values = line.put(count)
    delivery.start()
    _finish(delivery)
    assert sink.stored == values


# --- when a batch leaves -----------------------------------------------------------------------------------------


def test_a_full_batch_leaves_at_once(line: Line) -> None:
    sink = ScriptedSink(batch_points=5)
    delivery = line.to(sink, store_within_s=FOR_EVER_S)
    delivery.start()
    values = line.put(5)
    sink.wait_for(lambda: sink.stored == values)
    line.put(4)
    assert sink.calls == [5]
    _finish(delivery)
    assert sink.calls == [5, 4]


def test_single_points_leave_when_they_are_old_enough(line: Line) -> None:
    sink = ScriptedSink(batch_points=5)
    delivery = line.to(sink, store_within_s=0.02)
    delivery.start()
    for number in range(1, 4):
        line.put(1)
        sink.wait_for(partial(lambda count: len(sink.stored) == count, number))
    _finish(delivery)
    assert sink.calls == [1, 1, 1]


class ClockedCursor:
    """A cursor whose waits pass on a clock of its own; what is appended meanwhile is told beforehand."""

    def __init__(self, cursor: Cursor, clock: "Clock") -> None:
        self._cursor, self._clock = cursor, clock
        self.read, self.settle, self.hurry = cursor.read, cursor.settle, cursor.hurry

    @property
    def waiting(self) -> int:
        return self._cursor.waiting

    def wait(self, records: int, timeout_s: float | None = None) -> bool:
        end = math.inf if timeout_s is None else self._clock.now + timeout_s
        while not self._cursor.wait(records, 0.0) and self._clock.events and self._clock.events[0][0] <= end:
            self._clock.advance_to_next_event()
        if self._cursor.wait(records, 0.0):
            return True
        assert end < math.inf, "would wait for ever"
        self._clock.now = end
        return False


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.events: list[tuple[float, Callable[[], object]]] = []

    def monotonic(self) -> float:
        return self.now

    def advance_to_next_event(self) -> None:
        at, happen = self.events.pop(0)
        self.now = max(self.now, at)
        happen()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(delivery_module, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def _clocked(line: Line, clock: Clock, batch_points: int) -> Delivery:
    delivery = line.to(ScriptedSink(batch_points=batch_points), store_within_s=10.0)
    delivery.cursor = ClockedCursor(delivery.cursor, clock)  # type: ignore[assignment]
    return delivery


def _next(delivery: Delivery) -> list[float]:
    batch = delivery._next_batch()
    assert batch is not None
    delivery.cursor.settle(batch.last_sequence)
    return batch.values.tolist()


def test_points_that_come_while_a_batch_collects_leave_with_it(line: Line, clock: Clock) -> None:
    delivery = _clocked(line, clock, 5)
    clock.events = [(150.0, lambda: line.put(1)), (155.0, lambda: line.put(2)), (160.1, lambda: line.put(1))]
    assert _next(delivery) == [0.0, 1.0, 2.0]
    assert clock.now == 160.0
    assert _next(delivery) == [3.0]
    assert clock.now == pytest.approx(170.1)


def test_a_point_that_came_while_the_sink_was_busy_counts_from_when_it_can_have_come(line: Line, clock: Clock) -> None:
    delivery = _clocked(line, clock, 5)
    line.put(1)
    assert _next(delivery) == [0.0]
    assert clock.now == 110.0
    line.put(1)
    clock.now = 117.0  # the sink took 7 s
    assert _next(delivery) == [1.0]
    assert clock.now == 120.0
    line.put(1)
    clock.now = 150.0  # the sink took longer than a point may wait
    assert _next(delivery) == [2.0]
    assert clock.now == 150.0


def test_points_behind_the_end_of_a_segment_do_not_wait_twice(line: Line, clock: Clock) -> None:
    delivery = _clocked(line, clock, 100)
    clock.events = [(150.0, lambda: line.put(70))]  # 64 of them fill the segment
    assert len(_next(delivery)) == 64
    assert clock.now == 160.0
    assert len(_next(delivery)) == 6
    assert clock.now == 160.0
    clock.events = [(200.0, lambda: line.put(1))]
    assert len(_next(delivery)) == 1
    assert clock.now == 210.0


# --- failures ----------------------------------------------------------------------------------------------------


@given(
    first_s=st.floats(0.01, 10.0), cap_s=st.floats(0.0, 100.0), attempts=st.integers(0, 80), seed=st.integers(0, 1000)
)
def test_pauses_grow_to_their_cap_and_are_jittered(first_s: float, cap_s: float, attempts: int, seed: int) -> None:
    random.seed(seed)
    backoff = Backoff(first_s, cap_s)
    for attempt in range(attempts):
        longest = min(cap_s, first_s * 2.0**attempt)
        assert longest / 2 <= backoff.next_delay() <= longest
    backoff.reset()
    assert backoff.next_delay() <= min(first_s, cap_s)


def test_two_loggers_do_not_come_back_as_one() -> None:
    ones, others = Backoff(1.0, 60.0), Backoff(1.0, 60.0)
    assert [ones.next_delay() for _ in range(10)] != [others.next_delay() for _ in range(10)]


def test_pauses_do_not_overflow_in_an_outage_of_years() -> None:
    backoff = Backoff(FIRST_DELAY_S, 60.0)
    assert all(backoff.next_delay() <= 60.0 for _ in range(3000))


def test_a_batch_that_fails_is_halved_and_grows_again(line: Line) -> None:
    sink = ScriptedSink(*[TryAgainLater("slow")] * 5, batch_points=400)
    line.queue = PointQueue(2000)
    line.queue.register("dummy")
    delivery = line.to(sink)
    values = line.put(2000)
    delivery.start()
    sink.wait_for(lambda: len(sink.stored) == 2000)
    _finish(delivery)
    assert sink.calls[:6] == [400, 200, 100, 50, 50, 50]
    assert sink.calls[6:] == [100, 200, 50, 400, 400, 400, 400]
    assert sink.stored == values


def test_after_an_outage_pauses_begin_small_again(line: Line) -> None:
    sink = ScriptedSink(*[TryAgainLater("gone")] * 7)
    delivery = line.to(sink)
    delivery._backoff = Backoff(0.0001, FOR_EVER_S)
    values = line.put(3)
    delivery.start()
    sink.wait_for(lambda: sink.stored == values)
    _finish(delivery)
    assert delivery._backoff.next_delay() <= 0.0001


def test_an_outage_is_one_warning_and_its_end_one_info(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sink = ScriptedSink(*[TryAgainLater("gone away")] * 7)
    delivery = line.to(sink)
    values = line.put(3)
    delivery.start()
    sink.wait_for(lambda: sink.stored == values)
    _finish(delivery)
    assert _levels(caplog) == [logging.WARNING, logging.INFO]
    warning, info = (record.message for record in caplog.records if record.levelno >= logging.INFO)
    assert warning == "cannot deliver to scripted: gone away; 3 points wait, trying again"
    assert info == "delivering to scripted again, 0 points wait"
    assert sum(record.levelno == logging.DEBUG for record in caplog.records) == 6


def test_the_next_outage_is_a_warning_again(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    sink = ScriptedSink(TryAgainLater("one"), _take, TryAgainLater("two"), batch_points=1)
    delivery = line.to(sink)
    line.put(2)
    delivery.start()
    sink.wait_for(lambda: len(sink.stored) == 2)
    _finish(delivery)
    assert _levels(caplog) == [logging.WARNING, logging.INFO] * 2


def test_a_destination_that_is_mended_heals(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    sink = ScriptedSink(*[TryAgainLater("gone")] * 2, *[DestinationMisconfigured("no such table")] * 3)
    delivery = line.to(sink)
    values = line.put(10)
    delivery.start()
    sink.wait_for(lambda: sink.stored == values)
    _finish(delivery)
    assert sink.calls == [10] * 6
    assert _levels(caplog) == [logging.WARNING, logging.WARNING, logging.INFO], "another reason is news"
    assert "no such table" in caplog.text


def test_a_bug_in_a_sink_is_logged_once_with_its_traceback_and_nothing_is_lost(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    sink = ScriptedSink(*[RuntimeError("a bug")] * 3)
    delivery = line.to(sink)
    values = line.put(10)
    delivery.start()
    sink.wait_for(lambda: sink.stored == values)
    status = delivery.status()
    _finish(delivery)
    assert status.last_error == "RuntimeError: a bug"
    assert _levels(caplog) == [logging.ERROR, logging.INFO]
    assert caplog.records[0].exc_info is not None
    assert "RuntimeError: a bug" in caplog.records[0].message


def test_a_sink_that_rejects_points_it_was_not_given_does_not_end_the_delivery(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    sink = ScriptedSink(PointsRejected([10], ["not there"]))
    delivery = line.to(sink)
    values = line.put(10)
    delivery.start()
    sink.wait_for(lambda: sink.stored == values)
    _finish(delivery)
    assert delivery.status().rejected == 0
    assert _levels(caplog) == [logging.ERROR]


# --- points that are never taken ---------------------------------------------------------------------------------


def test_points_that_are_never_taken_are_set_aside_and_the_rest_flows(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    sink = ScriptedSink(PointsRejected([1, 3], ["too large", "too small"]), PointsRejected([0], ["odd"]))
    delivery = line.to(sink)
    line.put(5)
    delivery.start()
    sink.wait_for(lambda: sink.stored == [2.0, 4.0])
    _finish(delivery)
    status = delivery.status()
    assert (status.delivered, status.rejected, status.queued) == (2, 3, 0)
    assert list(read_set_aside(Path(status.set_aside))) == [
        SetAsidePoint("dummy", 1e9 + 1.0, 1.0, "too large"),
        SetAsidePoint("dummy", 1e9 + 3.0, 3.0, "too small"),
        SetAsidePoint("dummy", 1e9, 0.0, "odd"),
    ]
    assert _levels(caplog) == [logging.ERROR], "logged once"
    assert "too large" in caplog.text
    assert status.set_aside in caplog.text


def test_a_batch_of_which_nothing_is_taken_is_settled(line: Line) -> None:
    sink = ScriptedSink(PointsRejected([0, 1, 2], ["bad"] * 3), batch_points=3)
    delivery = line.to(sink)
    line.put(6)
    delivery.start()
    sink.wait_for(lambda: sink.stored == [3.0, 4.0, 5.0])
    _finish(delivery)
    assert sink.calls == [3, 3]
    assert (delivery.status().rejected, delivery.status().queued) == (3, 0)


def test_positions_are_those_of_the_part_that_was_handed_over(line: Line) -> None:
    line.queue = PointQueue(1000)
    line.queue.register("dummy")
    sink = ScriptedSink(TryAgainLater("slow"), _take, PointsRejected([0], ["bad"]), batch_points=120)
    delivery = line.to(sink)
    values = line.put(120)
    delivery.start()
    sink.wait_for(lambda: len(sink.stored) == 119)
    _finish(delivery)
    assert sink.calls == [120, 60, 60, 59]
    assert sink.stored == values[:60] + values[61:]
    assert [point.value for point in read_set_aside(Path(delivery.status().set_aside))] == [60.0]


def test_a_set_aside_file_that_cannot_be_written_blocks_nothing(
    line: Line, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "rejected").write_text("a file where the folder should be")
    sink = ScriptedSink(PointsRejected([0], ["bad"]))
    delivery = line.to(sink)
    line.put(3)
    delivery.start()
    sink.wait_for(lambda: sink.stored == [1.0, 2.0])
    _finish(delivery)
    assert '"value": "0.0"' in caplog.text


# --- stopping ----------------------------------------------------------------------------------------------------


def test_stop_delivers_what_is_queued_however_long_that_takes_while_it_goes_on(line: Line) -> None:
    slowly = threading.Event()  # never set

    def slow(batch: Batch) -> None:
        slowly.wait(0.08)

    sink = ScriptedSink(*[slow] * 20, batch_points=5)
    delivery = line.to(sink)
    values = line.put(100)
    delivery.start()
    began = time.monotonic()
    assert delivery.stop(grace_s=0.8)
    assert time.monotonic() - began > 0.8, "longer than the grace"
    assert sink.stored == values
    assert (sink.closed, sink.interruptions) == ([True], 0)


def test_points_set_aside_are_progress_too(line: Line) -> None:
    slowly = threading.Event()  # never set

    def reject_slowly(batch: Batch) -> None:
        slowly.wait(0.08)
        raise PointsRejected([0], ["bad"])

    sink = ScriptedSink(*[reject_slowly] * 20, batch_points=20)
    delivery = line.to(sink)
    line.put(20)
    delivery.start()
    assert delivery.stop(grace_s=0.8)
    assert delivery.status().rejected == 20
    assert (sink.closed, sink.interruptions) == ([True], 0)


def test_stop_gives_up_on_a_sink_that_goes_on_failing(line: Line) -> None:
    sink = FailingSink()
    delivery = line.to(sink, retry_cap_s=FOR_EVER_S)
    line.put(7)
    delivery.start()
    began = time.monotonic()
    assert delivery.stop(grace_s=0.3)
    assert 0.3 <= time.monotonic() - began < PATIENCE_S
    assert delivery.status().queued == 7
    assert sink.closed == [False]
    assert len(sink.calls) <= 10, "it pauses also while it stops"


def test_stop_breaks_a_store_that_hangs(line: Line) -> None:
    sink = HangingSink()
    delivery = line.to(sink)
    line.put(7)
    delivery.start()
    sink.wait_for(lambda: sink.calls)
    began = time.monotonic()
    assert delivery.stop(grace_s=0.1)
    assert time.monotonic() - began < PATIENCE_S
    assert sink.interruptions == 1
    assert delivery.status().queued == 7
    assert sink.closed == [False]


def test_stop_returns_although_a_store_never_does(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "INTERRUPTION_S", 0.05)
    sink = HangingSink(can_be_interrupted=False)
    delivery = line.to(sink)
    values = line.put(7)
    delivery.start()
    sink.wait_for(lambda: sink.calls)
    assert not delivery.stop(grace_s=0.05)
    assert not sink.released.is_set()
    assert delivery.status().queued == 7
    sink.released.set()
    assert delivery._ended.wait(PATIENCE_S)
    assert sink.stored == values, "what it took after all is settled"
    assert delivery.status().queued == 0


@pytest.mark.parametrize("timeout_s", [0.0, 0.1])
def test_stop_takes_no_longer_than_it_is_told(line: Line, timeout_s: float) -> None:
    sink = HangingSink()
    delivery = line.to(sink)
    line.put(7)
    delivery.start()
    sink.wait_for(lambda: sink.calls)
    began = time.monotonic()
    assert delivery.stop(grace_s=FOR_EVER_S, timeout_s=timeout_s)
    assert time.monotonic() - began < PATIENCE_S


def test_the_grace_of_many_sinks_is_counted_once(line: Line) -> None:
    sinks = [HangingSink() for _ in range(10)]
    deliveries = [line.to(sink) for sink in sinks]
    line.put(1)
    for delivery in deliveries:
        delivery.start()
    for sink in sinks:
        sink.wait_for(partial(len, sink.calls))
    began = time.monotonic()
    for delivery in deliveries:
        delivery.request_stop()
    assert all(delivery.stop(grace_s=0.5) for delivery in deliveries)
    assert time.monotonic() - began < 8 * 0.5


def test_a_stop_during_a_pause_tries_once_more_at_once(line: Line) -> None:
    sink = ScriptedSink(TryAgainLater("gone"))
    delivery = line.to(sink)
    delivery._backoff = Backoff(FOR_EVER_S, FOR_EVER_S)
    values = line.put(7)
    delivery.start()
    sink.wait_for(lambda: sink.calls)
    assert delivery.stop(grace_s=PATIENCE_S)
    assert sink.stored == values


def test_an_idle_delivery_ends_at_once(line: Line) -> None:
    sink = ScriptedSink()
    delivery = line.to(sink, store_within_s=FOR_EVER_S)
    delivery.start()
    assert delivery.stop(grace_s=PATIENCE_S)
    assert sink.calls == []
    assert sink.closed == [True]


def test_stop_can_be_called_again(line: Line) -> None:
    delivery = line.to(ScriptedSink())
    delivery.start()
    _finish(delivery)
    _finish(delivery)


def test_points_that_come_during_the_stop_are_delivered_too(line: Line) -> None:
    sink = HangingSink()
    delivery = line.to(sink)
    values = line.put(1)
    delivery.start()
    sink.wait_for(lambda: sink.calls)
    delivery.request_stop()
    values += line.put(200)
    sink.released.set()
    _finish(delivery)
    assert sink.stored == values


# --- two sinks ---------------------------------------------------------------------------------------------------


def test_a_stalled_sink_holds_up_no_other_and_loses_only_its_own_points(line: Line) -> None:
    healthy, stalled = ScriptedSink(batch_points=10), HangingSink(batch_points=10)
    good = line.to(healthy)
    bad = line.to(stalled, bound=100, vital=False)
    values = line.put(10)
    good.start()
    bad.start()
    stalled.wait_for(lambda: stalled.calls)
    values += line.put(990)
    healthy.wait_for(lambda: healthy.stored == values)
    assert stalled.calls == [0]
    assert not stalled.released.is_set(), "still held while the other has finished"
    assert (good.status().queued, good.status().refused, line.queue.refused) == (0, 0, 0)
    status = bad.status()
    assert (status.queued, status.refused) == (10 + 100, 890), "what it has in hand, and its bound behind that"
    assert status.oldest_undelivered == 1e9
    stalled.released.set()
    _finish(good)
    _finish(bad)
    assert stalled.stored == values[:10] + values[-100:]
    assert (bad.status().queued, good.status().delivered) == (0, 1000)


def test_a_stalled_database_refuses_new_points_but_what_was_taken_arrives(line: Line) -> None:
    stalled, other = HangingSink(batch_points=10), ScriptedSink(batch_points=10)
    vital = line.to(stalled, bound=50)
    secondary = line.to(other, vital=False)
    values = line.put(10)
    vital.start()
    secondary.start()
    stalled.wait_for(lambda: stalled.calls)
    values += line.put(100)
    assert line.queue.refused == 60
    other.wait_for(lambda: other.stored == values[:50])
    stalled.released.set()
    _finish(vital)
    _finish(secondary)
    assert stalled.stored == other.stored == values[:50]


# --- status ------------------------------------------------------------------------------------------------------


def test_the_status_before_anything_happened(line: Line) -> None:
    status = line.to(ScriptedSink()).status()
    assert (status.queued, status.delivered, status.rejected, status.refused) == (0, 0, 0, 0)
    assert (status.oldest_undelivered, status.connected, status.last_error) == (None, None, None)
    assert (status.store_seconds, status.seconds_left) == (0.0, 0.0)
    assert status.set_aside == str(line.folder / "scripted.jsonl")


def test_the_status_while_the_sink_is_busy(line: Line) -> None:
    sink = HangingSink()
    delivery = line.to(sink)
    line.put(5)
    delivery.start()
    sink.wait_for(lambda: sink.calls)
    status = delivery.status()
    assert (status.queued, status.delivered, status.oldest_undelivered) == (5, 0, 1e9)
    assert 0.0 < status.store_seconds <= delivery.status().store_seconds
    assert status.seconds_left is None
    sink.released.set()
    _finish(delivery)
    status = delivery.status()
    assert (status.queued, status.delivered, status.connected, status.store_seconds) == (0, 5, True, 0.0)


def test_the_status_in_an_outage(line: Line) -> None:
    sink = FailingSink()
    delivery = line.to(sink)
    line.put(5)
    delivery.start()
    sink.wait_for(lambda: len(sink.calls) > 1)
    status = delivery.status()
    assert (status.connected, status.last_error) == (False, "TryAgainLater: gone")
    assert (status.queued, status.seconds_left, status.store_seconds) == (5, None, 0.0)


def _store_by_clock(delivery: Delivery, clock: Clock, seconds: float) -> None:
    batch = delivery.cursor.read(delivery.sink.batch_points)
    assert batch is not None
    clock.now += seconds
    delivery._deliver(batch)


def test_the_time_left_follows_from_how_fast_the_backlog_shrinks(line: Line, clock: Clock) -> None:
    delivery = line.to(ScriptedSink(batch_points=10))
    line.put(60)
    _store_by_clock(delivery, clock, 1.0)
    assert delivery.status().seconds_left is None, "one batch tells no rate"
    _store_by_clock(delivery, clock, 2.0)
    assert delivery.status().seconds_left == pytest.approx(40 / (10 / 2.0))
    line.put(4)
    _store_by_clock(delivery, clock, 2.0)
    assert delivery.status().seconds_left == pytest.approx(34 / ((20 - 4) / 4.0))
    line.put(100)
    _store_by_clock(delivery, clock, 1.0)
    assert delivery.status().seconds_left is None, "it grows"


def test_points_set_aside_count_for_the_time_left(line: Line, clock: Clock) -> None:
    half_of_it = PointsRejected(range(0, 10, 2), ["bad"] * 5)
    delivery = line.to(ScriptedSink(_take, half_of_it, batch_points=10))
    line.put(60)
    _store_by_clock(delivery, clock, 1.0)
    _store_by_clock(delivery, clock, 2.0)
    assert delivery.status().seconds_left == pytest.approx(40 / (10 / 2.0))


def test_the_time_left_forgets_what_was_long_ago_and_what_was_before_an_outage(line: Line, clock: Clock) -> None:
    sink = ScriptedSink(batch_points=10)
    delivery = line.to(sink)
    line.put(60)
    _store_by_clock(delivery, clock, 1.0)
    _store_by_clock(delivery, clock, 100.0)
    assert delivery.status().seconds_left is None, "nothing else happened within the window"
    _store_by_clock(delivery, clock, 1.0)
    assert delivery.status().seconds_left == pytest.approx(30 / (10 / 1.0))
    sink.script = [TryAgainLater("gone")]
    _store_by_clock(delivery, clock, 1.0)
    assert delivery.status().seconds_left is None, "there is no rate yet after the outage"
