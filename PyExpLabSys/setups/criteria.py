"""Which readings are worth a point.

A criterion compares a reading with the last one that was stored, and decides at once. A late criterion, such as
:class:`~PyExpLabSys.common.error_bound.ErrorBound`, holds readings, and may store an earlier one. With both, the first
reading, and the first after a gap, is stored whatever the criterion says.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from PyExpLabSys.common.criteria import Point, absolute_change, decades, relative_change


@runtime_checkable
class Criterion(Protocol):
    """Decides from values and times alone, so that one object serves any number of codenames."""

    @property
    def max_silence_s(self) -> float:
        """After so many s without a point any reading is stored, so that old data are told from steady ones."""
        ...

    def stores(self, value: float, stored_value: float, silence_s: float) -> bool:
        """Return whether a reading becomes a point.

        Args:
            value: The reading; NaN stands for "no value".
            stored_value: The last point of the same codename.
            silence_s: Time since that point in s.
        """
        ...


class Selector(Protocol):
    """Chooses the points of one codename among its readings."""

    def take(self, time_s: float, value: float) -> Sequence[Point]:
        """Take a reading, and return the points that are certain by it, oldest first: it, earlier ones, or none.

        Args:
            time_s: Unix time of the reading in s.
            value: The reading; NaN stands for "no value".
        """
        ...

    def finish(self) -> Sequence[Point]:
        """Return the points that are held, as there is a gap or the end; the next reading is stored anyway."""
        ...


class LateCriterion(Protocol):
    """Decides about a reading when later ones have come; it has a selector for each codename."""

    @property
    def max_silence_s(self) -> float:
        """As for :class:`Criterion`."""
        ...

    def selector(self) -> Selector:
        """Return what chooses the points of one codename."""
        ...


class ImmediateSelector:
    """Chooses points by a criterion that decides at once.

    Args:
        criterion: It.
        clock: Times silences, in s; None: by the times of the readings.
    """

    def __init__(self, criterion: Criterion, clock: Callable[[], float] | None = None) -> None:
        self._criterion, self._clock = criterion, clock
        self._stored: Point | None = None  # by our clock; None: the next reading is stored, whatever it is

    def take(self, time_s: float, value: float) -> Sequence[Point]:
        """Take a reading, and return it if it is a point."""
        now_s = time_s if self._clock is None else self._clock()
        if self._stored is not None:
            stored_s, stored_value = self._stored
            if not self._criterion.stores(value, stored_value, now_s - stored_s):
                return ()
        self._stored = (now_s, value)
        return ((time_s, value),)

    def finish(self) -> Sequence[Point]:
        """Return nothing; the next reading is stored."""
        self._stored = None
        return ()


def selector_of(criterion: Criterion | LateCriterion, clock: Callable[[], float] | None = None) -> Selector:
    """Return what chooses the points of one codename by a criterion of either kind.

    Args:
        criterion: Of either kind.
        clock: Times silences for one that decides at once, in s; None: by the times of the readings.
    """
    return ImmediateSelector(criterion, clock) if isinstance(criterion, Criterion) else criterion.selector()


@dataclass(frozen=True)
class Always:
    """Every reading becomes a point."""

    @property
    def max_silence_s(self) -> float:
        """Nothing: every reading is stored."""
        return 0.0

    def stores(self, value: float, stored_value: float, silence_s: float) -> bool:  # noqa: ARG002 (whatever they are)
        """Return True."""
        return True


@dataclass(frozen=True)
class Interval:
    """A point each ``seconds`` at most, from an instrument that is read more often (for a live display, say)."""

    seconds: float

    def __post_init__(self) -> None:
        if not 0.0 < self.seconds < math.inf:
            raise ValueError(f"an interval of {self.seconds} s is none")

    @property
    def max_silence_s(self) -> float:
        """The interval in s."""
        return self.seconds

    def stores(self, value: float, stored_value: float, silence_s: float) -> bool:  # noqa: ARG002 (whatever they are)
        """Return whether the interval is over."""
        return silence_s >= self.seconds


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """A point when the value has moved far enough from the last one, in any of the ways that are given.

    A change to NaN ("no value") or back is always far enough, one from NaN to NaN never.

    Args:
        absolute: So far, in the unit of the value: 0.5 for 20.0 to 20.5.
        relative: So large a part of the last point: 0.05 for 20.0 to 21.0. From 0, any change is far enough.
        logarithmic: So many decades, for pressures: 0.1 for 1.0e-9 to 1.26e-9. A change of sign, to 0 or from 0 is
            always far enough; between two negative values, their absolute values count.
        max_silence_s: After so many s any reading is stored.
    """

    absolute: float | None = None
    relative: float | None = None
    logarithmic: float | None = None
    max_silence_s: float = 600.0

    def __post_init__(self) -> None:
        limits = {"absolute": self.absolute, "relative": self.relative, "logarithmic": self.logarithmic}
        given = {name: limit for name, limit in limits.items() if limit is not None}
        if not given:
            raise ValueError(f"a Deviation wants one of {', '.join(limits)}")
        for name, limit in {**given, "max_silence_s": self.max_silence_s}.items():
            if not 0.0 < limit < math.inf:
                raise ValueError(f"Deviation({name}={limit}): it must be above 0 and finite")

    def stores(self, value: float, stored_value: float, silence_s: float) -> bool:
        """Return whether the value has moved far enough, or too much time has passed."""
        return (
            silence_s >= self.max_silence_s
            or (self.absolute is not None and absolute_change(value, stored_value) >= self.absolute)
            or (self.relative is not None and relative_change(value, stored_value) >= self.relative)
            or (self.logarithmic is not None and decades(value, stored_value) >= self.logarithmic)
        )
