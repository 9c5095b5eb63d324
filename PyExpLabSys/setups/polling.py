"""Reads the instruments of one line, each in its own period: one thread, which a call that hangs does not hold up."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from PyExpLabSys.errors import TransportTimeoutError
from PyExpLabSys.setups.components import ComponentStatus
from PyExpLabSys.setups.measurements import Channel, Measurement

LOGGER = logging.getLogger(__name__)

#: What is read once, and fails, is tried so often, with such pauses in s.
ONCE_ATTEMPTS = 3
ONCE_PAUSE_S = 0.3


class Schedule:
    """When what is due: slots at fixed times, whatever the calls in them take.

    A slot that has not begun when the next one of the same period does is skipped.

    Args:
        periods_s: The period of each call in s.
        start_s: The first slot of all, in s of any clock.
    """

    def __init__(self, periods_s: Sequence[float], start_s: float) -> None:
        self._periods_s, self._start_s = periods_s, start_s
        self._slots = [0] * len(periods_s)
        self.skipped = [0] * len(periods_s)

    def next(self) -> tuple[int, float]:
        """Return which call comes next, and when, in s."""
        # Multiplied, not added up: rounding errors do not become drift.
        due = [self._start_s + slot * period_s for slot, period_s in zip(self._slots, self._periods_s, strict=True)]
        index = min(range(len(due)), key=lambda i: (due[i], -self._periods_s[i], i))
        return index, due[index]

    def begin(self, index: int, now_s: float) -> None:
        """Note that a call begins: its next slot is the first that is still to come, those between are skipped."""
        latest = max(self._slots[index], int((now_s - self._start_s) // self._periods_s[index]))
        self.skipped[index] += latest - self._slots[index]
        self._slots[index] = latest + 1


@dataclass(frozen=True)
class _Call:
    measurement: Measurement
    began_s: float


class Poller:
    """One line, or one instrument with a line of its own, and all that is read there.

    Args:
        name: What messages call it.
        measurements: What is read.
        once: Read everything once, and end.
        monotonic: The clock in s.
    """

    def __init__(
        self,
        name: str,
        measurements: Sequence[Measurement],
        *,
        once: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._measurements, self._once, self._monotonic = measurements, once, monotonic
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._schedule = Schedule([each.every_s for each in measurements], 0.0)
        #: With ``once``: what has to be read, and how often that was tried.
        self._left = [(each, 0) for each in measurements] if once else []
        self._thread: threading.Thread | None = None
        self._call: _Call | None = None
        #: By the instrument that hangs: at most one call of each.
        self._hung: dict[object, _Call] = {}

    def start(self) -> None:
        """Begin to read."""
        self._schedule = Schedule([each.every_s for each in self._measurements], self._monotonic())
        for channel in self._channels():
            channel.start()
        self._start_thread()

    def stop(self, timeout_s: float) -> None:
        """Begin no more calls; wait for the one that goes on, at most so long. What comes later is discarded."""
        self._stopping.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        with self._lock:
            if self._call is not None:
                LOGGER.warning("%s: stopped in the middle of reading %s", self.name, self._call.measurement.name)
                self._call = None

    @property
    def ended(self) -> bool:
        """Whether everything was read that was to be read once, or the thread was stopped."""
        return self._thread is not None and not self._thread.is_alive()

    def supervise(self) -> None:
        """Abandon a call that hangs, and go on without it; look for old data. Called about once a second."""
        for channel in self._channels():
            channel.check()
        with self._lock:
            call = self._call
            if call is None or self._monotonic() - call.began_s <= call.measurement.hung_after_s:
                return
            self._call = None
            self._hung[call.measurement.owner] = call
        call.measurement.fail(
            TransportTimeoutError(
                f"the call has not come back within {call.measurement.hung_after_s:g} s and is abandoned"
            )
        )
        call.measurement.abandon()
        self._start_thread()

    def status(self) -> ComponentStatus:
        """Return how reading goes on."""
        with self._lock:
            hung = [call.measurement.name for call in self._hung.values()]
        stuck = f"a call for {hung[0]} hangs" if hung else None
        if not self._once and not self._stopping.is_set() and self.ended:
            stuck = "its thread has ended"
        return ComponentStatus(
            stuck=stuck,
            alarms=tuple(alarm for channel in self._channels() if (alarm := channel.alarm())),
            details={
                "skipped": dict(zip((each.name for each in self._measurements), self._schedule.skipped, strict=True)),
                "hung": hung,
            },
        )

    def _channels(self) -> Iterator[Channel]:
        return (channel for each in self._measurements for channel in each.channels)

    def _start_thread(self) -> None:
        self._thread = threading.Thread(target=self._run, name=f"reading {self.name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        run = self._read_once if self._once else self._read_for_ever
        run()

    def _read_for_ever(self) -> None:
        while True:
            index, due_s = self._schedule.next()
            if self._stopping.wait(max(0.0, due_s - self._monotonic())):
                return
            self._schedule.begin(index, self._monotonic())
            if self._read(self._measurements[index]) is None:
                return  # abandoned: another thread has gone on

    def _read_once(self) -> None:
        while self._left:
            measurement, attempts = self._left.pop(0)
            # Rates need some time between two readings, and a line may have to come into step.
            if self._stopping.wait(ONCE_PAUSE_S if attempts else 0.0):
                return
            outcome = self._read(measurement)
            if outcome is None:
                return
            if not outcome and attempts + 1 < ONCE_ATTEMPTS:
                self._left.append((measurement, attempts + 1))

    def _read(self, measurement: Measurement) -> bool | None:
        """Read, hand on what comes, and return whether it is whole; None if it took so long that it was given up."""
        call = _Call(measurement, self._monotonic())
        with self._lock:
            hung = self._hung.get(measurement.owner)
            if hung is None:
                self._call = call
        if hung is not None:
            age_s = self._monotonic() - hung.began_s
            measurement.fail(TransportTimeoutError(f"a call that began {age_s:.0f} s ago has still not come back"))
            return False
        error: Exception | None = None
        reading = None
        try:
            reading = measurement.read()
        except Exception as caught:  # noqa: BLE001 - whatever a driver or a script does, the other codenames go on
            error = caught
        if not self._complete(call):
            return None
        if error is None:
            return measurement.take(reading)
        measurement.fail(error)
        return False

    def _complete(self, call: _Call) -> bool:
        """Note that a call came back; False if it was abandoned, so that what it brings is discarded."""
        with self._lock:
            if self._call is call:
                self._call = None
                return True
            self._hung.pop(call.measurement.owner, None)
        LOGGER.info(
            "the call for %s that was abandoned came back after %.0f s; what it brought is discarded",
            *(call.measurement.name, self._monotonic() - call.began_s),
        )
        return False


def pollers(measurements: Sequence[Measurement], *, once: bool = False) -> list[Poller]:
    """Return a poller for each line, and for each instrument or function that has none."""
    groups: dict[object, list[Measurement]] = {}
    for measurement in measurements:
        groups.setdefault(measurement.line, []).append(measurement)
    return [Poller(str(getattr(line, "name", line)), group, once=once) for line, group in groups.items()]
