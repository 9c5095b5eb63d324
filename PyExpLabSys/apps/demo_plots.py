"""Numbers, plots one line high, and curves, made of characters."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

BLOCKS = "▁▂▃▄▅▆▇█"
#: For terminals that show no more than ASCII.
ASCII_BLOCKS = "_.-~=+*#"
SI_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
#: A character of braille is two dots wide and four high; the bit of each, by column and row from the top.
BRAILLE = 0x2800
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
DOTS_WIDE, DOTS_HIGH = 2, 4


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How high a value lies, and how it is written.

    Attributes:
        smallest_span: Smallest difference that fills the height, in decades if logarithmic; less lies in the middle.
        logarithmic: Decades are equally high; what is not above 0 has no height.
        lowest: The bottom, in place of the smallest value; what is below lies there, too.
        prefixes: The unit gets k, M or G.
    """

    smallest_span: float = 1.0
    logarithmic: bool = False
    lowest: float | None = None
    prefixes: bool = False

    def height(self, value: float) -> float:
        """Return how high a value lies, NaN if nowhere."""
        if self.lowest is not None and not value >= self.lowest:
            value = self.lowest if math.isfinite(value) else math.nan
        if not math.isfinite(value) or (self.logarithmic and value <= 0.0):
            return math.nan
        return math.log10(value) if self.logarithmic else value

    def span(self, heights: Iterable[float]) -> tuple[float, float]:
        """Return the lowest and the highest height of a plot of these."""
        finite = [height for height in heights if math.isfinite(height)]
        low = min(finite, default=0.0) if self.lowest is None else self.height(self.lowest)
        high = max(finite, default=low)
        missing = max(0.0, self.smallest_span - (high - low))
        return (low - missing / 2, high + missing / 2) if self.lowest is None else (low, high + missing)

    def text(self, value: float, unit: str) -> str:
        """Return a value with its unit, in twelve characters or so: ``12.3 kB/s``, ``1.3e-04 mbar``."""
        if self.prefixes:
            for factor, prefix in SI_PREFIXES:
                # 999.95 would be shown as 1000.0.
                if abs(value) >= 0.99995 * factor:
                    return f"{value / factor:.1f} {prefix}{unit}"
            return f"{value:.0f} {unit}"
        return f"{value:.1e} {unit}" if self.logarithmic else f"{value:.1f} {unit}"


LINEAR = Scale()
PRESSURE = Scale(logarithmic=True)
#: From one byte per second up.
RATE = Scale(smallest_span=3.0, logarithmic=True, lowest=1.0, prefixes=True)


def sparkline(values: Iterable[float], scale: Scale = LINEAR, blocks: str = BLOCKS) -> str:
    """Return a plot one character high, one character for each value; a blank where a value has no height.

    Args:
        values: What to plot.
        scale: How high each lies.
        blocks: The characters, lowest first.
    """
    heights = [scale.height(value) for value in values]
    low, high = scale.span(heights)
    return "".join(_block((height - low) / (high - low), blocks) for height in heights)


def _block(height: float, blocks: str) -> str:
    return blocks[min(int(height * len(blocks)), len(blocks) - 1)] if math.isfinite(height) else " "


@dataclass(frozen=True)
class Cell:
    """One character of a plot, and of which series it shows a dot; None: of none."""

    character: str
    series: int | None


def curves(series: Sequence[Sequence[float]], *, width: int, height: int, slots: int) -> list[list[Cell]]:
    """Return series of values as curves in one plot, its rows from the top.

    Args:
        series: Values of each, newest last; where curves cross, the last one is seen.
        width: Of the plot in characters.
        height: Of the plot in characters.
        slots: So many values fill the width; the newest are at the right.
    """
    low, high = LINEAR.span(value for values in series for value in values)
    columns, rows = DOTS_WIDE * width, DOTS_HIGH * height
    bits = [[0] * width for _ in range(height)]
    owners: list[list[int | None]] = [[None] * width for _ in range(height)]
    for number, values in enumerate(series):
        recent = list(values)[-slots:]
        first = slots - len(recent)
        dots = [
            (round((first + i) * (columns - 1) / (slots - 1)), round((high - value) / (high - low) * (rows - 1)))
            for i, value in enumerate(recent)
            if math.isfinite(value)
        ]
        for column, row in _joined(dots):
            x, y = column // DOTS_WIDE, row // DOTS_HIGH
            bits[y][x] |= DOTS[column % DOTS_WIDE][row % DOTS_HIGH]
            owners[y][x] = number
    return [
        [Cell(chr(BRAILLE + mask) if mask else " ", owner) for mask, owner in zip(*row, strict=True)]
        for row in zip(bits, owners, strict=True)
    ]


def _joined(dots: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return dots and those of the straight lines from each to the next."""
    line = set(dots)
    for (x, y), (next_x, next_y) in pairwise(dots):
        steps = max(abs(next_x - x), abs(next_y - y), 1)
        line |= {
            (x + round(step * (next_x - x) / steps), y + round(step * (next_y - y) / steps)) for step in range(steps)
        }
    return line
