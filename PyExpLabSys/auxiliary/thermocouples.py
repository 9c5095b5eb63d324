"""Thermocouples: temperature to voltage and back, for the eight letter types on ITS-90.

The way from a voltage to a temperature solves the reference function itself, so that there and back is the same
temperature to 1e-6 K; the inverse polynomials that NIST publishes beside it are off by up to 0.06 K.
"""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from PyExpLabSys.auxiliary.its90 import PIECES, TYPE_K_EXPONENTIAL

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = Sequence[float] | Sequence[Sequence[float]] | NDArray[np.floating] | NDArray[np.integer]
    Floats = NDArray[np.float64]

#: Tables are rounded to 0.001 mV, also at the ends of a range.
TABLE_ROUNDING_MV = 0.0005
#: Up to here a voltage of type B is 0 or less, which it also is at another temperature, down to 0 degC.
TYPE_B_UNIQUE_ABOVE_DEGC = 42.2
#: From an interpolation between whole degrees to far below 1e-6 K, near -270 degC too, where the curve is flat.
NEWTON_STEPS = 6


class Thermocouple:
    """One letter type.

    Args:
        letter: B, E, J, K, N, R, S or T.

    Attributes:
        letter: In capitals.
        range_degc: Lowest and highest temperature of the reference function in degC.

    Raises:
        ValueError: there is no such type.
    """

    def __init__(self, letter: str) -> None:
        self.letter = letter.upper()
        if self.letter not in PIECES:
            raise ValueError(f"there is no thermocouple of type {letter!r}; there are {', '.join(PIECES)}")
        self._pieces = PIECES[self.letter]
        self.range_degc = (self._pieces[0].low_degc, self._pieces[-1].high_degc)

    @overload
    def emf(self, temperature_degc: float) -> float: ...
    @overload
    def emf(self, temperature_degc: "Numbers") -> "Floats": ...
    def emf(self, temperature_degc: "float | Numbers") -> "float | Floats":
        """Return the voltage in mV of a junction, the reference junction being at 0 degC.

        Args:
            temperature_degc: One or many, in degC; where it is NaN, so is the voltage.

        Raises:
            ValueError: a temperature outside :attr:`range_degc`.
        """
        import numpy as np

        temperatures = np.asarray(temperature_degc, dtype=np.float64)
        self._check(temperatures, *self.range_degc, 0.0, "degC")
        return _like_the_input(self._evaluate(temperatures)[0])

    @overload
    def temperature(self, emf_mv: float, reference_degc: float = 0.0) -> float: ...
    @overload
    def temperature(self, emf_mv: "Numbers", reference_degc: float = 0.0) -> "Floats": ...
    def temperature(self, emf_mv: "float | Numbers", reference_degc: float = 0.0) -> "float | Floats":
        """Return the temperature of a junction in degC.

        Args:
            emf_mv: What was measured in mV, one or many; where it is NaN, so is the temperature.
            reference_degc: Temperature of the reference junction in degC.

        Raises:
            ValueError: a voltage that this type does not reach, as with a broken wire; of type B also one of 0 mV or
                less, which two temperatures have.
        """
        import numpy as np

        voltages = np.asarray(emf_mv, dtype=np.float64) + self.emf(reference_degc)
        temperatures, table = _invertible(self.letter)
        self._check(voltages, table[0], table[-1], TABLE_ROUNDING_MV if self.letter != "B" else 0.0, "mV")
        found = np.interp(voltages, table, temperatures)
        for _ in range(NEWTON_STEPS):
            reached, slopes = self._evaluate(found)
            found = np.clip(found - (reached - voltages) / slopes, temperatures[0], temperatures[-1])
        return _like_the_input(found)

    def _evaluate(self, temperatures: "Floats") -> "tuple[Floats, Floats]":
        """Return the voltages in mV and their slopes in mV/K."""
        import numpy as np

        voltages, slopes = _polynomial(self._pieces[-1].coefficients, temperatures)
        for piece in reversed(self._pieces[:-1]):
            here = temperatures <= piece.high_degc
            lower, lower_slopes = _polynomial(piece.coefficients, temperatures)
            voltages, slopes = np.where(here, lower, voltages), np.where(here, lower_slopes, slopes)
        if self.letter == "K":
            height_mv, rate, centre_degc = TYPE_K_EXPONENTIAL
            term = (temperatures > 0.0) * height_mv * np.exp(rate * (temperatures - centre_degc) ** 2)
            return voltages + term, slopes + 2.0 * rate * (temperatures - centre_degc) * term
        return voltages, slopes

    def _check(self, values: "Floats", low: float, high: float, margin: float, unit: str) -> None:
        outside = (values < low - margin) | (values > high + margin)
        if outside.any():
            limits = f"{low:.6g} to {high:.6g} {unit}"
            raise ValueError(f"{values[outside][0]:.6g} {unit} is outside the range of type {self.letter}, {limits}")


def _polynomial(coefficients: Sequence[float], temperatures: "Floats") -> "tuple[Floats, Floats]":
    """Return values and slopes of a polynomial, coefficients from degree 0 up."""
    values: Any = 0.0
    slopes: Any = 0.0
    for coefficient in reversed(coefficients):
        slopes = slopes * temperatures + values
        values = values * temperatures + coefficient
    return values, slopes


@functools.cache
def _invertible(letter: str) -> "tuple[Floats, Floats]":
    """Return temperatures, one a degree, and their voltages, where each voltage belongs to one temperature."""
    import numpy as np

    thermocouple = Thermocouple(letter)
    low_degc, high_degc = thermocouple.range_degc
    if letter == "B":
        low_degc = TYPE_B_UNIQUE_ABOVE_DEGC
    temperatures = np.linspace(low_degc, high_degc, num=round(high_degc - low_degc) + 1)
    return temperatures, thermocouple.emf(temperatures)


def _like_the_input(values: "Floats") -> "float | Floats":
    return values if values.ndim else float(values)
