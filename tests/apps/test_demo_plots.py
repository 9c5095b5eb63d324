"""Numbers, plots and curves of the demo."""

import math

import pytest

from PyExpLabSys.apps.demo_plots import LINEAR, PRESSURE, RATE, Scale, curves, sparkline


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], "▁▂▃▄▅▆▇█"),
        ([5.0, 5.0, 5.0], "▅▅▅"),
        ([0.0], "▅"),
        ([-1.0, 1.0], "▁█"),
        ([1.0, math.nan, 2.0, math.inf], "▁ █ "),
        ([math.nan], " "),
    ],
    ids=["none", "ramp", "constant", "one", "negative", "gaps", "only-gaps"],
)
def test_sparkline(values: list[float], line: str) -> None:
    assert sparkline(values) == line


def test_sparkline_shows_noise_below_the_smallest_span_as_a_line() -> None:
    assert sparkline([50.0, 50.01, 49.99]) == "▅▅▄"


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([0.0, 1e3, 1e6], "▁▅█"),
        ([-5.0, 0.5, math.nan, 1e3], "▁▁ █"),
        ([4e8, 4.1e8], "██"),
        ([0.0, 0.0], "▁▁"),
        ([math.nan, math.inf], "  "),
    ],
    ids=["decades", "below-one", "steady-rates-are-high", "nothing", "only-gaps"],
)
def test_sparkline_of_rates_stands_on_zero(values: list[float], line: str) -> None:
    assert sparkline(values, RATE) == line


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([1e3, 1e2, 1e1, 1.0, 1e-1, 1e-2, 1e-3, 1e-4], "█▇▆▅▄▃▂▁"),
        ([1.0e-4, 1.1e-4], "▄▅"),
        ([0.0, -1.0, 1e-4, 1e-2], "  ▁█"),
    ],
    ids=["each-decade-is-a-step", "steady-pressures-look-flat", "nothing-below-zero"],
)
def test_sparkline_of_pressures_is_logarithmic(values: list[float], line: str) -> None:
    assert sparkline(values, PRESSURE) == line


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 B/s"), (999.4, "999 B/s"), (999.97, "1.0 kB/s"), (12345.0, "12.3 kB/s"), (4.2e9, "4.2 GB/s")],
)
def test_rates_have_prefixes(value: float, text: str) -> None:
    assert RATE.text(value, "B/s") == text


@pytest.mark.parametrize(
    ("scale", "value", "text"),
    [(LINEAR, 1234.56, "1234.6 mbar"), (PRESSURE, 1013.25, "1.0e+03 mbar"), (PRESSURE, 1.34e-4, "1.3e-04 mbar")],
)
def test_other_values_have_one_decimal(scale: Scale, value: float, text: str) -> None:
    assert scale.text(value, "mbar") == text


def rows(*series: list[float], width: int, height: int, slots: int) -> list[str]:
    return ["".join(cell.character for cell in row) for row in curves(series, width=width, height=height, slots=slots)]


def test_curve_of_a_ramp_is_a_diagonal() -> None:
    assert rows([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], width=4, height=2, slots=8) == ["  ⡠⠊", "⡠⠊  "]


def test_curve_joins_values_that_are_far_apart() -> None:
    assert rows([0.0, 0.0, 9.0, 9.0], width=2, height=1, slots=4) == ["⣠⠋"]


@pytest.mark.parametrize(
    ("values", "row"),
    [([], "   "), ([1.0], "  ⠠"), ([0.0, 9.0], "  ⡜"), ([math.nan, 0.0, 9.0], "  ⡜"), ([9.0] * 5 + [0.0] * 6, "⣀⣀⣀")],
    ids=["none", "one", "two", "gap", "more-than-there-is-room-for"],
)
def test_curve_has_the_newest_values_at_the_right(values: list[float], row: str) -> None:
    assert rows(values, width=3, height=1, slots=6) == [row]


def test_the_last_of_several_curves_is_in_front() -> None:
    falling, level = [9.0, 0.0], [0.0, 0.0]
    owners = [cell.series for row in curves([falling, level], width=1, height=2, slots=2) for cell in row]
    assert owners == [0, 1]
