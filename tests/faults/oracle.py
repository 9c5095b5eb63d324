"""What the table must hold, known without the package: points from a seed, and a comparison that shows differences."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count

CODENAMES = ("fault_temperature", "fault_pressure", "fault_current")
# 2025-10-26 00:55 UTC: five minutes before central European clocks show an hour for the second time.
BEGIN_S = 1_761_440_100.0
DIFFERENCES_SHOWN = 3
NOTHING_AFTER = 0.01  # of the points: "no value"

Row = tuple[int, float | None]
"""Time in microseconds, and the value."""


@dataclass(frozen=True)
class Point:
    """One point of a stream; no two of a stream have the same value, unless it is "no value"."""

    codename: str
    time: float
    value: float

    def row(self, time_digits: int) -> Row:
        """Return what a column ``timestamp(time_digits)`` and a nullable ``double`` keep of this point."""
        # Python rounds a fraction half-even, and exactly.
        microseconds = round(Fraction(self.time) * 1_000_000)
        step = 10 ** (6 - time_digits)
        return microseconds // step * step, None if self.value != self.value else self.value


def stream(seed: int) -> Iterator[Point]:
    """Yield the points of a seed, without end: always the same, in several codenames, some at equal times."""
    numbers = random.Random(seed)
    time_s = BEGIN_S
    for number in count():
        time_s += numbers.choice((0.0, 1e-6, 0.4, 1.7)) + numbers.random() * 0.1
        value = number + numbers.random() if numbers.random() >= NOTHING_AFTER else float("nan")
        yield Point(numbers.choice(CODENAMES), time_s, value)


def expected_rows(points: Sequence[Point], time_digits: int) -> dict[str, list[Row]]:
    """Return the rows of each codename, in order."""
    rows: dict[str, list[Row]] = {codename: [] for codename in CODENAMES}
    for point in points:
        rows[point.codename].append(point.row(time_digits))
    return rows


def differences(expected: Mapping[str, Sequence[Row]], found: Mapping[str, Sequence[Row]]) -> list[str]:
    """Return what is wrong with a table, as text; nothing when it is right.

    Args:
        expected: The rows that each codename must have, in order.
        found: Those that it has, by ascending id.
    """
    texts = [
        f"{codename}: {_difference(expected.get(codename, ()), found.get(codename, ()))}"
        for codename in sorted(expected.keys() | found.keys())
        if list(expected.get(codename, ())) != list(found.get(codename, ()))
    ]
    total, there = (sum(map(len, rows.values())) for rows in (expected, found))
    return [f"{there} rows, {total} expected", *texts] if texts else []


def _difference(expected: Sequence[Row], found: Sequence[Row]) -> str:
    missing, extra = _beyond(expected, found), _beyond(found, expected)
    if not missing and not extra:
        at = next(i for i, pair in enumerate(zip(expected, found, strict=True)) if pair[0] != pair[1])
        return f"all {len(found)} rows are there, but row {at} is {found[at]} where {expected[at]} belongs"
    return ", ".join(
        f"{len(rows)} {what} (first: {', '.join(map(str, rows[:DIFFERENCES_SHOWN]))})"
        for rows, what in ((missing, "missing"), (extra, "too many"))
        if rows
    )


def _beyond(rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """Return the rows that are not among the others, each as often as it is there too often."""
    left: dict[Row, int] = {}
    for row in others:
        left[row] = left.get(row, 0) + 1
    beyond = []
    for row in rows:
        if left.get(row, 0) == 0:
            beyond.append(row)
        else:
            left[row] -= 1
    return beyond
