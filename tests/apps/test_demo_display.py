"""Plots, numbers and summaries of the demo."""

import math
from pathlib import Path

import pytest

from PyExpLabSys.apps.demo_display import (
    Channel,
    Progress,
    format_duration,
    format_summary,
    format_value,
    plain_line,
    sparkline,
)


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
    assert sparkline([50.0, 50.01, 49.99], smallest_span=1.0) == "▅▅▄"


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
def test_sparkline_of_decades_stands_on_zero(values: list[float], line: str) -> None:
    assert sparkline(values, decades=True, smallest_span=3.0) == line


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 B/s"), (999.4, "999 B/s"), (999.97, "1.0 kB/s"), (12345.0, "12.3 kB/s"), (4.2e9, "4.2 GB/s")],
)
def test_rates_have_prefixes(value: float, text: str) -> None:
    assert format_value(value, "B/s", prefixes=True) == text


def test_other_values_have_one_decimal() -> None:
    assert format_value(1234.56, "%") == "1234.6 %"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (7, "0:07"), (119, "1:59"), (7231, "2:00:31")])
def test_durations(seconds: int, text: str) -> None:
    assert format_duration(seconds) == text


def test_plain_line_has_values_and_sums() -> None:
    load = Channel(codename="load", unit="%", enqueued=3, stored=2)
    load.readings.extend([1.0, 2.0])
    silent = Channel(codename="silent", unit="%", enqueued=1, stored=1)
    progress = Progress(channels=[load, silent], waiting=1, elapsed_s=5.2, left_s=None, database="file.db")
    assert plain_line(progress) == "5 s: 4 points enqueued, 3 in the database, 1 waiting; load 2.0 %, silent -"


@pytest.mark.parametrize(
    ("stored", "left", "status"),
    [({"a": 3, "b": 2}, 0, 0), ({"a": 2, "b": 3}, 0, 1), ({"a": 4, "b": 2}, 0, 1), ({"a": 3}, 2, 1)],
    ids=["complete", "one-lost-one-twice", "one-twice", "still-queued"],
)
def test_summary_is_good_only_when_every_codename_has_its_points(
    stored: dict[str, int], left: int, status: int
) -> None:
    channels = [Channel(codename="a", unit="", enqueued=3), Channel(codename="b", unit="", enqueued=2)]
    lines, found = format_summary(channels, stored, left, Path("/folder with space/file.db"))
    assert found == status
    assert ("error: not everything arrived once" in lines) == bool(status)
    assert any("nothing lost" in line for line in lines) == (not status)
    assert any(line.strip().startswith("sqlite3 '/folder with space/file.db' ") for line in lines)
