"""Thermocouples: temperature to voltage and back, for the eight letter types on ITS-90.

The way from a voltage to a temperature solves the reference function itself, so that there and back is the same
temperature to 1e-6 K; the inverse polynomials that NIST publishes beside it are off by up to 0.06 K.
"""

import functools
from collections.abc import Sequence
from typing import TypeAlias, overload

import numpy as np
from numpy.polynomial.polynomial import polyder, polyval
from numpy.typing import NDArray

from PyExpLabSys.auxiliary.its90 import PIECES, TYPE_K_EXPONENTIAL

Numbers: TypeAlias = Sequence[float] | Sequence[Sequence[float]] | NDArray[np.floating] | NDArray[np.integer]

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
        plain = [np.array(piece.coefficients) for piece in self._pieces]
        self._coefficients = (plain, [polyder(coefficients) for coefficients in plain])
        self.range_degc = (self._pieces[0].low_degc, self._pieces[-1].high_degc)

    @overload
    def emf(self, temperature_degc: float) -> float: ...
    @overload
    def emf(self, temperature_degc: Numbers) -> NDArray[np.float64]: ...
    def emf(self, temperature_degc: float | Numbers) -> float | NDArray[np.float64]:
        """Return the voltage in mV of a junction, the reference junction being at 0 degC.

        Args:
            temperature_degc: One or many, in degC; where it is NaN, so is the voltage.

        Raises:
            ValueError: a temperature outside :attr:`range_degc`.
        """
        temperatures = np.asarray(temperature_degc, dtype=np.float64)
        self._check(temperatures, *self.range_degc, 0.0, "degC")
        return _like_the_input(self._voltage(temperatures))

    @overload
    def temperature(self, emf_mv: float, reference_degc: float = 0.0) -> float: ...
    @overload
    def temperature(self, emf_mv: Numbers, reference_degc: float = 0.0) -> NDArray[np.float64]: ...
    def temperature(self, emf_mv: float | Numbers, reference_degc: float = 0.0) -> float | NDArray[np.float64]:
        """Return the temperature of a junction in degC.

        Args:
            emf_mv: What was measured in mV, one or many; where it is NaN, so is the temperature.
            reference_degc: Temperature of the reference junction in degC.

        Raises:
            ValueError: a voltage that this type does not reach, as with a broken wire; of type B also one of 0 mV or
                less, which two temperatures have.
        """
        voltages = np.asarray(emf_mv, dtype=np.float64) + self.emf(reference_degc)
        temperatures, table = _invertible(self.letter)
        self._check(voltages, table[0], table[-1], TABLE_ROUNDING_MV if self.letter != "B" else 0.0, "mV")
        found = np.interp(voltages, table, temperatures)
        for _ in range(NEWTON_STEPS):
            found -= (self._voltage(found) - voltages) / self._slope(found)
            found = np.clip(found, temperatures[0], temperatures[-1])
        return _like_the_input(found)

    def _voltage(self, temperatures: NDArray[np.float64]) -> NDArray[np.float64]:
        voltages = self._piecewise(temperatures, 0)
        if self.letter == "K":
            voltages += np.where(temperatures > 0.0, _type_k_term(temperatures), 0.0)
        return voltages

    def _slope(self, temperatures: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the derivative of the voltage in mV/K."""
        slopes = self._piecewise(temperatures, 1)
        if self.letter == "K":
            _, rate, centre_degc = TYPE_K_EXPONENTIAL
            term = 2.0 * rate * (temperatures - centre_degc) * _type_k_term(temperatures)
            slopes += np.where(temperatures > 0.0, term, 0.0)
        return slopes

    def _piecewise(self, temperatures: NDArray[np.float64], derivative: int) -> NDArray[np.float64]:
        """Return the polynomials, or their first derivative; NaN falls to the last one and stays NaN."""
        below = [temperatures <= piece.high_degc for piece in self._pieces[:-1]]
        *lower, last = [polyval(temperatures, coefficients) for coefficients in self._coefficients[derivative]]
        return np.asarray(np.select(below, lower, last) if below else last)

    def _check(self, values: NDArray[np.float64], low: float, high: float, margin: float, unit: str) -> None:
        outside = (values < low - margin) | (values > high + margin)
        if outside.any():
            which = f"{values[outside].flat[0]:.6g} {unit}" if values.ndim else f"{values:.6g} {unit}"
            raise ValueError(f"{which} is outside the range of type {self.letter}, {low:.6g} to {high:.6g} {unit}")


def _type_k_term(temperatures: NDArray[np.float64]) -> NDArray[np.float64]:
    height_mv, rate, centre_degc = TYPE_K_EXPONENTIAL
    return np.asarray(height_mv * np.exp(rate * (temperatures - centre_degc) ** 2))


@functools.cache
def _invertible(letter: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return temperatures, one a degree, and their voltages, where each voltage belongs to one temperature."""
    thermocouple = Thermocouple(letter)
    low_degc, high_degc = thermocouple.range_degc
    if letter == "B":
        low_degc = TYPE_B_UNIQUE_ABOVE_DEGC
    temperatures = np.linspace(low_degc, high_degc, num=round(high_degc - low_degc) + 1)
    return temperatures, thermocouple.emf(temperatures)


def _like_the_input(values: NDArray[np.float64]) -> float | NDArray[np.float64]:
    return values if values.ndim else float(values)
