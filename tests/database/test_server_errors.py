"""Each error is what helps against it: waiting, setting a row aside, a person."""

import sqlite3

import pytest

from PyExpLabSys.database import server_errors
from PyExpLabSys.database.server_errors import mysql_error, odbc_error, sqlite_error
from PyExpLabSys.errors import DatabaseError, DatabaseMisconfigured, DatabaseUnavailable, RowsRejected


def test_no_number_stands_in_two_tables() -> None:
    tables = [set(server_errors.UNAVAILABLE), set(server_errors.REJECTED), set(server_errors.MISCONFIGURED)]
    assert len(set.union(*tables)) == sum(map(len, tables))


@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        (DatabaseUnavailable, [1021, 1040, 1047, 1114, 1205, 1213, 1290, 1317, 1836, 1969, 2006, 2013, 2055, 3024]),
        (RowsRejected, [1048, 1062, 1264, 1265, 1292, 1366, 1644, 3819, 4025]),
        (DatabaseMisconfigured, [1044, 1045, 1049, 1054, 1142, 1143, 1146, 1153, 1227, 1698]),
    ],
)
def test_numbers_are_known_whatever_sqlstate_comes_with_them(kind: type[DatabaseError], codes: list[int]) -> None:
    for code in codes:
        for sqlstate in (None, "HY000", "08S01", "22003", "42000"):
            error = mysql_error("mysql://server", code, "text", sqlstate)
            assert (type(error), error.code) == (kind, code)


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [
        ("08S01", DatabaseUnavailable),
        ("21S01", DatabaseMisconfigured),
        ("22003", RowsRejected),
        ("23000", RowsRejected),
        ("28000", DatabaseMisconfigured),
        ("3D000", DatabaseMisconfigured),
        ("40001", DatabaseUnavailable),
        ("42S22", DatabaseMisconfigured),
        ("45000", RowsRejected),
        ("70100", DatabaseUnavailable),
        ("HYT00", DatabaseUnavailable),
        ("IM002", DatabaseMisconfigured),
        # Not known at all: the points are kept and wait, none is set aside.
        ("HY000", DatabaseUnavailable),
        ("", DatabaseUnavailable),
        (None, DatabaseUnavailable),
    ],
)
def test_an_unknown_number_is_judged_by_its_sqlstate(sqlstate: str | None, kind: type[DatabaseError]) -> None:
    assert type(mysql_error("mysql://server", 9999, "text", sqlstate)) is kind


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Duplicate entry '4294967295' for key 'PRIMARY'", DatabaseMisconfigured),
        ("Duplicate entry '4294967295' for key 'dateplots_dummy.PRIMARY'", DatabaseMisconfigured),
        ("Duplicate entry '1-2025-01-01' for key 'type_time'", RowsRejected),
    ],
    ids=["MariaDB", "MySQL", "the lab's own unique key"],
)
def test_a_duplicate_id_is_a_table_without_ids_left(message: str, kind: type[DatabaseError]) -> None:
    assert type(mysql_error("mysql://server", 1062, message, "23000")) is kind


def test_the_message_says_where_what_and_what_to_do() -> None:
    error = mysql_error("mysql://lab:3306/cinfdata", 1194, "Table 'x' is marked as crashed", "HY000")
    assert str(error) == (
        "mysql://lab:3306/cinfdata: Table 'x' is marked as crashed (error 1194: table crashed: REPAIR TABLE)"
    )


@pytest.mark.parametrize(
    ("state", "text", "kind", "code"),
    [
        ("08S01", "[ma-3.1.15]Lost connection (2013) (SQLExecDirectW)", DatabaseUnavailable, 2013),
        ("42S02", "[ma-3.1.15]Table (1) doesn't exist (1146) (SQLExecDirectW)", DatabaseMisconfigured, 1146),
        ("IM002", "[unixODBC]Data source name not found (0) (SQLDriverConnect)", DatabaseMisconfigured, None),
        ("HY000", "no number at all", DatabaseUnavailable, None),
    ],
)
def test_odbc_hides_the_number_in_its_text(state: str, text: str, kind: type[DatabaseError], code: int | None) -> None:
    error = odbc_error("odbc:lab", Exception(state, f"[{state}] {text}"))
    assert (type(error), error.code) == (kind, code)
    assert "(SQL" not in str(error)


def sqlite_failure(*statements: str) -> sqlite3.Error:
    connection = sqlite3.connect(":memory:")
    try:
        for statement in statements:
            connection.execute(statement)
    except sqlite3.Error as error:
        return error
    finally:
        connection.close()
    raise AssertionError(f"{statements} did not fail")


@pytest.mark.parametrize(
    ("statements", "kind"),
    [
        (("SELECT * FROM nothing",), DatabaseMisconfigured),
        (("CREATE TABLE t (v REAL NOT NULL)", "INSERT INTO t VALUES (NULL)"), RowsRejected),
        (("CREATE TABLE t (v REAL UNIQUE)", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1)"), RowsRejected),
        (("CREATE TABLE t (i INTEGER PRIMARY KEY)", "INSERT INTO t VALUES ('x')"), RowsRejected),
    ],
    ids=["no-such-table", "not-null", "unique", "mismatch"],
)
def test_errors_of_sqlite(statements: tuple[str, ...], kind: type[DatabaseError]) -> None:
    error = sqlite_error("sqlite:///x", sqlite_failure(*statements))
    assert type(error) is kind
    assert error.code is not None


def test_a_full_disk_is_waited_for() -> None:
    error = sqlite_failure(
        "PRAGMA max_page_count = 2", "CREATE TABLE a (v)", "CREATE TABLE b (v)", "CREATE TABLE c (v)"
    )
    assert type(sqlite_error("sqlite:///x", error)) is DatabaseUnavailable
    assert "SQLITE_FULL" in str(sqlite_error("sqlite:///x", error))


def test_an_error_without_a_code_is_the_module_s_own() -> None:
    connection = sqlite3.connect(":memory:")
    connection.close()
    with pytest.raises(sqlite3.ProgrammingError) as caught:
        connection.execute("SELECT 1")
    assert type(sqlite_error("sqlite:///x", caught.value)) is DatabaseMisconfigured
