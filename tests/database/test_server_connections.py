"""What holds for a connection to a server, direct or through ODBC."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pymysql
import pytest

from PyExpLabSys.database.mysql import MySQLConnection
from PyExpLabSys.database.odbc import ODBCConnection
from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.server_connection import ServerConnection
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.errors import DatabaseError, DatabaseMisconfigured, DatabaseUnavailable, RowsRejected
from tests.database.waiting import in_thread, wait_until, wait_until_running
from tests.servers.lab import LabDatabase
from tests.servers.odbc import OdbcSources

pytestmark = pytest.mark.server

LONG_QUERY = "SELECT COUNT(*) FROM seq_1_to_1000000000 WHERE SIN(seq) > 2"
Open = Callable[..., ServerConnection]


@pytest.fixture(params=["direct", "odbc"])
def target(request: pytest.FixtureRequest, lab_database: LabDatabase, odbc_sources: OdbcSources) -> DatabaseTarget:
    lab = lab_database
    direct = DatabaseTarget(
        hosts=((lab.host, lab.port),), database=lab.name, username=lab.username, password=lab.password
    )
    if request.param == "direct":
        return direct
    return replace(direct, hosts=(), dsn=odbc_sources.add(lab.host, lab.port, lab.name))


@pytest.fixture
def open_connection(target: DatabaseTarget) -> Iterator[Open]:
    connections: list[ServerConnection] = []

    def open_one(**changes: Any) -> ServerConnection:
        connection = connect(replace(target, **changes))
        assert isinstance(connection, ODBCConnection if target.dsn else MySQLConnection)
        connections.append(connection)
        return connection

    yield open_one
    for connection in connections:
        connection.close()


@pytest.fixture
def connection(open_connection: Open) -> ServerConnection:
    return open_connection()


@pytest.fixture
def numbers(connection: ServerConnection) -> str:
    connection.execute(
        "CREATE TABLE numbers (id INT AUTO_INCREMENT PRIMARY KEY, v DOUBLE NULL, s VARCHAR(40)) "
        "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
    )
    return "numbers"


def test_the_session_is_in_utc_strict_and_commits_when_told(open_connection: Open) -> None:
    ((zone, mode, autocommit, charset, innodb_s, lock_s),) = open_connection(statement_timeout_s=8.0).query(
        "SELECT @@time_zone, @@sql_mode, @@autocommit, @@character_set_connection, @@innodb_lock_wait_timeout, "
        "@@lock_wait_timeout"
    )
    assert (zone, autocommit, charset, innodb_s, lock_s) == ("+00:00", 0, "utf8mb4", 7, 7)
    assert "STRICT_ALL_TABLES" in mode


def test_a_shorter_lock_wait_of_the_server_stays(lab_database: LabDatabase, open_connection: Open) -> None:
    lab_database.sql("SET GLOBAL innodb_lock_wait_timeout = 3")
    try:
        assert open_connection().query("SELECT @@innodb_lock_wait_timeout") == [(3,)]
    finally:
        lab_database.sql("SET GLOBAL innodb_lock_wait_timeout = DEFAULT")


def test_the_server_knows_the_connection_by_these_names(
    lab_database: LabDatabase, connection: ServerConnection
) -> None:
    query = "SELECT host FROM information_schema.processlist WHERE id = %s"
    assert lab_database.sql(query, (connection.connection_id,)) == [(connection.client_address,)]
    assert connection.client_address.startswith("127.0.0.1:")
    assert lab_database.sql("SELECT @@max_allowed_packet") == [(connection.max_statement_bytes,)]
    assert connection.dialect == "mysql"


def test_nothing_is_stored_before_commit(open_connection: Open, connection: ServerConnection, numbers: str) -> None:
    assert connection.execute(f"INSERT INTO {numbers} (v) VALUES (?), (?)", (1.5, np.float64(2.5))) == 2
    with open_connection() as other:
        assert other.query(f"SELECT v FROM {numbers}") == []
        connection.commit()
        other.rollback()
        assert other.query(f"SELECT v FROM {numbers} ORDER BY id") == [(1.5,), (2.5,)]
    connection.execute(f"DELETE FROM {numbers}")
    connection.rollback()
    assert connection.query(f"SELECT COUNT(*) FROM {numbers}") == [(2,)]


def test_an_update_counts_what_it_matched(connection: ServerConnection, numbers: str) -> None:
    connection.execute(f"INSERT INTO {numbers} (v) VALUES (1), (2)")
    assert connection.execute(f"UPDATE {numbers} SET v = 1 WHERE v = ?", (1,)) == 1
    assert connection.execute(f"UPDATE {numbers} SET v = 1 WHERE v = ?", (9,)) == 0


def test_values_come_back_as_they_went(connection: ServerConnection) -> None:
    numbers = (None, True, 2**53, -0.1, 5e-324, 1.7976931348623157e308)
    texts = ("?", "%s", "it's", 'a "b" `c` \\', "Ørsted € 😀", "'; --")
    for value in numbers + texts:
        assert connection.query("SELECT ?, '?', '%'", (value,)) == [(value, "?", "%")]


def test_numpy_scalars_are_understood(connection: ServerConnection) -> None:
    for value in (np.float64(0.1), np.float32(0.5), np.int64(-7), np.uint16(7), np.bool_(True)):
        assert connection.query("SELECT ?", (value,)) == [(value.item(),)]


def test_what_the_server_has_no_number_for_is_rejected(connection: ServerConnection) -> None:
    for value in (math.nan, -math.inf, np.float64("inf")):
        with pytest.raises(RowsRejected, match="cannot store"):
            connection.query("SELECT ?", (value,))
    assert connection.query("SELECT 1") == [(1,)]


def test_without_parameters_a_statement_is_sent_as_it_is(connection: ServerConnection) -> None:
    assert connection.query("SELECT '100 % ?', \"%s\", '%%' /* ? %d */") == [("100 % ?", "%s", "%%")]


def test_a_wrong_number_of_parameters_is_a_mistake_of_the_caller(connection: ServerConnection) -> None:
    with pytest.raises(ValueError, match="2 parameters for 1 placeholders"):
        connection.query("SELECT ?, '?'", (1, 2))
    assert connection.query("SELECT 1") == [(1,)]


def test_many_rows_of_parameters(connection: ServerConnection, numbers: str) -> None:
    rows = [(index + 0.5, f"{index} %?") for index in range(300)]
    connection.executemany(f"INSERT INTO {numbers} (v, s) VALUES (?, ?)", rows)
    connection.executemany(f"INSERT INTO {numbers} (v, s) VALUES (?, ?)", [])
    assert connection.query(f"SELECT v, s FROM {numbers} ORDER BY id") == rows


def test_a_statement_of_megabytes(connection: ServerConnection, numbers: str) -> None:
    rows = ",".join(f"({index}.5,'{'x' * 30}')" for index in range(50_000))
    assert connection.execute(f"INSERT INTO {numbers} (v, s) VALUES {rows}") == 50_000


def test_a_long_answer_comes_in_chunks(connection: ServerConnection) -> None:
    chunks = list(connection.stream("SELECT seq, '?' FROM seq_1_to_25 WHERE seq > ?", (5,), chunk_rows=8))
    assert [len(chunk) for chunk in chunks] == [8, 8, 4]
    assert chunks[0][0] == (6, "?")
    assert connection.query("SELECT 1") == [(1,)]


def test_a_stream_may_be_left_early(connection: ServerConnection) -> None:
    for chunk in connection.stream("SELECT seq FROM seq_1_to_100000", chunk_rows=10):
        assert len(chunk) == 10
        break
    assert connection.query("SELECT 1") == [(1,)]


def test_nothing_else_may_be_said_during_a_stream(connection: ServerConnection) -> None:
    stream = connection.stream("SELECT seq FROM seq_1_to_100", chunk_rows=10)
    next(stream)
    with pytest.raises(RuntimeError, match="not finished"):
        connection.query("SELECT 1")
    assert sum(len(chunk) for chunk in stream) == 90


def test_an_error_in_the_query_of_a_stream(connection: ServerConnection) -> None:
    with pytest.raises(DatabaseMisconfigured):
        next(connection.stream("SELECT * FROM nothing"))
    assert connection.query("SELECT 1") == [(1,)]


REFUSALS: list[tuple[str, type[DatabaseError], int]] = [
    ("SELECT * FROM nothing", DatabaseMisconfigured, 1146),
    ("SELECT nothing FROM numbers", DatabaseMisconfigured, 1054),
    ("SELEC 1", DatabaseMisconfigured, 1064),
    ("SELECT * FROM mysql.user", DatabaseMisconfigured, 1142),
    ("SET GLOBAL max_connections = 10", DatabaseMisconfigured, 1227),
    ("INSERT INTO strict (v) VALUES (NULL)", RowsRejected, 1048),
    ("INSERT INTO strict (v) VALUES (1e300)", RowsRejected, 1264),
    ("INSERT INTO strict (v) VALUES ('x')", RowsRejected, 1366),
    ("INSERT INTO strict (v, t) VALUES (1, FROM_UNIXTIME(0))", RowsRejected, 1292),
    ("INSERT INTO strict (v, t) VALUES (1, '2025-02-30')", RowsRejected, 1292),
    ("INSERT INTO strict (v, s) VALUES (1, 'too long')", RowsRejected, 1406),
    ("INSERT INTO strict (v) VALUES (7), (7)", RowsRejected, 1062),
    ("INSERT INTO strict (v) VALUES (-1)", RowsRejected, 4025),
    ("INSERT INTO strict (v) VALUES (13)", RowsRejected, 1644),
    ("INSERT INTO strict () VALUES ()", DatabaseMisconfigured, 1364),
    ("INSERT INTO strict (v) VALUES (1, 2)", DatabaseMisconfigured, 1136),
    ("INSERT INTO full_up (v) VALUES (1)", DatabaseMisconfigured, 167),
]


def test_what_the_server_refuses(lab_database: LabDatabase, connection: ServerConnection, numbers: str) -> None:
    lab_database.sql(
        "CREATE TABLE strict (id INT AUTO_INCREMENT PRIMARY KEY, v FLOAT NOT NULL, t TIMESTAMP NOT NULL "
        "DEFAULT CURRENT_TIMESTAMP, s VARCHAR(3) NULL, UNIQUE (v), CHECK (v >= 0)) ENGINE=InnoDB"
    )
    lab_database.sql("CREATE TABLE full_up (id TINYINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, v DOUBLE) ENGINE=InnoDB")
    lab_database.sql(
        "CREATE TRIGGER no_thirteen BEFORE INSERT ON strict FOR EACH ROW "
        "IF NEW.v = 13 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'unlucky'; END IF"
    )
    lab_database.sql("INSERT INTO full_up VALUES (255, 1)")
    outcomes = []
    for sql, _kind, _code in REFUSALS:
        with pytest.raises(DatabaseError) as caught:
            connection.execute(sql)
        assert connection.server in str(caught.value)
        outcomes.append((sql, type(caught.value), caught.value.code))
        # The server answered: the connection goes on.
        assert connection.query("SELECT 1") == [(1,)]
    assert outcomes == REFUSALS


def test_a_value_out_of_range_is_not_clipped_in_any_row_of_a_myisam_table(
    lab_database: LabDatabase, connection: ServerConnection
) -> None:
    lab_database.sql("CREATE TABLE old (v FLOAT) ENGINE=MyISAM")
    with pytest.raises(RowsRejected):
        connection.execute("INSERT INTO old VALUES (1), (1e300), (2)")
    assert lab_database.sql("SELECT v FROM old") == [(1.0,)]


def test_a_lock_is_given_up_by_the_server_first(
    lab_database: LabDatabase, open_connection: Open, connection: ServerConnection, numbers: str
) -> None:
    connection.execute(f"INSERT INTO {numbers} (id, v) VALUES (1, 1)")
    connection.commit()
    connection.execute(f"UPDATE {numbers} SET v = 2 WHERE id = 1")
    waiting = open_connection(statement_timeout_s=3.0)
    with pytest.raises(DatabaseUnavailable) as caught:
        waiting.execute(f"UPDATE {numbers} SET v = 3 WHERE id = 1")
    assert caught.value.code == 1205
    waiting.rollback()
    connection.commit()
    assert waiting.execute(f"UPDATE {numbers} SET v = 3 WHERE id = 1") == 1


def test_a_locked_table_is_given_up_by_the_server_first(
    open_connection: Open, connection: ServerConnection, numbers: str
) -> None:
    connection.execute(f"LOCK TABLES {numbers} WRITE")
    with pytest.raises(DatabaseUnavailable) as caught:
        open_connection(statement_timeout_s=2.0).execute(f"INSERT INTO {numbers} (v) VALUES (1)")
    assert caught.value.code == 1205
    connection.execute("UNLOCK TABLES")
    assert connection.query(f"SELECT COUNT(*) FROM {numbers}") == [(0,)]


def test_a_deadlock_is_transient(open_connection: Open, connection: ServerConnection, numbers: str) -> None:
    connection.execute(f"INSERT INTO {numbers} (id, v) VALUES (1, 1), (2, 2)")
    connection.commit()
    other = open_connection()
    update = f"UPDATE {numbers} SET v = v + 1 WHERE id = ?"
    connection.execute(update, (1,))
    other.execute(update, (2,))
    with in_thread(connection.execute, update, (2,)) as first, in_thread(other.execute, update, (1,)) as second:
        failures: list[Any] = [failure for call in (first, second) if (failure := call.exception(30)) is not None]
    assert [(type(failure), failure.code) for failure in failures] == [(DatabaseUnavailable, 1213)]


def test_a_statement_beyond_the_server_s_own_bound_does_not_end_the_connection(connection: ServerConnection) -> None:
    connection.execute("SET SESSION max_statement_time = 0.05")
    with pytest.raises(DatabaseUnavailable) as caught:
        connection.query(LONG_QUERY)
    assert caught.value.code == 1969
    assert connection.query("SELECT 1") == [(1,)]


def test_a_statement_beyond_its_time_ends_the_connection(open_connection: Open) -> None:
    slow = open_connection(statement_timeout_s=1.0)
    with pytest.raises(DatabaseUnavailable) as caught:
        slow.query("SELECT SLEEP(20)")
    assert caught.value.code == 2013
    with pytest.raises(DatabaseUnavailable, match="cannot be used any more"):
        slow.commit()


def test_a_connection_killed_by_the_server(lab_database: LabDatabase, connection: ServerConnection) -> None:
    with in_thread(connection.query, "SELECT SLEEP(20)") as hanging:
        wait_until_running(lab_database, "SLEEP(20)")
        lab_database.sql(f"KILL {connection.connection_id}")
        with pytest.raises(DatabaseUnavailable):
            hanging.result(15)
    # What was said last may have been the server's farewell; then the next statement finds out.
    with pytest.raises(DatabaseUnavailable):
        connection.query("SELECT 1")


def test_a_killed_statement_does_not_end_the_connection(
    lab_database: LabDatabase, connection: ServerConnection
) -> None:
    with in_thread(connection.query, LONG_QUERY) as hanging:
        wait_until_running(lab_database, LONG_QUERY)
        lab_database.sql(f"KILL QUERY {connection.connection_id}")
        with pytest.raises(DatabaseUnavailable) as caught:
            hanging.result(15)
    assert caught.value.code == 1317
    assert connection.query("SELECT 1") == [(1,)]


def test_after_abandon_nothing_works_and_nothing_is_stored(
    lab_database: LabDatabase, connection: ServerConnection, numbers: str
) -> None:
    connection.execute(f"INSERT INTO {numbers} (v) VALUES (1)")
    connection.abandon()
    connection.abandon()
    for call in (connection.commit, connection.rollback, lambda: connection.query("SELECT 1")):
        with pytest.raises(DatabaseUnavailable, match="cannot be used any more"):
            call()
    connection.close()
    lab_database.sql("SELECT 1")
    query = "SELECT 1 FROM information_schema.processlist WHERE id = %s"
    wait_until(lambda: not lab_database.sql(query, (connection.connection_id,)), "the server noticed")
    assert lab_database.sql(f"SELECT COUNT(*) FROM {numbers}") == [(0,)]


def test_an_abandoned_statement_fails_and_abandon_does_not_wait_for_it(
    lab_database: LabDatabase, open_connection: Open
) -> None:
    connection = open_connection(statement_timeout_s=4.0)
    with in_thread(connection.query, "SELECT SLEEP(20)") as hanging:
        wait_until_running(lab_database, "SLEEP(20)")
        connection.abandon()
        assert not hanging.done() or isinstance(hanging.exception(), DatabaseUnavailable)
        with pytest.raises(DatabaseUnavailable, match="it was closed"):
            hanging.result(15)


def test_closing_twice_or_after_a_kill_is_nothing_special(
    lab_database: LabDatabase, connection: ServerConnection
) -> None:
    lab_database.sql(f"KILL {connection.connection_id}")
    connection.close()
    connection.close()


def test_a_forgotten_connection_is_killed_and_its_transaction_gone(
    open_connection: Open, connection: ServerConnection, numbers: str
) -> None:
    connection.execute(f"INSERT INTO {numbers} (id, v) VALUES (1, 1)")
    connection.commit()
    connection.execute(f"UPDATE {numbers} SET v = 2 WHERE id = 1")
    other = open_connection()
    assert other.kill(connection.connection_id, connection.client_address)
    assert other.execute(f"UPDATE {numbers} SET v = v + 10 WHERE id = 1") == 1
    assert other.query(f"SELECT v FROM {numbers}") == [(11.0,)]


def test_a_connection_with_another_address_is_left_alone(open_connection: Open, connection: ServerConnection) -> None:
    other = open_connection()
    for address in ("127.0.0.1:1", "10.0.0.1", "localhost", ""):
        assert other.kill(connection.connection_id, address)
    assert connection.query("SELECT 1") == [(1,)]


def test_a_connection_of_another_account_is_left_alone(lab_database: LabDatabase, open_connection: Open) -> None:
    # With the right PROCESS an account sees the connections of all.
    lab_database.sql(f"GRANT PROCESS, CONNECTION ADMIN ON *.* TO `{lab_database.username}`@`{lab_database.host}`")
    lab_database.sql(f"CREATE OR REPLACE USER other@`{lab_database.host}` IDENTIFIED BY 'other'")
    with (
        pymysql.connect(host=lab_database.host, port=lab_database.port, user="other", password="other") as foreign,
        foreign.cursor() as cursor,
    ):
        cursor.execute("SELECT id, host FROM information_schema.processlist WHERE id = CONNECTION_ID()")
        ((number, address),) = cursor.fetchall()
        assert open_connection().kill(number, address)
        assert cursor.execute("SELECT 1") == 1
    lab_database.sql(f"DROP USER other@`{lab_database.host}`")


def test_a_connection_without_a_port_is_not_killed_but_said_to_be_there(
    lab_database: LabDatabase, open_connection: Open
) -> None:
    lab_database.sql(f"CREATE OR REPLACE USER `{lab_database.username}`@localhost IDENTIFIED BY 'dummy'")
    lab_database.sql(f"GRANT PROCESS ON *.* TO `{lab_database.username}`@`{lab_database.host}`")
    socket_path = str(lab_database.server.socket_path)
    with pymysql.connect(unix_socket=socket_path, user="dummy", password="dummy") as local, local.cursor() as cursor:
        assert not open_connection().kill(local.thread_id(), "localhost")
        assert cursor.execute("SELECT 1") == 1
    lab_database.sql(f"DROP USER `{lab_database.username}`@localhost")


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"password": "wrong"}, 1045), ({"username": "nobody"}, 1045), ({"database": "nothing"}, 1044)],
)
def test_a_wrong_account_is_for_a_person(open_connection: Open, changes: dict[str, str], code: int) -> None:
    with pytest.raises(DatabaseMisconfigured) as caught:
        open_connection(**changes)
    assert caught.value.code == code


def test_no_password_in_any_text_or_traceback_of_a_failed_connection(open_connection: Open) -> None:
    with pytest.raises(DatabaseMisconfigured) as caught:
        open_connection(password="very;secret}word")
    error: BaseException | None = caught.value
    while error is not None:
        assert "secret" not in f"{error!s} {error!r}"
        error = error.__cause__


def test_passwords_of_all_kinds(lab_database: LabDatabase, open_connection: Open) -> None:
    for password in ("a;b}c{d=e", "{x}", "pass word", "Ørsted€", "'\"\\`"):
        lab_database.sql(f"CREATE OR REPLACE USER odd@`{lab_database.host}` IDENTIFIED BY %s", (password,))
        lab_database.sql(f"GRANT ALL ON `{lab_database.name}`.* TO odd@`{lab_database.host}`")
        assert open_connection(username="odd", password=password).query("SELECT LEFT(USER(), 4)") == [("odd@",)]
    lab_database.sql(f"DROP USER odd@`{lab_database.host}`")


def test_a_server_that_has_no_room_is_waited_for(lab_database: LabDatabase, open_connection: Open) -> None:
    account = f"`{lab_database.username}`@`{lab_database.host}`"
    lab_database.sql(f"ALTER USER {account} WITH MAX_USER_CONNECTIONS 1")
    open_connection()
    with pytest.raises(DatabaseUnavailable) as caught:
        open_connection()
    assert caught.value.code in {1203, 1226}
