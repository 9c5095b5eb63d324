"""A measurement loop: enqueues points of a stream, one after the other, from a thread of its own."""

import threading
from collections.abc import Iterator
from itertools import islice

from PyExpLabSys.common.loggers import ContinuousLogger
from tests.faults.oracle import Point
from tests.faults.waiting import PATIENCE_S

POINTS_A_SLICE = 10
SLICE_S = 0.005


class Load:
    """Some 2,000 points/s; a context manager that runs them.

    Attributes:
        accepted: The points whose ``enqueue_point`` has returned, in order.
    """

    def __init__(self, logger: ContinuousLogger, points: Iterator[Point]) -> None:
        self.accepted: list[Point] = []
        self._logger = logger
        self._points = points
        self._stopping = threading.Event()
        self._grown = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def more(self, n_points: int) -> None:
        """Return once so many further points have been accepted: ``enqueue_point`` returns now."""
        with self._grown:
            wanted = len(self.accepted) + n_points
            grew = self._grown.wait_for(lambda: len(self.accepted) >= wanted, PATIENCE_S)
        assert grew, f"enqueue_point does not return: {wanted - len(self.accepted)} of {n_points} points still to come"

    def stop(self) -> None:
        """Enqueue no more, and end the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "enqueue_point did not return at the end of the load"

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._stopping.wait(SLICE_S):
            for point in islice(self._points, POINTS_A_SLICE):
                self._logger.enqueue_point(point.codename, (point.time, point.value))
                self.accepted.append(point)
            with self._grown:
                self._grown.notify_all()
