"""What simulated instruments will have sent, but not yet."""

import heapq
import itertools
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from PyExpLabSys.simulators.serving.base import Answer

TargetT = TypeVar("TargetT")


class Outbox(Generic[TargetT]):
    """Answers that wait for their time, each for the connection over which its question came."""

    def __init__(self) -> None:
        self._order = itertools.count()
        self._waiting: list[tuple[float, int, TargetT, bytes | None]] = []

    def put(self, answers: Sequence[Answer], target: TargetT, now_s: float) -> None:
        """Keep answers until they are due."""
        for answer in answers:
            heapq.heappush(self._waiting, (now_s + answer.delay_s, next(self._order), target, answer.data))

    def pop_due(self, now_s: float) -> Iterator[tuple[TargetT, bytes | None]]:
        """Return for whom and what is due at a time in s, in order."""
        while self._waiting and self._waiting[0][0] <= now_s:
            _, _, target, data = heapq.heappop(self._waiting)
            yield target, data

    def wait_s(self, now_s: float) -> float | None:
        """Return how long in s until the next is due, None if nothing waits."""
        return max(0.0, self._waiting[0][0] - now_s) if self._waiting else None

    def clear(self) -> None:
        """Forget all: the plug was pulled."""
        self._waiting.clear()
