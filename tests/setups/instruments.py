"""Instruments for tests of setups: what goes wrong with them is decided by the test."""

import threading
from collections.abc import Callable

from PyExpLabSys.errors import TransportError


class Bench:
    """What the tests of one instrument share: how often it was opened and closed, and what it does next."""

    def __init__(self) -> None:
        self.there = True
        self.opened = self.closed = 0
        self.read: Callable[[], object] = lambda: 1.0
        self.hanging = threading.Event()
        self.release = threading.Event()

    def answer(self) -> object:
        """Return or raise what the test says at the moment."""
        return self.read()

    def hang(self) -> float:
        """Do not come back before the test says so."""
        self.hanging.set()
        assert self.release.wait(60.0)
        return -1.0

    def fail(self, error: Exception) -> None:
        """Let each reading fail."""

        def read() -> object:
            raise error

        self.read = read


class BenchInstrument:
    """A driver without a wire."""

    model = "bench"

    def __init__(self, bench: Bench, port: str = "bench") -> None:
        if not bench.there:
            raise TransportError(f"{port} is not there")
        self._bench = bench
        bench.opened += 1

    def read_value(self) -> object:
        """Return or raise what the test says."""
        return self._bench.answer()

    def read_channel(self, channel: int) -> int:
        """Return the number of the channel."""
        return channel

    @property
    def port(self) -> str:
        """No method."""
        return "bench"

    def close(self) -> None:
        """Count."""
        self._bench.closed += 1
