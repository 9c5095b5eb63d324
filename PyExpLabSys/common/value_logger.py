"""``LoggingCriteriumChecker`` and ``ValueLogger``: which readings are worth storing, as lab scripts know them.

Both compare a reading with the last point, and store it when it has changed by the criterium, or when too much time has
passed. The checker, and the logger's model ``event``, also store the earlier readings that show how a change came
about. New scripts have :class:`~PyExpLabSys.common.error_bound.ErrorBound`, which says how close the points come to
the readings.

"No value" (NaN) is stored when it begins and when it ends, and by time-out. No two points have the same time and value.
"""

import logging
import math
import time
from collections.abc import Sequence
from typing import Any

from PyExpLabSys.common.buffer_deviation import UsualScatter, remarkable, scatter
from PyExpLabSys.common.criteria import Point, change, sign_of, walk_back
from PyExpLabSys.common.value_logger_thread import ValueLogger

__all__ = ["LoggingCriteriumChecker", "ValueLogger"]

LOGGER = logging.getLogger(__name__)

TYPES = ("lin", "log")
TIME_OUT_S, GRADE, DEVIATION_FACTOR = 600, 0.1, 50
#: Fewer readings than this say nothing about their scatter.
FEWEST_READINGS = 10
#: The most readings that are looked back at, of the newest, and the most points that wait for being fetched.
MOST_READINGS, MOST_POINTS = 100_000, 1_000_000

wall_clock = time.time


class LoggingCriteriumChecker:
    """Says of each reading whether it is worth storing, and keeps the points that are.

    Two ways to use it::

        if checker.check("pressure", value):
            for point in checker.get_data("pressure"):
                saver.save_point("pressure", point)

        if checker.check("pressure", value):
            saver.save_point_now("pressure", value)

    The first stores what led up to a change as well. The second, of old scripts, leaves points behind; this is told
    once in the log, unless ``deprecation_warning`` is False.

    What scatter is usual is learned, and used, for each codename by itself; a negative signal is judged as its mirror
    image.

    Args:
        codenames: What is checked; more can be added with :meth:`add_measurement`.
        types: For each ``lin``, a change in its unit, or ``log``, a change as a part of the last point.
        criteria: For each the change that is exceeded by what is worth storing.
        time_outs: For each the time in s after which any reading is stored; None: 600 for all.
        low_compare_values: For each the value below which a reading is stored by time-out only, or None; None: none.
        grades: For each the part of the criterium that an earlier reading has to differ by; None: 0.1 for all.

    Attributes:
        measurements: For each codename a dictionary of the arguments of :meth:`add_measurement`.
        saved_points: For each the points that wait for :meth:`get_data`.
        buffer: For each the readings since the last point.
        last_values, last_time: For each the last point; nothing before the first.
        deviation_factor: A reading that scatters so many times more than usual is worth storing.
        deprecation_warning: Whether it is told when points are left behind.
    """

    def __init__(
        self,
        codenames: Sequence[str] = (),
        types: Sequence[str] = (),
        criteria: Sequence[float] = (),
        time_outs: Sequence[float] | None = None,
        low_compare_values: Sequence[float | None] | None = None,
        grades: Sequence[float] | None = None,
    ) -> None:
        count = len(codenames)
        for name, required in {"types": types, "criteria": criteria}.items():
            if len(required) != count:
                raise ValueError(f"There must be exactly as many {name} as codenames")
        optional = {"low_compare_values": low_compare_values, "time_outs": time_outs, "grades": grades}
        for name, given in optional.items():
            if given is not None and len(given) != count:
                raise ValueError(f"If {name} is given, it must contain as many values as there are codenames")
        self.measurements: dict[str, dict[str, Any]] = {}
        self.saved_points: dict[str, list[Point]] = {}
        self.buffer: dict[str, list[Point]] = {}
        self.last_values: dict[str, float] = {}
        self.last_time: dict[str, float] = {}
        self.deviation_factor: float = DEVIATION_FACTOR
        self.deprecation_warning = True
        self._usual: dict[str, UsualScatter] = {}
        self._told = False
        for index, codename in enumerate(codenames):
            self.add_measurement(
                codename,
                types[index],
                criteria[index],
                TIME_OUT_S if time_outs is None else time_outs[index],
                None if low_compare_values is None else low_compare_values[index],
                GRADE if grades is None else grades[index],
            )

    def add_measurement(
        self,
        codename: str,
        type_: str,
        criterium: float,
        time_out: float = TIME_OUT_S,
        low_compare: float | None = None,
        grade: float = GRADE,
    ) -> None:
        """Check one more codename, or one that is known by a new criterium; arguments as those of the class."""
        if type_ not in TYPES:
            raise ValueError('Type must be either "lin" or "log"')
        if not 0 < grade < 1:
            raise ValueError("If grades is given, each grade must be larger than 0 and less than 1")
        self.measurements[codename] = {
            "type": type_,
            "criterium": criterium,
            "time_out": time_out,
            "low_compare": low_compare,
            "grade": grade,
        }
        self.saved_points[codename], self.buffer[codename] = [], []
        self._usual[codename] = UsualScatter()
        self.last_values.pop(codename, None)
        self.last_time.pop(codename, None)

    @property
    def codenames(self) -> list[str]:
        """What is checked."""
        return list(self.measurements)

    @property
    def timeout_counter(self) -> int:
        """How often a time-out was reached, over all codenames."""
        return sum(usual.timeouts for usual in self._usual.values())

    @property
    def timeout_ref(self) -> float:
        """Sum of the scatter that was found at time-outs, over all codenames."""
        return sum(usual.total for usual in self._usual.values())

    def check(self, codename: str, value: float | None, now: float | None = None) -> bool:
        """Return whether a reading is worth storing; then there are points for :meth:`get_data`.

        Args:
            codename: Its codename.
            value: The reading; None is none, and changes nothing.
            now: Its time in s, by any clock; None: by the clock of this computer.

        Raises:
            KeyError: The codename is unknown.
        """
        if codename not in self.measurements:
            raise KeyError(f"Codename '{codename}' is unknown")
        if value is None:
            return False
        self._tell_what_is_left(codename)
        now = wall_clock() if now is None else now
        if not self._decide(codename, now, value):
            return False
        self.last_values[codename], self.last_time[codename] = value, now
        self.buffer[codename] = []
        self._save(codename, [(now, value)])
        return True

    def get_data(self, codename: str) -> list[Point]:
        """Return the points that wait, sorted by time, and forget them."""
        points, self.saved_points[codename] = self.saved_points[codename], []
        return sorted(points)

    def event_handler(self, codename: str, type_: str, data_point: Point, sign: int) -> None:
        """Save the readings that led up to a change; may be overridden.

        Args:
            codename: Its codename.
            type_: Its type.
            data_point: Time and value of the reading that is far enough from the last point.
            sign: 1 if it went up, -1 if down, 0 if that cannot be told, from or to NaN.
        """
        measurement, buffer = self.measurements[codename], self.buffer[codename]
        limit = measurement["criterium"] * measurement["grade"]
        way = walk_back("lin" if type_ == "lin" else "log", buffer, data_point, sign, self.last_values[codename], limit)
        self._save(codename, way.points)
        if way.turned_at is not None:
            turned_at_s, value = buffer[way.turned_at]
            self.buffer[codename] = buffer[: way.turned_at]
            self.check_buffer_deviation(codename, turned_at_s, value)

    def timeout_handler(self, codename: str, now: float, value: float) -> None:
        """Learn what scatter is usual, and save what stands out; may be overridden."""
        usual = self._usual[codename]
        usual.timeouts += 1
        if scattered := self._scatter(codename, (now, value)):
            usual.learn(scattered)
        self.check_buffer_deviation(codename, now, value)

    def check_buffer_deviation(self, codename: str, now: float, value: float) -> None:
        """Save the readings that lie far from a line between the last point and a reading; may be overridden."""
        usual = self._usual[codename]
        if usual.timeouts and (scattered := self._scatter(codename, (now, value))):
            limit = self.deviation_factor * usual.mean
            self._save(codename, remarkable(self.buffer[codename], scattered, limit))

    def _decide(self, codename: str, now: float, value: float) -> bool:
        """Return whether a reading is worth storing, after the handlers have saved what belongs to it."""
        measurement = self.measurements[codename]
        if codename not in self.last_values:
            return True
        if now - self.last_time[codename] > measurement["time_out"]:
            self.timeout_handler(codename, now, value)
            return True
        if measurement["low_compare"] is not None and value < measurement["low_compare"]:
            return False
        last = self.last_values[codename]
        if change(measurement["type"], value, last) > measurement["criterium"]:
            self.event_handler(codename, measurement["type"], (now, value), sign_of(value - last))
            return True
        buffer = self.buffer[codename]
        buffer.append((now, value))
        del buffer[:-MOST_READINGS]
        return False

    def _scatter(self, codename: str, end: Point) -> list[float]:
        """Return the scatter of the buffer around a line to a reading, nothing if that cannot be told."""
        buffer, start = self.buffer[codename], (self.last_time[codename], self.last_values[codename])
        told = start[0] != end[0] and math.isfinite(start[1]) and math.isfinite(end[1])
        return scatter(buffer, start, end) if told and len(buffer) >= FEWEST_READINGS else []

    def _save(self, codename: str, points: Sequence[Point]) -> None:
        saved = self.saved_points[codename]
        saved.extend(points)
        if len(saved) > MOST_POINTS:
            del saved[: MOST_POINTS // 2]
            LOGGER.error("the %d oldest points of %s are lost: get_data() was never called", MOST_POINTS // 2, codename)

    def _tell_what_is_left(self, codename: str) -> None:
        if self.saved_points[codename] and self.deprecation_warning and not self._told:
            self._told = True
            LOGGER.warning(
                "DeprecationWarning: Attribute saved_points of LoggingCriteriumChecker still holds points of %s.\n"
                "Store what get_data() returns when check() is True: it has the points that led up to a change, too.\n"
                "This is told once; deprecation_warning = False turns it off.",
                codename,
            )
