"""Readings and what is left of them, as a plot of characters."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from PyExpLabSys.apps.demo_plots import BLOCKS, BRAILLE, curves, sparkline
from PyExpLabSys.setups.trial import Trial

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.text import Text

WIDTH, HEIGHT, LABEL = 70, 10, 10
#: Where readings span more than this factor, and all are above 0, decades are equally high.
LOGARITHMIC_FROM = 1000.0
#: So high is a plot, in the unit of what draws it.
FULL = 1000.0
STYLES = ("dim", "green")
#: Characters of each kind that a plot is made of.
SAMPLE = chr(BRAILLE) + BLOCKS


def plot(trial: Trial, *, relative: bool) -> "Text":
    """Return a plot of the readings, dim, and of the lines between the points, green; under it the error over time."""
    import numpy as np
    from rich.text import Text

    readings, restored, errors = (
        _columns(each) for each in (trial.values, trial.restored, trial.errors(relative=relative))
    )
    finite = readings[np.isfinite(readings)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    logarithmic = low > 0.0 and high > LOGARITHMIC_FROM * low
    heights = [_heights(each, low, high, logarithmic=logarithmic) for each in (readings, restored)]
    text = Text()
    for number, row in enumerate(curves(heights, width=WIDTH, height=HEIGHT, slots=2 * WIDTH)):
        label = {0: f"{high:.3g}", HEIGHT - 1: f"{low:.3g}"}.get(number, "log" if logarithmic and number == 1 else "")
        text.append(f"{label:>{LABEL}} ")
        for cell in row:
            text.append(cell.character, STYLES[cell.series or 0])
        text.append("\n")
    largest = np.fmax(errors[0::2], errors[1::2])
    top = np.nanmax(largest, initial=0.0)
    shares = np.where(np.isfinite(largest), largest / top if top > 0.0 else 0.0, np.nan)
    text.append(f"{'error':>{LABEL}} {sparkline(shares.tolist())}\n")
    start, end = _moment(float(trial.times[0])), _moment(float(trial.times[-1]))
    text.append(f"{'':>{LABEL}} {start}{end:>{WIDTH - len(start)}}")
    return text


def _columns(values: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return two numbers for each character of the width: the smallest and the largest of its share of the values."""
    import numpy as np

    edges = np.linspace(0, len(values), WIDTH + 1).astype(int)
    # A short series is stretched: each part has one value at least.
    parts = [values[start : max(end, start + 1)] for start, end in pairwise(edges.tolist())]
    return np.array([end(part) for part in parts for end in (np.fmin.reduce, np.fmax.reduce)])


def _heights(values: "NDArray[np.float64]", low: float, high: float, *, logarithmic: bool) -> list[float]:
    import numpy as np

    with np.errstate(all="ignore"):
        if logarithmic:
            values, low, high = np.log(values), float(np.log(low)), float(np.log(high))
        heights = FULL * (values - low) / (high - low) if high > low else 0.0 * values + FULL / 2
    return [float(each) for each in np.clip(heights, 0.0, FULL)]


def _moment(time_s: float) -> str:
    """Return a time in UTC; as it is if it is by no clock of that kind."""
    try:
        return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if time_s >= 1e8 else f"{time_s:g}"
    except (OverflowError, ValueError, OSError):
        return f"{time_s:g}"
