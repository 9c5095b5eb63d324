"""How far a reading is from the last point, and which earlier readings lead up to an event: arithmetic without state.

The criteria of :mod:`PyExpLabSys.setups` and those of :mod:`PyExpLabSys.common.value_logger` rest on this module.

"No value" (NaN) has no distance to a number, so that the change to it, or back, counts as infinitely far; from one
NaN to the next nothing has changed. The same holds for infinities.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

#: Unix time in s, and value.
Point = tuple[float, float]

#: ``lin``: changes count in the unit of the value; ``log``: as a part of the value they start from.
Scale = Literal["lin", "log"]


def same(one: float, other: float) -> bool:
    """Return whether two values are equal, where NaN equals NaN."""
    return one == other or (math.isnan(one) and math.isnan(other))


def absolute_change(value: float, reference: float) -> float:
    """Return how far a value is from a reference, in its unit; never NaN."""
    if same(value, reference):
        return 0.0
    distance = abs(value - reference)
    return math.inf if math.isnan(distance) else distance


def relative_change(value: float, reference: float) -> float:
    """Return how far a value is from a reference, as a part of the reference; from 0, any change is infinitely far."""
    distance = absolute_change(value, reference)
    if distance in {0.0, math.inf} or reference == 0.0:
        return math.inf if distance else 0.0
    return distance / abs(reference)


def decades(value: float, reference: float) -> float:
    """Return how many decades lie between two values; infinity across 0."""
    if same(value, reference):
        return 0.0
    if not (math.isfinite(value) and math.isfinite(reference)) or value == 0.0 or reference == 0.0:
        return math.inf
    if (value < 0.0) != (reference < 0.0):
        return math.inf
    # Not the logarithm of the ratio: that overflows.
    return abs(math.log10(abs(value)) - math.log10(abs(reference)))


def change(scale: Scale, value: float, reference: float) -> float:
    """Return how far a value is from a reference, on one of the two scales."""
    return absolute_change(value, reference) if scale == "lin" else relative_change(value, reference)


def leaves_band(value: float, reference: float, part: float) -> bool:
    """Return whether a value lies not between ``reference * (1 - part)`` and ``reference * (1 + part)``.

    On the border it has left. Around 0 there is no band: anything else has left it.
    """
    if math.isnan(value) or math.isnan(reference) or reference == 0.0:
        return not same(value, reference)
    low, high = sorted((reference * (1 - part), reference * (1 + part)))
    return not low < value < high


def sign_of(difference: float) -> int:
    """Return 1, -1, or, for 0 and NaN, 0."""
    return (difference > 0.0) - (difference < 0.0)


@dataclass(frozen=True)
class Way:
    """The way from the last point to an event.

    Attributes:
        points: Readings on it that are worth storing, newest first.
        turned_at: Position in the buffer of the reading at which it began, where the slope turned; None: at the last
            point.
    """

    points: list[Point]
    turned_at: int | None


def walk_back(scale: Scale, buffer: Sequence[Point], event: Point, sign: int, reference: float, limit: float) -> Way:
    """Return the earlier readings that show how an event came about.

    From the event back in time, a reading is kept when it differs from the one that was kept before by more than the
    limit, until the slope turns. Logarithmically, each that is farther than the limit from the last point is kept, too.

    Args:
        scale: Of the limit.
        buffer: Readings since the last point, oldest first.
        event: The reading that is far enough from the last point.
        sign: 1 if it went up since the last point, -1 if down, 0 if that cannot be told.
        reference: Value of the last point.
        limit: Smallest difference that counts, smaller than the one that makes an event.
    """
    if math.isnan(event[1]) or math.isnan(reference):
        return Way(list(buffer[-1:]), None)  # what matters is when there was still a value, or none
    kept: list[Point] = []
    newer = event[1]
    for index in range(len(buffer) - 1, -1, -1):
        value = buffer[index][1]
        if (newer - value) * sign < 0.0:
            return Way(kept, index)
        if _counts(scale, value, newer, reference, limit):
            kept.append(buffer[index])
            newer = value
    return Way(kept, None)


def _counts(scale: Scale, value: float, newer: float, reference: float, limit: float) -> bool:
    if scale == "lin":
        return absolute_change(value, newer) > limit
    if value == 0.0 or newer == 0.0:
        return value != newer
    return relative_change(value, newer) > limit or relative_change(value, reference) > limit
