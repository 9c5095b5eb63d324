"""One queue and one delivery for each destination, as one thing: what a logger or a setup owns."""

import logging
import os
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PyExpLabSys.common.delivery import FIRST_DELAY_S, Delivery, SinkStatus
from PyExpLabSys.common.point_queue import PointQueue
from PyExpLabSys.common.records import FLAG_STAMPED_BY_US, RECORD_BYTES, head_of
from PyExpLabSys.common.set_aside import SetAsideFile
from PyExpLabSys.common.sink import Sink

LOGGER = logging.getLogger(__name__)

MAX_POINTS = 10_000_000
REFUSAL_LOGGED_EVERY_S = 600.0
STAMPED_BY_US = FLAG_STAMPED_BY_US << 8


class PointPipeline:
    """Takes points and delivers them to every sink, each from a thread of its own.

    Args:
        name: Whose points these are, for messages.
        sinks: Where they go. The first is the database: when it is too far behind, new points are refused; a
            further sink loses its own oldest points.
        max_points: The most points that may wait for one sink. Default: 10,000,000, or a quarter of the memory if
            that is less.
        store_within_s: A point is handed over at the latest when it has waited for so long, in s.
        retry_cap_s: The longest pause between attempts to reach a sink, in s.

    Attributes:
        queue: The points that wait; ``queue.append(head, time, value)`` adds one. Whoever adds a point says so with
            :meth:`report_refusal` when it was not taken.
        deliveries: One for each sink, in their order.
    """

    def __init__(
        self,
        name: str,
        sinks: Sequence[Sink],
        *,
        max_points: int | None = None,
        store_within_s: float = 0.25,
        retry_cap_s: float = 60.0,
    ) -> None:
        names = [sink.name for sink in sinks]
        if len(set(names)) < len(names):
            raise ValueError(f"two sinks have one name, so the same destination: {', '.join(names)}")
        if store_within_s < 0.0 or retry_cap_s < 0.0:
            raise ValueError(f"a time in s is not negative: store_within {store_within_s}, reconnect {retry_cap_s}")
        self._name = name
        self.queue = PointQueue()
        bound = _default_max_points() if max_points is None else max_points
        self.deliveries = tuple(
            Delivery(
                sink,
                self.queue.cursor(bound=bound, vital=sink is sinks[0]),
                SetAsideFile(_set_aside_path(sink), sink.name),
                store_within_s=store_within_s,
                # Even a lab that wants no pause gets a short one, or a server that is down would cost a whole core.
                retry_cap_s=max(retry_cap_s, FIRST_DELAY_S),
            )
            for sink in sinks
        )
        self._refusal_logged_at = -REFUSAL_LOGGED_EVERY_S
        self._stopped = False

    def register(self, codename: str) -> int:
        """Make a codename known and return the head of its records; ``| STAMPED_BY_US`` for a time of our clock."""
        return head_of(self.queue.register(codename))

    def start(self) -> None:
        """Deliver to each sink from a thread of its own."""
        for delivery in self.deliveries:
            delivery.start()

    def run(self) -> None:
        """Deliver until stopped: to the first sink from the thread that calls this, to the others from their own."""
        first, *others = self.deliveries
        for delivery in others:
            delivery.start()
        first.run()

    def flush(self, timeout: float | None = None, *, running: bool = True) -> bool:
        """Wait until every sink has taken all points that were added so far; return whether they have.

        Args:
            timeout: How long to wait at most, in s; None waits as long as it takes.
            running: Whether anything is delivered at all; if not, there is nothing to wait for.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        # All are hurried before any is waited for: what is added meanwhile is nobody's business here.
        ends = [delivery.cursor.hurry() for delivery in self.deliveries]
        if not running:
            return self.points_left() == 0
        return all(
            delivery.cursor.wait_settled(end, None if deadline is None else max(0.0, deadline - time.monotonic()))
            for delivery, end in zip(self.deliveries, ends, strict=True)
        )

    def stop(self, *, grace_s: float, timeout: float | None = None, started: bool = True) -> int:
        """Take no more points, deliver what is queued while that goes on, and return the number of points left.

        Args:
            grace_s: Give a sink up when it has taken nothing for so long, in s, plus the time that one batch may take.
            timeout: Give up after so long in any case, in s.
            started: Whether delivery was ever started; if not, the sinks are closed as they are.

        Returns:
            The number of points that are missing at the sink that misses most.
        """
        self._stopped = True
        self.queue.close()
        deadline = None if timeout is None else time.monotonic() + timeout
        for delivery in self.deliveries:
            delivery.request_stop()
        for delivery in self.deliveries:
            if started:
                left_s = None if deadline is None else max(0.0, deadline - time.monotonic())
                delivery.stop(grace_s=grace_s + delivery.timeout_s, timeout_s=left_s)
            else:
                delivery.sink.close(delivered=delivery.cursor.waiting == 0)
        for delivery in self.deliveries:
            self._log_what_is_left(delivery, started=started)
        return self.points_left()

    def points_left(self) -> int:
        """Return the number of points that are missing at the sink that misses most."""
        return max(delivery.cursor.waiting for delivery in self.deliveries)

    def status(self) -> dict[str, SinkStatus]:
        """Return how delivery to each sink stands, by the sink's name, in their order."""
        first, *others = self.deliveries
        # At its bound the first loses nothing: the queue refuses.
        statuses = {first.sink.name: replace(first.status(), refused=self.queue.refused)}
        return statuses | {delivery.sink.name: delivery.status() for delivery in others}

    def report_refusal(self) -> None:
        """Say that a point was refused, unless that was said of late."""
        now = time.monotonic()
        if now - self._refusal_logged_at < REFUSAL_LOGGED_EVERY_S:
            return
        self._refusal_logged_at = now
        if self._stopped:
            LOGGER.error(
                "points are added to %s after stop(): they are lost, %d so far", self._name, self.queue.refused
            )
        else:
            LOGGER.error(
                "the queue of %s is full: %d points wait for the database; new points are lost, %d so far",
                *(self._name, self.deliveries[0].cursor.waiting, self.queue.refused),
            )

    def _log_what_is_left(self, delivery: Delivery, *, started: bool) -> None:
        left = delivery.cursor.waiting
        if left == 0:
            return
        status = delivery.status()
        reason = status.last_error if started or status.connected is not None else "start() was never called"
        LOGGER.error("%d points did not reach %s and are lost: %s", left, delivery.sink.name, reason or "no time left")


def _default_max_points() -> int:
    if not hasattr(os, "sysconf"):  # Windows
        return MAX_POINTS
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(MAX_POINTS, memory_bytes // 4 // RECORD_BYTES)


def _set_aside_path(sink: Sink) -> Path:
    from PyExpLabSys.settings import Settings

    folder = Settings().get("rejected_directory")
    if folder is None:
        import platformdirs

        folder = platformdirs.user_state_path("PyExpLabSys") / "rejected"
    return Path(folder) / (re.sub(r"[^0-9A-Za-z.-]+", "_", sink.name) + ".jsonl")
