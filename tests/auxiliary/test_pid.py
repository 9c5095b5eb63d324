"""The sequence that lab scripts were tuned with, and the timed controller with all three terms."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from PyExpLabSys.auxiliary.pid import PID

FINITE = st.floats(-1e3, 1e3)


def published() -> PID:
    """Return the controller of the published example."""
    pid = PID(pid_p=0.5, pid_i=0.1, p_max=10)
    assert pid.update_setpoint(100) == 100
    return pid


def test_the_published_sequence() -> None:
    pid = published()
    powers, sums = [], []
    for reading in (20, 90, 95, 99, 101, 100, 85):
        powers.append(pid.wanted_power(reading))
        sums.append(pid.integrated_error())
    assert powers == pytest.approx([10, 5, 3.5, 2.0, 1.1, 1.5, 9.0])
    assert sums == [0, 10, 15, 16, 15, 15, 30]
    assert pid.error == 15
    assert pid.proportional_contribution() == 7.5
    assert pid.integration_contribution() == 3.0


def test_the_start() -> None:
    pid = PID()
    assert (pid.pid_p, pid.pid_i, pid.pid_d, pid.p_max, pid.p_min) == (0.15, 0.0025, 0, 54, 0)
    assert (pid.setpoint, pid.error, pid.int_err) == (-9999, 0, 0)
    assert pid.wanted_power(20.0) == 0
    assert pid.int_err == 0


@pytest.mark.parametrize(("reading", "power"), [(80, 10), (100, 0)], ids=["upper", "lower"])
def test_a_power_exactly_at_a_limit_leaves_the_sum(reading: float, power: float) -> None:
    pid = published()
    assert pid.wanted_power(reading) == power
    assert pid.int_err == 0


def test_the_sum_can_be_reset() -> None:
    pid = published()
    pid.wanted_power(90)
    pid.reset_int_error()
    assert pid.integrated_error() == 0


def test_the_derivative_gain_counts_only_with_a_time_step() -> None:
    pid = PID(pid_p=0.5, pid_i=0.1, pid_d=7.0, p_max=10)
    pid.update_setpoint(100)
    assert [pid.wanted_power(reading) for reading in (90, 95)] == [5, 3.5]
    assert pid.derivative_contribution() == 0


def test_the_three_terms_in_seconds() -> None:
    pid = PID(pid_p=2.0, pid_i=0.1, pid_d=3.0, p_max=1000, p_min=-1000)
    pid.update_setpoint(100.0)
    # By hand: 2 * 20 + 0.1 * (20 * 0.5), then 2 * 18 + 0.1 * (10 + 18 * 0.25) - 3 * (2 / 0.25).
    assert pid.wanted_power(80.0, dt=0.5) == pytest.approx(41.0)
    assert pid.wanted_power(82.0, dt=0.25) == pytest.approx(13.45)
    assert pid.integrated_error() == pytest.approx(14.5)
    assert pid.derivative_contribution() == pytest.approx(-24.0)


def test_a_new_set_point_makes_no_kick() -> None:
    pid = PID(pid_p=0.0, pid_i=0.0, pid_d=5.0, p_min=-50)
    pid.update_setpoint(20.0)
    pid.wanted_power(20.0, dt=1.0)
    pid.update_setpoint(500.0)
    assert pid.wanted_power(20.0, dt=1.0) == 0.0


def test_the_derivative_is_smoothed() -> None:
    pid = PID(pid_p=0.0, pid_i=0.0, pid_d=1.0, p_min=-50, derivative_filter_s=3.0)
    pid.update_setpoint(0.0)
    pid.wanted_power(0.0, dt=1.0)
    # A slope of 4 per s through a first-order filter, one step of 1 s of 3 s + 1 s.
    assert pid.wanted_power(4.0, dt=1.0) == pytest.approx(-1.0)
    assert pid.wanted_power(8.0, dt=1.0) == pytest.approx(-1.75)


def furnace(pid: PID, dt_s: float, duration_s: float) -> tuple[float, float]:
    """Heat a furnace, a first-order lag of 100 s and 10 K/W; return the highest and the last temperature in degC."""
    temperature_degc = highest_degc = 20.0
    for _ in range(round(duration_s / dt_s)):
        power_w = pid.wanted_power(temperature_degc, dt=dt_s)
        temperature_degc += (20.0 + 10.0 * power_w - temperature_degc) * dt_s / 100.0
        highest_degc = max(highest_degc, temperature_degc)
    return highest_degc, temperature_degc


class Unprotected(PID):
    """A controller whose sum grows while the power is at its limit."""

    def _per_second(self, value: float, dt_s: float) -> float:
        self.int_err += self.error * dt_s
        power = self.proportional_contribution() + self.integration_contribution()
        return min(max(power, self.p_min), self.p_max)


def heated(kind: type[PID], dt_s: float = 0.5) -> tuple[float, float]:
    pid = kind(pid_p=1.0, pid_i=0.02, p_max=54)
    pid.update_setpoint(500.0)
    return furnace(pid, dt_s, duration_s=2000.0)


def test_a_long_way_to_the_set_point_does_not_wind_up() -> None:
    protected, unprotected = heated(PID), heated(Unprotected)
    assert protected[1] == pytest.approx(500.0, abs=0.1)
    assert unprotected[0] > 505.0, "without protection it overshoots, or this shows nothing"
    assert protected[0] - 500.0 < 0.2 * (unprotected[0] - 500.0)


def test_the_gains_hold_at_any_rate_of_sampling() -> None:
    def after_10_s(dt_s: float) -> float:
        pid = PID(pid_p=0.01, pid_i=0.001, p_max=54)
        pid.update_setpoint(500.0)
        return furnace(pid, dt_s, duration_s=10.0)[1]

    assert after_10_s(0.1) == pytest.approx(after_10_s(0.01), rel=5e-3)


@given(
    gains=st.tuples(FINITE, st.floats(0.0, 1e3), FINITE),
    steps=st.lists(st.tuples(FINITE, st.floats(1e-3, 1e2)), max_size=30),
)
def test_the_power_keeps_its_limits(gains: tuple[float, float, float], steps: list[tuple[float, float]]) -> None:
    pid = PID(*gains, p_max=5.0, p_min=-1.0)
    pid.update_setpoint(10.0)
    for value, dt_s in steps:
        assert -1.0 <= pid.wanted_power(value, dt=dt_s) <= 5.0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_value_never_becomes_a_power(value: float) -> None:
    pid = published()
    with pytest.raises(ValueError, match="is no measured value"):
        pid.wanted_power(value)
    assert pid.wanted_power(90) == 5.0


@pytest.mark.parametrize("dt", [0.0, -1.0, math.nan, math.inf])
def test_a_time_step_is_above_zero(dt: float) -> None:
    with pytest.raises(ValueError, match="is no time step"):
        published().wanted_power(90, dt=dt)


@pytest.mark.parametrize(("first", "second"), [(None, 1.0), (1.0, None)])
def test_sums_of_calls_and_of_seconds_are_not_mixed(first: float | None, second: float | None) -> None:
    pid = published()
    pid.wanted_power(90, dt=first)
    with pytest.raises(ValueError, match="with each value, or with none"):
        pid.wanted_power(90, dt=second)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"p_max": 0.0}, "no power lies between"),
        ({"p_max": math.nan}, "no power lies between"),
        ({"pid_i": math.nan}, "gains must be numbers"),
        ({"derivative_filter_s": -1.0}, "no time constant"),
    ],
)
def test_impossible_settings_are_refused(arguments: dict[str, float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        PID(**arguments)


def test_a_set_point_is_a_number() -> None:
    pid = published()
    with pytest.raises(ValueError, match="nan is no set point"):
        pid.update_setpoint(math.nan)
    assert pid.setpoint == 100
