"""What happens again and again is counted, and said once a minute."""

import threading
import time
from collections.abc import Callable, Hashable


class Repeats:
    """Decides when something that repeats is said again.

    Args:
        every_s: The least time between two times that the same thing is said, in s.
        most: So many different things are kept apart; if there are more, all begin anew.
        monotonic: The clock, in s.
    """

    def __init__(
        self, every_s: float = 60.0, most: int = 1000, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._every_s, self._most, self._monotonic = every_s, most, monotonic
        self._said: dict[Hashable, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def count(self, what: Hashable) -> int:
        """Count that something happened, and return how often it did since it was last said; 0: do not say it now."""
        now_s = self._monotonic()
        with self._lock:
            if what not in self._said and len(self._said) >= self._most:
                self._said.clear()
            said_s, times = self._said.get(what, (now_s - self._every_s, 0))
            due = now_s - said_s >= self._every_s
            self._said[what] = (now_s, 0) if due else (said_s, times + 1)
            return times + 1 if due else 0
