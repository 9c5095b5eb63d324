"""Waiting, with a bound, for what cannot announce itself."""

import os
import threading
import time
from collections.abc import Callable

WEAKENED = os.environ.get("PYEXPLABSYS_TEST_MUTANT")
"""The weakening that this run is to detect (see :mod:`tests.faults.weakened`); None in an ordinary run."""
# What a weakened build never does is not worth a long wait.
PATIENCE_S = 10.0 if WEAKENED else 60.0
POLL_S = 0.02


def wait_until(condition: Callable[[], object], what: str, poll_s: float = POLL_S) -> None:
    """Return once a condition holds; AssertionError if it does not within the bound."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        threading.Event().wait(poll_s)
