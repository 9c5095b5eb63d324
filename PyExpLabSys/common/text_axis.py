"""Axes of a plot made of characters: which values it shows, where each lies, and which numbers stand beside it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: Distances of ticks that people read easily, within a decade.
NICE = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Tick:
    """A value with a number beside it."""

    value: float
    text: str


@dataclass(frozen=True)
class Axis:
    """The values from ``low`` to ``high`` on so many characters; both are logarithms if it is logarithmic."""

    low: float
    high: float
    characters: int
    logarithmic: bool
    ticks: tuple[Tick, ...]

    def place(self, value: float) -> int:
        """Return the character on which a value lies, 0 for the lowest."""
        height = math.log10(value) if self.logarithmic else value
        # Halves first: the difference of two very large numbers may be none.
        share = (height / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        return round(min(max(share, 0.0), 1.0) * (self.characters - 1))


def make_axis(values: Sequence[float], characters: int, tick_distance: int, *, logarithmic: bool) -> Axis:
    """Return the axis that shows values.

    Args:
        values: Finite; above 0 if the axis is logarithmic.
        characters: Its length.
        tick_distance: Smallest distance of two ticks, in characters.
        logarithmic: Whether decades have the same length.
    """
    heights = [math.log10(value) for value in values] if logarithmic else values
    low, high = min(heights, default=0.0), max(heights, default=1.0)
    # Of a constant something around it is shown, wide enough for numbers to differ.
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        half = max(abs(low) * 1e-3, 0.5) if not logarithmic else 0.5
        low, high = low - half, high + half
    step = _nice_step(high / 2 - low / 2, max(2, characters // tick_distance), whole=logarithmic)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if last <= first:  # a short axis, or less than two decades: round numbers are too far apart
        ticks = [Tick(end, f"{end:.4g}") for end in ((10.0**low, 10.0**high) if logarithmic else (low, high))]
    elif logarithmic:
        ticks = [Tick(10.0 ** (i * step), f"1e{i * step:.0f}") for i in range(first, last + 1)]
    else:
        ticks = [Tick(i * step, _text(i, step)) for i in range(first, last + 1)]
    return Axis(low, high, characters, logarithmic, tuple(ticks))


def _nice_step(half_span: float, ticks: int, *, whole: bool) -> float:
    """Return a distance of ticks that is 1, 2 or 5 times a power of ten, and not below 1 if it must be whole."""
    rough = max(half_span / ticks * 2, 1.0 if whole else 0.0)
    decade = 10.0 ** math.floor(math.log10(rough))
    return next(nice for nice in NICE if nice * decade >= rough * (1 - 1e-9)) * decade


def _text(number: int, step: float) -> str:
    """Return ``number * step`` with the digits that tell it from its neighbours."""
    value = number * step
    decimals = max(0, -math.floor(math.log10(step)))
    largest = max(abs(value), step)
    if 1e-4 <= largest < 1e10 and decimals <= 6:
        return f"{value:.{decimals}f}"
    digits = max(0, math.floor(math.log10(largest)) - math.floor(math.log10(step)))
    return f"{value:.{digits}e}"
