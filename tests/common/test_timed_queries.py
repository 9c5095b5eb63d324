"""Queries with a time-out: what scripts import from ``loggers`` for connections of their own."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pymysql
import pyodbc
import pytest

from PyExpLabSys.common.loggers import NONE_RESPONSE, InterruptableThread, NoneResponse, timeout_query
from tests.database.waiting import wait_until
from tests.servers.lab import LabDatabase

DRIVERS = {"pymysql": pymysql, "pyodbc": pyodbc, "sqlite3": sqlite3}
LONG_S = 20
SHORT_S = 0.3
ENDLESS_SQLITE = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n"

Connect = Callable[[], Any]


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def connect(driver: str, lab_database: LabDatabase, request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Open connections as a script would, with the driver itself."""
    lab, opened = lab_database, []
    # Asked for first: it is for the whole process that the sources are there.
    dsn = request.getfixturevalue("odbc_dsn") if driver == "pyodbc" else ""

    def new() -> Any:
        if driver == "sqlite3":
            connection: Any = sqlite3.connect(":memory:", check_same_thread=False)
        elif driver == "pyodbc":
            connection = pyodbc.connect(f"DSN={dsn}", autocommit=True)
        else:
            account: dict[str, Any] = {"user": lab.username, "password": lab.password, "database": lab.name}
            connection = pymysql.connect(host=lab.host, port=lab.port, autocommit=True, **account)
        opened.append(connection)
        return connection

    yield new
    for connection in opened:
        with suppress(Exception):  # closed already, as some tests want it
            connection.close()


def long_query(driver: str) -> str:
    return ENDLESS_SQLITE if driver == "sqlite3" else f"SELECT SLEEP({LONG_S})"


def query_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if isinstance(thread, InterruptableThread)]


def test_rows_are_a_tuple_of_tuples(connect: Connect) -> None:
    rows = timeout_query(connect().cursor(), "SELECT 1, 'a' UNION ALL SELECT 2, NULL")
    assert rows == ((1, "a"), (2, None))
    assert isinstance(rows, tuple)
    assert all(type(row) is tuple for row in rows)


def test_statements_without_rows_give_an_empty_tuple(connect: Connect) -> None:
    cursor = connect().cursor()
    assert timeout_query(cursor, "CREATE TABLE things (x int)") == ()
    assert timeout_query(cursor, "INSERT INTO things VALUES (1), (2)") == ()
    assert timeout_query(cursor, "SELECT x FROM things WHERE x = 3") == ()
    assert timeout_query(cursor, "SELECT x FROM things ORDER BY x") == ((1,), (2,))


def test_a_dictionary_cursor_gives_dictionaries(lab_database: LabDatabase) -> None:
    account: dict[str, Any] = {"user": lab_database.username, "password": lab_database.password}
    with pymysql.connect(host=lab_database.host, port=lab_database.port, **account) as connection:
        cursor = connection.cursor(pymysql.cursors.DictCursor)
        assert timeout_query(cursor, "SELECT 1 AS one") == ({"one": 1},)


def test_an_sql_error_is_raised_as_the_drivers_own(connect: Connect, driver: str) -> None:
    """Old: an error gave NONE_RESPONSE, and was taken for a time-out."""
    cursor = connect().cursor()
    with pytest.raises(DRIVERS[driver].Error) as caught:
        timeout_query(cursor, "SELECT * FROM not_there")
    assert "not_there" in str(caught.value)
    assert timeout_query(cursor, "SELECT 1") == ((1,),)  # the connection is as good as before


def test_a_timeout_gives_none_response_and_closes_the_connection(connect: Connect, driver: str) -> None:
    connection, other = connect(), connect()
    cursor = connection.cursor()
    began = time.monotonic()
    assert timeout_query(cursor, long_query(driver), SHORT_S) is NONE_RESPONSE
    assert SHORT_S <= time.monotonic() - began < LONG_S / 2
    wait_until(lambda: not query_threads(), "the abandoned query's thread has ended")
    assert time.monotonic() - began < LONG_S / 2
    with pytest.raises(DRIVERS[driver].Error):
        timeout_query(cursor, "SELECT 1")
    with pytest.raises(DRIVERS[driver].Error):
        connection.cursor().execute("SELECT 1")
    assert timeout_query(other.cursor(), "SELECT 1") == ((1,),)


@pytest.mark.parametrize("driver", ["pymysql", "pyodbc"])
def test_the_late_end_of_an_abandoned_query_never_shows_up(connect: Connect, lab_database: LabDatabase) -> None:
    lab_database.sql("CREATE TABLE things (x int) ENGINE=InnoDB")
    connection = connect()
    with lab_database.server._connect(lab_database.name) as locker, locker.cursor() as lock:
        lock.execute("LOCK TABLES things WRITE")
        thread = InterruptableThread(connection.cursor(), "SELECT COUNT(*) FROM things")
        thread.start()
        thread.join(SHORT_S)
        assert thread.is_alive()
        assert thread.give_up()
        lock.execute("UNLOCK TABLES")
    thread.join(LONG_S)
    assert not thread.is_alive()
    assert (thread.result, thread.error) == (NONE_RESPONSE, None)


def test_an_answer_that_came_before_giving_up_counts(connect: Connect) -> None:
    connection = connect()
    thread = InterruptableThread(connection.cursor(), "SELECT 1")
    thread.start()
    thread.join()
    assert not thread.give_up()
    assert thread.result == ((1,),)
    assert timeout_query(connection.cursor(), "SELECT 2") == ((2,),)


def test_arguments_by_name(connect: Connect) -> None:
    cursor = connect().cursor()
    assert timeout_query(cursor=cursor, query="SELECT 1", timeout_duration=3) == ((1,),)
    thread = InterruptableThread(cursor=cursor, query="SELECT 2")
    assert thread.daemon
    assert (thread.cursor, thread.query) == (cursor, "SELECT 2")
    results: list[object] = [thread.result]
    thread.run()  # as documented: start() or run()
    assert [*results, thread.result] == [NONE_RESPONSE, ((2,),)]


def test_none_response_is_one_instance_of_its_class() -> None:
    assert isinstance(NONE_RESPONSE, NoneResponse)
    assert NONE_RESPONSE is not NoneResponse()
    assert repr(NONE_RESPONSE) == "NONE_RESPONSE"
