"""Readings between two points that a straight line between these would hide, such as a peak that came and went.

How far readings scatter around a straight line is learned from quiet spans: those between a point and a time-out.
What lies much farther off is worth storing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PyExpLabSys.common.criteria import Point

SMOOTHED_NEIGHBOURS = 5


def smooth(values: Sequence[float], neighbours: int = SMOOTHED_NEIGHBOURS) -> list[float]:
    """Return the moving mean of values, with so many neighbours on each side; at an edge, with those that exist."""
    windows = (values[max(0, index - neighbours) : index + neighbours + 1] for index in range(len(values)))
    return [sum(window) / len(window) for window in windows]


def scatter(buffer: Sequence[Point], first: Point, last: Point) -> list[float]:
    """Return how far each reading lies from a straight line: the square of its smoothed distance, over its height.

    The height is the smoothed value, without its sign, so that a negative signal is judged as its mirror image. If it
    crosses 0, there is no such height: then it is the mean over all readings. Where that is 0, nothing lies off.

    Args:
        buffer: Readings, oldest first.
        first, last: Points through which the line goes, at different times.
    """
    smoothed = smooth([value for _, value in buffer])
    slope = (last[1] - first[1]) / (last[0] - first[0])
    distances = (
        first[1] + slope * (time_s - first[0]) - value for (time_s, _), value in zip(buffer, smoothed, strict=True)
    )
    heights = [abs(value) for value in smoothed]
    if min(smoothed) <= 0.0 <= max(smoothed):
        heights = [sum(heights) / len(heights)] * len(heights)
    return [
        distance * distance / height if height else 0.0 for distance, height in zip(distances, heights, strict=True)
    ]


def remarkable(buffer: Sequence[Point], scattered: Sequence[float], limit: float) -> list[Point]:
    """Return the readings that scatter more than the limit, without those in the middle of a level.

    Args:
        buffer: Readings, oldest first.
        scattered: What :func:`scatter` says about them.
        limit: The most that is usual.
    """
    kept = [index for index, each in enumerate(scattered) if each > limit]
    return [buffer[index] for index in kept if index in {kept[0], kept[-1]} or not _level(buffer, index)]


def _level(buffer: Sequence[Point], index: int) -> bool:
    return buffer[index - 1][1] == buffer[index][1] == buffer[index + 1][1]


@dataclass
class UsualScatter:
    """What scatter is usual for one codename.

    Attributes:
        timeouts: How often nothing happened until the time-out.
        total: Sum of the mean scatter over the spans before these.
    """

    timeouts: int = 0
    total: float = 0.0

    def learn(self, scattered: Sequence[float]) -> None:
        """Take note of a span in which nothing happened."""
        mean = sum(scattered) / len(scattered)
        if math.isfinite(mean):  # values beyond all measure must not make everything usual from now on
            self.total += mean

    @property
    def mean(self) -> float:
        """The usual scatter; there was at least one time-out."""
        return self.total / self.timeouts
