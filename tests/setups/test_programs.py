"""Setups as programs: signals, exit statuses, systemd, --once and --check."""

import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from PyExpLabSys.cli import main
from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.schema import create_tables
from PyExpLabSys.database.target import DatabaseTarget
from tests.common.lab_tables import make_tables, points_in, target_of
from tests.servers.lab import LabDatabase
from tests.setups.programs import Program, settings_of
from tests.setups.waiting import wait_for

SCRIPT = """\
import itertools
import threading

from PyExpLabSys.drivers.omega_cni import ISeries
from PyExpLabSys.setups import Setup

count = itertools.count()


def read():
    return next(count)


def main():
    setup = Setup("dummy", store_within=0.05)
    setup.log("dummy_sine_one", read, every=0.02)
    setup.run()


if __name__ == "__main__":
    main()
"""
INSTRUMENT = """    oven = setup.instrument(ISeries, "/dev/not-there")
    setup.log("dummy_oven", oven.read_temperature, every=0.1)
    setup.run()"""
HANGING = """    setup.log("dummy_hangs", threading.Event().wait, every=0.1, hung_after_s=0.1)
    setup.run()"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "dummy" / "logger.py"
    path.parent.mkdir()
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    path = tmp_path / "lab.db"
    with connect(DatabaseTarget(sqlite_path=path)) as connection:
        create_tables(connection, "dummy")
    return path


@pytest.fixture
def sqlite_settings(sqlite_path: Path) -> dict[str, str]:
    return {"sql_url": f"sqlite:///{sqlite_path}"}


def values_in(path: Path, table: str = "dateplots_dummy") -> list[float]:
    with closing(sqlite3.connect(path)) as connection:
        return [value for (value,) in connection.execute(f"SELECT value FROM {table} ORDER BY id")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_delivers_what_is_queued_and_ends(
    script: Path, sqlite_path: Path, sqlite_settings: dict[str, str], number: signal.Signals
) -> None:
    with Program(script, settings=sqlite_settings) as program:
        wait_for(lambda: len(values_in(sqlite_path)) > 50, "points in the file")
        assert program.end(number) == 0
        assert f"stopping, since {number.name} came" in program.log
        assert "everything is delivered" in program.log
    values = values_in(sqlite_path)
    assert values == [float(number) for number in range(len(values))]


def test_a_signal_delivers_what_is_queued_to_a_server(script: Path, lab_database: LabDatabase) -> None:
    make_tables(lab_database, "new")
    with Program(script, settings=settings_of(lab_database)) as program:
        wait_for(lambda: len(points_in(lab_database)) > 50, "points in the database")
        assert program.end() == 0
    values = [value for _, _, value in points_in(lab_database)]
    assert values == [float(number) for number in range(len(values))]


def test_a_script_that_starts_and_merely_ends_loses_nothing(
    script: Path, sqlite_path: Path, sqlite_settings: dict[str, str]
) -> None:
    text = SCRIPT.replace("    return next(count)", "    seen.release()\n    return next(count)")
    text = text.replace("    setup.run()", "    setup.start()\n    for _ in range(5):\n        seen.acquire()")
    text = text.replace("count = ", "seen = threading.Semaphore(0)\ncount = ").replace("=0.05", "=60.0")
    script.write_text(text)
    with Program(script, settings=sqlite_settings) as program:
        assert program.wait() == 0, program.log
    values = values_in(sqlite_path)
    # The last call that began may be cut off; whatever became a point is there.
    assert values == [float(number) for number in range(len(values))]
    assert len(values) >= 4


def test_what_cannot_be_delivered_is_said_and_is_no_success(script: Path, tmp_path: Path) -> None:
    settings = {"sql_url": f"sqlite:///{tmp_path / 'without_tables.db'}", "sql_statement_timeout": "0.5"}
    with Program(script, settings=settings) as program:
        program.says("cannot deliver")
        assert program.end() == 1
        assert "points did not reach" in program.log
        assert "pyexplabsys database create --setup dummy" in program.log


def test_without_a_database_in_the_settings_one_line_says_what_to_do(script: Path) -> None:
    with Program(script, settings={}) as program:
        assert program.wait() == 1
        assert program.log.startswith("error: the database server is not known: put 'sql_server_host")
        assert "Traceback" not in program.log


def test_credentials_beside_the_script_are_used(script: Path, lab_database: LabDatabase) -> None:
    make_tables(lab_database, "new")
    settings = settings_of(lab_database)
    credentials = script.parent / "credentials.toml"
    credentials.write_text(f"user = '{settings.pop('sql_username')}'\npasswd = '{settings.pop('sql_password')}'\n")
    credentials.chmod(0o600)
    with Program(script, settings=settings) as program:
        wait_for(lambda: len(points_in(lab_database)) > 1, "points in the database")
        assert program.end() == 0


def test_once_reads_and_delivers_and_ends(script: Path, sqlite_path: Path, sqlite_settings: dict[str, str]) -> None:
    with Program(script, "--once", settings=sqlite_settings) as program:
        assert program.wait() == 0
        assert "dummy_sine_one\t0.0\n" in program.log
    assert values_in(sqlite_path) == [0.0]


def test_once_without_an_instrument_fails_and_says_why(script: Path, sqlite_settings: dict[str, str]) -> None:
    script.write_text(SCRIPT.replace("    setup.run()", INSTRUMENT))
    with Program(script, "--once", settings=sqlite_settings) as program:
        assert program.wait() == 1
        assert "dummy_sine_one\t0.0\n" in program.log
        assert "dummy_oven\tno reading: /dev/not-there cannot be opened" in program.log


def test_simulated_points_do_not_get_into_the_labs_database(
    script: Path, sqlite_path: Path, sqlite_settings: dict[str, str], tmp_path: Path
) -> None:
    script.write_text(SCRIPT.replace("    setup.run()", INSTRUMENT))
    with Program(script, "--simulate", "--once", settings=sqlite_settings) as program:
        assert program.wait() == 0
    assert values_in(sqlite_path) == []
    (own,) = tmp_path.rglob("dummy.db")
    assert len(values_in(own)) == 2
    assert f"sqlite:///{own}" in program.log


def test_simulated_points_get_there_if_that_is_what_somebody_wants(
    script: Path, sqlite_path: Path, sqlite_settings: dict[str, str]
) -> None:
    script.write_text(SCRIPT.replace("    setup.run()", INSTRUMENT))
    with Program(script, "--simulate", "--into-database", "--once", settings=sqlite_settings) as program:
        assert program.wait() == 0
        assert "WARNING PyExpLabSys.setups.runner: simulated points go into the lab's database" in program.log
    assert len(values_in(sqlite_path)) == 2


def test_into_database_alone_means_nothing(script: Path, sqlite_settings: dict[str, str]) -> None:
    with Program(script, "--into-database", settings=sqlite_settings) as program:
        assert program.wait() == 2
        assert "goes with --simulate" in program.log


def test_a_check_that_finds_nothing_wrong(script: Path, lab_database: LabDatabase) -> None:
    make_tables(lab_database, "new")
    with Program(script, "--check", settings=settings_of(lab_database)) as program:
        assert program.wait() == 0
        assert program.log.splitlines() == [
            "ok      settings",
            f"ok      database mysql://{lab_database.host}:{lab_database.port}/{lab_database.name}",
            "ok      table dateplots_dummy",
            "ok      codename dummy_sine_one",
            "ok      reading: dummy_sine_one = 0.0",
            "dummy is ready",
        ]
    assert points_in(lab_database) == []


def test_a_check_names_everything_that_is_wrong(script: Path, lab_database: LabDatabase) -> None:
    make_tables(lab_database, "new")
    script.write_text(SCRIPT.replace("    setup.run()", INSTRUMENT))
    with Program(script, "--check", settings=settings_of(lab_database)) as program:
        assert program.wait() == 1
        assert "FAILED  codename dummy_oven: Measurement code name 'dummy_oven' does not have" in program.log
        assert "FAILED  reading of ISeries on /dev/not-there for dummy_oven: /dev/not-there cannot be" in program.log
        assert program.log.endswith("2 of these failed\n")


def test_a_check_goes_on_without_the_table(script: Path, lab_database: LabDatabase) -> None:
    with connect(target_of(lab_database)) as connection:
        create_tables(connection, "other")
    with Program(script, "--check", settings=settings_of(lab_database)) as program:
        assert program.wait() == 1
        assert "FAILED  table dateplots_dummy: there is no table 'dateplots_dummy'" in program.log
        assert "FAILED  codename dummy_sine_one: " in program.log
        assert program.log.endswith("2 of these failed\n")


def test_a_check_takes_what_comes_only_later(script: Path, sqlite_settings: dict[str, str]) -> None:
    # The load of a computer has no value before some time has passed.
    unready = "    if next(count) < 2:\n        raise InstrumentError('not yet')\n    return 1.0"
    text = SCRIPT.replace("    return next(count)", unready)
    script.write_text(f"from PyExpLabSys.errors import InstrumentError\n{text}")
    with Program(script, "--check", settings=sqlite_settings) as program:
        assert program.wait() == 0, program.log
        assert "ok      reading: dummy_sine_one = 1.0" in program.log


def test_a_check_goes_on_without_settings(script: Path) -> None:
    with Program(script, "--check", settings={}) as program:
        assert program.wait() == 1
        assert "FAILED  settings: the database server is not known" in program.log
        assert "ok      reading: dummy_sine_one = 0.0" in program.log


def test_a_check_of_a_server_that_is_away(script: Path) -> None:
    settings = {"sql_server_host": "127.0.0.1:1", "sql_database": "cinfdata", "sql_username": "dummy"}
    with Program(script, "--check", settings=settings) as program:
        assert program.wait() == 1
        assert "FAILED  database mysql://127.0.0.1:1/cinfdata: " in program.log


@pytest.fixture
def notify_socket(tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(30.0)
        yield str(tmp_path / "notify"), listener


def waiting(listener: socket.socket) -> list[bytes]:
    """Return the datagrams that have come and were not read yet."""
    listener.setblocking(False)
    heard: list[bytes] = []
    try:
        while len(heard) < 1000:
            heard.append(listener.recv(1000))
    except BlockingIOError:
        return heard
    raise AssertionError("far too many datagrams")


def test_systemd_hears_that_it_is_ready_alive_and_stopping(
    script: Path, sqlite_settings: dict[str, str], notify_socket: tuple[str, socket.socket]
) -> None:
    name, listener = notify_socket
    with Program(script, settings=sqlite_settings, more={"NOTIFY_SOCKET": name}) as program:
        heard = [listener.recv(1000) for _ in range(5)]
        assert heard[0] == b"READY=1"
        assert heard.count(b"WATCHDOG=1") >= 3
        assert b"STATUS=logging 1 codenames" in heard
        program.process.terminate()
        while listener.recv(1000) != b"STOPPING=1":
            pass
        assert program.wait() == 0


def test_to_wait_for_an_instrument_and_the_database_is_progress(
    script: Path, tmp_path: Path, notify_socket: tuple[str, socket.socket]
) -> None:
    name, listener = notify_socket
    script.write_text(SCRIPT.replace("    setup.run()", INSTRUMENT))
    settings = {"sql_url": f"sqlite:///{tmp_path / 'without_tables.db'}", "sql_statement_timeout": "0.5"}
    with Program(script, settings=settings, more={"NOTIFY_SOCKET": name}) as program:
        program.says("cannot deliver")
        program.says("/dev/not-there cannot be opened")
        for _ in range(8):
            listener.recv(1000)
        assert b"WATCHDOG=1" in {listener.recv(1000), listener.recv(1000)}
        assert program.end() == 1


def test_a_call_that_hangs_is_no_progress(
    script: Path, sqlite_path: Path, sqlite_settings: dict[str, str], notify_socket: tuple[str, socket.socket]
) -> None:
    name, listener = notify_socket
    script.write_text(SCRIPT.replace("    setup.run()", HANGING))
    with Program(script, settings=sqlite_settings, more={"NOTIFY_SOCKET": name}) as program:
        program.says("is abandoned")
        assert b"WATCHDOG=1" in waiting(listener)
        before = len(values_in(sqlite_path))
        wait_for(lambda: len(values_in(sqlite_path)) > before + 100, "two seconds of points of the others")
        assert b"WATCHDOG=1" not in waiting(listener)
        assert program.end() == 0


def test_pyexplabsys_run_runs_a_script(
    script: Path, sqlite_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYEXPLABSYS_SQL_URL", f"sqlite:///{sqlite_path}")
    assert main(["run", str(script), "--once"]) == 0
    assert "dummy_sine_one\t0.0\n" in capsys.readouterr().out
    assert values_in(sqlite_path) == [0.0]


def test_pyexplabsys_run_has_the_exit_status_of_the_script(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(script), "--check"]) == 1
    assert "FAILED  settings" in capsys.readouterr().out
    script.write_text("raise SystemExit('no more')")
    assert main(["run", str(script)]) == 1
    assert capsys.readouterr().err == "no more\n"
