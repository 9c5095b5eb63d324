"""Waits for what other threads and processes do."""

import time
from collections.abc import Callable

TIMEOUT_S = 30.0


def wait_for(condition: Callable[[], bool], what: str = "it", timeout_s: float = TIMEOUT_S) -> None:
    """Return when the condition holds; fail after the time-out."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"{what} did not happen within {timeout_s} s"
        time.sleep(0.01)
