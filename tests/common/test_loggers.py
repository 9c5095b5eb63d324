"""ContinuousLogger: its published contract, and the faults of old that it must not have any more."""

import gc
import inspect
import logging
import math
import queue
import re
import subprocess
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from PyExpLabSys.common import loggers
from PyExpLabSys.common.batch import Batch
from PyExpLabSys.common.loggers import NONE_RESPONSE, ContinuousLogger, NoneResponse, StartupException
from PyExpLabSys.common.records import FLAG_STAMPED_BY_US
from PyExpLabSys.common.set_aside import read_set_aside
from PyExpLabSys.common.sink import Sink
from PyExpLabSys.database import opening
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.errors import PyExpLabSysError
from PyExpLabSys.settings import Settings
from tests.common.lab_tables import CODENAME, LAYOUTS, TABLE, as_kept, make_tables, points_in
from tests.database.waiting import in_thread, wait_until, wait_until_running
from tests.servers.lab import LabDatabase
from tests.servers.mariadb import MariaDB
from tests.servers.odbc import OdbcSources
from tests.servers.ports import free_port
from tests.servers.relay import Relay

T0 = 1_700_000_000.75
SHORT_S = 0.05
ENOUGH_S = 30.0

NewLogger = Callable[..., ContinuousLogger]


@pytest.fixture
def new_logger(lab_database: LabDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[NewLogger]:
    """Make loggers to ``lab_database``, which are stopped after the test."""
    made: list[ContinuousLogger] = []

    def new(**arguments: Any) -> ContinuousLogger:
        account = {"username": lab_database.username, "password": lab_database.password}
        where = {"host": f"{lab_database.host}:{lab_database.port}", "database": lab_database.name}
        defaults: dict[str, Any] = {
            "table": TABLE,
            **account,
            "measurement_codenames": [CODENAME],
            "dequeue_timeout": 0.5,
            **where,
        }
        logger = ContinuousLogger(**(defaults | {"startup_timeout": 5.0, "store_within": 0.02} | arguments))
        made.append(logger)
        return logger

    yield new
    for logger in made:
        logger.stop(timeout=0.0)
        if logger.ident is not None:
            logger.join(ENOUGH_S)


@pytest.fixture
def tables(lab_database: LabDatabase) -> dict[str, int]:
    """New tables with the one codename."""
    return make_tables(lab_database, "new")


class HeldSink(Sink):
    """A further destination that takes nothing before it is released."""

    name = "held"
    timeout_s = 0.3

    def __init__(self) -> None:
        self.entered, self.released = threading.Event(), threading.Event()
        self.taken: list[float] = []

    def store(self, batch: Batch) -> None:
        self.entered.set()
        self.released.wait(ENOUGH_S)
        self.taken += batch.values.tolist()

    def interrupt(self) -> None:
        self.released.set()


def head_flags(logger: ContinuousLogger) -> list[int]:
    """Return the flags of the records that wait in a logger that was not started."""
    cursor = logger._delivery.cursor
    segment, _ = logger._queue._segment_of(cursor.position)
    start = (cursor.position - segment.first_sequence) * 24
    return segment.read(start, start + 24 * cursor.waiting)["flags"].tolist()


# --------------------------------------------------------------------------------------------- names and signatures


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        (
            "ContinuousLogger",
            "table, username, password, measurement_codenames, dequeue_timeout=1, reconnect_waittime=60, dsn=None",
        ),
        ("ContinuousLogger.enqueue_point_now", "self, codename, value"),
        ("ContinuousLogger.enqueue_point", "self, codename, point"),
        ("ContinuousLogger.start", "self"),
        ("ContinuousLogger.run", "self"),
        ("ContinuousLogger.stop", "self"),
        ("InterruptableThread", "cursor, query"),
        ("timeout_query", "cursor, query, timeout_duration=3"),
        ("NoneResponse", ""),
    ],
)
def test_published_signatures(name: str, parameters: str) -> None:
    found: Any = loggers
    for part in name.split("."):
        found = getattr(found, part)
    signature = inspect.signature(found)
    published = [p for p in signature.parameters.values() if p.kind is not p.KEYWORD_ONLY]
    assert ", ".join(str(p.replace(annotation=p.empty)) for p in published) == parameters
    # Whatever is new must not be asked for.
    assert all(p.default is not p.empty for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY)


def test_published_classes() -> None:
    assert issubclass(ContinuousLogger, threading.Thread)
    assert (ContinuousLogger.host, ContinuousLogger.database) == ("servcinf-sql", "cinfdata")
    assert isinstance(NONE_RESPONSE, NoneResponse)
    assert issubclass(StartupException, PyExpLabSysError)
    error = StartupException("one", 2, three=3)
    assert error.args == ("one", 2)
    assert error.kwargs == {"three": 3}


def test_no_attribute_hides_one_of_thread(new_logger: NewLogger, tables: dict[str, int]) -> None:
    """Old: ``_stop = False`` hid Thread's method, and join() raised TypeError."""
    plain = threading.Thread()
    ours = set(vars(new_logger())) - set(vars(plain))
    assert not {name for name in ours if hasattr(threading.Thread, name)} - {"_codename_translation"}


def test_importing_loads_neither_numpy_nor_a_driver() -> None:
    program = "import sys, PyExpLabSys.common.loggers; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "PyExpLabSys" in loaded
    assert not loaded & {"numpy", "pymysql", "pyodbc", "sqlite3", "yaml", "pandas", "MySQLdb", "ssl", "typer", "rich"}


# ------------------------------------------------------------------------------------------------------ which server


def target_of_logger(monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> DatabaseTarget:
    """Return the database that a logger chooses, without connecting to it."""
    monkeypatch.setattr(ContinuousLogger, "_prepare", lambda *_: None)
    logger = ContinuousLogger(TABLE, "dummy", "dummy", [CODENAME], **arguments)
    logger.stop()
    return logger._sink._target


def test_documented_server_when_nothing_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    target = target_of_logger(monkeypatch)
    assert (target.hosts, target.database) == ((("servcinf-sql", 3306),), "cinfdata")


def test_settings_win_over_the_documented_server(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings()
    settings.sql_server_host, settings.sql_database = "from-settings:3307", "their_data"
    target = target_of_logger(monkeypatch)
    assert (target.hosts, target.database) == ((("from-settings", 3307),), "their_data")


@pytest.mark.parametrize(
    ("host", "database"),
    [("assigned:4000", "our_data"), ("servcinf-sql", "cinfdata")],
    ids=["another", "the very same text as documented"],
)
def test_an_assigned_class_variable_wins_over_settings(
    monkeypatch: pytest.MonkeyPatch, host: str, database: str
) -> None:
    settings = Settings()
    settings.sql_server_host, settings.sql_database = "from-settings", "their_data"
    monkeypatch.setattr(ContinuousLogger, "host", host)
    monkeypatch.setattr(ContinuousLogger, "database", database)
    target = target_of_logger(monkeypatch)
    assert target.hosts[0][0] == host.partition(":")[0]
    assert target.database == database


def test_an_assigned_host_wins_over_the_embedded_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Settings().sql_url = f"sqlite:///{tmp_path}/lab.db"
    assert target_of_logger(monkeypatch).sqlite_path == tmp_path / "lab.db"
    monkeypatch.setattr(ContinuousLogger, "host", "assigned")
    assert target_of_logger(monkeypatch).hosts == (("assigned", 3306),)


def test_a_keyword_wins_over_an_assigned_class_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ContinuousLogger, "host", "assigned")
    monkeypatch.setattr(ContinuousLogger, "database", "our_data")
    target = target_of_logger(monkeypatch, host=["one", "two:5000"], port=4000, database="this_data")
    assert (target.hosts, target.database) == ((("one", 4000), ("two", 5000)), "this_data")


def test_a_subclass_may_carry_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    class OurLogger(ContinuousLogger):
        host = "of-the-subclass"

    monkeypatch.setattr(OurLogger, "_prepare", lambda *_: None)
    logger = OurLogger(TABLE, "dummy", "dummy", [CODENAME])
    logger.stop()
    assert logger._sink._target.hosts == (("of-the-subclass", 3306),)


def test_an_odbc_source_keeps_its_own_database(
    monkeypatch: pytest.MonkeyPatch, odbc_sources: OdbcSources, lab_database: LabDatabase
) -> None:
    dsn = odbc_sources.add(lab_database.host, lab_database.port, lab_database.name)
    assert target_of_logger(monkeypatch, dsn=dsn).database == ""
    assert target_of_logger(monkeypatch, dsn=dsn, database="this_data").database == "this_data"
    # Not configured here: the connection is direct, and needs to know.
    assert target_of_logger(monkeypatch, dsn="on-windows-only").database == "cinfdata"


# ---------------------------------------------------------------------------------------------------------- start-up


def test_unknown_codename_raises_at_once_and_names_the_command(new_logger: NewLogger, tables: dict[str, int]) -> None:
    with pytest.raises(StartupException) as caught:
        new_logger(measurement_codenames=[CODENAME, "not_there"], startup_timeout=ENOUGH_S)
    text = str(caught.value)
    assert "Measurement code name 'not_there' does not have exactly one entry in dateplots_descriptions" in text
    assert "pyexplabsys database codename add not_there" in text


def test_codename_with_two_entries_is_refused(new_logger: NewLogger, lab_database: LabDatabase) -> None:
    make_tables(lab_database, "old MyISAM")
    lab_database.sql("INSERT INTO dateplots_descriptions (id, codename) VALUES (2, %s)", (CODENAME,))
    with pytest.raises(StartupException, match="does not have exactly one entry in dateplots_descriptions"):
        new_logger()


def test_codename_is_no_sql(new_logger: NewLogger, tables: dict[str, int]) -> None:
    """Old: the codename was pasted into the statement, and this one was translated to id 1."""
    with pytest.raises(StartupException, match="does not have exactly one entry"):
        new_logger(measurement_codenames=["x' OR '1'='1' LIMIT 1 -- "])


def test_wrong_password_raises_at_once_and_shows_none(new_logger: NewLogger, tables: dict[str, int]) -> None:
    """Old: 17 attempts and 320 s for a wrong password."""
    began, wrong = time.monotonic(), "n0t-the-passw0rd"
    with pytest.raises(StartupException) as caught:
        new_logger(password=wrong, startup_timeout=300.0)
    assert time.monotonic() - began < 20.0
    assert "dummy" in str(caught.value)
    assert wrong not in "".join(traceback.format_exception(caught.value))


def test_absent_server_is_tried_until_the_timeout(caplog: pytest.LogCaptureFixture, new_logger: NewLogger) -> None:
    began = time.monotonic()
    with pytest.raises(StartupException, match="Could not connect to database"):
        new_logger(host=f"127.0.0.1:{free_port()}", startup_timeout=1.2, password="h1dden")
    assert time.monotonic() - began >= 1.2
    assert len([r for r in caplog.records if "trying for another" in r.getMessage()]) >= 2
    assert "h1dden" not in caplog.text


def test_odbc_failure_to_connect_is_a_startup_exception(new_logger: NewLogger, odbc_sources: OdbcSources) -> None:
    """Old: NameError, since the handler named the other driver."""
    dsn = odbc_sources.add("127.0.0.1", free_port(), "cinfdata", "dummy", "dummy")
    with pytest.raises(StartupException, match="Could not connect to database"):
        new_logger(dsn=dsn, startup_timeout=0.0)


@pytest.mark.server
def test_server_that_comes_up_during_startup(
    new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int], relay: Callable[[str, int], Relay]
) -> None:
    between = relay(lab_database.host, lab_database.port)
    between.cut()
    where = {"host": between.host, "port": between.port}
    with in_thread(lambda: new_logger(**where, startup_timeout=ENOUGH_S)) as making:
        wait_until(lambda: between.connections == 0 and making.running(), "the constructor is at it")
        between.mend()
        logger = making.result(ENOUGH_S)
    assert logger._codename_translation == tables


def test_missing_table_names_the_command(new_logger: NewLogger, tables: dict[str, int]) -> None:
    with pytest.raises(StartupException, match=r"dateplots_oven.*pyexplabsys database create --setup oven"):
        new_logger(table="dateplots_oven")


def test_account_without_the_right_to_write_is_one_clear_error(
    new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int]
) -> None:
    account = f"`reader`@`{lab_database.host}`"
    lab_database.sql(f"CREATE OR REPLACE USER {account} IDENTIFIED BY 'r'")
    lab_database.sql(f"GRANT SELECT ON `{lab_database.name}`.* TO {account}")
    with pytest.raises(StartupException, match="INSERT command denied to user 'reader'") as caught:
        new_logger(username="reader", password="r")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"measurement_codenames": CODENAME}, "measurement_codenames is a list"),
        ({"max_points": 0}, "leaves no room"),
        ({"table": "dateplots_dummy; DROP TABLE x"}, "invalid name"),
        ({"table": ""}, "invalid name"),
    ],
)
def test_bad_arguments_are_value_errors(
    new_logger: NewLogger, tables: dict[str, int], arguments: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        new_logger(**arguments)


def test_a_failed_start_leaves_no_connection(
    new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int]
) -> None:
    for arguments in ({"table": "dateplots_oven"}, {"measurement_codenames": ["not_there"]}, {"table": "?"}):
        with pytest.raises((StartupException, ValueError)):
            new_logger(**arguments)
    query = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = %s AND db = %s"
    wait_until(
        lambda: lab_database.sql(query, (lab_database.username, lab_database.name)) == [(0,)], "no connection is left"
    )


# --------------------------------------------------------------------------------------------------------- enqueueing


@pytest.mark.parametrize("point", [(), (1.0,), (1.0, 2.0, 3.0), "abc"])
def test_wrong_number_of_items(new_logger: NewLogger, tables: dict[str, int], point: Any) -> None:
    with pytest.raises(ValueError, match=r"^'point' must be a iterable with 2 values$"):
        new_logger().enqueue_point(CODENAME, point)


@pytest.mark.parametrize("point", [1.0, None])
def test_point_that_cannot_be_taken_apart(new_logger: NewLogger, tables: dict[str, int], point: Any) -> None:
    with pytest.raises(TypeError):
        new_logger().enqueue_point(CODENAME, point)


def test_unknown_codename_is_a_key_error_that_says_which_there_are(
    new_logger: NewLogger, tables: dict[str, int]
) -> None:
    logger = new_logger()
    for call in (
        lambda: logger.enqueue_point("other", (1.0, 2.0)),
        lambda: logger.enqueue_point_now("other", 2.0),
        lambda: logger.enqueue_points("other", [1.0], [2.0]),
    ):
        with pytest.raises(KeyError) as caught:
            call()
        assert caught.value.args == ("other",)
        assert CODENAME in str(caught.value)
    assert logger.data_queue.empty()


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (1, 1.0),
        (True, 1.0),
        (None, None),
        (math.nan, None),
        (-0.0, 0.0),
        ("2.5", 2.5),
        (" 1e-11 ", 1e-11),
        (Decimal("0.1"), 0.1),
        (np.float32(0.5), 0.5),
        (np.float64(0.1), 0.1),
        (np.int64(-7), -7.0),
        (2**70, float(2**70)),
        (1.7976931348623157e308, 1.7976931348623157e308),
        (0.1 + 0.2, 0.1 + 0.2),
    ],
    ids=repr,
)
def test_values_that_are_numbers_are_stored(
    new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int], value: Any, stored: float | None
) -> None:
    logger = new_logger()
    logger.start()
    now = logger.enqueue_point_now(CODENAME, value)
    logger.enqueue_point(CODENAME, [T0, value])
    logger.enqueue_point(CODENAME, iter((T0, value)))  # type: ignore[arg-type]  # any iterable always did
    assert logger.stop() == 0
    id_ = tables[CODENAME]
    expected = [(id_, as_kept("new", t), stored) for t in (now, T0, T0)]
    assert points_in(lab_database) == expected


@pytest.mark.parametrize("value", ["text", "1); DROP TABLE dateplots_dummy; --", "", [], 1j, 10**400, object])
def test_values_that_are_none_are_refused_where_they_are_added(
    new_logger: NewLogger, tables: dict[str, int], value: Any
) -> None:
    """Old: text was pasted into the statement as it was."""
    logger = new_logger()
    for call in (
        lambda: logger.enqueue_point_now(CODENAME, value),
        lambda: logger.enqueue_point(CODENAME, (T0, value)),
        lambda: logger.enqueue_points(CODENAME, [T0], [value]),
        lambda: logger.enqueue_point(CODENAME, (value, 1.0)),
    ):
        with pytest.raises(ValueError, match=f"{CODENAME}|one equal length"):
            call()
    assert logger.data_queue.qsize() == 0


def test_a_time_of_none_is_refused(new_logger: NewLogger, tables: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"the time of a point of {CODENAME} is not a number: None"):
        new_logger().enqueue_point(CODENAME, (None, 1.0))  # type: ignore[arg-type]


def test_times_in_other_types(new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int]) -> None:
    logger = new_logger()
    logger.start()
    times: list[Any] = [1_700_000_001, np.float64(1_700_000_002.5), "1700000003.25", Decimal("1700000004.125")]
    for t in times:
        logger.enqueue_point(CODENAME, (t, 1.0))
    assert logger.stop() == 0
    assert [t for _, t, _ in points_in(lab_database)] == [as_kept("new", float(t)) for t in times]


def test_enqueue_points_takes_arrays_and_lists(
    new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int]
) -> None:
    logger = new_logger()
    logger.enqueue_points(CODENAME, T0 + np.arange(10_000) / 64.0, np.arange(10_000, dtype=np.int32))
    logger.enqueue_points(CODENAME, [T0 + 1000.0, T0 + 1001.0], [math.nan, 2.0])
    logger.enqueue_points(CODENAME, [], [])
    logger.start()
    assert logger.stop() == 0
    id_ = tables[CODENAME]
    expected: list[Any] = [(id_, as_kept("new", T0 + i / 64.0), float(i)) for i in range(10_000)]
    expected += [(id_, as_kept("new", T0 + 1000.0), None), (id_, as_kept("new", T0 + 1001.0), 2.0)]
    assert points_in(lab_database) == expected


@pytest.mark.parametrize(("times", "values"), [([1.0], [1.0, 2.0]), (1.0, 2.0), ([[1.0]], [[1.0]]), ([1.0], [])])
def test_enqueue_points_refuses_unequal_rows(
    new_logger: NewLogger, tables: dict[str, int], times: Any, values: Any
) -> None:
    logger = new_logger()
    with pytest.raises(ValueError, match="one equal length"):
        logger.enqueue_points(CODENAME, times, values)
    assert logger.data_queue.empty()


def test_points_added_before_start_wait_and_are_delivered(
    new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int]
) -> None:
    logger = new_logger()
    logger.enqueue_point(CODENAME, (T0, 1.0))
    assert points_in(lab_database) == []
    logger.start()
    assert logger.flush(ENOUGH_S)
    assert points_in(lab_database) == [(tables[CODENAME], as_kept("new", T0), 1.0)]


def test_the_stamp_that_is_returned_is_the_one_that_is_stored(
    new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int]
) -> None:
    logger = new_logger()
    before = time.time()
    stamps = [logger.enqueue_point_now(CODENAME, float(i)) for i in range(100)]
    assert all(type(stamp) is float for stamp in stamps)
    assert before <= stamps[0] <= stamps[-1] <= time.time()
    logger.start()
    logger.stop()
    assert [t for _, t, _ in points_in(lab_database)] == [as_kept("new", stamp) for stamp in stamps]


def test_stamps_near_our_clock_are_ours_and_others_are_not(
    new_logger: NewLogger, tables: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loggers, "wall_clock", lambda: T0)
    logger = new_logger()
    logger.enqueue_point_now(CODENAME, 0.0)
    offsets = (0.0, 0.9, -0.9, 1.1, -1.1, 3600.0)
    for offset in offsets:
        logger.enqueue_point(CODENAME, (T0 + offset, 0.0))
        logger.enqueue_point(CODENAME, (T0 + offset, None))  # type: ignore[arg-type]  # the way of odd points
    logger.enqueue_points(CODENAME, T0 + np.array(offsets), np.zeros(len(offsets)))
    ours = [FLAG_STAMPED_BY_US * (abs(offset) < 1.0) for offset in offsets]
    assert head_flags(logger) == [FLAG_STAMPED_BY_US, *(flag for flag in ours for _ in range(2)), *ours]


# ------------------------------------------------------------------------------------- attributes that scripts look at


def test_attributes_of_old(new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int]) -> None:
    logger = new_logger()
    assert logger.daemon
    account = {"table": TABLE, "username": lab_database.username, "password": lab_database.password, "dsn": None}
    assert logger.mysql == account
    assert logger._codename_translation == tables
    logger._cursor.execute("SELECT 1")
    assert logger._cursor.connection is logger._connection
    logger.stop()
    assert logger._connection is None
    assert logger._cursor is None


def test_data_queue_is_only_to_be_looked_at(new_logger: NewLogger, tables: dict[str, int]) -> None:
    logger = new_logger()
    assert logger.data_queue.empty()
    logger.enqueue_point(CODENAME, (T0, 1.0))
    assert (logger.data_queue.qsize(), logger.data_queue.empty()) == (1, False)
    with pytest.raises(TypeError, match="enqueue_point"):
        logger.data_queue.put("INSERT ...")
    assert logger.data_queue.qsize() == 1
    assert {"qsize", "empty", "put"} <= set(dir(queue.Queue))


def test_the_password_is_nowhere_to_be_seen(
    new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    account = f"`secretive`@`{lab_database.host}`"
    lab_database.sql(f"CREATE OR REPLACE USER {account} IDENTIFIED BY 's3cr3t-s3cr3t'")
    lab_database.sql(f"GRANT ALL ON `{lab_database.name}`.* TO {account}")
    logger = new_logger(username="secretive", password="s3cr3t-s3cr3t")
    logger.start()
    logger.enqueue_point_now(CODENAME, 1.0)
    assert logger.flush(ENOUGH_S)
    lab_database.sql("KILL USER " + account)
    logger.enqueue_point_now(CODENAME, 2.0)
    assert logger.flush(ENOUGH_S)
    shown = [repr(logger), str(logger), repr(vars(logger)), repr(vars(logger._sink)), repr(logger.status())]
    shown += [repr(logger.mysql), str(logger.mysql), caplog.text]
    assert logger.stop() == 0
    lab_database.sql("DROP USER " + account)
    assert not [text for text in shown if "s3cr3t" in text]
    assert len(points_in(lab_database)) == 2


def test_status_tells_how_delivery_stands(
    new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int]
) -> None:
    further = HeldSink()
    logger = new_logger(forward_to=[further])
    name = f"mysql://{lab_database.host}:{lab_database.port}/{lab_database.name}/{TABLE}"
    assert list(logger.status()) == [name, "held"]
    assert logger.status()[name].connected is None
    logger.enqueue_point(CODENAME, (T0, 1.0))
    logger.start()
    wait_until(lambda: logger.status()[name].delivered == 1, "the database has it")
    assert further.entered.wait(ENOUGH_S)
    status = logger.status()
    assert (status[name].queued, status[name].connected, status[name].oldest_undelivered) == (0, True, None)
    assert (status["held"].queued, status["held"].delivered) == (1, 0)
    assert status["held"].store_seconds > 0.0
    further.released.set()
    assert logger.flush(ENOUGH_S)
    assert further.taken == [1.0]


# ----------------------------------------------------------------------------------------------------- flush and stop


def test_flush_does_not_wait_for_the_batch_to_be_due(
    new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int]
) -> None:
    logger = new_logger(store_within=3600.0)
    logger.start()
    logger.enqueue_point(CODENAME, (T0, 1.0))
    assert logger.flush(ENOUGH_S)
    assert len(points_in(lab_database)) == 1


def test_flush_that_cannot_says_so(new_logger: NewLogger, tables: dict[str, int]) -> None:
    further = HeldSink()
    logger = new_logger(forward_to=[further])
    assert logger.flush()  # nothing to deliver, and nobody to do it
    logger.enqueue_point(CODENAME, (T0, 1.0))
    assert not logger.flush()  # never started
    logger.start()
    assert not logger.flush(SHORT_S)  # the further sink holds it
    further.released.set()
    assert logger.flush(ENOUGH_S)


def test_join_and_is_alive_of_a_finished_logger(new_logger: NewLogger, tables: dict[str, int]) -> None:
    """Old: TypeError: 'bool' object is not callable."""
    logger = new_logger()
    logger.start()
    assert logger.is_alive()
    logger.stop()
    logger.join(ENOUGH_S)
    assert not logger.is_alive()


def test_an_idle_thread_ends_within_the_dequeue_timeout(new_logger: NewLogger, tables: dict[str, int]) -> None:
    logger = new_logger(dequeue_timeout=2.0, store_within=3600.0)
    logger.start()
    began = time.monotonic()
    logger.stop()
    logger.join(ENOUGH_S)
    assert time.monotonic() - began < 2.0


def test_stop_delivers_all_that_is_queued(
    new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int]
) -> None:
    """Old: of 20000 queued points 18 were written."""
    logger = new_logger(dequeue_timeout=0.1)
    for i in range(20_000):
        logger.enqueue_point(CODENAME, (T0 + i, float(i)))
    logger.start()
    assert logger.stop() == 0  # also at once after start()
    assert [value for _, _, value in points_in(lab_database)] == [float(i) for i in range(20_000)]
    assert lab_database.sql("SELECT COUNT(*) FROM logger_progress") == [(0,)]


def test_stop_says_how_many_points_are_left(
    new_logger: NewLogger, tables: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    further = HeldSink()
    logger = new_logger(forward_to=[further], dequeue_timeout=0.1)
    logger.start()
    logger.enqueue_point(CODENAME, (T0, 1.0))
    assert further.entered.wait(ENOUGH_S)
    logger.enqueue_point(CODENAME, (T0, 2.0))
    logger.enqueue_point(CODENAME, (T0, 3.0))
    further.interrupt = lambda: None  # type: ignore[method-assign]
    with in_thread(lambda: further.released.wait(ENOUGH_S)):
        left = logger.stop(timeout=0.2)
        assert (left, logger.stop()) == (3, 3)
        further.released.set()
    assert "3 points did not reach held" in caplog.text


def test_stop_before_start(new_logger: NewLogger, tables: dict[str, int], caplog: pytest.LogCaptureFixture) -> None:
    logger = new_logger()
    logger.enqueue_point(CODENAME, (T0, 1.0))
    assert logger.stop() == 1
    assert "start() was never called" in caplog.text
    assert logger._connection is None


def test_stop_twice_and_from_two_threads(new_logger: NewLogger, tables: dict[str, int]) -> None:
    logger = new_logger()
    logger.start()
    logger.enqueue_point(CODENAME, (T0, 1.0))
    with in_thread(logger.stop) as other:
        logger.stop()
        other.result(ENOUGH_S)
    assert logger.stop() == 0


def test_points_added_after_stop_are_counted_and_logged(
    new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    logger = new_logger()
    logger.start()
    logger.stop()
    assert isinstance(logger.enqueue_point_now(CODENAME, 1.0), float)
    logger.enqueue_point(CODENAME, (T0, 1.0))
    logger.enqueue_points(CODENAME, [T0, T0], [1.0, 2.0])
    assert next(iter(logger.status().values())).refused == 4
    assert caplog.text.count("after stop(): they are lost") == 1  # once, not for each
    assert points_in(lab_database) == []


def test_points_over_the_bound_are_counted_and_logged_once(
    new_logger: NewLogger, tables: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    logger = new_logger(max_points=100)
    for i in range(150):
        logger.enqueue_point(CODENAME, (T0 + i, float(i)))
    (status,) = logger.status().values()
    assert (status.queued, status.refused) == (100, 50)
    assert caplog.text.count("is full") == 1


def test_a_logger_that_was_thrown_away_is_gone(
    new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int]
) -> None:
    host = f"{lab_database.host}:{lab_database.port}"
    logger = ContinuousLogger(TABLE, "dummy", "dummy", [CODENAME], host=host, database=lab_database.name)
    logger.enqueue_point(CODENAME, (T0, 1.0))
    seen = weakref.ref(logger)
    del logger
    gc.collect()
    assert seen() is None
    query = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = %s AND id <> CONNECTION_ID()"
    wait_until(lambda: lab_database.sql(query, (lab_database.name,)) == [(0,)], "its connection is closed")


# -------------------------------------------------------------------------------------- faults of old, in each layout


@pytest.mark.parametrize("layout", LAYOUTS)
def test_points_are_committed_in_each_engine(new_logger: NewLogger, lab_database: LabDatabase, layout: str) -> None:
    """Old: no commit was ever issued, and an InnoDB table lost all points."""
    ids = make_tables(lab_database, layout)
    logger = new_logger()
    logger.start()
    for i in range(10):
        logger.enqueue_point(CODENAME, (T0 + i, i / 3))
    assert logger.flush(ENOUGH_S)
    # Another connection sees them while the logger still runs: committed, not merely inserted.
    assert points_in(lab_database) == [(ids[CODENAME], as_kept(layout, T0 + i), i / 3) for i in range(10)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_table_locked_beyond_the_timeout_gets_each_point_once(
    new_logger: NewLogger, lab_database: LabDatabase, layout: str
) -> None:
    """Old: 3 rows for 1 point, since a statement that had timed out was carried out later all the same."""
    ids = make_tables(lab_database, layout)
    Settings().sql_statement_timeout = 1.0
    logger = new_logger(reconnect_waittime=0.2)
    logger.start()
    logger.enqueue_point(CODENAME, (T0 - 1.0, -1.0))
    assert logger.flush(ENOUGH_S)
    with lab_database.server._connect(lab_database.name) as locker, locker.cursor() as cursor:
        cursor.execute(f"LOCK TABLES {TABLE} READ")  # so that the INSERT waits, not the look at what is there
        logger.enqueue_point(CODENAME, (T0, 1.0))
        wait_until_running(lab_database, f"INSERT INTO `{TABLE}`")
        wait_until(lambda: not _status(logger).connected, "the first attempt has failed")
        for i in range(1, 20):
            logger.enqueue_point(CODENAME, (T0 + i, 1.0 + i))  # returns, whoever holds the table
        threading.Event().wait(2.5)  # further attempts run into the lock
        cursor.execute("UNLOCK TABLES")
    assert logger.flush(ENOUGH_S)
    assert logger.stop() == 0
    expected = [(ids[CODENAME], as_kept(layout, T0 + i), 1.0 + i) for i in range(-1, 20) if i != -1]
    assert points_in(lab_database) == [(ids[CODENAME], as_kept(layout, T0 - 1.0), -1.0), *expected]


def _status(logger: ContinuousLogger) -> Any:
    return next(iter(logger.status().values()))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nan_is_null_and_infinity_is_set_aside_and_neither_holds_up_the_others(
    new_logger: NewLogger, lab_database: LabDatabase, layout: str
) -> None:
    """Old: a NaN was never accepted and came again for ever, each time with a reconnection and a minute's wait."""
    ids = make_tables(lab_database, layout)
    logger = new_logger()
    logger.start()
    values = [1.0, math.nan, 2.0, math.inf, 3.0, -math.inf, 4.0]
    for i, value in enumerate(values):
        logger.enqueue_point(CODENAME, (T0 + i, value))
    logger.enqueue_point(CODENAME, (math.nan, 5.0))
    logger.enqueue_point(CODENAME, (-1.0, 6.0))
    assert logger.flush(ENOUGH_S)
    status = _status(logger)
    kept = [(T0, 1.0), (T0 + 1, None), (T0 + 2, 2.0), (T0 + 4, 3.0), (T0 + 6, 4.0)]
    assert points_in(lab_database) == [(ids[CODENAME], as_kept(layout, t), value) for t, value in kept]
    assert (status.rejected, status.queued, status.last_error) == (4, 0, None)
    set_aside = list(read_set_aside(Path(status.set_aside)))
    assert [point.value for point in set_aside] == [math.inf, -math.inf, 5.0, 6.0]
    assert [point.time for point in set_aside[:2]] == [T0 + 3, T0 + 5]


def test_a_bug_while_reconnecting_does_not_end_the_thread(
    new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old: any exception but one ended the worker, and enqueue_point went on accepting."""
    logger = new_logger(reconnect_waittime=0.1)
    logger.start()
    real, calls = opening.connect, []

    def broken(target: DatabaseTarget) -> Any:
        calls.append(target)
        if len(calls) < 3:
            raise RuntimeError("a fault in the program")
        return real(target)

    monkeypatch.setattr(opening, "connect", broken)
    lab_database.server.sql(f"KILL USER `{lab_database.username}`@`{lab_database.host}`")
    logger.enqueue_point(CODENAME, (T0, 1.0))
    assert logger.flush(ENOUGH_S)
    assert len(calls) == 3
    assert logger.is_alive()
    assert [value for _, _, value in points_in(lab_database)] == [1.0]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_cut_network_loses_and_repeats_nothing(
    new_logger: NewLogger, lab_database: LabDatabase, relay: Callable[[str, int], Relay], layout: str
) -> None:
    make_tables(lab_database, layout)
    between = relay(lab_database.host, lab_database.port)
    logger = new_logger(host=between.host, port=between.port, reconnect_waittime=0.3)
    logger.start()
    for i in range(300):
        logger.enqueue_point(CODENAME, (T0 + i, float(i)))
        if i == 100:
            assert logger.flush(ENOUGH_S)
            between.cut()
        if i == 200:
            wait_until(lambda: _status(logger).connected is False, "the outage is seen")
            between.mend()
    assert logger.flush(ENOUGH_S)
    assert [value for _, _, value in points_in(lab_database)] == [float(i) for i in range(300)]


def test_reconnection_does_not_cost_a_reconnect_waittime(
    new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int]
) -> None:
    """Old: the pause of 60 s came also after a connection that worked."""
    logger = new_logger(reconnect_waittime=3600)
    logger.start()
    for i in range(3):
        lab_database.server.sql(f"KILL USER `{lab_database.username}`@`{lab_database.host}`")
        logger.enqueue_point(CODENAME, (T0 + i, float(i)))
        assert logger.flush(ENOUGH_S)
    assert [value for _, _, value in points_in(lab_database)] == [0.0, 1.0, 2.0]


def test_a_dead_destination_does_not_hold_up_the_database(
    new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int]
) -> None:
    further = HeldSink()
    logger = new_logger(forward_to=[further], max_points=1000)
    logger.start()
    logger.enqueue_point(CODENAME, (T0, 0.0))
    assert further.entered.wait(ENOUGH_S)
    for i in range(1, 5000):
        logger.enqueue_point(CODENAME, (T0 + i, float(i)))
        if i % 500 == 0:
            wait_until(lambda: _status(logger).queued == 0, "the database takes them while the other is held")
    wait_until(lambda: _status(logger).queued == 0, "the database has taken all")
    assert [value for _, _, value in points_in(lab_database)] == [float(i) for i in range(5000)]
    assert logger.status()["held"].refused > 0  # only its own
    assert _status(logger).refused == 0
    further.released.set()


@pytest.mark.server
def test_a_server_that_is_gone_at_the_end_is_waited_for_only_so_long(
    start_mariadb: Callable[..., MariaDB], caplog: pytest.LogCaptureFixture
) -> None:
    from tests.servers.lab import create_lab_database

    server = start_mariadb()
    lab = create_lab_database(server)
    make_tables(lab, "new")
    Settings().sql_statement_timeout = 1.0
    where: dict[str, Any] = {"host": lab.host, "port": lab.port, "database": lab.name}
    logger = ContinuousLogger(TABLE, lab.username, lab.password, [CODENAME], dequeue_timeout=0.2, **where)
    logger.start()
    server.pause()
    for i in range(7):
        logger.enqueue_point(CODENAME, (T0 + i, float(i)))
    assert logger.stop() == 7
    logger.join(ENOUGH_S)
    assert re.search(r"7 points did not reach mysql://\S+ and are lost: ", caplog.text)
    server.resume()
    assert points_in(lab) == []
