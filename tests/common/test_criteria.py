"""The arithmetic that all criteria share."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from PyExpLabSys.common.criteria import (
    Way,
    absolute_change,
    change,
    decades,
    leaves_band,
    relative_change,
    sign_of,
    walk_back,
)

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("value", "reference", "absolute", "relative", "apart"),
    [
        (20.5, 20.0, 0.5, 0.025, math.log10(1.025)),
        (-20.5, -20.0, 0.5, 0.025, math.log10(1.025)),
        (1e-9, 1e-8, 9e-9, 0.9, 1.0),
        (1.0, -1.0, 2.0, 2.0, INF),
        (1.0, 0.0, 1.0, INF, INF),
        (0.0, 1.0, 1.0, 1.0, INF),
        (0.0, -0.0, 0.0, 0.0, 0.0),
        (NAN, NAN, 0.0, 0.0, 0.0),
        (NAN, 1.0, INF, INF, INF),
        (0.0, NAN, INF, INF, INF),
        (INF, INF, 0.0, 0.0, 0.0),
        (-INF, INF, INF, INF, INF),
        (1.0, INF, INF, INF, INF),
    ],
)
def test_changes(value: float, reference: float, absolute: float, relative: float, apart: float) -> None:
    assert absolute_change(value, reference) == pytest.approx(absolute)
    assert relative_change(value, reference) == pytest.approx(relative)
    assert decades(value, reference) == pytest.approx(apart)
    assert change("lin", value, reference) == absolute_change(value, reference)
    assert change("log", value, reference) == relative_change(value, reference)


@given(st.floats(), st.floats())
def test_a_change_is_always_a_number(value: float, reference: float) -> None:
    for measure in (absolute_change, relative_change, decades):
        assert measure(value, reference) >= 0.0
        assert measure(value, value) == 0.0


@pytest.mark.parametrize(
    ("value", "reference", "left"),
    [
        (1.24, 1.0, False),
        (1.25, 1.0, True),
        (0.76, 1.0, False),
        (0.75, 1.0, True),
        (-1.24, -1.0, False),
        (-1.25, -1.0, True),
        (-0.75, -1.0, True),
        (1.0, -1.0, True),
        (0.0, 0.0, False),
        (1e-300, 0.0, True),
        (NAN, NAN, False),
        (NAN, 1.0, True),
        (1.0, NAN, True),
        (INF, 1.0, True),
    ],
)
def test_a_band(value: float, reference: float, left: bool) -> None:
    assert leaves_band(value, reference, 0.25) is left


@pytest.mark.parametrize(("difference", "sign"), [(2.0, 1), (-0.1, -1), (0.0, 0), (NAN, 0), (INF, 1)])
def test_signs(difference: float, sign: int) -> None:
    assert sign_of(difference) == sign


def test_the_way_ends_where_the_slope_turned() -> None:
    buffer = [(1.0, 0.2), (2.0, 0.1), (3.0, 1.0), (4.0, 1.2)]
    assert walk_back("lin", buffer, (5.0, 6.0), 1, 0.0, 0.5) == Way([(4.0, 1.2), (2.0, 0.1)], 0)
    assert walk_back("lin", buffer[1:], (5.0, 6.0), 1, 0.0, 0.5) == Way([(4.0, 1.2), (2.0, 0.1)], None)
    assert walk_back("lin", [(1.0, 3.0)], (5.0, -6.0), -1, 2.0, 0.5) == Way([(1.0, 3.0)], None)


def test_logarithmically_each_reading_that_is_far_from_the_last_point_is_kept() -> None:
    buffer = [(1.0, 1.0), (2.0, 1.2), (3.0, 1.2), (4.0, 1.2)]
    assert walk_back("log", buffer, (5.0, 1.3), 1, 1.0, 0.1).points == [(4.0, 1.2), (3.0, 1.2), (2.0, 1.2), (1.0, 1.0)]
    assert walk_back("log", buffer, (5.0, 1.3), 1, 1.0, 0.25).points == []


@pytest.mark.parametrize(("event", "reference"), [(NAN, 1.0), (1.0, NAN)])
def test_from_and_to_no_value_the_newest_reading_counts(event: float, reference: float) -> None:
    assert walk_back("lin", [(1.0, 5.0), (2.0, 6.0)], (3.0, event), 0, reference, 0.1) == Way([(2.0, 6.0)], None)
    assert walk_back("lin", [], (3.0, event), 0, reference, 0.1) == Way([], None)
