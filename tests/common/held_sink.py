"""What the tests of ContinuousLogger share: how loggers are made, and a destination that can be held."""

import threading
from collections.abc import Callable

from PyExpLabSys.common.batch import Batch
from PyExpLabSys.common.loggers import ContinuousLogger
from PyExpLabSys.common.sink import Sink

T0 = 1_700_000_000.75
ENOUGH_S = 30.0

NewLogger = Callable[..., ContinuousLogger]
"""Makes a logger; takes the arguments of ContinuousLogger, all of which have defaults."""


class HeldSink(Sink):
    """A further destination that takes nothing before it is released."""

    name = "held"
    timeout_s = 0.3

    def __init__(self) -> None:
        self.entered, self.released = threading.Event(), threading.Event()
        self.taken: list[float] = []

    def store(self, batch: Batch) -> None:
        self.entered.set()
        self.released.wait(ENOUGH_S)
        self.taken += batch.values.tolist()

    def interrupt(self) -> None:
        self.released.set()
