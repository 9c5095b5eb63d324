"""Which readings become points."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from PyExpLabSys.setups import Always, Deviation, Interval

NUMBERS = st.floats(allow_nan=False)
ALL = st.floats()
CRITERIA = st.sampled_from(
    [Deviation(absolute=0.5), Deviation(relative=0.05), Deviation(logarithmic=0.1), Deviation(absolute=1, relative=1)]
)


@pytest.mark.parametrize(
    ("criterion", "before", "now", "stored"),
    [
        (Deviation(absolute=0.5), 20.0, 20.5, True),
        (Deviation(absolute=0.5), 20.0, 20.4, False),
        (Deviation(absolute=0.5), -20.0, -20.5, True),
        (Deviation(absolute=0.5), math.inf, 20.0, True),
        (Deviation(absolute=0.5), math.inf, math.inf, False),
        (Deviation(absolute=0.5), math.inf, -math.inf, True),
        (Deviation(relative=0.05), 20.0, 21.0, True),
        (Deviation(relative=0.05), 20.0, 20.9, False),
        (Deviation(relative=0.05), -20.0, -21.0, True),
        (Deviation(relative=0.05), -20.0, -19.1, False),
        (Deviation(relative=0.05), 0.0, 1e-300, True),
        (Deviation(relative=0.05), 0.0, -0.0, False),
        (Deviation(logarithmic=0.1), 1e-9, 1.3e-9, True),
        (Deviation(logarithmic=0.1), 1e-9, 1.2e-9, False),
        (Deviation(logarithmic=0.1), 1e-9, 0.7e-9, True),
        (Deviation(logarithmic=0.1), -1e-9, -1.2e-9, False),
        (Deviation(logarithmic=0.1), 1e-9, -1e-9, True),
        (Deviation(logarithmic=0.1), 1e-9, 0.0, True),
        (Deviation(logarithmic=0.1), 0.0, 1e-9, True),
        (Deviation(logarithmic=0.1), 5e-324, 1e308, True),
        (Deviation(absolute=100.0, logarithmic=0.1), 1e-9, 2e-9, True),
        (Deviation(absolute=0.5), math.nan, 20.0, True),
        (Deviation(absolute=0.5), 20.0, math.nan, True),
        (Deviation(logarithmic=0.5), math.nan, math.nan, False),
    ],
)
def test_a_deviation_is_far_enough_or_not(criterion: Deviation, before: float, now: float, stored: bool) -> None:
    assert criterion.stores(now, before, 1.0) is stored


@given(CRITERIA, ALL)
def test_what_has_not_moved_is_not_stored_until_the_maximum_silence(criterion: Deviation, value: float) -> None:
    assert not criterion.stores(value, value, 599.9)
    assert criterion.stores(value, value, 600.0)


@given(CRITERIA, ALL, ALL, st.floats(0.0, 1e9))
def test_every_pair_of_values_gets_an_answer(criterion: Deviation, one: float, other: float, silence_s: float) -> None:
    assert criterion.stores(one, other, silence_s) in {True, False}


@given(NUMBERS, NUMBERS)
def test_a_logarithmic_deviation_is_the_same_up_and_down_and_with_both_signs_turned(one: float, other: float) -> None:
    criterion = Deviation(logarithmic=0.1)
    assert criterion.stores(one, other, 0.0) == criterion.stores(other, one, 0.0) == criterion.stores(-one, -other, 0.0)


@given(st.lists(NUMBERS, min_size=1), st.floats(1e-6, 1e6))
def test_no_reading_is_further_from_the_last_point_than_the_limit(values: list[float], limit: float) -> None:
    criterion, point = Deviation(absolute=limit), values[0]
    for value in values:
        if criterion.stores(value, point, 0.0):
            point = value
        assert value == point or abs(value - point) < limit


def test_always_stores_everything() -> None:
    assert Always().stores(1.0, 1.0, 0.0)
    assert Always().max_silence_s == 0.0


def test_an_interval_stores_when_it_is_over() -> None:
    criterion = Interval(60.0)
    assert criterion.stores(1.0, 1.0, 60.0)
    assert not criterion.stores(99.0, 1.0, 59.0)
    assert criterion.max_silence_s == 60.0


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"absolute": 0.0},
        {"relative": -0.1},
        {"logarithmic": math.nan},
        {"absolute": 1.0, "max_silence_s": math.inf},
    ],
)
def test_a_deviation_without_a_sensible_limit_is_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Deviation"):
        Deviation(**arguments)


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.inf, math.nan])
def test_an_interval_without_length_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="interval"):
        Interval(seconds)
