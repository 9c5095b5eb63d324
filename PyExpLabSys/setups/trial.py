"""What a criterion would have stored of old readings, and how well straight lines through that give them back.

::

    points = read_points("furnace_temperature", "2026-03-01T00:00:00Z", setup="furnace")
    trial = try_criterion(ErrorBound(absolute=0.5), points.times, points.values)
    trial.share, trial.largest_error, trial.rms_error
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PyExpLabSys.common.criteria import same
from PyExpLabSys.setups.criteria import Criterion, LateCriterion, Selector, selector_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Trial:
    """Readings, and what a criterion makes of them.

    Attributes:
        times: Unix times of the readings in s, of shape (n,).
        values: The readings, of shape (n,).
        stored: Positions of those that become points, ascending.
        restored: What the points say about each reading, of shape (n,): a straight line between two points; before
            the first and after the last, and at what is not finite, the nearest earlier point, or the first.
    """

    times: "NDArray[np.float64]"
    values: "NDArray[np.float64]"
    stored: "NDArray[np.int64]"
    restored: "NDArray[np.float64]"

    @property
    def share(self) -> float:
        """Which part of the readings becomes points, 0 to 1."""
        return len(self.stored) / len(self.times)

    def errors(self, *, relative: bool = False) -> "NDArray[np.float64]":
        """Return how far each reading is from what the points say, of shape (n,); NaN where one of both is no number.

        Args:
            relative: As a part of the reading, without its sign; else in its unit.
        """
        import numpy as np

        with np.errstate(all="ignore"):
            distances = np.abs(self.restored - self.values)
            distances[self.restored == self.values] = 0.0
            distances[~np.isfinite(distances)] = np.nan
            return np.where(distances > 0.0, distances / np.abs(self.values), distances) if relative else distances

    @property
    def missed(self) -> int:
        """How many readings are numbers, or none, where the points say the contrary."""
        import numpy as np

        return int(np.sum(np.isfinite(self.values) != np.isfinite(self.restored)))

    def largest_error(self, *, relative: bool = False) -> float:
        """Return the largest error; 0 if there is none."""
        import numpy as np

        return float(np.max(np.nan_to_num(self.errors(relative=relative), posinf=np.inf), initial=0.0))

    def rms_error(self, *, relative: bool = False) -> float:
        """Return the square root of the mean of the squares of the errors; 0 if there are none."""
        import numpy as np

        errors = self.errors(relative=relative)
        errors = errors[~np.isnan(errors)]
        return float(np.sqrt(np.mean(errors**2))) if len(errors) else 0.0


def try_criterion(
    criterion: Criterion | LateCriterion,
    times: "NDArray[np.float64]",
    values: "NDArray[np.float64]",
    *,
    steps: bool = False,
) -> Trial:
    """Return what a criterion makes of old readings.

    Args:
        criterion: As for ``Setup.log``.
        times: Unix times in s, of shape (n,), n at least 1.
        values: The readings, of shape (n,).
        steps: Between two points the earlier one holds, instead of a straight line.
    """
    return try_selector(selector_of(criterion), times, values, steps=steps)


def try_selector(
    selector: Selector, times: "NDArray[np.float64]", values: "NDArray[np.float64]", *, steps: bool = False
) -> Trial:
    """Return what a selector makes of old readings; arguments as those of :func:`try_criterion`."""
    import numpy as np

    if len(times) == 0 or len(times) != len(values):
        raise ValueError(f"a trial wants at least one reading, and a time for each: {len(times)} and {len(values)}")
    stored = np.array(_positions(selector, times.tolist(), values.tolist()), dtype=np.int64)
    return Trial(times, values, stored, _restored(times, values, stored, steps=steps))


def _positions(selector: Selector, times: list[float], values: list[float]) -> list[int]:
    """Return which readings a selector wants stored."""
    stored: list[int] = []
    for time_s, value in zip(times, values, strict=True):
        for point in selector.take(time_s, value):
            stored.append(_find(point, times, values, stored[-1] + 1 if stored else 0))
    for point in selector.finish():
        stored.append(_find(point, times, values, stored[-1] + 1 if stored else 0))
    return stored


def _find(point: tuple[float, float], times: list[float], values: list[float], start: int) -> int:
    return next(i for i in range(start, len(times)) if times[i] == point[0] and same(values[i], point[1]))


def _restored(
    times: "NDArray[np.float64]", values: "NDArray[np.float64]", stored: "NDArray[np.int64]", *, steps: bool
) -> "NDArray[np.float64]":
    import numpy as np

    if len(stored) == 0:
        return np.full(len(times), np.nan)
    before = np.maximum(np.searchsorted(stored, np.arange(len(times)), side="right") - 1, 0)
    first, last = stored[before], stored[np.minimum(before + 1, len(stored) - 1)]
    if steps:
        return values[first]
    with np.errstate(all="ignore"):
        part = (times - times[first]) / (times[last] - times[first])
        # Not by the difference of the values: that may overflow.
        lines = values[first] * (1.0 - part) + values[last] * part
    exact = (times == times[first]) | (times[last] <= times[first]) | (np.arange(len(times)) < first)
    return np.where(exact | ~np.isfinite(values[first]) | ~np.isfinite(values[last]), values[first], lines)
