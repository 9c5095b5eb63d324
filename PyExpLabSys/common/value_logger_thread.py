"""``ValueLogger``: a thread that reads a value each second, and says when it is worth storing."""

import logging
import threading
import time
from typing import Any

from PyExpLabSys.common.criteria import Point, absolute_change, leaves_band, sign_of, walk_back
from PyExpLabSys.errors import InstrumentError

LOGGER = logging.getLogger(__name__)

PERIOD_S = 1.0
#: After more failures in a row the thread ends.
MOST_ERRORS = 15
#: The most readings that are looked back at, of the newest, and the most points that wait for being fetched.
MOST_READINGS, MOST_POINTS = 100_000, 1_000_000

wall_clock = time.time


class ValueLogger(threading.Thread):
    """Reads a value each second, and keeps the readings that are worth storing.

    A reading is worth storing when it has changed by the criterium or more since the last point, or when more than
    ``maximumtime`` has passed. There are two ways to use it::

        for point in logger.get_data():
            saver.save_point(codename, point)

        if logger.read_trigged():
            saver.save_point_now(codename, logger.read_value())
            logger.clear_trigged()

    A reader that returns None, or fails, is asked again. After more than 15 such readings in a row the thread ends,
    with an error in the log; ``status["quit"]`` is True then.

    Args:
        value_reader: Has a method ``value()`` that returns a number.
        maximumtime: After so many s any reading is stored.
        low_comp: A reading below this is stored by time only.
        comp_type: ``lin``: a change in the unit of the value; ``log``: as a part of the last point.
        comp_val: The change that is worth storing.
        channel: Given to the reader: ``value(channel)``.
        model: ``event``: keep the earlier readings that show how a change came about, too; ``sparse``: do not.
        grade: In the model ``event``, the part of ``comp_val`` that an earlier reading has to differ by.
        run_on_old_data: Read without pause; the time of a reading is the reader's ``time_value``, or
            ``time_value[channel]``.

    Attributes:
        value: The last reading; None before the first, and when it failed.
        status: ``quit``: set to True to end the thread; ``trigged``: whether there are points.
        last: ``time`` and ``val`` of the last point; both 0 before the first.
        compare: ``type``, ``val``, ``low_comp``, and ``grade_val``, the change that counts in an earlier reading.
        saved_points: Points that wait for being fetched.
        buffer: Readings since the last point, in the model ``event``.
    """

    def __init__(
        self,
        value_reader: Any,
        maximumtime: float = 600,
        low_comp: float | None = None,
        comp_type: str = "lin",
        comp_val: float = 1,
        channel: Any = None,
        model: str = "event",
        grade: float = 0.1,
        run_on_old_data: bool = False,
    ) -> None:
        if not 0 < grade < 1:
            raise ValueError('"grade" must be larger than 0 and less than 1')
        if model not in {"sparse", "event"}:
            raise ValueError('"model" must be either "sparse" or "event"')
        super().__init__(daemon=True)
        self.valuereader, self.channel = value_reader, channel
        self.maximumtime, self.model, self.run_on_old_data = maximumtime, model, run_on_old_data
        self.value: Any = None
        self.status: dict[str, bool] = {"quit": False, "trigged": False}
        self.last: dict[str, float] = {"time": 0, "val": 0}
        self.compare: dict[str, Any] = {
            "type": comp_type,
            "val": comp_val,
            "low_comp": low_comp,
            "grade_val": grade * comp_val,
        }
        self.saved_points: list[Point] = []
        self.buffer: list[Point] = []
        self._lock, self._pause = threading.Lock(), threading.Event()
        self._what = type(value_reader).__name__ + ("" if channel is None else f" channel {channel}")
        if comp_type not in {"lin", "log"}:
            LOGGER.error(
                "ValueLogger of %s: comp_type is neither 'lin' nor 'log' but %r, so that no change is ever worth "
                "storing, and readings are stored by time only",
                *(self._what, comp_type),
            )

    def read_value(self) -> Any:
        """Return the last reading."""
        return self.value

    def read_trigged(self) -> bool:
        """Return whether there are points since :meth:`clear_trigged`."""
        return self.status["trigged"]

    def clear_trigged(self) -> None:
        """Forget the points."""
        with self._lock:
            self._clear()

    def get_data(self) -> list[Point]:
        """Return the points, sorted by time, and forget them."""
        with self._lock:
            points = sorted(self.saved_points)
            self._clear()
        return points

    def run(self) -> None:
        """Read until ``status["quit"]`` is True.

        Raises:
            InstrumentError: More than 15 readings in a row failed.
        """
        errors = 0
        while self._goes_on():
            reading = self._read(first_error=not errors)
            if reading is not None:
                errors = 0
                self.take(*reading)
                continue
            errors += 1
            if errors > MOST_ERRORS:
                self.status["quit"] = True
                LOGGER.error("ValueLogger of %s ends after %d readings without a value", self._what, errors)
                raise InstrumentError("Error in ValueLogger")

    def _goes_on(self) -> bool:
        """Wait until the next reading is due; return whether there is to be one."""
        if not (self.run_on_old_data or self.status["quit"]):
            self._pause.wait(PERIOD_S)
        return not self.status["quit"]

    def _read(self, *, first_error: bool) -> Point | None:
        """Return time and number of a reading; None if there is none."""
        reader, channel = self.valuereader, self.channel
        try:
            self.value = reader.value() if channel is None else reader.value(channel)
            if self.value is None:
                return None
            return self._time(), _number(self.value)
        except Exception:
            # The next reading may be fine, whatever a script's reader does. Failures in a row are likely the same.
            self.value = None
            level = logging.WARNING if first_error else logging.DEBUG
            LOGGER.log(level, "ValueLogger of %s: the reading failed", self._what, exc_info=True)
            return None

    def _time(self) -> float:
        if not self.run_on_old_data:
            return wall_clock()
        times = self.valuereader.time_value
        return float(times if self.channel is None else times[self.channel])

    def take(self, time_s: float, value: float) -> None:
        """Decide about a reading, in place of the thread."""
        with self._lock:
            late = time_s - self.last["time"] > self.maximumtime
            if self._moved(value):
                if self.model == "event":
                    self.saved_points.extend(self._way((time_s, value)))
            elif not late:
                if self.model == "event":
                    self.buffer.append((time_s, value))
                    del self.buffer[:-MOST_READINGS]
                return
            self.buffer.clear()
            self.last["time"], self.last["val"] = time_s, value
            self.saved_points.append((time_s, value))
            self.status["trigged"] = True
            if len(self.saved_points) > MOST_POINTS:
                del self.saved_points[: MOST_POINTS // 2]
                LOGGER.error("ValueLogger of %s: nobody fetches the points, and the oldest are lost", self._what)

    def _moved(self, value: float) -> bool:
        low, limit, last = self.compare["low_comp"], self.compare["val"], self.last["val"]
        if low is not None and value < low:
            return False
        if self.compare["type"] == "lin":
            return bool(absolute_change(value, last) >= limit)
        return self.compare["type"] == "log" and leaves_band(value, last, limit)

    def _way(self, event: Point) -> list[Point]:
        last = self.last["val"]
        scale, limit = self.compare["type"], self.compare["grade_val"]
        return walk_back(scale, self.buffer, event, sign_of(event[1] - last), last, limit).points

    def _clear(self) -> None:
        self.saved_points.clear()
        self.status["trigged"] = False


def _number(value: Any) -> float:
    """Return a value as a float; a text is none."""
    if isinstance(value, str | bytes):
        raise InstrumentError(f"what was read is not a number: {value!r}")
    return float(value)
