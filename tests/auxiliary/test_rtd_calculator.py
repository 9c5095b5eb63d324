"""Resistance thermometers against IEC 60751, and the numbers that the old calculator gave."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from PyExpLabSys.auxiliary.rtd_calculator import RtdCalculator

#: Of the table of IEC 60751 for 100 Ohm at 0 degC: degC and Ohm.
TABLE = [
    *((-200, 18.52), (-150, 39.72), (-100, 60.26), (-50, 80.31), (0, 100.0), (50, 119.40), (100, 138.51)),
    *((200, 175.86), (300, 212.05), (400, 247.09), (500, 280.98), (600, 313.71), (700, 345.28), (850, 390.48)),
]
CALIBRATION = (20.0, 107.7935)


@pytest.mark.parametrize(("temperature_degc", "resistance_ohm"), TABLE)
def test_platinum_is_that_of_the_table(temperature_degc: float, resistance_ohm: float) -> None:
    thermometer = RtdCalculator(0.0, 100.0)
    assert round(thermometer.find_r(temperature_degc), 2) == resistance_ohm
    assert thermometer.find_temperature(resistance_ohm) == pytest.approx(temperature_degc, abs=0.02)


def test_the_coefficients_are_those_of_the_standard() -> None:
    thermometer = RtdCalculator(*CALIBRATION)
    assert (thermometer.coeff_a, thermometer.coeff_b) == (3.9083e-3, -5.775e-7)
    assert thermometer.resistance_at_0 == pytest.approx(100.0, abs=1e-9)


@pytest.mark.parametrize(
    ("true_degc", "was_degc"),
    [(0, 0.34), (20, 19.94), (50, 49.13), (100, 97.21), (200, 191.17), (300, 282.23), (400, 370.38)],
)
def test_the_old_numbers_come_only_on_request(true_degc: float, was_degc: float) -> None:
    resistance_ohm = RtdCalculator(0.0, 100.0).find_r(true_degc)
    assert RtdCalculator(*CALIBRATION).find_temperature(resistance_ohm) == pytest.approx(true_degc, abs=1e-9)
    historic = RtdCalculator(*CALIBRATION, historic_numbers=True)
    # The sheet rounds: 282.227 stands there as 282.23.
    assert historic.find_temperature(resistance_ohm) == pytest.approx(was_degc, abs=0.0051)


def test_the_old_calculator_did_not_come_back_to_where_it_started() -> None:
    historic = RtdCalculator(*CALIBRATION, historic_numbers=True)
    assert historic.find_temperature(historic.find_r(400.0)) == pytest.approx(376.8, abs=0.05)
    assert historic.coeff_a == 3.9803e-3


@given(
    temperature_degc=st.floats(-200.0, 850.0),
    calibration_degc=st.floats(-200.0, 850.0),
    resistance_ohm=st.floats(1.0, 1e4),
)
def test_there_and_back_is_the_same_temperature(
    temperature_degc: float, calibration_degc: float, resistance_ohm: float
) -> None:
    thermometer = RtdCalculator(calibration_degc, resistance_ohm)
    assert thermometer.find_r(calibration_degc) == pytest.approx(resistance_ohm)
    assert thermometer.find_temperature(thermometer.find_r(temperature_degc)) == pytest.approx(
        temperature_degc, abs=1e-8
    )


@pytest.mark.parametrize(("material", "a"), [("Mo", 4.579e-3), ("W", 4.403e-3)])
@pytest.mark.parametrize("historic", [False, True])
def test_molybdenum_and_tungsten_are_linear(material: str, a: float, historic: bool) -> None:
    thermometer = RtdCalculator(0.0, 10.0, material, historic_numbers=historic)
    assert (thermometer.coeff_a, thermometer.coeff_b) == (a, 0.0)
    assert thermometer.find_r(100.0) == pytest.approx(10.0 * (1.0 + 100.0 * a))
    assert thermometer.find_temperature(10.0 * (1.0 + 100.0 * a)) == pytest.approx(100.0)


def test_arrays_keep_their_shape_and_their_gaps() -> None:
    thermometer = RtdCalculator(0.0, 100.0)
    resistances = thermometer.find_r([0.0, math.nan, -50.0])
    np.testing.assert_allclose(thermometer.find_temperature(resistances), [0.0, math.nan, -50.0], atol=1e-9)
    assert isinstance(thermometer.find_r(20), float)


@pytest.mark.parametrize("resistance_ohm", [0.0, -1.0, 18.4, 390.6, math.inf])
def test_a_broken_wire_is_no_temperature(resistance_ohm: float) -> None:
    with pytest.raises(ValueError, match=r"Ohm is outside of 18\.52 to 390\.48 Ohm"):
        RtdCalculator(0.0, 100.0).find_temperature(resistance_ohm)


def test_a_linear_material_has_no_negative_resistance() -> None:
    with pytest.raises(ValueError, match="Ohm is outside of"):
        RtdCalculator(0.0, 10.0, "W").find_temperature(-1.0)


@pytest.mark.parametrize("temperature_degc", [-200.1, 850.1])
def test_platinum_has_a_range(temperature_degc: float) -> None:
    with pytest.raises(ValueError, match="outside of -200 to 850 degC"):
        RtdCalculator(0.0, 100.0).find_r(temperature_degc)


@pytest.mark.parametrize("error", [ValueError, AttributeError])
def test_an_unknown_material_is_refused(error: type[Exception]) -> None:
    with pytest.raises(error, match="no coefficients for 'Cu'; there are Pt, Mo, W"):
        RtdCalculator(0.0, 100.0, "Cu")


@pytest.mark.parametrize(
    ("calibration", "material", "complaint"),
    [
        ((0.0, 0.0), "Pt", "cannot calibrate"),
        ((0.0, math.nan), "Pt", "cannot calibrate"),
        ((900.0, 100.0), "Pt", "outside of"),
        ((math.nan, 100.0), "Pt", "no resistance at nan"),
        ((-250.0, 1.0), "W", "no resistance at -250"),
    ],
)
def test_an_impossible_calibration_is_refused(calibration: tuple[float, float], material: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        RtdCalculator(*calibration, material)
