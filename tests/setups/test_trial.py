"""What a criterion makes of old readings."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from PyExpLabSys.setups import Always, Deviation, ErrorBound, Interval
from PyExpLabSys.setups.trial import Trial, try_criterion


def trial_of(criterion: Any, *values: float, times: NDArray[np.float64] | None = None, **options: Any) -> Trial:
    moments = np.arange(float(len(values))) if times is None else times
    return try_criterion(criterion, moments, np.array(values), **options)


def test_points_and_lines() -> None:
    trial = trial_of(Deviation(absolute=2.0), 0.0, 1.0, 1.5, 3.0, 4.0)
    assert trial.stored.tolist() == [0, 3]
    assert trial.restored.tolist() == [0.0, 1.0, 2.0, 3.0, 3.0]
    assert trial.errors().tolist() == [0.0, 0.0, 0.5, 0.0, 1.0]
    assert trial.share == 0.4
    assert trial.largest_error() == 1.0
    assert trial.rms_error() == pytest.approx(0.5)
    assert trial.errors(relative=True).tolist() == [0.0, 0.0, 0.5 / 1.5, 0.0, 0.25]
    assert trial.largest_error(relative=True) == pytest.approx(1 / 3)
    assert trial.missed == 0


def test_steps() -> None:
    trial = trial_of(Deviation(absolute=2.0), 0.0, 1.0, 1.5, 3.0, 4.0, steps=True)
    assert trial.restored.tolist() == [0.0, 0.0, 0.0, 3.0, 3.0]


def test_silences_are_those_of_the_readings() -> None:
    times = np.array([0.0, 1.0, 59.0, 60.0, 61.0, 1000.0])
    assert trial_of(Interval(60.0), *[1.0] * 6, times=times).stored.tolist() == [0, 3, 5]


def test_all() -> None:
    trial = trial_of(Always(), 1.0, math.nan, math.inf, 2.0)
    assert trial.share == 1.0
    assert trial.missed == 0
    assert trial.largest_error() == trial.rms_error() == 0.0


def test_no_value_lasts_until_the_next_point() -> None:
    trial = trial_of(Deviation(absolute=9.0), 1.0, 2.0, math.nan, math.nan, 4.0)
    assert trial.stored.tolist() == [0, 2, 4]
    assert trial.restored[:2].tolist() == [1.0, 1.0]
    assert np.isnan(trial.restored[2:4]).all()
    assert trial.missed == 0


class Few:
    """Stores readings at these times, whatever they are."""

    max_silence_s = 1.0

    def __init__(self, *times: float) -> None:
        self.times = times

    def selector(self) -> "Few":
        return self

    def take(self, time_s: float, value: float) -> list[tuple[float, float]]:
        return [(time_s, value)] if time_s in self.times else []

    def finish(self) -> list[tuple[float, float]]:
        return []


def test_readings_that_are_a_number_where_the_points_say_none_are_counted() -> None:
    trial = trial_of(Few(1.0), 1.0, math.nan, 3.0)
    assert trial.missed == 2
    assert trial.largest_error() == trial.rms_error() == 0.0


def test_without_any_point_nothing_is_known() -> None:
    trial = trial_of(Few(), 1.0, 2.0)
    assert (trial.share, trial.missed) == (0.0, 2)


def test_before_the_first_point_it_holds_already() -> None:
    assert trial_of(Few(2.0, 3.0), 1.0, 2.0, 3.0, 4.0).restored.tolist() == [3.0, 3.0, 3.0, 4.0]


def test_several_readings_at_one_time() -> None:
    trial = trial_of(ErrorBound(absolute=0.1), 1.0, 5.0, 1.0, times=np.array([0.0, 0.0, 1.0]))
    assert trial.stored.tolist() == [0, 1, 2]
    assert trial.largest_error() == 0.0


@given(st.lists(st.floats(-1e9, 1e9) | st.just(math.nan), min_size=1), st.floats(1e-3, 1e6))
def test_an_error_bound_is_kept(values: list[float], tolerance: float) -> None:
    trial = trial_of(ErrorBound(absolute=tolerance), *values)
    # The lines of the trial are rounded themselves.
    assert trial.largest_error() <= tolerance + 1e-6
    assert trial.missed == 0


def test_a_trial_wants_readings() -> None:
    with pytest.raises(ValueError, match="at least one reading"):
        try_criterion(Always(), np.empty(0), np.empty(0))
