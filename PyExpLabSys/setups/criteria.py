"""Which readings are worth a point: the rules, without any state.

A criterion compares a reading with the last one that was stored. The first reading, and the first after a gap, is
stored whatever the criterion says.
"""

import math
from dataclasses import dataclass
from typing import Protocol


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
        if silence_s >= self.max_silence_s:
            return True
        if math.isnan(value) or math.isnan(stored_value):
            return math.isnan(value) != math.isnan(stored_value)
        if value == stored_value:
            return False
        return (
            (self.absolute is not None and abs(value - stored_value) >= self.absolute)
            or (self.relative is not None and abs(value - stored_value) >= self.relative * abs(stored_value))
            or (self.logarithmic is not None and _decades(value, stored_value) >= self.logarithmic)
        )


def _decades(one: float, other: float) -> float:
    """Return how many decades lie between two values that differ; infinity if no number of them does."""
    if one == 0.0 or other == 0.0 or math.isinf(one) or math.isinf(other) or (one < 0.0) != (other < 0.0):
        return math.inf
    # Not the logarithm of the ratio: that overflows.
    return abs(math.log10(abs(one)) - math.log10(abs(other)))
