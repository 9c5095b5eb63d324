"""The published example of ContinuousLogger, run as a script that labs would write, in a process of its own.

Each script stores what it was told in a file before it ends, so that what arrived can be compared with what was sent.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.target import DatabaseTarget
from tests.common.lab_tables import CODENAME, LAYOUTS, TABLE, as_kept, make_tables, points_in, points_through
from tests.database.waiting import wait_until
from tests.packaging.conftest import ROOT
from tests.servers.lab import LabDatabase, create_lab_database
from tests.servers.mariadb import MariaDB

ENDS_WITHIN_S = 60.0
POINTS = 200

SCRIPT = """\
import json, math, sys, time

from PyExpLabSys.common.loggers import ContinuousLogger
{server}
{numbers}
db_logger = ContinuousLogger(table='dateplots_dummy', username='dummy', password='dummy',
                             measurement_codenames=['dummy_sine_one']{more})
db_logger.start()
sent = []
n = 0
with open('sent.json', 'w', buffering=1) as told:
    while n < {points}:
        new_value = math.sin(n)
        worth_logging = True
        if worth_logging:
            {enqueue}
            told.write(json.dumps([now, new_value]) + chr(10))
        n += 1
{ending}
"""
ENQUEUE_NOW = "now = db_logger.enqueue_point_now('dummy_sine_one', new_value)"
ENQUEUE_OWN = "now = time.time(); db_logger.enqueue_point('dummy_sine_one', (now, new_value))"
SERVER = """\
ContinuousLogger.host = {host!r}
ContinuousLogger.database = {database!r}
"""
STOP = "db_logger.stop()"
ENDLESS = 10**9


@dataclass(frozen=True)
class Done:
    """How a script ended, and the points that it was told were added."""

    status: int
    stderr: str
    sent: list[tuple[float, float]]


def script_text(lab: LabDatabase | None, **parts: object) -> str:
    server = "" if lab is None else SERVER.format(host=f"{lab.host}:{lab.port}", database=lab.name)
    defaults = {"server": server, "numbers": "", "more": "", "points": POINTS, "enqueue": ENQUEUE_NOW, "ending": STOP}
    return SCRIPT.format(**(defaults | parts))


def run_script(
    folder: Path,
    text: str,
    environment: Mapping[str, str] | None = None,
    meanwhile: Callable[["subprocess.Popen[str]"], None] = lambda _process: None,
) -> Done:
    """Run a script in a folder, as ``python logger.py`` there."""
    (folder / "logger.py").write_text(text)
    env = os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment or {})
    command = [sys.executable, "logger.py"]
    with subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            meanwhile(process)
            _, stderr = process.communicate(timeout=ENDS_WITHIN_S)
        except BaseException:
            process.kill()
            raise
    return Done(process.returncode, stderr, told(folder))


def told(folder: Path) -> list[tuple[float, float]]:
    """Return the points that a script has noted; the last line may be half written."""
    path = folder / "sent.json"
    text = path.read_text() if path.exists() else ""
    return [(*json.loads(line),) for line in text.splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("enqueue", [ENQUEUE_NOW, ENQUEUE_OWN], ids=["now", "own stamp"])
@pytest.mark.parametrize("ending", [STOP, ""], ids=["stop", "merely ends"])
def test_every_point_is_there_once(
    lab_database: LabDatabase, tmp_path: Path, layout: str, enqueue: str, ending: str
) -> None:
    ids = make_tables(lab_database, layout)
    done = run_script(tmp_path, script_text(lab_database, enqueue=enqueue, ending=ending))
    assert (done.status, done.stderr) == (0, "")
    assert len(done.sent) == POINTS
    assert points_in(lab_database) == [(ids[CODENAME], as_kept(layout, t), value) for t, value in done.sent]
    if layout == "new":
        assert lab_database.sql("SELECT COUNT(*) FROM logger_progress") == [(0,)]


def test_a_script_of_three_points_that_merely_ends(lab_database: LabDatabase, tmp_path: Path) -> None:
    """The first delivery, and with it the first import of numpy, happens while the interpreter is ending."""
    ids = make_tables(lab_database, "new")
    done = run_script(tmp_path, script_text(lab_database, points=3, ending="", more=", store_within=3600.0"))
    assert (done.status, done.stderr) == (0, "")
    assert points_in(lab_database) == [(ids[CODENAME], as_kept("new", t), value) for t, value in done.sent]
    assert len(done.sent) == 3


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ctrl_c_in_the_middle_of_the_loop(lab_database: LabDatabase, tmp_path: Path, layout: str) -> None:
    ids = make_tables(lab_database, layout)

    def press_ctrl_c(process: "subprocess.Popen[str]") -> None:
        wait_until(lambda: len(told(tmp_path)) > POINTS, "the loop is running")
        process.send_signal(signal.SIGINT)

    text = script_text(lab_database, points=ENDLESS, enqueue=ENQUEUE_NOW + "; time.sleep(0.001)", ending="")
    done = run_script(tmp_path, text, meanwhile=press_ctrl_c)
    # Python forgets that it ends by Ctrl-C when an exit hook imports something; then its status is 1.
    assert done.status in {1, -signal.SIGINT}
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")
    expected = [(ids[CODENAME], as_kept(layout, t), value) for t, value in done.sent]
    stored = points_in(lab_database)
    # The one that was being added, or written down, when the signal came may be there as well.
    assert stored[: len(expected)] == expected
    assert len(stored) - len(expected) in {0, 1}


def test_an_uncaught_exception(lab_database: LabDatabase, tmp_path: Path) -> None:
    ids = make_tables(lab_database, "new")
    done = run_script(tmp_path, script_text(lab_database, ending="raise RuntimeError('the pump is off')"))
    assert done.status == 1
    assert "the pump is off" in done.stderr
    assert len(done.sent) == POINTS
    assert points_in(lab_database) == [(ids[CODENAME], as_kept("new", t), value) for t, value in done.sent]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("ending", [STOP, ""], ids=["stop", "merely ends"])
def test_through_an_odbc_data_source(
    lab_database: LabDatabase, odbc_dsn: str, tmp_path: Path, layout: str, ending: str
) -> None:
    ids = make_tables(lab_database, layout)
    # No server is named: what the data source says holds.
    done = run_script(tmp_path, script_text(None, more=f", dsn={odbc_dsn!r}", ending=ending))
    assert (done.status, done.stderr) == (0, "")
    assert len(done.sent) == POINTS
    assert points_in(lab_database) == [(ids[CODENAME], as_kept(layout, t), value) for t, value in done.sent]


@pytest.mark.parametrize("ending", [STOP, ""], ids=["stop", "merely ends"])
def test_into_the_embedded_database(tmp_path: Path, ending: str) -> None:
    from PyExpLabSys.database import schema

    target = DatabaseTarget(sqlite_path=tmp_path / "lab.db")
    with connect(target) as connection:
        schema.create_tables(connection, "dummy")
    url = {"PYEXPLABSYS_SQL_URL": f"sqlite:///{tmp_path}/lab.db"}
    done = run_script(tmp_path, script_text(None, ending=ending), url)
    assert (done.status, done.stderr) == (0, "")
    assert len(done.sent) == POINTS
    with connect(target) as connection:
        assert points_through(connection) == [(1, as_kept("new", t), value) for t, value in done.sent]


def test_a_script_with_a_wrong_codename_ends_with_one_line_that_helps(
    lab_database: LabDatabase, tmp_path: Path
) -> None:
    make_tables(lab_database, "new", codenames=())
    done = run_script(tmp_path, script_text(lab_database))
    assert done.status == 1
    last = done.stderr.splitlines()[-1]
    assert "StartupException: Measurement code name 'dummy_sine_one' does not have exactly one entry" in last
    assert "pyexplabsys database codename add dummy_sine_one" in last


# ----------------------------------------------------------------------------------------------- the end of summer time

# Hours on each side of 2025-10-26 01:00 UTC, when clocks in Copenhagen went from 03:00 back to 02:00.
SUMMER_ENDS_S = 1_761_440_400.0
TIMES_NUMBERS = f"stamps = [{SUMMER_ENDS_S} + 90.5 * i - 3600.0 for i in range({POINTS})]"
ENQUEUE_STAMPS = "now = stamps[n]; db_logger.enqueue_point('dummy_sine_one', (now, new_value))"


@pytest.fixture(scope="module")
def copenhagen() -> object:
    """A server whose system is in Europe/Copenhagen, as in labs."""
    with MariaDB(environment={"TZ": "Europe/Copenhagen"}) as server:
        yield server


@pytest.mark.server
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("through", ["directly", "odbc"])
def test_points_around_the_end_of_summer_time(
    copenhagen: MariaDB, odbc_sources: object, tmp_path: Path, layout: str, through: str
) -> None:
    from tests.servers.odbc import OdbcSources

    assert isinstance(odbc_sources, OdbcSources)
    lab = create_lab_database(copenhagen)
    ids = make_tables(lab, layout)
    # What was always done: the server's own time zone, in which 02:30 is said twice.
    half_past = SUMMER_ENDS_S - 1800.0
    lab.sql(f"INSERT INTO {TABLE} (type, time, value) VALUES (1, FROM_UNIXTIME({half_past:.0f}), 0)")
    assert points_in(lab) == [(1, as_kept(layout, half_past + 3600.0), 0.0)], "a naive insert is an hour wrong"
    lab.sql(f"DELETE FROM {TABLE}")
    more = (
        "" if through == "directly" else f", dsn={odbc_sources.add(lab.host, lab.port, lab.name, 'dummy', 'dummy')!r}"
    )
    text = script_text(lab if through == "directly" else None, numbers=TIMES_NUMBERS, enqueue=ENQUEUE_STAMPS, more=more)
    done = run_script(tmp_path, text)
    assert (done.status, done.stderr) == (0, "")
    assert [t for t, _ in done.sent] == [SUMMER_ENDS_S + 90.5 * i - 3600.0 for i in range(POINTS)]
    assert points_in(lab) == [(ids[CODENAME], as_kept(layout, t), value) for t, value in done.sent]
    lab.drop()


@pytest.mark.server
def test_a_naive_insert_is_wrong_only_before_the_change(copenhagen: MariaDB) -> None:
    """So that the test above tests what it says: an hour later everything is right by itself."""
    lab = create_lab_database(copenhagen)
    make_tables(lab, "new")
    lab.sql(f"INSERT INTO {TABLE} (type, time, value) VALUES (1, FROM_UNIXTIME({SUMMER_ENDS_S:.0f}), 0)")
    assert points_in(lab) == [(1, as_kept("new", SUMMER_ENDS_S), 0.0)]
    lab.drop()
    assert time.strftime("%Y-%m-%d %H:%M", time.gmtime(SUMMER_ENDS_S)) == "2025-10-26 01:00"
