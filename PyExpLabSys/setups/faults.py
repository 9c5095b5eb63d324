"""Says once that something fails, again at growing intervals, and at last that it works again."""

import logging
from collections.abc import Callable

FIRST_REPEAT_S = 60.0
LONGEST_REPEAT_S = 3600.0


class RepeatedFault:
    """One thing that may fail for a long time.

    Args:
        what: What there is not, for the log: ``no reading of furnace_temperature``.
        logger: Where it is said.
        monotonic: The clock, in s.
    """

    def __init__(self, what: str, logger: logging.Logger, monotonic: Callable[[], float]) -> None:
        self._what, self._logger, self._monotonic = what, logger, monotonic
        self._count = 0
        self._began_s = self._say_at_s = 0.0
        self._repeat_s = FIRST_REPEAT_S
        self._said: set[type[Exception]] = set()
        self.cause: str | None = None

    def report(self, error: Exception, *, level: int = logging.WARNING, traceback: bool = False) -> None:
        """Note that it failed; said in the log if it is the first time, another kind of error, or time to repeat it."""
        now_s = self._monotonic()
        self.cause = str(error) or type(error).__name__
        if self._count == 0:
            self._began_s, self._repeat_s = now_s, FIRST_REPEAT_S
        self._count += 1
        new = type(error) not in self._said
        if not new and now_s < self._say_at_s:
            return
        self._said.add(type(error))
        if not new:
            self._repeat_s = min(2.0 * self._repeat_s, LONGEST_REPEAT_S)
        self._say_at_s = now_s + self._repeat_s
        since = "" if self._count == 1 else f" ({self._count} times in {now_s - self._began_s:.0f} s)"
        self._logger.log(level, "%s%s: %s", self._what, since, self.cause, exc_info=error if traceback else None)

    def clear(self) -> None:
        """Note that it works; said in the log if it did not."""
        if self._count == 0:
            return
        passed_s = self._monotonic() - self._began_s
        self._logger.info("no longer: %s (%d times in %.0f s)", self._what, self._count, passed_s)
        self._count = 0
        self._said.clear()
        self.cause = None
