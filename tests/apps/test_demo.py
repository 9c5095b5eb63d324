"""The demo as a program: with and without a terminal, stopped in every way, beside a lab's settings."""

import fcntl
import os
import pty
import re
import select
import shlex
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from PyExpLabSys.apps.demo import new_database, run_demo, seconds_from_environment
from PyExpLabSys.apps.demo_display import next_commands
from PyExpLabSys.apps.demo_setup import COMPUTER, DESCRIPTIONS, PERIOD_S
from PyExpLabSys.errors import SettingsError
from PyExpLabSys.settings import KEYS, Settings

SCRIPT = [sys.executable, "-c", "from PyExpLabSys.apps.demo import main; main()"]
ENDS_WITHIN_S = 60.0
ALWAYS_THERE = {*DESCRIPTIONS} - {*COMPUTER} | {"demo_cpu_load", "demo_memory_used"}
CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@contextmanager
def started(seconds: str = "", **arguments) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "DEMO_SECONDS": seconds, **arguments.pop("variables", {})}
    arguments = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **arguments}
    process = subprocess.Popen(SCRIPT, env=environment, **arguments)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def database_below(folder: Path) -> Path:
    (path,) = folder.glob("**/pyexplabsys-demo-*.db*")  # a single one: no journal is left beside it
    return path


def points_in(path: Path) -> dict[str, int]:
    sql = "SELECT codename, COUNT(*) FROM dateplots_demo p JOIN dateplots_descriptions d ON d.id = p.type GROUP BY 1"
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute(sql))


def wait_for_points(folder: Path, codenames: set[str]) -> Path:
    deadline_s = time.monotonic() + ENDS_WITHIN_S
    while time.monotonic() < deadline_s:
        paths = list(folder.glob("**/pyexplabsys-demo-*.db"))
        try:
            if paths and codenames <= set(points_in(paths[0])):
                return paths[0]
        except sqlite3.OperationalError:  # the tables are not there yet
            pass
        time.sleep(0.02)
    raise AssertionError(f"no points in {folder} after {ENDS_WITHIN_S} s")


def test_without_a_terminal_it_prints_lines_and_a_summary_and_all_is_in_the_file(tmp_path: Path) -> None:
    before_s = time.time()
    with started("6") as process:
        output, errors = process.communicate(timeout=ENDS_WITHIN_S)
    assert (process.returncode, errors) == (0, "")
    path = database_below(tmp_path)
    points = points_in(path)
    assert set(points) >= ALWAYS_THERE
    assert 1 <= points["demo_memory_used"] <= 12  # two a second, fewer only where the computer is too busy
    first, line, *summary = output.splitlines()
    assert first == f"Logging three simulated instruments and this computer into {path}; Ctrl-C ends it"
    assert re.match(r"[56] s: \d+ points enqueued, \d+ in the database; demo_furnace_temperature \d+\.\d degC, ", line)
    for codename, count in points.items():
        assert f"{codename} {count} {count}" in [" ".join(text.split()) for text in summary]
    assert f"Queue empty, nothing lost, nothing twice: {sum(points.values())} points in" in summary
    assert f"  {path}" in summary
    assert "\x1b" not in output
    with closing(sqlite3.connect(path)) as connection:
        sql = (
            "SELECT time, value FROM dateplots_demo p JOIN dateplots_descriptions d ON d.id = p.type WHERE codename = ?"
        )
        times, values = zip(*connection.execute(sql + " ORDER BY p.id", ("demo_memory_used",)), strict=True)
        units = dict(connection.execute("SELECT codename, unit FROM dateplots_descriptions"))
    assert before_s < times[0] < times[-1] < time.time()
    assert list(times) == sorted(times)
    assert all(0.0 < value <= 100.0 for value in values)
    assert units == {codename: DESCRIPTIONS[codename].unit for codename in points}


@pytest.mark.parametrize(("lines", "columns"), [(24, 80), (40, 120), (12, 50)])
def test_in_a_terminal_it_draws_a_table_that_fits(tmp_path: Path, lines: int, columns: int) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    with started("2", stdout=theirs, stderr=theirs, variables={"TERM": "xterm-256color"}) as process:
        os.close(theirs)
        screen = read_all(ours)
        assert process.wait(ENDS_WITHIN_S) == 0
    table, _summary = CONTROL_SEQUENCE.sub("", screen).rsplit("codename ", 1)
    assert re.search(r"demo_cpu_load +\d+\.\d % +\d", table)
    assert bool(re.search("[▁▂▃▄▅▆▇█]{2}", table)) == (columns >= 80), "a plot where there is room for one"
    curves = re.findall(r"^ +(?:400|200|25)?│.*[⠁-⣿]", table, re.MULTILINE)
    assert bool(curves) == (lines >= 24), "the furnace's curves where there is room for them"
    assert re.search(r"\d+ points stored, \d+ on their way, 0:0", table) or lines < 24
    drawn = [text for text in table.replace("\r", "\n").splitlines() if text]
    assert max(map(len, drawn)) <= columns
    assert screen.index("\x1b[?25l") < screen.rindex("\x1b[?25h"), "the cursor is hidden, and shown again"
    points = points_in(database_below(tmp_path))
    assert set(points) >= ALWAYS_THERE
    # Each period draws the table once, in place: up and over, and never a cleared screen, which would flicker.
    _, *drawings = screen.rsplit("codename ", 1)[0].split("codename ")
    heights = {text.count("\x1b[1A") for text in drawings[:-1]}
    # Once more when all has arrived, and once by rich when it lets go of the terminal.
    assert 3 <= len(drawings) <= 2 / PERIOD_S + 2
    assert max(heights) < lines
    assert min(heights) >= min(lines - 2, len(points) + 3)
    assert "\x1b[2J" not in screen


def read_all(terminal: int) -> str:
    read, deadline_s = b"", time.monotonic() + ENDS_WITHIN_S
    with os.fdopen(terminal, "rb", buffering=0) as file:
        while time.monotonic() < deadline_s and select.select([file], [], [], ENDS_WITHIN_S)[0]:
            try:
                read += file.read(65536)
            except OSError:  # this is how Linux says that the other side was closed
                return read.decode()
    raise AssertionError(f"the terminal was not closed within {ENDS_WITHIN_S} s")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    with started() as process:
        path = wait_for_points(tmp_path, ALWAYS_THERE)
        process.send_signal(number)
        output, errors = process.communicate(timeout=ENDS_WITHIN_S)
    assert (process.returncode, errors) == (0, "")
    assert f"nothing twice: {sum(points_in(path).values())} points in" in output


def test_point_that_is_missing_at_the_end_is_an_error(tmp_path: Path) -> None:
    with started() as process:
        path = wait_for_points(tmp_path, ALWAYS_THERE)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DELETE FROM dateplots_demo WHERE id = 1")
        process.send_signal(signal.SIGTERM)
        output, _errors = process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode == 1
    assert "error: not everything arrived once" in output
    assert re.search(r"demo_\w+: \d+ points enqueued, \d+ in the database", output)
    assert "nothing lost" not in output


def test_lab_database_of_the_settings_is_left_alone(tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    settings_file = Path(os.environ["XDG_CONFIG_HOME"], "PyExpLabSys", "user_settings.yaml")
    settings_file.parent.mkdir(parents=True)
    settings_file.write_text(
        f"sql_url: sqlite:///{lab}/from_file.db\nrejected_directory: {lab}\n", encoding="utf-8"
    )
    variables = {
        "PYEXPLABSYS_SQL_URL": f"sqlite:///{lab}/from_environment.db",
        "PYEXPLABSYS_SQL_SERVER_HOST": "127.0.0.1:1",
    }
    lab.mkdir()
    with started("1", variables=variables) as process:
        output, errors = process.communicate(timeout=ENDS_WITHIN_S)
    assert (process.returncode, errors) == (0, "")
    assert list(lab.iterdir()) == []
    assert str(database_below(tmp_path)) in output


def test_unreadable_settings_do_not_hinder_it(tmp_path: Path) -> None:
    settings_file = Path(os.environ["XDG_CONFIG_HOME"], "PyExpLabSys", "user_settings.yaml")
    settings_file.parent.mkdir(parents=True)
    settings_file.write_text("no: such: yaml\n", encoding="utf-8")
    with started("1") as process:
        _output, errors = process.communicate(timeout=ENDS_WITHIN_S)
    assert (process.returncode, errors) == (0, "")


def test_called_from_a_program_it_leaves_settings_and_signals_as_they_were(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert run_demo(1.0, tmp_path / "new" / "folder") == 0
    assert str(database_below(tmp_path / "new" / "folder")) in capsys.readouterr().out
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    settings = Settings()
    assert {key.name: settings.get(key.name) for key in KEYS} == {key.name: key.default for key in KEYS}


def test_commands_that_it_recommends_work(tmp_path: Path) -> None:
    folder = tmp_path / "folder with space"
    assert run_demo(1.0, folder) == 0
    path = database_below(folder)
    export, query = next_commands(path)
    command = export.replace(" pyexplabsys ", f" {shlex.quote(sys.executable)} -m PyExpLabSys ")
    subprocess.run(command, shell=True, cwd=tmp_path, check=True, timeout=ENDS_WITHIN_S, capture_output=True)
    assert (
        len((tmp_path / "demo.csv").read_text(encoding="utf-8").splitlines())
        > points_in(path)["demo_furnace_temperature"]
    )
    program, file, sql = shlex.split(query)
    assert (program, file) == ("sqlite3", str(path))
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute(sql).fetchall()


def test_new_file_never_has_the_name_of_another(tmp_path: Path) -> None:
    paths = [new_database(tmp_path) for _ in range(5)]
    assert len(set(paths)) == 5
    assert all(path.parent == tmp_path and path.stat().st_size == 0 for path in paths)


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="--folder"):
        new_database(tmp_path / where)


@pytest.mark.parametrize("seconds", ["soon", "nan", "inf", "0", "-3"])
def test_length_that_is_none_is_one_clear_error(tmp_path: Path, seconds: str) -> None:
    with started(seconds) as process:
        output, errors = process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode == 1
    assert output == ""
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert list(tmp_path.glob("**/*.db")) == []


def test_length_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEMO_SECONDS", raising=False)
    assert seconds_from_environment() is None
    monkeypatch.setenv("DEMO_SECONDS", "2.5")
    assert seconds_from_environment() == 2.5
