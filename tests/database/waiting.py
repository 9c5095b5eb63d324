"""Waiting, with a bound, for what a server is seen to do."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tests.servers.lab import LabDatabase

BOUND_S = 30.0


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Return once a condition holds; AssertionError if it does not within the bound."""
    deadline = time.monotonic() + BOUND_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {BOUND_S} s: {what}"
        threading.Event().wait(0.02)


def wait_until_running(lab: LabDatabase, text: str) -> None:
    """Return once the server is seen to work on a statement that contains a text."""
    query = "SELECT 1 FROM information_schema.processlist WHERE info LIKE %s AND id <> CONNECTION_ID()"
    wait_until(lambda: lab.sql(query, (f"%{text}%",)), f"a statement with {text}")


@contextmanager
def in_thread(call: Callable[..., Any], *arguments: object) -> Iterator[Future[Any]]:
    """Run a call in a thread of its own; the thread has ended when the block is left."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(call, *arguments)
