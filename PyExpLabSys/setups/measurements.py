"""What becomes of one reading: a point for each codename that wants one, or a gap with its cause."""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from PyExpLabSys.common.criteria import Point
from PyExpLabSys.errors import InstrumentError, PyExpLabSysError
from PyExpLabSys.setups.components import Gap, Reading
from PyExpLabSys.setups.criteria import Criterion, LateCriterion, selector_of
from PyExpLabSys.setups.faults import RepeatedFault
from PyExpLabSys.setups.instruments import instrument_of

LOGGER = logging.getLogger(__name__)

#: Old data are an alarm after so many times of the longest that there may be between two points.
STALE_AFTER_SILENCES = 3.0
wall_clock = time.time

#: Which part of a reading a codename gets: a key of a dictionary, the name of an attribute, the position in a
#: sequence; None: all of it.
Part = str | int | None


class Outlet(Protocol):
    """Where points, readings and gaps go."""

    def store(self, codename: str, time_s: float, value: float) -> None:
        """Queue a point."""
        ...

    def publish(self, what: Reading | Gap) -> None:
        """Tell who listens."""
        ...


class Channel:
    """One codename: what was last stored, and whether it is too old.

    Args:
        codename: Its name in the database.
        part: What of the reading it gets.
        criterion: Which readings become points.
        stale_after_s: A last point older than this is an alarm, in s.
        monotonic: The clock that times silences, in s.
    """

    def __init__(
        self,
        codename: str,
        part: Part,
        criterion: Criterion | LateCriterion,
        stale_after_s: float,
        monotonic: Callable[[], float],
    ) -> None:
        self.codename, self.part = codename, part
        self._selector = selector_of(criterion, monotonic)
        self.stale_after_s, self._monotonic = stale_after_s, monotonic
        self._stored_at_s = monotonic()
        self.points = self.readings = self.gaps = 0
        self.last_value: float | None = None
        self._value_fault = RepeatedFault(f"no value of {codename}", LOGGER, monotonic)
        self._stale_fault = RepeatedFault(f"old data of {codename}", LOGGER, monotonic)

    def start(self) -> None:
        """Count the silence from now."""
        self._stored_at_s = self._monotonic()

    def take(self, reading: Any, time_s: float, outlet: Outlet) -> bool:
        """Make a point, or a gap, of a reading that was complete at a unix time; return whether it has a value."""
        try:
            value = to_number(part_of(reading, self.part), self.codename)
        except InstrumentError as error:
            self._value_fault.report(error)
            self.miss(str(error), time_s, outlet)
            return False
        self._value_fault.clear()
        self.readings += 1
        self.last_value = value
        points = self._selector.take(time_s, value)
        self._store(points, outlet)
        stored = bool(points) and points[-1][0] == time_s
        outlet.publish(Reading(codename=self.codename, time_s=time_s, value=value, stored=stored))
        return True

    def miss(self, cause: str, time_s: float, outlet: Outlet) -> None:
        """Note that there is no reading; the next one is stored whatever it is, so that the gap has an end."""
        self.gaps += 1
        self.finish(outlet)
        outlet.publish(Gap(codename=self.codename, time_s=time_s, cause=cause))

    def finish(self, outlet: Outlet) -> None:
        """Store what the criterion holds, as nothing follows it."""
        self._store(self._selector.finish(), outlet)

    def alarm(self) -> str | None:
        """Return what is wrong if the last point is too old."""
        age_s = self._monotonic() - self._stored_at_s
        if age_s <= self.stale_after_s:
            return None
        return f"no point of {self.codename} for {age_s:.0f} s, more than {self.stale_after_s:g} s"

    def check(self) -> None:
        """Say in the log if the last point is too old."""
        if alarm := self.alarm():
            self._stale_fault.report(InstrumentError(alarm), level=logging.ERROR)

    def _store(self, points: Sequence[Point], outlet: Outlet) -> None:
        for time_s, value in points:
            self._stored_at_s = self._monotonic()
            self.points += 1
            self._stale_fault.clear()
            outlet.store(self.codename, time_s, value)


class Measurement:
    """A function that is called again and again, and the codenames that it feeds.

    Args:
        read: Returns a number, or what the parts of the codenames are taken from.
        parts: What of it each codename gets.
        every_s: Time between calls in s.
        criterion: Which readings become points.
        stale_after_s: A last point older than this is an alarm, in s; None: three times the longest expected silence.
        hung_after_s: A call that takes longer than this is abandoned, in s.
        outlet: Where points, readings and gaps go.
        monotonic: The clock that times silences, in s.
    """

    def __init__(
        self,
        read: Callable[[], Any],
        parts: Mapping[str, Part],
        *,
        every_s: float,
        criterion: Criterion | LateCriterion,
        stale_after_s: float | None,
        hung_after_s: float,
        outlet: Outlet,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        for name, seconds in {"every": every_s, "stale_after_s": stale_after_s, "hung_after_s": hung_after_s}.items():
            if seconds is not None and not 0.0 < seconds < float("inf"):
                raise ValueError(f"{name}={seconds} of {', '.join(parts)}: it must be a time in s, above 0")
        silence_s = max(every_s, criterion.max_silence_s)
        stale_s = STALE_AFTER_SILENCES * silence_s if stale_after_s is None else stale_after_s
        self.read, self.every_s, self.hung_after_s = read, every_s, hung_after_s
        self.name = ", ".join(parts)
        self.instrument = instrument_of(read)
        self.channels: Sequence[Channel] = [
            Channel(codename, part, criterion, stale_s, monotonic) for codename, part in parts.items()
        ]
        self._outlet = outlet
        self._fault = RepeatedFault(f"no reading of {self.name}", LOGGER, monotonic)

    @property
    def codenames(self) -> list[str]:
        """What it feeds."""
        return [channel.codename for channel in self.channels]

    @property
    def line(self) -> object:
        """What it shares a thread with: those with an equal line; by default those of the same instrument."""
        instrument = self.instrument
        return self.owner if instrument is None or instrument.line is None else instrument.line

    @property
    def owner(self) -> object:
        """What hangs when a call hangs."""
        return self.instrument if self.instrument is not None else self

    def take(self, reading: Any) -> bool:
        """Make points of a reading that is complete just now; return whether all codenames have a value."""
        time_s = wall_clock()
        self._fault.clear()
        whole = [channel.take(reading, time_s, self._outlet) for channel in self.channels]
        return all(whole)

    def fail(self, error: Exception) -> None:
        """Make a gap, with the error as its cause."""
        # A bug of a driver or of a script: the traceback tells where, and the other codenames go on.
        bug = not isinstance(error, PyExpLabSysError)
        self._fault.report(error, level=logging.ERROR if bug else logging.WARNING, traceback=bug)
        cause = f"{type(error).__name__}: {error}" if bug else str(error)
        for channel in self.channels:
            channel.miss(cause, wall_clock(), self._outlet)

    def finish(self) -> None:
        """Store what criteria hold, as there is no further reading."""
        for channel in self.channels:
            channel.finish(self._outlet)

    def abandon(self) -> None:
        """Go on without a call that hangs."""
        if self.instrument is not None:
            self.instrument.abandon()


def part_of(reading: Any, part: Part) -> Any:
    """Return what of a reading a codename gets.

    Raises:
        InstrumentError: The reading has no such part.
    """
    if part is None:
        return reading
    try:
        return reading[part] if isinstance(part, int) or isinstance(reading, Mapping) else getattr(reading, part)
    except (KeyError, IndexError, AttributeError, TypeError):
        raise InstrumentError(f"the reading has no {part!r}: {reading!r}") from None


def to_number(value: Any, codename: str) -> float:
    """Return a value as a float; NaN, "no value", is one.

    Raises:
        InstrumentError: It is none: a text, None, a list; or it is infinite, by which drivers say that an input is
            overloaded, and which no database can hold.
    """
    if isinstance(value, str | bytes):
        raise InstrumentError(f"what was read for {codename} is not a number: {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InstrumentError(f"what was read for {codename} is not a number: {value!r}") from None
    if math.isinf(number):
        raise InstrumentError(f"what was read for {codename} is {number}: beyond the range of the instrument")
    return number
