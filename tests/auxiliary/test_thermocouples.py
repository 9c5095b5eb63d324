"""Thermocouples against the published tables, an implementation by others, and the faults of the old calculator."""

import math

import numpy as np
import pytest
import thermocouple_its90
from hypothesis import given
from hypothesis import strategies as st

from PyExpLabSys.auxiliary.its90 import PIECES
from PyExpLabSys.auxiliary.tc_calculator import TC_Calculator
from PyExpLabSys.auxiliary.thermocouples import Thermocouple

LETTERS = tuple("BEJKNRST")
#: Of the tables of NIST Monograph 175: degC and mV.
TABLES = {
    "B": [(0, 0.0), (100, 0.033), (500, 1.242), (1000, 4.834), (1500, 10.099), (1820, 13.820)],
    "E": [(-270, -9.835), (-200, -8.825), (-100, -5.237), (0, 0.0), (100, 6.319), (500, 37.005), (1000, 76.373)],
    "J": [(-210, -8.095), (-100, -4.633), (0, 0.0), (100, 5.269), (500, 27.393), (760, 42.919), (1200, 69.553)],
    "K": [
        *((-270, -6.458), (-200, -5.891), (-100, -3.554), (10, 0.397), (25, 1.0), (50, 2.023), (100, 4.096)),
        *((200, 8.138), (500, 20.644), (1000, 41.276), (1372, 54.886)),
    ],
    "N": [(-270, -4.345), (-200, -3.990), (0, 0.0), (100, 2.774), (500, 16.748), (1000, 36.256), (1300, 47.513)],
    "R": [(-50, -0.226), (0, 0.0), (100, 0.647), (500, 4.471), (1000, 10.506), (1500, 17.451), (1768, 21.101)],
    "S": [(-50, -0.236), (0, 0.0), (100, 0.646), (500, 4.233), (1000, 9.587), (1500, 15.582), (1600, 16.777)],
    "T": [(-270, -6.258), (-200, -5.603), (-100, -3.379), (0, 0.0), (100, 4.279), (200, 9.288), (400, 20.872)],
}
ROWS = [(letter, *row) for letter, rows in TABLES.items() for row in rows]
#: NIST's inverse of type K from 0 to 20.644 mV; it is stated to be within -0.05 to 0.04 K of the reference function.
TYPE_K_INVERSE = (
    *(0.0, 2.508355e1, 7.860106e-2, -2.503131e-1, 8.315270e-2),
    *(-1.228034e-2, 9.804036e-4, -4.413030e-5, 1.057734e-6, -1.052755e-8),
)


def temperatures(letter: str, count: int) -> np.ndarray:
    """Return temperatures all over a type's range, for type B from where a voltage has one temperature."""
    low, high = Thermocouple(letter).range_degc
    return np.linspace(43.0 if letter == "B" else low, high, count)


@pytest.mark.parametrize(("letter", "temperature_degc", "emf_mv"), ROWS)
def test_emf_is_that_of_the_table(letter: str, temperature_degc: float, emf_mv: float) -> None:
    assert round(Thermocouple(letter).emf(temperature_degc), 3) == emf_mv


@pytest.mark.parametrize(("letter", "temperature_degc", "emf_mv"), [row for row in ROWS if row[0] != "B" or row[2] > 0])
def test_temperature_is_that_of_the_table(letter: str, temperature_degc: float, emf_mv: float) -> None:
    thermocouple = Thermocouple(letter)
    first_mv, last_mv = (thermocouple.emf(end) for end in thermocouple.range_degc)
    # Half of the table's last digit to either side, within the range.
    low = thermocouple.temperature(max(emf_mv - 0.000501, first_mv))
    high = thermocouple.temperature(min(emf_mv + 0.000501, last_mv))
    assert low - 1e-6 <= temperature_degc <= high + 1e-6
    assert low <= thermocouple.temperature(emf_mv) <= high


@pytest.mark.parametrize("letter", LETTERS)
def test_an_implementation_by_others_agrees(letter: str) -> None:
    ours, theirs = Thermocouple(letter), thermocouple_its90.get(letter)
    assert ours.range_degc == theirs.range
    for temperature_degc in temperatures(letter, 300):
        emf_mv = theirs.emf(float(temperature_degc))
        assert ours.emf(float(temperature_degc)) == pytest.approx(emf_mv, abs=1e-9)
        low, high = theirs.invertible_emf_range
        if low <= emf_mv <= high:
            assert ours.temperature(emf_mv) == pytest.approx(theirs.temperature(emf_mv), abs=1e-5)


@pytest.mark.parametrize("letter", LETTERS)
def test_there_and_back_is_the_same_temperature(letter: str) -> None:
    there = temperatures(letter, 5001)
    thermocouple = Thermocouple(letter)
    assert np.abs(thermocouple.temperature(thermocouple.emf(there)) - there).max() < 1e-6


@pytest.mark.parametrize("letter", LETTERS)
def test_the_pieces_of_a_reference_function_join(letter: str) -> None:
    thermocouple = Thermocouple(letter)
    for piece, following in zip(PIECES[letter], PIECES[letter][1:], strict=False):
        assert piece.high_degc == following.low_degc
        ends = thermocouple.emf(np.array([piece.high_degc, np.nextafter(piece.high_degc, math.inf)]))
        assert ends[1] == pytest.approx(ends[0], abs=1e-6)


@given(letter=st.sampled_from(LETTERS), share=st.floats(0.0, 1.0), reference_degc=st.floats(0.0, 50.0))
def test_the_reference_junction_is_compensated(letter: str, share: float, reference_degc: float) -> None:
    thermocouple = Thermocouple(letter)
    low, high = (300.0, 1820.0) if letter == "B" else thermocouple.range_degc
    temperature_degc = low + share * (high - low)
    measured_mv = thermocouple.emf(temperature_degc) - thermocouple.emf(reference_degc)
    assert thermocouple.temperature(measured_mv, reference_degc) == pytest.approx(temperature_degc, abs=1e-5)


def test_arrays_keep_their_shape_and_their_gaps() -> None:
    thermocouple = Thermocouple("k")
    emf_mv = thermocouple.emf([[0.0, math.nan], [100.0, -100.0]])
    assert emf_mv.shape == (2, 2)
    np.testing.assert_allclose(thermocouple.temperature(emf_mv), [[0.0, math.nan], [100.0, -100.0]], atol=1e-6)
    assert isinstance(thermocouple.emf(20), float)
    assert math.isnan(thermocouple.temperature(math.nan))


@pytest.mark.parametrize(
    ("letter", "emf_mv"),
    [("K", 54.9), ("K", -6.459), ("K", math.inf), ("J", -8.1), ("B", 0.0), ("B", -0.002), ("T", [1.0, 21.0])],
)
def test_a_voltage_that_no_temperature_has_is_refused(letter: str, emf_mv: float | list[float]) -> None:
    with pytest.raises(ValueError, match=f"mV is outside the range of type {letter}"):
        Thermocouple(letter).temperature(np.asarray(emf_mv))


@pytest.mark.parametrize(("letter", "temperature_degc"), [("K", 1372.1), ("R", -50.1), ("B", -0.1)])
def test_a_temperature_outside_of_the_range_is_refused(letter: str, temperature_degc: float) -> None:
    with pytest.raises(ValueError, match="degC is outside the range"):
        Thermocouple(letter).emf(temperature_degc)


def test_an_unknown_type_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"type 'X'; there are B, E, J, K, N, R, S, T"):
        Thermocouple("X")


@pytest.mark.parametrize(
    ("emf_mv", "was_degc", "true_degc"),
    [(0.397, 4.0, 10.0), (1.0, 25.2, 25.0), (2.023, 99.9, 50.0), (4.096, 371.1, 100.0), (8.138, 753.7, 200.0)],
)
def test_the_calculator_finds_the_true_temperature(emf_mv: float, was_degc: float, true_degc: float) -> None:
    assert TC_Calculator(emf_mv) == pytest.approx(true_degc, abs=0.02)
    assert abs(TC_Calculator(emf_mv) - was_degc) > 0.1


@pytest.mark.parametrize("emf_mv", np.linspace(0.0, 20.644, 50))
def test_the_calculator_is_within_the_band_of_the_published_inverse(emf_mv: float) -> None:
    published_degc = sum(coefficient * emf_mv**i for i, coefficient in enumerate(TYPE_K_INVERSE))
    assert -0.06 <= published_degc - TC_Calculator(emf_mv) <= 0.05


def test_the_calculator_divides_among_junctions() -> None:
    assert TC_Calculator(3 * 4.096, No=3) == TC_Calculator(4.096)
    assert TC_Calculator(4.279, 1, "T") == pytest.approx(100.0, abs=0.02)
    np.testing.assert_array_equal(TC_Calculator([4.096, 8.192], 2), [TC_Calculator(2.048), TC_Calculator(4.096)])
    with pytest.raises(ValueError, match="0 junctions"):
        TC_Calculator(1.0, No=0)


def test_the_calculator_refuses_other_types_in_place_of_none() -> None:
    with pytest.raises(ValueError, match="no thermocouple of type 'Q'"):
        TC_Calculator(1.0, tctype="Q")


def test_the_calculator_takes_the_reference_junction() -> None:
    assert TC_Calculator(4.096 - 1.0, reference_degc=25.0) == pytest.approx(100.0, abs=0.02)
