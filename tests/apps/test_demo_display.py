"""What the demo shows, and its summary."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from PyExpLabSys.apps.demo_display import (
    CURVES,
    Channel,
    Progress,
    format_duration,
    format_summary,
    live_view,
    plain_line,
)
from PyExpLabSys.setups import Gap, Reading


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (7, "0:07"), (119, "1:59"), (7231, "2:00:31")])
def test_durations(seconds: int, text: str) -> None:
    assert format_duration(seconds) == text


def test_plain_line_has_values_and_sums() -> None:
    load = Channel(codename="load", unit="%", enqueued=3, stored=2)
    load.readings.extend([1.0, 2.0])
    silent = Channel(codename="silent", unit="%", enqueued=1, stored=1)
    progress = Progress(channels=[load, silent], elapsed_s=5.2, left_s=None, database="file.db")
    assert plain_line(progress) == "5 s: 4 points enqueued, 3 in the database; load 2.0 %, silent -"


def test_channel_counts_what_is_stored_and_shows_gaps() -> None:
    channel = Channel(codename="a", unit="degC")
    channel.note(Reading(codename="a", time_s=1.0, value=20.0, stored=True))
    channel.note(Reading(codename="a", time_s=2.0, value=20.1, stored=False))
    channel.note(Gap(codename="a", time_s=3.0, cause="unplugged"))
    assert (channel.enqueued, channel.latest) == (1, "nan degC")
    assert list(channel.readings)[:2] == [20.0, 20.1]


@pytest.mark.parametrize(
    ("lines", "columns", "curve_rows"),
    [(24, 80, 7), (40, 120, 16), (20, 80, 3), (19, 80, 0), (24, 10, 7)],
    ids=["usual", "large", "low", "too-low-for-curves", "narrow"],
)
def test_view_leaves_one_line_free_and_gives_the_curves_what_there_is(
    lines: int, columns: int, curve_rows: int
) -> None:
    channels = [Channel(codename=codename, unit="degC") for codename in (*CURVES, *"abcdefghi")]
    for channel in channels:
        channel.readings.extend([20.0, 400.0])
    progress = Progress(channels=channels, elapsed_s=1.0, left_s=None, database="file.db")
    file = StringIO()
    console = Console(file=file, width=columns, height=lines, force_terminal=True, color_system=None)
    console.print(live_view(progress, lines=lines))
    drawn = file.getvalue().splitlines()
    assert len(drawn) <= lines - 1
    assert max(map(len, drawn)) <= columns
    assert sum("│" in line for line in drawn) == curve_rows
    if curve_rows:
        assert [line.split("│")[0].strip() for line in drawn if "│" in line] == ["400", *[""] * (curve_rows - 2), "20"]


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
