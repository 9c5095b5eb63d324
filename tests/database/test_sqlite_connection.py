"""The embedded database."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.sqlite import SQLiteConnection
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.errors import DatabaseMisconfigured, DatabaseUnavailable, RowsRejected
from tests.database.waiting import in_thread, wait_until

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "points.db"


@pytest.fixture
def connection(path: Path) -> Iterator[SQLiteConnection]:
    with SQLiteConnection(path, 10.0) as connection:
        connection.execute("CREATE TABLE numbers (id INTEGER PRIMARY KEY AUTOINCREMENT, v REAL NOT NULL)")
        connection.commit()
        yield connection


def test_the_target_s_file_is_opened(path: Path) -> None:
    with connect(DatabaseTarget(sqlite_path=path)) as connection:
        assert connection.dialect == "sqlite"
        assert connection.server == f"sqlite:///{path}"
        assert connection.query("SELECT 1, '?'") == [(1, "?")]


def test_commits_survive_power_loss_and_readers_are_not_in_the_way(connection: SQLiteConnection) -> None:
    assert connection.query("PRAGMA journal_mode") == [("wal",)]
    assert connection.query("PRAGMA synchronous") == [(2,)]  # FULL


def test_nothing_is_stored_before_commit(path: Path, connection: SQLiteConnection) -> None:
    assert connection.execute("INSERT INTO numbers (v) VALUES (?), (?)", (1.5, np.int64(2))) == 2
    with SQLiteConnection(path) as other:
        assert other.query("SELECT v FROM numbers") == []
        connection.commit()
        assert other.query("SELECT v FROM numbers") == [(1.5,), (2.0,)]
    connection.execute("DELETE FROM numbers")
    connection.rollback()
    assert connection.query("SELECT COUNT(*) FROM numbers") == [(2,)]


def test_a_table_is_created_in_the_transaction_too(connection: SQLiteConnection) -> None:
    connection.execute("CREATE TABLE other (v REAL)")
    connection.rollback()
    with pytest.raises(DatabaseMisconfigured, match="no such table"):
        connection.query("SELECT * FROM other")


def test_commit_and_rollback_without_a_transaction_do_nothing(connection: SQLiteConnection) -> None:
    connection.rollback()
    connection.commit()


def test_an_update_counts_what_it_matched(connection: SQLiteConnection) -> None:
    connection.executemany("INSERT INTO numbers (v) VALUES (?)", [(1,), (np.float64(2),)])
    assert connection.execute("UPDATE numbers SET v = 1 WHERE v = ?", (1,)) == 1
    assert connection.execute("UPDATE numbers SET v = 1 WHERE v = ?", (9,)) == 0


def test_what_is_not_committed_is_lost_with_its_process(path: Path, connection: SQLiteConnection) -> None:
    script = (
        "import os, pathlib, sys\n"
        "from PyExpLabSys.database.sqlite import SQLiteConnection\n"
        "connection = SQLiteConnection(pathlib.Path(sys.argv[1]))\n"
        "connection.execute('INSERT INTO numbers (v) VALUES (1)')\n"
        "connection.commit()\n"
        "connection.execute('INSERT INTO numbers (v) VALUES (2)')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, path], check=False, timeout=60).returncode == -9
    assert connection.query("SELECT v FROM numbers") == [(1.0,)]


def test_another_writer_is_waited_for(path: Path, connection: SQLiteConnection) -> None:
    connection.execute("INSERT INTO numbers (v) VALUES (1)")
    with SQLiteConnection(path, 30.0) as other, in_thread(other.execute, "INSERT INTO numbers (v) VALUES (2)") as call:
        wait_until(call.running, "the other writer")
        connection.commit()
        assert call.result(30) == 1
        other.commit()
    assert connection.query("SELECT v FROM numbers") == [(1.0,), (2.0,)]


def test_another_writer_is_waited_for_no_longer_than_the_time_out(path: Path, connection: SQLiteConnection) -> None:
    connection.execute("INSERT INTO numbers (v) VALUES (1)")
    with SQLiteConnection(path, 0.2) as other:
        with pytest.raises(DatabaseUnavailable) as caught:
            other.execute("INSERT INTO numbers (v) VALUES (2)")
        assert caught.value.code == sqlite3.SQLITE_BUSY
        connection.commit()
        assert other.execute("INSERT INTO numbers (v) VALUES (2)") == 1


def test_a_row_that_the_table_refuses(connection: SQLiteConnection) -> None:
    # SQLite has no NaN: it binds NULL.
    with pytest.raises(RowsRejected) as caught:
        connection.execute("INSERT INTO numbers (v) VALUES (?)", (float("nan"),))
    assert caught.value.code == sqlite3.SQLITE_CONSTRAINT_NOTNULL
    connection.rollback()
    assert connection.execute("INSERT INTO numbers (v) VALUES (1)") == 1


def test_a_long_answer_comes_in_chunks_and_may_be_left_early(connection: SQLiteConnection) -> None:
    connection.executemany("INSERT INTO numbers (v) VALUES (?)", [(index,) for index in range(25)])
    chunks = list(connection.stream("SELECT v FROM numbers WHERE v >= ?", (5,), chunk_rows=8))
    assert [len(chunk) for chunk in chunks] == [8, 8, 4]
    stream = connection.stream("SELECT v FROM numbers", chunk_rows=8)
    next(stream)
    with pytest.raises(RuntimeError, match="not finished"):
        connection.query("SELECT 1")
    stream.close()  # type: ignore[attr-defined]
    assert connection.query("SELECT COUNT(*) FROM numbers") == [(25,)]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseMisconfigured, match=f"there is no folder {tmp_path / 'nothing'}"):
        SQLiteConnection(tmp_path / "nothing" / "points.db")


def test_a_file_that_is_no_database_is_named(path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(DatabaseMisconfigured, match=f"{path}.*SQLITE_NOTADB"):
        SQLiteConnection(path)


def test_abandon_interrupts_a_statement_in_another_thread(connection: SQLiteConnection) -> None:
    with in_thread(connection.query, ENDLESS) as hanging:
        wait_until(connection._guard._inside.locked, "the statement")
        connection.abandon()
        with pytest.raises(DatabaseUnavailable, match="it was closed during a statement"):
            hanging.result(30)
    with pytest.raises(DatabaseUnavailable, match="cannot be used any more"):
        connection.query("SELECT 1")


def test_what_was_abandoned_is_not_stored(path: Path, connection: SQLiteConnection) -> None:
    connection.execute("INSERT INTO numbers (v) VALUES (1)")
    connection.abandon()
    connection.close()
    with SQLiteConnection(path) as other:
        assert other.query("SELECT COUNT(*) FROM numbers") == [(0,)]


def test_it_may_be_used_by_another_thread_later(connection: SQLiteConnection) -> None:
    with in_thread(connection.execute, "INSERT INTO numbers (v) VALUES (1)") as call:
        assert call.result(30) == 1
    connection.commit()
    assert connection.query("SELECT v FROM numbers") == [(1.0,)]
