"""Moves points from the queue to one sink, in order, each once, for as long as it takes."""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from PyExpLabSys.common.batch import Batch
from PyExpLabSys.common.point_queue import Cursor
from PyExpLabSys.common.set_aside import SetAsideFile, SetAsidePoint
from PyExpLabSys.common.sink import Sink
from PyExpLabSys.errors import PointsRejected, SaveError, TryAgainLater

LOGGER = logging.getLogger(__name__)

FIRST_DELAY_S = 0.2
SMALLEST_BATCH = 50
RATE_WINDOW_S = 30.0
INTERRUPTION_S = 2.0


@dataclass(frozen=True, kw_only=True)
class SinkStatus:
    """How delivery to one sink stands.

    Attributes:
        queued: Points that the sink has not confirmed yet.
        delivered: Points that it has confirmed since the start.
        rejected: Points that it can never take; they stand in ``set_aside``.
        refused: Points that were lost because the bound of the queue was reached.
        oldest_undelivered: Unix time in s of the oldest point that waits, None when nothing does.
        connected: The last attempt worked; None before the first.
        last_error: Why the last attempt that failed did, None when none has.
        store_seconds: How long the sink has had the batch that it is storing now, in s; 0 when it stores none.
        seconds_left: Estimated time until nothing waits any more, in s; None when it cannot be told or never comes.
        set_aside: Path of the file with the rejected points.
    """

    queued: int
    delivered: int
    rejected: int
    refused: int
    oldest_undelivered: float | None
    connected: bool | None
    last_error: str | None
    store_seconds: float
    seconds_left: float | None
    set_aside: str


class Backoff:
    """Growing, jittered pauses between attempts, so that a hundred loggers do not come back as one."""

    def __init__(self, first_s: float, cap_s: float) -> None:
        self._first_s, self._cap_s = first_s, cap_s
        self._attempts = 0

    def reset(self) -> None:
        """Begin again with the shortest pause."""
        self._attempts = 0

    def next_delay(self) -> float:
        """Return the next pause in s."""
        # The exponent is bounded since 2.0**1024 overflows after some months of outage.
        longest = min(self._cap_s, self._first_s * 2.0 ** min(self._attempts, 32))
        self._attempts += 1
        return longest * random.uniform(0.5, 1.0)


class Delivery:
    """Delivers to one sink from one thread: whoever calls :meth:`run`, or the one that :meth:`start` makes.

    Args:
        sink: Where the points go.
        cursor: Where they come from; used by nobody else.
        set_aside: Where the points go that the sink can never take.
        store_within_s: A batch is handed over when its first point is so old, in s, or when it is full.
        retry_cap_s: The longest pause between attempts, in s.
    """

    def __init__(
        self, sink: Sink, cursor: Cursor, set_aside: SetAsideFile, *, store_within_s: float, retry_cap_s: float
    ) -> None:
        self.sink = sink
        self.cursor = cursor
        self._set_aside = set_aside
        self._store_within_s = store_within_s
        self._backoff = Backoff(FIRST_DELAY_S, retry_cap_s)
        self._stopping = threading.Event()
        self._give_up = threading.Event()
        self._ended = threading.Event()
        self._largest = sink.batch_points
        self._delivered = self._rejected = 0
        self._connected: bool | None = None
        self._last_error: str | None = None
        self._store_began: float | None = None
        self._failing_as: type[Exception] | None = None
        self._progress_at = self._waits_since = time.monotonic()
        self._samples: deque[tuple[float, int]] = deque()

    @property
    def timeout_s(self) -> float:
        """The longest that the sink may take for one batch, in s."""
        return self.sink.timeout_s

    def start(self) -> None:
        """Deliver from a thread of its own.

        It is a daemon thread, since the interpreter waits for others before it runs the exit hook that stops this
        one; :meth:`stop` waits for it.
        """
        threading.Thread(target=self.run, name=f"delivery to {self.sink.name}", daemon=True).start()

    def run(self) -> None:
        """Deliver until told to stop, then what is left; return when done or when giving up."""
        try:
            while (batch := self._next_batch()) is not None:
                self._deliver(batch)
            self.sink.close(delivered=self.cursor.waiting == 0)
        finally:
            self.cursor.leave()
            self._ended.set()

    def request_stop(self) -> None:
        """Tell :meth:`run` to deliver what is queued, without waiting for more, and to return."""
        if self._stopping.is_set():
            return  # the grace counts from the first request
        self._progress_at = time.monotonic()
        self._stopping.set()
        self.cursor.hurry(for_ever=True)

    def stop(self, *, grace_s: float, timeout_s: float | None = None) -> bool:
        """Deliver what is queued while that goes on, and end; return whether :meth:`run` has ended.

        Only where :meth:`run` was called or is about to be: this waits for its end.

        Args:
            grace_s: Give up when the sink has taken nothing for so long, in s.
            timeout_s: Give up after so long in any case, in s.
        """
        self.request_stop()
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._ended.is_set():
            until = self._progress_at + grace_s
            until = until if deadline is None else min(until, deadline)
            if until <= time.monotonic():
                self._give_up.set()
                self.sink.interrupt()
                return self._ended.wait(INTERRUPTION_S)
            self._ended.wait(until - time.monotonic())
        return True

    def status(self) -> SinkStatus:
        """Return how delivery stands."""
        began = self._store_began
        return SinkStatus(
            queued=self.cursor.waiting,
            delivered=self._delivered,
            rejected=self._rejected,
            refused=self.cursor.lost,
            oldest_undelivered=self.cursor.oldest_time(),
            connected=self._connected,
            last_error=self._last_error,
            store_seconds=0.0 if began is None else time.monotonic() - began,
            seconds_left=self._seconds_left(),
            set_aside=str(self._set_aside.path),
        )

    def _next_batch(self) -> Batch | None:
        """Return the next batch when it is due, None when there is nothing left to do."""
        if self._give_up.is_set():
            return None
        if self.cursor.waiting == 0:
            self.cursor.wait(1)  # as long as it takes; ends without a point only when stopping
            self._waits_since = time.monotonic()
        age_s = time.monotonic() - self._waits_since
        self.cursor.wait(self.sink.batch_points, max(0.0, self._store_within_s - age_s))
        waiting, now = self.cursor.waiting, time.monotonic()
        batch = self.cursor.read(self.sink.batch_points)
        if batch is None or waiting <= batch.last_sequence - batch.first_sequence + 1:
            self._waits_since = now  # at most, for what comes while this batch is stored
        return batch

    def _deliver(self, batch: Batch) -> None:
        """Hand over a batch until it is settled or it is time to give up."""
        rest: Batch | None = batch
        while rest is not None and not self._give_up.is_set():
            part = rest.first(self._largest)
            try:
                set_aside = self._store(part)
            except TryAgainLater as error:
                # Half of it may fit where a slow server, or a short line, fails with the whole.
                self._largest = max(SMALLEST_BATCH, self._largest // 2)
                self._failed(error)
            except Exception as error:  # noqa: BLE001 - also a bug must not end the thread: points would pile up unseen
                self._failed(error)
            else:
                if set_aside:
                    rest = rest.without(set_aside)
                    continue
                self._succeeded(part)
                rest = rest.after(part.last_sequence) if part.last_sequence < rest.last_sequence else None

    def _store(self, part: Batch) -> Sequence[int]:
        """Hand over a part and return the positions of points that were set aside; none when all are stored."""
        if len(part) == 0:
            return ()
        self._store_began = time.monotonic()
        try:
            self.sink.store(part)
        except PointsRejected as rejection:
            self._put_aside(part, rejection)
            return rejection.indices
        finally:
            self._store_began = None
        return ()

    def _succeeded(self, part: Batch) -> None:
        self.cursor.settle(part.last_sequence)
        self._delivered += len(part)
        self._largest = min(self.sink.batch_points, self._largest * 2)
        self._backoff.reset()
        now = time.monotonic()
        self._progress_at = now
        self._samples.append((now, self.cursor.waiting))
        while now - self._samples[0][0] > RATE_WINDOW_S:
            self._samples.popleft()
        if self._connected is False:
            LOGGER.info("delivering to %s again, %d points wait", self.sink.name, self.cursor.waiting)
        self._connected = True

    def _failed(self, error: Exception) -> None:
        """Note a failure, say so when it is news, and pause."""
        self._last_error = f"{type(error).__name__}: {error}"
        delay_s = self._backoff.next_delay()
        # One warning for an outage, not one for each attempt; what it says next stands in the status.
        news = self._connected is not False or type(error) is not self._failing_as
        bug = not isinstance(error, SaveError)
        self._failing_as = type(error)
        self._connected = False
        self._samples = deque()
        LOGGER.log(
            logging.DEBUG if not news else logging.ERROR if bug else logging.WARNING,
            "cannot deliver to %s: %s; %d points wait, trying again",
            *(self.sink.name, self._last_error if bug else error, self.cursor.waiting),
            exc_info=error if bug else None,
        )
        if not self._stopping.wait(delay_s):
            return
        self._give_up.wait(min(delay_s, FIRST_DELAY_S))

    def _put_aside(self, part: Batch, rejection: PointsRejected) -> None:
        points = [
            SetAsidePoint(part.codenames[part.ids[i]], float(part.times[i]), float(part.values[i]), reason)
            for i, reason in zip(rejection.indices, rejection.reasons, strict=True)
        ]
        self._set_aside.add(points)
        if self._rejected == 0:
            LOGGER.error(
                "%s can never take a point of %s: %s. It and all others of the kind are set aside in %s",
                self.sink.name,
                points[0].codename,
                points[0].reason,
                self._set_aside.path,
            )
        self._rejected += len(points)
        self._progress_at = time.monotonic()

    def _seconds_left(self) -> float | None:
        waiting = self.cursor.waiting
        if waiting == 0:
            return 0.0
        samples = self._samples  # a failure replaces it
        if not samples:
            return None
        (began, waited_then), (ended, waits_now) = samples[0], samples[-1]
        gain = waited_then - waits_now
        return waiting * (ended - began) / gain if gain > 0 else None
