"""Resistance thermometers: resistance to temperature and back.

Platinum follows IEC 60751 (2022), section 4.2: R(T) = R0 (1 + A T + B T^2), below 0 degC
R0 (1 + A T + B T^2 + C (T - 100) T^3), T in degC. Molybdenum and tungsten are taken as linear.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = Sequence[float] | Sequence[Sequence[float]] | NDArray[np.floating] | NDArray[np.integer]
    Floats = NDArray[np.float64]

ABSOLUTE_ZERO_DEGC = -273.15
#: From the quadratic solution, which is off by 2.5 K at -200 degC, to the last digit.
NEWTON_STEPS = 5
#: Resistance tables are rounded to 0.01 Ohm of 100 Ohm; a limit of the range as it stands there is still in it.
TABLE_ROUNDING = 0.5e-4


class UnknownMaterialError(ValueError, AttributeError):
    """There are no coefficients for this material; an AttributeError too, as it has always been."""


@dataclass(frozen=True)
class Material:
    """Coefficients of a metal.

    Attributes:
        a: In 1/K.
        b: In 1/K^2.
        c: In 1/K^4, below 0 degC.
        range_degc: Where they hold, in degC.
    """

    a: float
    b: float = 0.0
    c: float = 0.0
    range_degc: tuple[float, float] = (ABSOLUTE_ZERO_DEGC, math.inf)


MATERIALS = {
    "Pt": Material(3.9083e-3, -5.775e-7, -4.183e-12, (-200.0, 850.0)),
    "Mo": Material(4.579e-3),
    "W": Material(4.403e-3),
}
#: A of platinum with two digits exchanged, as earlier versions had it.
HISTORIC_PT_A = 3.9803e-3


class RtdCalculator:
    """One resistance thermometer, known by its resistance at one temperature.

    Args:
        calib_temperature: A temperature in degC.
        calib_resistance: The thermometer's resistance there in Ohm.
        material: ``Pt``, ``Mo`` or ``W``.
        historic_numbers: Calculate as earlier versions did, up to 30 K wrong with platinum at 400 degC: to understand,
            or to take back, what they stored.

    Attributes:
        resistance_at_0: Resistance at 0 degC in Ohm.
        coeff_a: A in 1/K.
        coeff_b: B in 1/K^2.
        range_degc: Lowest and highest temperature of the coefficients, in degC.

    Raises:
        ValueError: an unknown material (:class:`UnknownMaterialError`), a temperature outside of its range, or no
            positive resistance.
    """

    def __init__(
        self,
        calib_temperature: float,
        calib_resistance: float,
        material: str = "Pt",
        *,
        historic_numbers: bool = False,
    ) -> None:
        if material not in MATERIALS:
            raise UnknownMaterialError(f"no coefficients for {material!r}; there are {', '.join(MATERIALS)}")
        if not 0.0 < calib_resistance < math.inf:
            raise ValueError(f"a resistance of {calib_resistance} Ohm cannot calibrate a thermometer")
        known = MATERIALS[material]
        self.coeff_a, self.coeff_b, self._coeff_c, self.range_degc = known.a, known.b, known.c, known.range_degc
        self._historic = historic_numbers
        if historic_numbers:
            self._coeff_c, self.range_degc = 0.0, (-math.inf, math.inf)
            self.coeff_a = HISTORIC_PT_A if material == "Pt" else known.a
        self.resistance_at_0 = 1.0
        ratio = self.find_r(calib_temperature)
        if not ratio > 0.0:
            raise ValueError(f"{material} has no resistance at {calib_temperature} degC by these coefficients")
        self.resistance_at_0 = calib_resistance / ratio

    @overload
    def find_r(self, temperature: float) -> float: ...
    @overload
    def find_r(self, temperature: "Numbers") -> "Floats": ...
    def find_r(self, temperature: "float | Numbers") -> "float | Floats":
        """Return the resistance in Ohm at temperatures in degC; NaN stays NaN.

        Raises:
            ValueError: a temperature outside of :attr:`range_degc`.
        """
        import numpy as np

        temperatures = np.asarray(temperature, dtype=np.float64)
        low, high = self.range_degc
        _check(temperatures, (temperatures < low) | (temperatures > high), f"{low:g} to {high:g} degC", "degC")
        return _like_the_input(self.resistance_at_0 * self._ratio(temperatures))

    @overload
    def find_temperature(self, resistance: float) -> float: ...
    @overload
    def find_temperature(self, resistance: "Numbers") -> "Floats": ...
    def find_temperature(self, resistance: "float | Numbers") -> "float | Floats":
        """Return the temperature in degC of resistances in Ohm; NaN stays NaN.

        Raises:
            ValueError: a resistance outside of the range, as with a broken wire or a short circuit.
        """
        import numpy as np

        resistances = np.asarray(resistance, dtype=np.float64)
        ratios = resistances / self.resistance_at_0
        if self._historic:
            return _like_the_input((ratios - 1.0) / self.coeff_a)
        low, high = self._ratio_limits()
        outside = (ratios < low - TABLE_ROUNDING) | (ratios > high + TABLE_ROUNDING)
        limits = f"{low * self.resistance_at_0:.2f} to {high * self.resistance_at_0:.2f} Ohm"
        _check(resistances, outside, limits, "Ohm")
        return _like_the_input(np.clip(self._solve(ratios), *self.range_degc))

    def _ratio(self, temperatures: "Floats") -> "Floats":
        """Return R(T) / R0."""
        ratios = 1.0 + temperatures * (self.coeff_a + temperatures * self.coeff_b)
        return ratios + self._coeff_c * temperatures.clip(max=0.0) ** 3 * (temperatures - 100.0)

    def _ratio_limits(self) -> tuple[float, float]:
        import numpy as np

        low, high = (
            float(self._ratio(np.asarray(limit))) if math.isfinite(limit) else limit for limit in self.range_degc
        )
        return max(low, 0.0), high

    def _solve(self, ratios: "Floats") -> "Floats":
        """Return the temperatures of ratios R(T) / R0."""
        a, b, c = self.coeff_a, self.coeff_b, self._coeff_c
        # The usual formula multiplied by its conjugate: it holds for B = 0 too.
        found = 2.0 * (ratios - 1.0) / (a + (a**2 + 4.0 * b * (ratios - 1.0)) ** 0.5)
        if c:
            for _ in range(NEWTON_STEPS):
                cold = found.clip(max=0.0)
                slope = a + 2.0 * b * found + c * cold**2 * (4.0 * cold - 300.0)
                found = found - (self._ratio(found) - ratios) / slope
        return found


def _check(values: "Floats", outside: "NDArray[np.bool_]", limits: str, unit: str) -> None:
    if outside.any():
        raise ValueError(f"{values[outside][0]:.6g} {unit} is outside of {limits}")


def _like_the_input(values: "Floats") -> "float | Floats":
    return values if values.ndim else float(values)
