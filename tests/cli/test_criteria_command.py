"""``pyexplabsys criteria try``: criteria on readings of the database, or of a file."""

import io
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from PyExpLabSys import cli
from PyExpLabSys.cli._criterion_text import CRITERIA, parse_criterion
from PyExpLabSys.cli._readings_file import read_file
from PyExpLabSys.cli._trial_plot import HEIGHT, WIDTH, plot
from PyExpLabSys.database import codenames, schema
from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.setups import Deviation, ErrorBound
from PyExpLabSys.setups.trial import try_criterion

T0 = 1_700_000_000
RAMP = [0.0] * 50 + [float(step) for step in range(51)]


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An embedded database with a level and a ramp, that the settings describe; the current folder is empty."""
    path = tmp_path / "lab.db"
    with connect(DatabaseTarget(sqlite_path=path)) as connection:
        schema.create_tables(connection, "oven")
        codenames.add(connection, "oven_temperature", "degC")
        rows = [(1, T0 + second, value) for second, value in enumerate(RAMP)]
        connection.executemany("INSERT INTO dateplots_oven (type, time, value) VALUES (?, ?, ?)", rows)
        connection.commit()
    monkeypatch.setenv("PYEXPLABSYS_SQL_URL", f"sqlite:///{path}")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def try_(*arguments: str) -> int:
    return cli.main(["criteria", "try", *arguments])


def table(text: str) -> list[list[str]]:
    """Return the cells of the lines of a table: all but the first have no blanks."""
    return [line.rsplit(maxsplit=5) for line in text.splitlines() if "(" in line and not line.startswith("criterion")]


def test_criteria_on_readings_of_the_database(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    criteria = ["--criterion", "ErrorBound(absolute=0.5)", "--criterion", "Deviation(absolute=10)"]
    assert try_("oven_temperature", "--setup", "oven", "--no-plot", *criteria) == 0
    out = capsys.readouterr().out
    assert out.startswith("101 readings of oven_temperature\n\ncriterion ")
    assert "largest error (degC)  rms error (degC)\n" in out
    (bound, deviation) = table(out)
    assert bound[:4] == ["ErrorBound(absolute=0.5)", "3", "2.97", "%"]
    assert float(bound[4]) < 1e-9
    # From 0 at 0 s to 10 at 60 s goes a line, past 0 at 50 s.
    assert deviation[:5] == ["Deviation(absolute=10)", "6", "5.94", "%", f"{500 / 60:.3g}"]


def test_start_and_end_and_steps(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    span = ["--start", str(T0 + 50), "--end", "2023-11-14T22:14:21Z"]
    assert try_("oven_temperature", "--setup", "oven", "--no-plot", "--criterion", "Deviation(absolute=5)", *span) == 0
    assert table(capsys.readouterr().out)[0] == ["Deviation(absolute=5)", "3", "27.3", "%", "0", "0"]
    arguments = ["--no-plot", "--criterion", "Deviation(absolute=5)", "--steps", *span]
    assert try_("oven_temperature", "--setup", "oven", *arguments) == 0
    assert table(capsys.readouterr().out)[0][4] == "4"


def test_exported_readings_are_the_same(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", "--setup", "oven", "oven_temperature", "--output", "p.csv"]) == 0
    capsys.readouterr()
    criterion = ["--criterion", "ErrorBound(absolute=0.5)"]
    assert try_("oven_temperature", "--setup", "oven", *criterion) == 0
    first = capsys.readouterr().out
    assert try_("--file", "p.csv", *criterion) == 0
    assert capsys.readouterr().out.split() == first.replace("(degC)", "").split()


def test_relative_errors(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("p.csv").write_text("time,value\n0,1\n1,2\n2,2\n3,2\n4,5\n")
    criterion = ["--criterion", "Deviation(absolute=3)", "--no-plot"]
    assert try_("--file", "p.csv", "--relative", *criterion) == 0
    assert table(capsys.readouterr().out)[0][4] == "1"  # 4 instead of 2


def test_readings_that_are_none_where_the_points_say_a_number_are_told(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("p.csv").write_text("time,value\n0,1\n1,\n2,1\n")
    assert try_("--file", "p.csv", "--criterion", "Interval(60)", "--no-plot") == 0
    assert "Interval(60): 1 readings are a number where the points say none" in capsys.readouterr().out


def test_a_plot_for_each_criterion(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    criteria = ["--criterion", "ErrorBound(absolute=0.5)", "--criterion", "Deviation(absolute=10)"]
    assert try_("oven_temperature", "--setup", "oven", *criteria) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert sum(line.strip().startswith("error ") for line in lines) == 2
    assert out.count("2023-11-14T22:13:20Z") == 2
    assert max(map(len, lines)) <= 11 + WIDTH


def test_a_terminal_that_cannot_show_it_gets_no_plot(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert try_("oven_temperature", "--setup", "oven", "--criterion", "ErrorBound(absolute=0.5)") == 0
    assert terminal.buffer.getvalue().decode("ascii").endswith("No plot: this terminal shows no such characters.\n")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["oven_temperature", "--setup", "oven"], 2, "--criterion"),
        (["oven_temperature", "--criterion", "Always()"], 2, "--setup, or --file"),
        (["--setup", "oven", "--criterion", "Always()"], 2, "--setup, or --file"),
        (["oven_pressure", "--setup", "oven", "--criterion", "Always()"], 1, "Measurement code name 'oven_pressure'"),
        (["oven_temperature", "--setup", "oven", "--criterion", "Always()", "--start", "4e9"], 1, "is not a time"),
        (["oven_temperature", "--setup", "oven", "--criterion", "Always()", "--start", "4000000000"], 1, "no readings"),
        (["oven_temperature", "--setup", "oven", "--criterion", "Sometimes()"], 1, "is no criterion"),
        (["oven_temperature", "--setup", "oven", "--criterion", "Deviation(absolute=0)"], 1, "above 0"),
        (["--file", "missing.csv", "--criterion", "Always()"], 2, "missing.csv"),
    ],
)  # fmt: skip
def test_errors_are_one_line(
    filled: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, message: str
) -> None:
    assert try_(*arguments) == status
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error


# --- criteria as text


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("Always()", [0, 1, 2, 3, 4]),
        ("Interval(2)", [0, 2, 4]),
        (" Deviation( absolute = 1.0 )", [0, 3]),
        ("Deviation(relative=-0.5 + 1)", None),
        ("ErrorBound(absolute=0.1)", [0, 2, 3, 4]),
        ("LoggingCriteriumChecker('lin', 1, grade=0.3)", [0, 2, 3]),
        ("ValueLogger(comp_val=5, model='sparse')", [3]),
        ("ValueLogger(comp_type='lin', comp_val=5, low_comp=99)", []),
    ],
)
def test_criteria_are_written_as_in_a_script(text: str, stored: list[int] | None) -> None:
    readings = list(enumerate([1.0, 1.0, 1.0, 6.0, 6.0]))
    if stored is None:
        with pytest.raises(ValueError, match="malformed"):
            parse_criterion(text)
        return
    selector = parse_criterion(text)
    points = [point for time_s, value in readings for point in selector.take(time_s, value)] + [*selector.finish()]
    assert [time_s for time_s, _ in points] == stored


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Deviation",
        "Deviation(",
        "1 + 1",
        "__import__('os').system('true')",
        "Always(print(1))",
        "Interval(**{})",
        "Always(1)",
        "Deviation(0.5)",
    ],
)
def test_anything_else_is_refused_and_not_executed(text: str) -> None:
    with pytest.raises(ValueError, match=r"criterion|malformed|argument"):
        parse_criterion(text)


def test_what_can_be_said_is_named() -> None:
    with pytest.raises(ValueError, match=", ".join(CRITERIA)):
        parse_criterion("Nothing()")


# --- files


@pytest.mark.parametrize(
    "text",
    [
        "1700000000,1.5\n1700000001,\n1700000002.5,-2e-9\n",
        "unixtime,value\n1700000000,1.5\n1700000001,\n1700000002.5,-2e-9\n",
        "# exported\n\nvalue;time\n1.5;2023-11-14T22:13:20Z\nnan;2023-11-14T23:13:21+01:00\n-2e-9;1700000002.5\n",
        "t [s]\tp [mbar]\n1700000000\t1.5\n1700000001\tnan\n1700000002.5\t-2e-9\n",
        "1700000002.5   -2e-9\n1700000000 1.5\n1700000001 nan\n",
        '\ufeff"time","codename","value"\n"1700000000","a","1.5"\n"1700000001","a",""\n"1700000002.5","a","-2e-9"\n',
    ],
)
def test_files_of_many_kinds(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text, encoding="utf-8")
    points = read_file(path)
    assert points.times.tolist() == [T0, T0 + 1, T0 + 2.5]
    np.testing.assert_array_equal(points.values, [1.5, math.nan, -2e-9])
    assert points.codename in {"p.csv", "a"}


def test_a_file_with_several_codenames(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("unixtime,time,codename,value,unit\n0,x,a,1.0,\n0,x,b,2.0,\n1,x,a,3.0,\n")
    assert read_file(path, "a").values.tolist() == [1.0, 3.0]
    assert len(read_file(path, "c")) == 0
    with pytest.raises(ValueError, match="several codenames, say which: a, b"):
        read_file(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nothing in it"),
        ("1,2\n3,four\n", "line 2: .*four"),
        ("1,2\n3\n", "line 2: it has no more than 1 columns"),
        ("1,2\nyesterday,3\n", "line 2: 'yesterday' is not a time"),
        ("1,2\ninf,3\n", "line 2: 'inf' is not a time"),
        ("1,2\n2023-11-14T22:13:20,3\n", "line 2: .*no time zone"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_file(path)


# --- plots


def rows(values: list[float], times: list[float] | None = None) -> list[str]:
    moments = np.arange(float(len(values))) if times is None else np.array(times)
    return plot(try_criterion(Deviation(absolute=1e300), moments, np.array(values)), relative=False).plain.splitlines()


def test_a_plot_says_from_where_to_where(filled: Path) -> None:
    lines = rows([0.0, 5.0, 20.0], [T0, T0 + 1.0, T0 + 2.0])
    assert len(lines) == HEIGHT + 2
    assert lines[0].startswith("        20 ")
    assert lines[HEIGHT - 1].startswith("         0 ")
    assert lines[-1].split() == ["2023-11-14T22:13:20Z", "2023-11-14T22:13:22Z"]


def test_pressures_are_plotted_by_decades() -> None:
    lines = rows([1e-9, 1e-6, 1e-3])
    assert lines[1].startswith("       log ")
    middle = next(number for number, line in enumerate(lines[:HEIGHT]) if line[11 + WIDTH // 2] != " ")
    assert HEIGHT // 3 <= middle <= 2 * HEIGHT // 3


def test_a_short_peak_is_in_the_plot() -> None:
    values = [0.0] * 10_000
    values[5_000] = 1.0
    lines = rows(values)
    assert lines[0][11:].strip() != ""
    assert lines[HEIGHT].count("█") == 1


@pytest.mark.parametrize("values", [[1.0], [math.nan, math.nan], [1.0, math.inf, -math.inf, 1.0], [-1e308, 1e308]])
def test_there_is_a_plot_of_anything(values: list[float]) -> None:
    times = np.array([-1e300 * (len(values) - n) for n in range(len(values))])
    trial = try_criterion(ErrorBound(absolute=0.1), times, np.array(values))
    assert len(plot(trial, relative=True).plain.splitlines()) == HEIGHT + 2
