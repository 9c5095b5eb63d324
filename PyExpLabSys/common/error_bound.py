"""A criterion with a stated error bound: straight lines between the points come close to every reading.

For each codename a door swings: two slopes from the last point, between which every straight line passes all readings
since then within the tolerance. Each reading closes the door a little more. One that can still be reached by a line
through the door is held; when one cannot, the reading before it, which could, becomes a point, and a new door opens
from there.

Source:
    E. H. Bristol, "Data compression for display and storage", US patent 4,669,097 (1987), describes the swinging door.
    That a point has to lie within the door, which makes the tolerance a bound, is the swing filter of H. Elmeleegy,
    A. K. Elmagarmid, E. Cecchet, W. G. Aref and W. Zwaenepoel, "Online piece-wise linear approximation of numerical
    streams with precision guarantees", Proc. VLDB Endowment 2 (2009) 145-156; here, its lines end in readings.
"""

import math
import sys
from dataclasses import dataclass

from PyExpLabSys.common.criteria import Point, same

#: Rounding in the slopes moves a line by less than this part of the values that it joins.
ROUNDING = 16.0 * sys.float_info.epsilon


@dataclass(frozen=True, kw_only=True)
class ErrorBound:
    """Straight lines between the points come as close to every reading as is said, and few points do that.

    With both, the larger tolerance counts at each reading: 5 % of a pressure, but not less than the noise of the gauge.

    A point is the last reading that a line still reached, so it is stored with its own time when the next one has come.
    After a kill or a power cut, readings since the last point are not known, ``max_silence_s`` at most. The bound
    holds for times as they are stored: a table of whole seconds moves points by up to one second.

    Used alone::

        door = ErrorBound(absolute=0.5).selector()
        for time_s, value in readings:
            for point in door.take(time_s, value):
                saver.save_point("furnace_temperature", point)
        for point in door.finish():
            saver.save_point("furnace_temperature", point)

    Args:
        absolute: The farthest that a line may pass from a reading, in the unit of the value.
        relative: Likewise, as a part of the reading, without its sign.
        max_silence_s: After so many s any reading is stored.
    """

    absolute: float = 0.0
    relative: float = 0.0
    max_silence_s: float = 600.0

    def __post_init__(self) -> None:
        if not (self.absolute or self.relative):
            raise ValueError("an ErrorBound wants absolute, relative, or both")
        for name in ("absolute", "relative"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ValueError(f"ErrorBound({name}={getattr(self, name)}): it must be above 0 and finite")
        if not 0.0 < self.max_silence_s < math.inf:
            raise ValueError(f"ErrorBound(max_silence_s={self.max_silence_s}): it must be above 0 and finite")

    def tolerance(self, value: float) -> float:
        """Return how far from a reading a line may pass, in its unit."""
        return max(self.absolute, self.relative * abs(value))

    def selector(self) -> "SwingingDoor":
        """Return what chooses the points of one codename."""
        return SwingingDoor(self)


class SwingingDoor:
    """Chooses the points of one codename; see :class:`ErrorBound`.

    A reading whose time is not after the one before, because the clock was set, begins anew: both are points.

    Args:
        bound: How close the lines have to come.
    """

    def __init__(self, bound: ErrorBound) -> None:
        self._bound = bound
        self._door: _Door | None = None

    def take(self, time_s: float, value: float) -> list[Point]:
        """Take a reading, and return the points that are certain by it, oldest first.

        Args:
            time_s: Its unix time in s.
            value: NaN and infinities are kept as they are; they last until the next point.
        """
        reading, door = (time_s, float(value)), self._door
        if door is None:
            return self._begin(reading)
        silent = time_s - door.time_s >= self._bound.max_silence_s
        if time_s > door.last_s and same(reading[1], door.value) and not math.isfinite(door.value):
            return self._begin(reading) if silent else []
        if door.reaches(reading):
            if silent:
                return self._begin(reading)
            door.hold(reading, self._bound.tolerance(reading[1]))
            return []
        points = self.finish()
        return [*points, *self._follow(points, reading)]

    def finish(self) -> list[Point]:
        """Return the reading that is held, as readings end here or there is a gap; the next one is stored anyway."""
        held = None if self._door is None else self._door.held
        self._door = None
        return [] if held is None else [held]

    def _begin(self, reading: Point) -> list[Point]:
        self._door = _Door(reading)
        return [reading]

    def _follow(self, points: list[Point], reading: Point) -> list[Point]:
        """Go on after a reading that was held has become a point."""
        if points:
            door = _Door(points[0])
            if reading[0] - door.time_s < self._bound.max_silence_s and door.reaches(reading):
                door.hold(reading, self._bound.tolerance(reading[1]))
                self._door = door
                return []
        return self._begin(reading)


class _Door:
    """Lines from a point that pass all readings since."""

    def __init__(self, point: Point) -> None:
        self.time_s, self.value = point
        self.held: Point | None = None
        self._lowest, self._highest = -math.inf, math.inf

    @property
    def last_s(self) -> float:
        """Time of the last reading."""
        return self.time_s if self.held is None else self.held[0]

    def reaches(self, reading: Point) -> bool:
        """Return whether a reading lies later than all others, and behind the door."""
        time_s, value = reading
        # Which it does not if the slope cannot be told: from or to what is not finite, or too far.
        if not (time_s > self.last_s and math.isfinite(slope := (value - self.value) / (time_s - self.time_s))):
            return False
        return self._lowest <= slope <= self._highest

    def hold(self, reading: Point, tolerance: float) -> None:
        """Hold a reading, and close the door so far that all lines pass it within the tolerance."""
        self.held = time_s, value = reading
        # Slopes are rounded: the door is made smaller by what that may move a line, so that the bound holds exactly. A
        # tolerance that is smaller than that closes it.
        room = tolerance - ROUNDING * (abs(self.value) + abs(value) + tolerance) - sys.float_info.min
        span_s = time_s - self.time_s
        self._lowest = max(self._lowest, (value - room - self.value) / span_s)
        self._highest = min(self._highest, (value + room - self.value) / span_s)
