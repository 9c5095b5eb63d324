"""Plots made of ASCII characters, for terminals: names that lab scripts import.

Nothing outside of Python draws them, so nothing can hang, and every terminal and every locale shows them.
"""

import logging
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from PyExpLabSys.common.text_axis import Axis, make_axis

if TYPE_CHECKING:
    import curses

    import numpy as np
    from numpy.typing import NDArray

    Numbers = Sequence[float] | NDArray[np.floating] | NDArray[np.integer]

LOGGER = logging.getLogger(__name__)

MARK = "*"
#: Styles of which each point stands for itself; all others are lines.
POINT_STYLES = ("points", "dots")
#: Smallest distance of two ticks in characters, along each axis.
TICK_DISTANCE = (12, 3)
#: The frame, and the numbers below it.
FRAME_ROWS = 3
#: Characters of the smallest plot, without its labels.
SMALLEST = (24, FRAME_ROWS + 2)


class AsciiPlot:
    """Draws a curve with its axes.

    Args:
        title: Written above it.
        xlabel: Written below it.
        ylabel: Written above the y axis.
        logscale: Of the y axis; what is not above 0 is left out.
        size: Width and height of all of it in characters.
        debug: Log each plot at level debug.

    Raises:
        ValueError: the size has no room for a plot.
    """

    def __init__(
        self,
        title: str | None = None,
        xlabel: str | None = None,
        ylabel: str | None = None,
        logscale: bool = False,
        size: tuple[int, int] = (80, 24),
        debug: bool = False,
    ) -> None:
        self.title, self.xlabel, self.ylabel = title, xlabel, ylabel
        self.logscale = logscale
        self.size = size
        self.debug = debug
        smallest = SMALLEST[0], SMALLEST[1] + sum(bool(label) for label in (title, xlabel, ylabel))
        if size[0] < smallest[0] or size[1] < smallest[1]:
            raise ValueError("a plot of {} x {} characters is too small, it takes {} x {}".format(*size, *smallest))

    def plot(self, x: "Numbers", y: "Numbers", style: str = "lines", legend: str = "") -> str:
        """Return a plot as text, its lines joined by line breaks.

        Args:
            x: Where each point lies; may be an array. A point that has a NaN or an infinity breaks the line.
            y: How high it lies.
            style: ``points`` and ``dots`` are not joined; all other styles are lines.
            legend: Name of the curve.

        Raises:
            ValueError: x and y have different lengths.
        """
        if len(x) != len(y):
            raise ValueError(f"{len(x)} values of x and {len(y)} of y")
        text = "\n".join(self._rows([float(value) for value in x], [float(value) for value in y], style, legend))
        if self.debug:
            LOGGER.debug("%d points as %s\n%s", len(x), style, text)
        return text

    def _rows(self, x: list[float], y: list[float], style: str, legend: str) -> list[str]:
        width, height = self.size
        above = [*([self.title.center(width)] if self.title else []), *([self.ylabel] if self.ylabel else [])]
        below = [self.xlabel.center(width)] if self.xlabel else []
        rows = height - len(above) - len(below) - FRAME_ROWS
        points = [(a, b) if self._has_place(a, b) else None for a, b in zip(x, y, strict=True)]
        there = [point for point in points if point is not None]
        y_axis = make_axis([b for _, b in there], rows, TICK_DISTANCE[1], logarithmic=self.logscale)
        margin = max(len(tick.text) for tick in y_axis.ticks) + 1
        columns = width - margin - 2
        x_axis = make_axis([a for a, _ in there], columns, TICK_DISTANCE[0], logarithmic=False)
        dots = [point and (x_axis.place(point[0]), rows - 1 - y_axis.place(point[1])) for point in points]
        canvas = [[" "] * columns for _ in range(rows)]
        for column, row in _marked(dots, joined=style not in POINT_STYLES):
            canvas[row][column] = MARK
        if legend:
            entry = f"{legend} {MARK * 3} "[-columns:]
            canvas[0][columns - len(entry) :] = entry
        return [line[:width].rstrip() for line in [*above, *_framed(canvas, x_axis, y_axis, margin), *below]]

    def _has_place(self, x: float, y: float) -> bool:
        return math.isfinite(x) and math.isfinite(y) and (y > 0.0 or not self.logscale)


class CursesAsciiPlot:
    """The same in a window of curses, which it fills but for the last row.

    Args:
        curses_window: The window; its size counts at each plot.
        **kwargs: As of :class:`AsciiPlot`, without the size.
    """

    def __init__(self, curses_window: "curses.window", **kwargs: Any) -> None:
        kwargs.pop("size", None)
        self.curses_window = curses_window
        self._kwargs = kwargs

    def plot(self, x: "Numbers", y: "Numbers", style: str = "lines", legend: str = "") -> None:
        """Draw a plot in the window and refresh it; the arguments are those of :meth:`AsciiPlot.plot`."""
        height, width = self.curses_window.getmaxyx()
        text = AsciiPlot(size=(width, height - 1), **self._kwargs).plot(x, y, style, legend)
        for number, line in enumerate(text.split("\n")):
            self.curses_window.addstr(number, 0, line.ljust(width))
        self.curses_window.refresh()


def _marked(dots: Sequence[tuple[int, int] | None], *, joined: bool) -> set[tuple[int, int]]:
    """Return dots, and those of the straight lines between neighbours; None is a gap."""
    marked = {dot for dot in dots if dot is not None}
    for start, end in pairwise(dots) if joined else ():
        if start is not None and end is not None:
            steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
            marked |= {
                tuple(a + round((b - a) * step / steps) for a, b in zip(start, end, strict=True))  # type: ignore[misc]
                for step in range(steps)
            }
    return marked


def _framed(canvas: list[list[str]], x_axis: Axis, y_axis: Axis, margin: int) -> list[str]:
    """Return a canvas with a frame, ticks and their numbers."""
    columns, rows = len(canvas[0]), len(canvas)
    numbers = {rows - 1 - y_axis.place(tick.value): tick.text for tick in y_axis.ticks}
    edge = ["-"] * columns
    below = [" "] * (margin + columns + 2)
    free_from = 0
    for tick in x_axis.ticks:
        column = x_axis.place(tick.value)
        edge[column] = "+"
        start = min(max(margin + 1 + column - len(tick.text) // 2, 0), len(below) - len(tick.text))
        if start >= free_from:
            below[start : start + len(tick.text)] = tick.text
            free_from = start + len(tick.text) + 1
    frame = f"{' ' * margin}+{''.join(edge)}+"
    body = [
        f"{numbers.get(number, ''):>{margin - 1}} {'+' if number in numbers else '|'}{''.join(row)}|"
        for number, row in enumerate(canvas)
    ]
    return [f"{' ' * margin}+{'-' * columns}+", *body, frame, "".join(below)]
