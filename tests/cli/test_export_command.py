"""``pyexplabsys export``: points into a file from the command line."""

import io
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from PyExpLabSys import cli
from PyExpLabSys.database import codenames, schema
from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.target import DatabaseTarget
from tests.servers.lab import LabDatabase

T0 = 1_700_000_000


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An embedded database with ten points, that the settings describe; the current folder is empty."""
    path = tmp_path / "lab.db"
    with connect(DatabaseTarget(sqlite_path=path)) as connection:
        schema.create_tables(connection, "dummy")
        codenames.add(connection, "dummy_sine_one", "V")
        rows = [(1, T0 + second, float(second)) for second in range(10)]
        connection.executemany("INSERT INTO dateplots_dummy (type, time, value) VALUES (?, ?, ?)", rows)
        connection.commit()
    monkeypatch.setenv("PYEXPLABSYS_SQL_URL", f"sqlite:///{path}")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def export(*arguments: str) -> int:
    return cli.main(["export", "--setup", "dummy", *arguments])


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Example: pyexplabsys export --setup reactor_3 reactor_3_pressure" in text
    assert "--password" not in text


def test_the_ending_says_the_format(filled: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert export("dummy_sine_one", "--output", "p.csv") == 0
    assert export("dummy_sine_one", "--output", "p.parquet") == 0
    assert export("dummy_sine_one", "--output", "p.dat", "--format", "csv") == 0
    captured = capsys.readouterr()
    assert captured.out == "10 points in p.csv\n10 points in p.parquet\n10 points in p.dat\n"
    assert captured.err == ""  # no bar without a terminal
    assert Path("p.csv").read_text() == Path("p.dat").read_text()
    assert Path("p.csv").read_text().splitlines()[1] == f"{T0}.0,2023-11-14T22:13:20.000000Z,dummy_sine_one,0.0,V"
    assert pq.read_table("p.parquet").num_rows == 10


def test_a_folder_that_is_not_there(filled: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert export("dummy_sine_one", "--output", "nowhere/p.csv") == 1
    folder = Path("nowhere").absolute()
    assert capsys.readouterr().err == f"error: there is no folder {folder}: make it, or write p.csv elsewhere\n"


def test_start_and_end(filled: None) -> None:
    span = ["--start", "2023-11-14T23:13:22+01:00", "--end", str(T0 + 5)]
    assert export("dummy_sine_one", "--output", "p.csv", *span) == 0
    assert [line.split(",")[3] for line in Path("p.csv").read_text().splitlines()[1:]] == ["2.0", "3.0", "4.0"]


def test_a_file_is_replaced_only_when_told(filled: None, capsys: pytest.CaptureFixture[str]) -> None:
    Path("p.csv").write_text("old")
    assert export("dummy_sine_one", "--output", "p.csv") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert Path("p.csv").read_text() == "old"
    assert export("dummy_sine_one", "--output", "p.csv", "--overwrite") == 0
    assert Path("p.csv").read_text() != "old"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["dummy_cosine", "--output", "p.csv"], 1, "Measurement code name 'dummy_cosine'"),
        (["dummy_sine_one", "dummy_sine_one", "--output", "p.csv"], 1, "each once"),
        (["dummy_sine_one", "--output", "p.txt"], 2, "--format"),
        (["dummy_sine_one", "--output", "p.csv", "--start", "yesterday"], 1, "is not a time"),
        (["dummy_sine_one", "--output", "p.csv", "--start", "2023-11-14"], 1, "no time zone"),
        (["dummy_sine_one", "--output", "missing/p.csv"], 1, "missing"),
    ],
)
def test_errors_are_one_line_and_leave_no_file(
    filled: None, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, message: str
) -> None:
    assert export(*arguments) == status
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error
    assert list(Path().iterdir()) == []


def test_a_missing_table_names_the_command_that_makes_it(filled: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", "--setup", "oven", "a", "--output", "p.csv"]) == 1
    assert "pyexplabsys database create --setup oven" in capsys.readouterr().err


def test_on_a_terminal_a_bar_shows_progress(filled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    assert export("dummy_sine_one", "--output", "p.csv") == 0
    assert "100 %" in terminal.getvalue()
    assert "10 points" in terminal.getvalue()


def test_reading_takes_the_common_account(lab_database: LabDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    lab_database.create_old_layout()
    for key, value in {
        "SQL_SERVER_HOST": f"{lab_database.host}:{lab_database.port}",
        "SQL_DATABASE": lab_database.name,
        "SQL_USERNAME": "nobody",
        "SQL_PASSWORD": "wrong",
        "COMMON_SQL_READER_USER": lab_database.username,
        "COMMON_SQL_READER_PASSWORD": lab_database.password,
    }.items():
        monkeypatch.setenv(f"PYEXPLABSYS_{key}", value)
    monkeypatch.chdir(Path.home())
    assert export("dummy_sine_one", "--output", "p.csv") == 0
