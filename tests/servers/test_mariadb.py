"""The private MariaDB does what the tests of promises rely on, and says clearly when it cannot."""

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pymysql
import pytest

from tests.servers import mariadb as mariadb_module
from tests.servers.lab import LabDatabase, create_lab_database
from tests.servers.mariadb import MariaDB, ServerFailure
from tests.servers.ports import free_port

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def own() -> Iterator[MariaDB]:
    """A server that the tests of this module stop, kill and pause; each leaves it running."""
    with MariaDB() as server:
        yield server


def connect(lab: LabDatabase, read_timeout: float | None = None) -> "pymysql.Connection[pymysql.cursors.Cursor]":
    return pymysql.connect(
        host=lab.host,
        port=lab.port,
        user=lab.username,
        password=lab.password,
        database=lab.name,
        read_timeout=read_timeout,
    )


def test_data_and_port_stay_over_stop_kill_and_restart(own: MariaDB) -> None:
    port = own.port
    own.sql("CREATE DATABASE stays")
    own.sql("CREATE TABLE t (i int) ENGINE=InnoDB", "stays")
    own.sql("INSERT INTO t VALUES (1)", "stays")
    own.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((own.host, port), 5.0)
    own.start()
    own.sql("INSERT INTO t VALUES (2)", "stays")
    own.kill()
    own.start()
    own.restart()
    assert own.sql("SELECT i FROM t ORDER BY i", "stays") == [(1,), (2,)]
    assert own.sql("SELECT @@port") == [(port,)]


def test_kill_undoes_what_was_not_committed(own: MariaDB) -> None:
    lab = create_lab_database(own)
    lab.sql("CREATE TABLE t (i int) ENGINE=InnoDB")
    connection = connect(lab)
    connection.cursor().execute("INSERT INTO t VALUES (1)")
    own.kill()
    connection.close()
    own.start()
    assert lab.sql("SELECT * FROM t") == []


def test_a_paused_server_keeps_connections_and_answers_after_resume(own: MariaDB) -> None:
    lab = create_lab_database(own)
    patient, hasty = connect(lab, read_timeout=60.0), connect(lab, read_timeout=0.2)
    own.pause()
    with pytest.raises(pymysql.err.OperationalError, match="timed out"):
        hasty.cursor().execute("SELECT 1")
    own.resume()
    with patient.cursor() as cursor:
        cursor.execute("SELECT 2")
        assert cursor.fetchall() == ((2,),)
    patient.close()


def test_a_paused_server_can_be_stopped(own: MariaDB) -> None:
    own.pause()
    own.stop()
    own.start()


def test_options_and_the_zone_of_the_environment_reach_the_server(start_mariadb: Callable[..., MariaDB]) -> None:
    server = start_mariadb(options=["--local-infile=ON"], environment={"TZ": "Europe/Copenhagen"})
    assert server.sql("SELECT @@local_infile, @@time_zone") == [(1, "SYSTEM")]
    # The end of summer time: 00:30 UTC is written as half past two, which is read as the second one, an hour later.
    assert server.sql("SELECT UNIX_TIMESTAMP('2025-07-01 02:00:00')") == [(1751328000,)]
    assert server.sql("SELECT UNIX_TIMESTAMP(FROM_UNIXTIME(1761438600))") == [(1761442200,)]


def test_servers_are_lean_and_durable_unless_told_otherwise(mariadb: MariaDB) -> None:
    names = "@@log_bin, @@local_infile, @@innodb_flush_log_at_trx_commit, @@bind_address"
    assert mariadb.sql(f"SELECT {names}") == [(0, 0, 1, "127.0.0.1")]


def test_nobody_gets_in_without_password(mariadb: MariaDB) -> None:
    for user in ("root", ""):
        with pytest.raises(pymysql.err.OperationalError):
            pymysql.connect(host=mariadb.host, port=mariadb.port, user=user)


def test_the_dummy_account_reaches_its_own_database_only(mariadb: MariaDB, lab_database: LabDatabase) -> None:
    mariadb.sql("CREATE OR REPLACE DATABASE `not_for_dummy`")
    with connect(lab_database) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW DATABASES")
        assert {name for (name,) in cursor.fetchall()} == {"information_schema", lab_database.name}


def test_a_server_that_does_not_start_shows_its_log() -> None:
    with pytest.raises(ServerFailure, match="unknown variable 'no-such-option=1'"), MariaDB(["--no-such-option=1"]):
        pass


def test_a_port_that_is_taken_is_named(own: MariaDB) -> None:
    server = MariaDB()
    server.port = own.port
    with pytest.raises(ServerFailure, match="Address already in use"), server:
        pass
    assert not server.folder.exists()


def test_a_missing_program_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mariadb_module, "SEARCH_PATH", "/nonexistent")
    with pytest.raises(ServerFailure, match="install mariadb-server"):
        MariaDB()


def test_nothing_is_left_behind() -> None:
    with MariaDB() as server:
        pid, folder = server.pid, server.folder
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    server.close()


SCRIPT = """
import os, sys
from tests.servers.mariadb import MariaDB

with MariaDB() as server:
    print(server.pid, server.folder.parent, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def other_process(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process with a server of its own, which ends once a line is written to it."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def test_a_process_that_ends_leaves_nothing(other_process: "subprocess.Popen[str]") -> None:
    output, _errors = other_process.communicate("\n", timeout=60)
    pid, folder = output.split()
    assert other_process.returncode == 0
    assert not Path(folder).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_a_process_that_is_killed_leaves_nothing(other_process: "subprocess.Popen[str]") -> None:
    assert other_process.stdout is not None
    pid, folder = other_process.stdout.readline().split()
    server = os.pidfd_open(int(pid))
    other_process.kill()
    # The descriptor of a process becomes readable when it ends.
    assert select.select([server], [], [], 30.0)[0]
    os.close(server)
    deadline = time.monotonic() + 30.0
    while Path(folder).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(folder).exists()


@pytest.mark.parametrize("engine", ["MyISAM", "InnoDB"])
def test_the_old_layout_is_that_of_old_labs(
    engine: str, lab_database: LabDatabase, old_layout: Callable[..., dict[str, int]]
) -> None:
    assert old_layout("dummy", ["one", "two"], engine=engine) == {"one": 1, "two": 2}
    assert old_layout("other", ["three"], engine=engine) == {"three": 3}
    tables = lab_database.sql(
        "SELECT table_name, engine, table_collation FROM information_schema.tables WHERE table_schema = DATABASE()"
    )
    assert {name for name, _engine, _collation in tables} == {
        "dateplots_descriptions",
        *(f"{kind}_{setup}" for kind in ("dateplots", "measurements", "xy_values") for setup in ("dummy", "other")),
    }
    assert {engine_found for _name, engine_found, _collation in tables} == {engine}
    assert {collation for name, _engine, collation in tables if name == "dateplots_dummy"} == {"latin1_swedish_ci"}
    # Whole seconds, cut off; and the time of a point that is changed stays.
    lab_database.sql("INSERT INTO dateplots_dummy (type, time, value) VALUES (1, FROM_UNIXTIME(1700000000.999), 1.5)")
    lab_database.sql("UPDATE dateplots_dummy SET value = 2.5")
    assert lab_database.sql("SELECT UNIX_TIMESTAMP(time), value FROM dateplots_dummy") == [(1700000000, 2.5)]


def test_a_free_port_is_below_those_of_outgoing_connections() -> None:
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert free_port() < first_outgoing


def test_ctrl_c_reaches_pytest_and_not_the_server(own: MariaDB) -> None:
    assert os.getpgid(own.pid) != os.getpgid(0)
    assert own.sql("SELECT 1") == [(1,)]
