"""``ErrorBound``: straight lines between the points come as close to every reading as is said."""

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from PyExpLabSys.common.error_bound import ErrorBound

Readings = list[tuple[float, float]]

TOLERANCES = st.floats(1e-12, 1e12)
BOUNDS = st.one_of(
    st.builds(ErrorBound, absolute=TOLERANCES, max_silence_s=st.floats(1e-3, 1e6)),
    st.builds(ErrorBound, relative=st.floats(1e-6, 2.0), max_silence_s=st.floats(1e-3, 1e6)),
    st.builds(ErrorBound, absolute=TOLERANCES, relative=st.floats(1e-6, 2.0)),
)
STEPS_S = st.floats(1e-3, 1e3) | st.sampled_from([0.0, -1.0, 1.0])
VALUES = (
    st.floats()
    | st.floats(-10.0, 10.0)
    | st.floats(-1e13, 1e13)
    | st.sampled_from([0.0, 1.0, -1.0, math.nan, math.inf])
)


def chosen(bound: ErrorBound, readings: Iterable[tuple[float, float]]) -> Readings:
    door = bound.selector()
    points = [point for reading in readings for point in door.take(*reading)]
    return points + door.finish()


def spans(readings: Readings, points: Readings) -> Iterator[tuple[tuple[float, float], tuple[float, float], Readings]]:
    """Yield two points that follow each other, and the readings in between."""
    left = iter(points)
    positions = []
    wanted: Any = next(left, None)
    for position, reading in enumerate(readings):
        if wanted is not None and repr(reading) == repr(wanted):
            positions.append(position)
            wanted = next(left, None)
    assert wanted is None, "a point that is no reading"
    assert positions[:1] == [0]
    assert positions[-1:] == [len(readings) - 1] or not any(
        map(math.isfinite, dict(readings[positions[-1] :]).values())
    )
    for one, other in pairwise(positions):
        yield readings[one], readings[other], readings[one + 1 : other]


def check_bound(bound: ErrorBound, readings: Readings) -> None:
    """Check the bound, in exact arithmetic."""
    for (first_s, first), (last_s, last), between in spans(readings, chosen(bound, readings)):
        for time_s, value in between:
            if not math.isfinite(first):
                assert repr(value) == repr(first)  # it lasts until the next point
                continue
            part = (Fraction(time_s) - Fraction(first_s)) / (Fraction(last_s) - Fraction(first_s))
            line = Fraction(first) + part * (Fraction(last) - Fraction(first))
            tolerance = bound.tolerance(value)
            assert tolerance == math.inf or abs(line - Fraction(value)) <= Fraction(tolerance)


@given(BOUNDS, st.floats(0.0, 2e9), st.lists(st.tuples(STEPS_S, VALUES), min_size=1, max_size=60))
@example(ErrorBound(absolute=1e308), 0.0, [(1.0, 1.7e308), (1.0, -1.7e308), (1.0, 1.7e308), (1.0, 0.0)])
@example(ErrorBound(absolute=1e-300), 0.0, [(1e3, 5e-324 * (n % 3)) for n in range(9)])
@example(ErrorBound(relative=1e-20), 1.7e9, [(0.1, 1.0 + n * 1e-15) for n in range(9)])
def test_every_reading_is_within_the_tolerance_of_the_line(
    bound: ErrorBound, start_s: float, steps: list[tuple[float, float]]
) -> None:
    times = accumulate([step for step, _ in steps], initial=start_s)
    check_bound(bound, list(zip(times, (value for _, value in steps), strict=False)))


@pytest.mark.parametrize(
    ("tolerance", "readings"),
    [
        (
            0.3,
            [
                (0.0, 0.02254944273721704),
                (2.160800746071141, 1.4373255753886998),
                (3.5294928225066613, 1.8434458701607945),
            ],
        ),
        (1.2e-322, [(0.0, -1.1e-322), (100.0, -2.7e-322), (350.0, -2.1e-322)]),
        (1.7e308, [(0.0, -1e308), (1.0, 1e308), (2.0, -1e308), (3.0, 1.7e308)]),
        (1e300, [(0.0, 0.0), (1e-3, 1.7e308), (2e-3, 1.7e308)]),
    ],
    ids=["rounding", "underflow", "overflow", "infinite slope"],
)
def test_arithmetic_of_limited_precision_does_not_exceed_the_tolerance(tolerance: float, readings: Readings) -> None:
    check_bound(ErrorBound(absolute=tolerance), readings)


@given(st.floats(0.01, 10.0), st.lists(st.integers(-3, 3), min_size=1, max_size=200), st.floats(1e-9, 1e9))
def test_a_signal_that_wanders_is_within_the_tolerance_of_the_line(
    tolerance: float, steps: list[int], unit: float
) -> None:
    # A wandering signal opens long spans, in which rounding has time to add up.
    values = accumulate(float(step) for step in steps)
    readings = [(1.7e9 + 0.1 * index, unit * value) for index, value in enumerate(values)]
    check_bound(ErrorBound(absolute=tolerance * unit), readings)
    check_bound(ErrorBound(relative=tolerance / 10.0), readings)


@given(BOUNDS, st.lists(st.tuples(STEPS_S, VALUES), min_size=1, max_size=60))
def test_no_silence_is_longer_than_said(bound: ErrorBound, steps: list[tuple[float, float]]) -> None:
    times = accumulate(abs(step) for step, _ in steps)
    door, stored_s = bound.selector(), None
    for time_s, (_, value) in zip(times, steps, strict=True):
        points = door.take(time_s, value)
        stored_s = points[-1][0] if points else stored_s
        assert stored_s is not None
        assert time_s - stored_s < bound.max_silence_s


def test_a_straight_line_is_two_points() -> None:
    readings = [(float(t), 3.0 * t - 7.0) for t in range(500)]
    assert chosen(ErrorBound(absolute=1e-6), readings) == [readings[0], readings[-1]]


def test_a_corner_is_a_point_with_its_own_time() -> None:
    readings = [(float(t), float(max(0, t - 50))) for t in range(100)]
    assert chosen(ErrorBound(absolute=0.1), readings) == [readings[0], (50.0, 0.0), readings[-1]]


def test_a_peak_is_seen() -> None:
    readings = [(float(t), 4.0 if t == 50 else 0.0) for t in range(100)]
    assert chosen(ErrorBound(absolute=0.1), readings) == [
        (0.0, 0.0),
        (49.0, 0.0),
        (50.0, 4.0),
        (51.0, 0.0),
        (99.0, 0.0),
    ]


def test_a_point_is_certain_when_the_next_reading_has_come() -> None:
    door = ErrorBound(absolute=0.1).selector()
    assert door.take(0.0, 0.0) == [(0.0, 0.0)]
    assert door.take(1.0, 0.0) == []
    assert door.take(2.0, 5.0) == [(1.0, 0.0)]
    assert door.finish() == [(2.0, 5.0)]
    assert door.finish() == []
    assert door.take(3.0, 5.0) == [(3.0, 5.0)]


def test_the_larger_tolerance_counts() -> None:
    bound = ErrorBound(absolute=1e-9, relative=0.1)
    assert [bound.tolerance(value) for value in (0.0, 1e-12, 1.0, -1.0)] == [1e-9, 1e-9, 0.1, 0.1]


def test_no_value_is_stored_when_it_begins_and_ends_and_by_silence() -> None:
    values = [1.0, 1.0, *[math.nan] * 20, 1.0, 1.0]
    points = chosen(ErrorBound(absolute=0.1, max_silence_s=15.0), [(float(t), value) for t, value in enumerate(values)])
    assert [time_s for time_s, _ in points] == [0.0, 1.0, 2.0, 17.0, 22.0, 23.0]


@pytest.mark.parametrize("step_s", [0.0, -3600.0])
def test_a_clock_that_is_set_back_begins_anew(step_s: float) -> None:
    readings = [(100.0, 0.0), (101.0, 0.0), (101.0 + step_s, 0.0), (102.0 + step_s, 0.0)]
    assert chosen(ErrorBound(absolute=0.1), readings) == readings


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"absolute": -1.0},
        {"relative": math.nan},
        {"absolute": math.inf},
        {"absolute": 1.0, "relative": -0.1},
        {"absolute": 1.0, "max_silence_s": 0.0},
        {"absolute": 1.0, "max_silence_s": math.inf},
    ],
)
def test_a_bound_that_is_none_is_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="ErrorBound"):
        ErrorBound(**arguments)
