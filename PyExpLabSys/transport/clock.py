"""The clock that times every wait, so that a test can pass hours in no time."""

import time
from typing import Protocol


class Clock(Protocol):
    """What a wait needs: a time that never steps back, and a way to let it pass."""

    def monotonic(self) -> float:
        """Return the time since some fixed moment in s."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let this many seconds pass."""
        ...


class SystemClock:
    """The clock of this computer."""

    def monotonic(self) -> float:
        """Return the time since some fixed moment in s."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let this many seconds pass."""
        time.sleep(seconds)


SYSTEM_CLOCK: Clock = SystemClock()
