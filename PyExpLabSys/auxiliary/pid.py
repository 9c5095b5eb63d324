"""A PID controller: the sequence that lab scripts were tuned with, and a timed one with all three terms.

Without a time step (:meth:`PID.wanted_power` with a value only) each call counts alike: gains are per call, and there
is no derivative. With a time step the gains are per second, so they hold at any rate of sampling:

    p = P e + I * (integral of e dt) - D * (filtered dvalue/dt)

The derivative is that of the value, so that a new set point makes no kick. While the output is at a limit, the
integral does not grow further beyond it (conditional integration), and it goes back at once.

Source: K. J. Åström and R. M. Murray, *Feedback Systems*, 2nd edition, chapter 11 (PID control, filtered derivative,
integrator windup).
"""

import math


class PID:
    """Finds the power that brings a value to its set point.

    Args:
        pid_p: Proportional gain, in units of power per unit of the value.
        pid_i: Integral gain: the same per call, or with a time step per second.
        pid_d: Derivative gain: times seconds; used with a time step only.
        p_max: Largest power.
        p_min: Smallest power.
        derivative_filter_s: Time constant in s that smooths the derivative; 0: not at all.

    Attributes:
        setpoint: The value that is wanted; -9999 until :meth:`update_setpoint`.
        error: Set point minus value of the last call.
        int_err: Sum of the errors, with a time step their integral in s.

    Raises:
        ValueError: limits that leave no power, or a number that is none.
    """

    def __init__(
        self,
        pid_p: float = 0.15,
        pid_i: float = 0.0025,
        pid_d: float = 0,
        p_max: float = 54,
        p_min: float = 0,
        *,
        derivative_filter_s: float = 0.0,
    ) -> None:
        if not p_min < p_max:
            raise ValueError(f"no power lies between {p_min} and {p_max}")
        if not all(math.isfinite(gain) for gain in (pid_p, pid_i, pid_d)):
            raise ValueError(f"gains must be numbers, got {pid_p}, {pid_i} and {pid_d}")
        if not 0.0 <= derivative_filter_s < math.inf:
            raise ValueError(f"{derivative_filter_s} s is no time constant")
        self.pid_p, self.pid_i, self.pid_d = pid_p, pid_i, pid_d
        self.p_max, self.p_min = p_max, p_min
        self.derivative_filter_s = derivative_filter_s
        self.setpoint: float = -9999
        self.error: float = 0
        self.int_err: float = 0
        self._last_value: float | None = None
        self._rate_per_s = 0.0
        self._timed: bool | None = None

    def update_setpoint(self, setpoint: float) -> float:
        """Take a new set point and return it."""
        if not math.isfinite(setpoint):
            raise ValueError(f"{setpoint} is no set point")
        self.setpoint = setpoint
        return setpoint

    def reset_int_error(self) -> None:
        """Forget the errors of the past."""
        self.int_err = 0

    def integrated_error(self) -> float:
        """Return the sum of the errors, with a time step their integral in s."""
        return self.int_err

    def proportional_contribution(self) -> float:
        """Return the share of the power that the last error made."""
        return self.pid_p * self.error

    def integration_contribution(self) -> float:
        """Return the share of the power that the errors of the past make."""
        return self.pid_i * self.int_err

    def derivative_contribution(self) -> float:
        """Return the share of the power that the last slope made; 0 without a time step."""
        return -self.pid_d * self._rate_per_s

    def wanted_power(self, value: float, dt: float | None = None) -> float:
        """Return the power for a newly measured value, within the limits.

        Args:
            value: What was measured.
            dt: Time in s since the value before it; None: all calls count alike, and there is no derivative.

        Raises:
            ValueError: a value that is no number (it would become a power), a time step that is not above 0, or one
                with and one without: their sums of errors have different units.
        """
        if not math.isfinite(value):
            raise ValueError(f"{value} is no measured value; keep the last power or switch off, but do not regulate")
        if dt is not None and not 0.0 < dt < math.inf:
            raise ValueError(f"{dt} s is no time step")
        if self._timed not in {None, dt is not None}:
            raise ValueError("give a time step with each value, or with none")
        self._timed = dt is not None
        self.error = self.setpoint - value
        return self._per_call() if dt is None else self._per_second(value, dt)

    def _per_call(self) -> float:
        # The sum is the one before this sample; it also stands still with the power exactly at a limit.
        power = self.proportional_contribution() + self.integration_contribution()
        if self.p_min < power < self.p_max:
            self.int_err += self.error
        return min(max(power, self.p_min), self.p_max)

    def _per_second(self, value: float, dt_s: float) -> float:
        if self._last_value is not None:
            rate_per_s = (value - self._last_value) / dt_s
            self._rate_per_s += (rate_per_s - self._rate_per_s) * dt_s / (self.derivative_filter_s + dt_s)
        self._last_value = value
        rest = self.proportional_contribution() + self.derivative_contribution()
        grown = self.int_err + self.error * dt_s
        change = self.pid_i * self.error
        power = rest + self.pid_i * grown
        if not ((power > self.p_max and change > 0.0) or (power < self.p_min and change < 0.0)):
            self.int_err = grown
        return min(max(rest + self.integration_contribution(), self.p_min), self.p_max)
