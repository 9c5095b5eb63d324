"""Plots made of characters."""

import logging
import math
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from PyExpLabSys.common.text_plot import AsciiPlot, CursesAsciiPlot

ANY = st.floats(allow_nan=True, allow_infinity=True)


def test_a_line_with_all_labels() -> None:
    plot = AsciiPlot(title="Heating", xlabel="t / s", ylabel="T / degC", size=(30, 11))
    assert plot.plot([0.0, 5.0, 10.0], [20.0, 20.0, 40.0], legend="oven").split("\n") == [
        "           Heating",
        "T / degC",
        "   +-------------------------+",
        "40 +                oven *** |",
        "   |                    ***  |",
        "30 +                 ***     |",
        "   |              ***        |",
        "20 +**************           |",
        "   ++-----------+-----------++",
        "    0           5          10",
        "            t / s",
    ]


def test_points_are_not_joined() -> None:
    assert AsciiPlot(size=(24, 7)).plot([0, 1], [0, 1], "points").count("*") == 2
    assert AsciiPlot(size=(24, 7)).plot([0, 1], [0, 1], "lines").count("*") > 10
    assert AsciiPlot(size=(24, 7)).plot([0, 1], [0, 1], "linespoints").count("*") > 10


def test_gaps_break_the_line() -> None:
    broken = AsciiPlot(size=(24, 7)).plot([0, 1, 2, 3], [1.0, 1.0, math.nan, 1.0])
    (row,) = (line for line in broken.split("\n") if "*" in line)
    assert row == "1.0 +*******          *|"


def test_a_logarithmic_axis_has_decades_and_leaves_out_what_has_no_logarithm() -> None:
    text = AsciiPlot(logscale=True, size=(30, 14)).plot([0, 1, 2, 3, 4], [1e-8, 0.0, 1e-2, -1.0, 1e-5], "points")
    assert [line.split()[0] for line in text.split("\n") if line.startswith("1e")] == ["1e-2", "1e-4", "1e-6", "1e-8"]
    assert text.count("*") == 3


def test_a_short_logarithmic_axis_has_numbers_too() -> None:
    text = AsciiPlot(logscale=True, size=(30, 10)).plot([0, 1], [2.0, 3.0])
    assert [line.split()[0] for line in text.split("\n") if line[:1].isdigit()] == ["3", "2"]


def test_a_constant_lies_in_the_middle() -> None:
    rows = AsciiPlot(size=(30, 10)).plot([0, 1], [5.0, 5.0]).split("\n")
    assert [number for number, row in enumerate(rows) if "*" in row] == [4]


def test_unix_times_can_be_read() -> None:
    assert AsciiPlot().plot([1.7e9, 1.7e9 + 100], [0, 1]).rstrip().endswith("1700000100")


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf, -math.inf]])
def test_nothing_to_plot_is_an_empty_frame(values: list[float]) -> None:
    text = AsciiPlot(size=(30, 10)).plot(values, values)
    assert "*" not in text
    assert text.count("\n") == 9


def test_arrays() -> None:
    x = np.arange(5)
    assert AsciiPlot().plot(x, x**2) == AsciiPlot().plot([0, 1, 2, 3, 4], [0, 1, 4, 9, 16])


@given(
    points=st.lists(st.tuples(ANY, ANY), max_size=20),
    size=st.tuples(st.integers(24, 100), st.integers(8, 40)),
    logscale=st.booleans(),
    style=st.sampled_from(["lines", "points", "boxes"]),
    legend=st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=120),
)
def test_every_plot_keeps_its_size(
    points: list[tuple[float, float]], size: tuple[int, int], logscale: bool, style: str, legend: str
) -> None:
    plot = AsciiPlot("title", "x", "y", logscale=logscale, size=size)
    lines = plot.plot([x for x, _ in points], [y for _, y in points], style, legend).split("\n")
    assert len(lines) == size[1]
    assert max(map(len, lines)) <= size[0]
    assert all(line.isascii() for line in lines)


def test_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 values of x and 1 of y"):
        AsciiPlot().plot([1, 2], [1])


@pytest.mark.parametrize(("size", "labels"), [((23, 24), {}), ((80, 4), {}), ((80, 5), {"title": "t"})])
def test_a_size_without_room_is_refused(size: tuple[int, int], labels: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="too small, it takes 24 x"):
        AsciiPlot(size=size, **labels)


def test_no_program_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **keywords: object) -> None:
        raise AssertionError(f"started {arguments}")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert "*" in AsciiPlot().plot([0, 1], [0, 1])


def test_debug_logs_the_plot(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    text = AsciiPlot(debug=True).plot([0, 1], [0, 1])
    assert text in caplog.text
    caplog.clear()
    AsciiPlot().plot([0, 1], [0, 1])
    assert not caplog.records


IN_CURSES = """
import curses, sys
from PyExpLabSys.common.text_plot import CursesAsciiPlot

def main(window):
    window.addstr(11, 0, "status")
    plot = CursesAsciiPlot(window, title="a title", ylabel="y")
    plot.plot([0, 1], [1, 0])
    plot.plot([0, 1], [0, 1])
    return [window.instr(row, 0).decode() for row in range(12)]

open(sys.argv[1], "w").write("\\n".join(line.rstrip() for line in curses.wrapper(main)))
"""


def test_a_window_of_curses_is_filled_but_for_its_last_row(tmp_path: Path) -> None:
    terminal, end = pty.openpty()
    environment = {"TERM": "xterm", "COLUMNS": "40", "LINES": "12", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", IN_CURSES, str(tmp_path / "screen")]
    done = subprocess.run(
        command, stdin=end, stdout=end, stderr=subprocess.PIPE, text=True, timeout=20, env=os.environ | environment
    )
    os.close(end)
    os.close(terminal)
    assert done.returncode == 0, done.stderr
    plot = AsciiPlot(title="a title", ylabel="y", size=(40, 11)).plot([0, 1], [0, 1])
    assert (tmp_path / "screen").read_text() == f"{plot}\nstatus"


def test_a_size_is_that_of_the_window() -> None:
    class Window:
        def __init__(self) -> None:
            self.rows: dict[int, str] = {}

        def getmaxyx(self) -> tuple[int, int]:
            return 10, 30

        def addstr(self, row: int, column: int, text: str) -> None:
            self.rows[row] = text

        def refresh(self) -> None:
            assert sorted(self.rows) == list(range(9))

    window = Window()
    CursesAsciiPlot(window, size=(80, 24)).plot([0, 1], [0, 1])  # type: ignore[arg-type]
    assert {len(row) for row in window.rows.values()} == {30}
