"""Times are rounded once, and the same way everywhere."""

from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from PyExpLabSys.database.times import (
    floor_all_to_digits,
    floor_to_digits,
    microseconds_of,
    seconds_text,
    to_microseconds,
    to_seconds,
)

TIMES = st.floats(min_value=0.0, max_value=2.0**32, exclude_max=True)
# Most floats lie near 0; these are spread evenly, as real times are.
REAL_TIMES = st.builds(lambda ticks: ticks / 2**20, st.integers(0, 2**52 - 1))
MICROSECONDS = st.integers(-(2**32) * 10**6, 2**32 * 10**6)


@given(TIMES | REAL_TIMES)
@example(1700000945.2706954)  # times 1e6 as float64: rounded to the half, and then up
@example(1700000289.7816145)  # likewise, down
@example(3.5e-06)
@example(8191.9999995)
@example(8192.0000005)
@example(1 / 2**7)  # 7812.5 us, exactly: to the even 7812
@example(3 / 2**7)  # 23437.5 us, exactly: to the even 23438
@example(1700000000 + 1 / 2**7)
def test_scalar_array_decimal_and_fraction_agree(unixtime_s: float) -> None:
    expected = round(Fraction(unixtime_s) * 1_000_000)
    assert to_microseconds(unixtime_s) == expected
    assert microseconds_of(np.array([unixtime_s])).tolist() == [expected]
    assert int((Decimal(unixtime_s) * 1_000_000).to_integral_value(ROUND_HALF_EVEN)) == expected


@pytest.mark.parametrize("unixtime_s", [1700000945.2706954, 1700000289.7816145, 3.5e-06])
def test_multiplying_the_float_would_be_wrong(unixtime_s: float) -> None:
    # Without this the examples above could not tell the exact way from the obvious one.
    assert round(unixtime_s * 1e6) != round(Fraction(unixtime_s) * 1_000_000)


@given(st.lists(st.floats(min_value=-(2.0**43), max_value=2.0**43), max_size=20))
def test_arrays_of_all_signs_and_sizes_agree_with_scalars(times: list[float]) -> None:
    assert microseconds_of(np.array(times)).tolist() == [to_microseconds(time) for time in times]


def test_the_result_is_int64_and_keeps_the_shape() -> None:
    rounded = microseconds_of(np.array([[1.5, 1700000000.25]]))
    assert rounded.dtype == np.int64
    assert rounded.tolist() == [[1_500_000, 1_700_000_000_250_000]]


@pytest.mark.parametrize("time", [float("nan"), float("inf"), float("-inf"), 1e300, -1e300])
def test_what_is_no_time_is_refused_by_both(time: float) -> None:
    with pytest.raises(ValueError, match="is not a unix time"):
        to_microseconds(time)
    with pytest.raises(ValueError, match="number 1"):
        microseconds_of(np.array([1.0, time]))


@given(st.integers(0, 2**32 * 10**6))
def test_microseconds_survive_the_way_through_a_float(microseconds: int) -> None:
    assert to_microseconds(to_seconds(microseconds)) == microseconds


@given(MICROSECONDS, st.integers(0, 6))
def test_digits_are_cut_off_downwards(microseconds: int, digits: int) -> None:
    exact = Decimal(microseconds).scaleb(-6)
    expected = exact.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_FLOOR)
    floored = floor_to_digits(microseconds, digits)
    assert Decimal(floored).scaleb(-6) == expected
    assert floor_all_to_digits(np.array([microseconds]), digits).tolist() == [floored]
    text = seconds_text(microseconds, digits)
    assert Decimal(text) == expected
    assert len(text.partition(".")[2]) == digits


@pytest.mark.parametrize("digits", [-1, 7])
def test_a_column_has_no_such_number_of_digits(digits: int) -> None:
    with pytest.raises(ValueError, match="0 to 6 digits"):
        floor_to_digits(1, digits)


def test_the_text_is_what_a_person_would_write() -> None:
    assert seconds_text(1_700_000_000_750_000) == "1700000000.750000"
    assert seconds_text(1_700_000_000_999_999, 0) == "1700000000"
    assert seconds_text(-250_000, 2) == "-0.25"
