"""ContinuousLogger: its published names, which server it takes, how it starts, what scripts look at."""

import inspect
import logging
import queue
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from PyExpLabSys.common import loggers
from PyExpLabSys.common.loggers import NONE_RESPONSE, ContinuousLogger, NoneResponse, StartupException
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.errors import PyExpLabSysError
from PyExpLabSys.settings import Settings
from tests.common.held_sink import ENOUGH_S, T0, HeldSink, NewLogger
from tests.common.lab_tables import CODENAME, TABLE, make_tables, points_in
from tests.database.waiting import in_thread, wait_until
from tests.servers.lab import LabDatabase
from tests.servers.odbc import OdbcSources
from tests.servers.ports import free_port
from tests.servers.relay import Relay

# ------------------------------------------------------------------------------------------------- names and signatures


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


# --------------------------------------------------------------------------------------------------------- which server


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


# ------------------------------------------------------------------------------------------------------------- start-up


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


def test_bad_arguments_are_value_errors(new_logger: NewLogger, tables: dict[str, int]) -> None:
    for arguments, complaint in (
        ({"measurement_codenames": CODENAME}, "measurement_codenames is a list"),
        ({"max_points": 0}, "leaves no room"),
        ({"table": "dateplots_dummy; DROP TABLE x"}, "invalid name"),
        ({"table": ""}, "invalid name"),
    ):
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


# -------------------------------------------------------------------------------------- attributes that scripts look at


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
