"""ContinuousLogger: its end, and the faults of old that it must not have any more."""

import gc
import math
import re
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from PyExpLabSys.common.loggers import ContinuousLogger
from PyExpLabSys.common.set_aside import read_set_aside
from PyExpLabSys.database import opening
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.errors import TryAgainLater
from PyExpLabSys.settings import Settings
from tests.common.held_sink import ENOUGH_S, T0, HeldSink, NewLogger
from tests.common.lab_tables import CODENAME, LAYOUTS, TABLE, as_kept, make_tables, points_in
from tests.database.waiting import in_thread, wait_until, wait_until_running
from tests.servers.lab import LabDatabase
from tests.servers.mariadb import MariaDB
from tests.servers.relay import Relay

SHORT_S = 0.05

# ------------------------------------------------------------------------------------------------------- flush and stop


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


def test_flush_comes_back_when_the_logger_gives_up(new_logger: NewLogger, tables: dict[str, int]) -> None:
    further = HeldSink()
    further.store = lambda _batch: _fail()  # type: ignore[method-assign, assignment]
    logger = new_logger(forward_to=[further], dequeue_timeout=0.1)
    logger.start()
    logger.enqueue_point(CODENAME, (T0, 1.0))
    with in_thread(logger.flush) as flushing:
        wait_until(lambda: logger.status()["held"].last_error, "the further sink has failed")
        assert logger.stop(timeout=0.2) == 1
        assert flushing.result(ENOUGH_S) is False


def _fail() -> NoReturn:
    raise TryAgainLater("not now")


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


# ---------------------------------------------------------------------------------------- faults of old, in each layout


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
