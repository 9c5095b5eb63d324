"""Both ways of writing: after an unknown outcome, rows that come again are stored once, in whatever portions."""

import itertools
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from PyExpLabSys.common.receipts import ComparingWriting, LedgerWriting, Writing
from PyExpLabSys.database import schema
from PyExpLabSys.database.connection import Connection
from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.schema import LEDGER, TableLayout, describe
from PyExpLabSys.database.server_connection import ServerConnection
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.database.times import floor_to_digits, to_microseconds
from PyExpLabSys.database.writing import Rows
from PyExpLabSys.errors import DatabaseUnavailable
from tests.common.lab_tables import LAYOUTS, TABLE, make_tables, points_in, points_through, target_of
from tests.database.waiting import in_thread, wait_until, wait_until_running
from tests.servers.lab import LabDatabase

T0 = 1_700_000_000.75
ID = "the-logger"


def rows_of(layout: TableLayout, first: int, last: int) -> Rows:
    """Return rows whose values are their sequence numbers; every fourth is NULL."""
    numbers = np.arange(first, last + 1)
    microseconds = [floor_to_digits(to_microseconds(T0 + n / 8.0), layout.time_digits) for n in numbers.tolist()]
    return Rows(
        first_sequence=first,
        last_sequence=last,
        sequences=numbers,
        types=np.ones(len(numbers), np.int64),
        microseconds=np.array(microseconds, np.int64),
        values=np.where(numbers % 4 == 0, np.nan, numbers.astype(np.float64)),
    )


def values_of(first: int, last: int) -> list[float | None]:
    return [None if n % 4 == 0 else float(n) for n in range(first, last + 1)]


def losing(connection: Connection, lost: str, number: int = 1) -> Connection:
    """Let the answer to a chosen call on a connection be lost: it is carried out, but nobody hears of it.

    Args:
        connection: The connection.
        lost: ``commit``, or the beginning of a statement.
        number: The how manieth such call it is.
    """
    left = itertools.count(number - 1, -1)
    original = {name: getattr(connection, name) for name in ("execute", "executemany", "commit")}

    def replaced(name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            answer = original[name](*arguments)
            if (arguments[0] if arguments else name).startswith(lost) and next(left) == 0:
                connection.abandon()
                raise DatabaseUnavailable("the answer was lost")
            return answer

        return call

    for name in original:
        setattr(connection, name, replaced(name))
    return connection


@pytest.fixture(params=[*LAYOUTS, "SQLite"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseTarget:
    if request.param == "SQLite":
        sqlite = DatabaseTarget(sqlite_path=tmp_path / "lab.db")
        with connect(sqlite) as connection:
            schema.create_tables(connection, "dummy")
        return sqlite
    lab = request.getfixturevalue("lab_database")
    make_tables(lab, request.param)
    return target_of(lab, statement_timeout_s=3.0)


@pytest.fixture
def opened(target: DatabaseTarget) -> Iterator[Callable[[], Connection]]:
    """Open connections, closed after the test."""
    made: list[Connection] = []

    def new() -> Connection:
        made.append(connect(target))
        schema.create_ledger(made[-1])
        return made[-1]

    yield new
    for connection in made:
        connection.close()


def writings(layout: TableLayout) -> list[Writing]:
    """Return the ways of writing that a table allows."""
    return [ComparingWriting(), *([LedgerWriting(ID, "somewhere")] if layout.transactional else [])]


def stored(connection: Connection) -> list[float | None]:
    connection.rollback()
    return [value for _, _, value in points_through(connection)]


PORTIONS = {
    "the same": [(1, 10)],
    "smaller ones": [(1, 3), (4, 10)],
    "a longer one": [(1, 14)],
    "one by one": [(n, n) for n in range(1, 11)],
}


@pytest.mark.parametrize("lost_call", ["INSERT INTO `dateplots", "commit"])
def test_after_a_lost_answer_each_row_is_there_once_in_whatever_portions_it_comes_again(
    opened: Callable[[], Connection], lost_call: str
) -> None:
    connection = opened()
    layout = describe(connection, TABLE)
    for portions in PORTIONS.values():
        for writing in writings(layout):
            connection.execute(f"DELETE FROM {TABLE}")
            connection.execute(f"DELETE FROM {LEDGER}")
            connection.commit()
            writing.store(connection, layout, rows_of(layout, 1, 0))
            with pytest.raises(DatabaseUnavailable):
                writing.store(losing(opened(), lost_call), layout, rows_of(layout, 1, 10))
            again = opened()
            for first, last in portions:
                assert writing.store(again, layout, rows_of(layout, first, last)) == {}
            last = portions[-1][1]
            assert stored(connection) == values_of(1, last)
            assert writing.store(again, layout, rows_of(layout, last + 1, last + 5)) == {}
            assert stored(connection) == values_of(1, last + 5)


def test_equal_rows_are_each_stored(opened: Callable[[], Connection]) -> None:
    """Readings within one second of an old table, or of a clock that stands: equal in the table, but each a point."""
    connection = opened()
    layout = describe(connection, TABLE)
    for writing in writings(layout):
        connection.execute(f"DELETE FROM {TABLE}")
        connection.commit()
        rows = rows_of(layout, 1, 6)
        rows.microseconds[:], rows.values[:] = rows.microseconds[0], 1.0
        with pytest.raises(DatabaseUnavailable):
            writing.store(losing(opened(), "commit", 2 if isinstance(writing, LedgerWriting) else 1), layout, rows)
        writing.store(opened(), layout, rows)
        assert stored(connection) == [1.0] * 6


def test_two_lost_answers_in_a_row(opened: Callable[[], Connection]) -> None:
    connection = opened()
    layout = describe(connection, TABLE)
    for writing in writings(layout):
        connection.execute(f"DELETE FROM {TABLE}")
        connection.commit()
        for last in (10, 15):
            with pytest.raises(DatabaseUnavailable):
                writing.store(losing(opened(), f"INSERT INTO `{TABLE}"), layout, rows_of(layout, 1, last))
        assert writing.store(opened(), layout, rows_of(layout, 1, 20)) == {}
        assert stored(connection) == values_of(1, 20)


# ----------------------------------------------------------------------------------------------------------- the ledger


@pytest.fixture(params=["new", "SQLite"])
def ledger_target(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseTarget:
    if request.param == "SQLite":
        return DatabaseTarget(sqlite_path=tmp_path / "lab.db")
    lab = request.getfixturevalue("lab_database")
    return target_of(lab, statement_timeout_s=3.0)


@pytest.fixture
def ledger(ledger_target: DatabaseTarget) -> Iterator[tuple[Connection, Connection, TableLayout]]:
    """One connection for the writing, one to meddle, and the table."""
    with closing(connect(ledger_target)) as ours, closing(connect(ledger_target)) as theirs:
        schema.create_tables(theirs, "dummy")
        yield ours, theirs, describe(ours, TABLE)


Ledger = tuple[Connection, Connection, TableLayout]


def stands_at(connection: Connection) -> list[tuple[str, int]]:
    rows = connection.query(f"SELECT logger, seq FROM {LEDGER}")
    connection.rollback()
    return [(str(logger), int(seq)) for logger, seq in rows]


def meddle(connection: Connection, sql: str) -> None:
    connection.execute(sql)
    connection.commit()


def test_the_ledger_moves_with_the_rows(ledger: Ledger) -> None:
    ours, theirs, layout = ledger
    writing = LedgerWriting(ID, "x" * 300)
    for first in (1, 11, 21):
        writing.store(ours, layout, rows_of(layout, first, first + 9))
        assert stands_at(theirs) == [(ID, first + 9)]
    assert writing.store(ours, layout, rows_of(layout, 11, 30)) == {}  # come again, all confirmed
    assert stored(theirs) == values_of(1, 30)
    writing.forget(ours)
    assert stands_at(theirs) == []


def test_a_log_that_begins_late_begins_the_ledger_there(ledger: Ledger) -> None:
    ours, theirs, layout = ledger
    LedgerWriting(ID, "").store(ours, layout, rows_of(layout, 1001, 1010))
    assert stands_at(theirs) == [(ID, 1010)]
    assert len(stored(theirs)) == 10


def test_a_log_taken_up_again_stores_what_the_ledger_does_not_have(ledger: Ledger) -> None:
    """A process that died after COMMIT and before it noted so: the next one has the same identity and log."""
    ours, theirs, layout = ledger
    LedgerWriting(ID, "").store(ours, layout, rows_of(layout, 1, 10))
    LedgerWriting(ID, "").store(ours, layout, rows_of(layout, 6, 15))
    assert stored(theirs) == values_of(1, 15)


def test_a_row_that_was_deleted_from_the_ledger(ledger: Ledger) -> None:
    ours, theirs, layout = ledger
    writing = LedgerWriting(ID, "")
    writing.store(ours, layout, rows_of(layout, 1, 10))
    meddle(theirs, f"DELETE FROM {LEDGER}")
    writing.store(ours, layout, rows_of(layout, 11, 20))
    assert stored(theirs) == values_of(1, 20)
    assert stands_at(theirs) == [(ID, 20)]


def test_a_ledger_that_went_back_in_time_is_said_loudly(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    ours, theirs, layout = ledger
    writing = LedgerWriting(ID, "")
    writing.store(ours, layout, rows_of(layout, 1, 10))
    meddle(theirs, f"UPDATE {LEDGER} SET seq = 5")
    writing.store(ours, layout, rows_of(layout, 11, 20))
    assert stored(theirs) == values_of(1, 20)
    assert stands_at(theirs) == [(ID, 20)]
    (said,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "gone back in time" in said.getMessage()


def test_a_ledger_ahead_of_what_was_sent_means_a_new_identity(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    ours, theirs, layout = ledger
    writing = LedgerWriting(ID, "")
    writing.store(ours, layout, rows_of(layout, 1, 10))
    meddle(theirs, f"UPDATE {LEDGER} SET seq = 1000")
    writing.store(ours, layout, rows_of(layout, 11, 20))
    assert stored(theirs) == values_of(1, 20)  # nothing was taken for stored
    assert writing.logger_id != ID
    assert sorted(stands_at(theirs)) == sorted([(ID, 1000), (writing.logger_id, 20)])
    assert "takes a new identity" in caplog.text


def test_rows_of_a_failed_insertion_leave_the_ledger_where_it_was(ledger: Ledger) -> None:
    ours, theirs, layout = ledger
    writing = LedgerWriting(ID, "")
    writing.store(ours, layout, rows_of(layout, 1, 10))
    with pytest.raises(DatabaseUnavailable):
        writing.store(losing(ours, f"INSERT INTO `{TABLE}"), layout, rows_of(layout, 11, 20))
    assert stands_at(theirs) == [(ID, 10)]
    assert stored(theirs) == values_of(1, 10)


def test_a_resend_waits_for_a_forgotten_transaction(lab_database: LabDatabase) -> None:
    """A COMMIT that is held up beyond the time-out, and comes through after the resend has begun."""
    make_tables(lab_database, "new")
    with connect(target_of(lab_database)) as forgotten, connect(target_of(lab_database)) as ours:
        layout = describe(ours, TABLE)
        writing = LedgerWriting(ID, "")

        writing.store(forgotten, layout, rows_of(layout, 1, 0))  # the ledger's own row
        commit = forgotten.commit

        def held() -> None:
            raise DatabaseUnavailable("no answer in time")

        forgotten.commit = held  # type: ignore[method-assign]
        with pytest.raises(DatabaseUnavailable, match="no answer in time"):
            writing.store(forgotten, layout, rows_of(layout, 1, 10))
        with in_thread(writing.store, ours, layout, rows_of(layout, 1, 12)) as resending:
            wait_until_running(lab_database, f"UPDATE {LEDGER}")
            commit()
            assert resending.result(20.0) == {}
    assert [value for _, _, value in points_in(lab_database)] == values_of(1, 12)


# ------------------------------------------------------------------------------------------------------------ comparing


@pytest.mark.parametrize("layout", LAYOUTS)
def test_comparing_ends_the_forgotten_connection_before_it_looks(lab_database: LabDatabase, layout: str) -> None:
    make_tables(lab_database, layout)
    target, writing = target_of(lab_database), ComparingWriting()
    waiting = "SELECT id FROM information_schema.processlist WHERE info LIKE 'INSERT INTO `dateplots%'"
    with lab_database.server._connect(lab_database.name) as locker, locker.cursor() as lock:
        lock.execute(f"LOCK TABLES {TABLE} READ")
        with connect(target) as hanging, connect(target) as again:
            described = describe(hanging, TABLE)
            with in_thread(writing.store, hanging, described, rows_of(described, 1, 10)) as storing:
                wait_until_running(lab_database, f"INSERT INTO `{TABLE}`")
                hanging.abandon()  # the server does not notice: it waits for the lock
                with pytest.raises(DatabaseUnavailable):
                    storing.result(20.0)
            assert isinstance(again, ServerConnection)
            with in_thread(writing.store, again, described, rows_of(described, 1, 10)) as resending:
                wait_until(lambda: (again.connection_id,) in lab_database.sql(waiting), "the resend waits as well")
                lock.execute("UNLOCK TABLES")
                assert resending.result(20.0) == {}
    wait_until(lambda: not lab_database.sql(waiting), "whatever waited has been carried out")
    assert [value for _, _, value in points_in(lab_database)] == values_of(1, 10)


def test_comparing_keeps_apart_what_others_store_meanwhile(opened: Callable[[], Connection]) -> None:
    connection = opened()
    layout = describe(connection, TABLE)
    writing = ComparingWriting()
    with pytest.raises(DatabaseUnavailable):
        writing.store(losing(opened(), "commit"), layout, rows_of(layout, 1, 5))
    ComparingWriting().store(connection, layout, rows_of(layout, 101, 105))
    assert writing.store(opened(), layout, rows_of(layout, 1, 5)) == {}
    ours, theirs = values_of(1, 5), values_of(101, 105)
    assert sorted(map(str, stored(connection))) == sorted(map(str, itertools.chain(ours, theirs)))
