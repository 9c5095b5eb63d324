"""What only the direct connection promises: TLS, and to come back at once."""

import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from PyExpLabSys.database.mysql import MySQLConnection
from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.errors import DatabaseMisconfigured, DatabaseUnavailable
from tests.database.waiting import in_thread, wait_until_running
from tests.servers.lab import LabDatabase, create_lab_database
from tests.servers.mariadb import MariaDB
from tests.servers.relay import Relay

pytestmark = pytest.mark.server


def target_of(lab: LabDatabase, **changes: Any) -> DatabaseTarget:
    target = DatabaseTarget(
        hosts=((lab.host, lab.port),), database=lab.name, username=lab.username, password=lab.password
    )
    return replace(target, **changes)


def open_to(lab: LabDatabase, **changes: Any) -> MySQLConnection:
    connection = connect(target_of(lab, **changes))
    assert isinstance(connection, MySQLConnection)
    return connection


@pytest.fixture
def hanging_server() -> Iterator[tuple[str, int]]:
    """A server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


def test_a_server_that_says_nothing_is_given_up(hanging_server: tuple[str, int]) -> None:
    with pytest.raises(DatabaseUnavailable, match="timed out"):
        connect(DatabaseTarget(hosts=(hanging_server,), statement_timeout_s=0.5))


def test_nobody_there_is_waited_for(lab_database: LabDatabase) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(DatabaseUnavailable) as caught:
        open_to(lab_database, hosts=(("127.0.0.1", port),))
    assert caught.value.code == 2003


@pytest.mark.parametrize("host", ["does-not-exist.invalid", "a" * 64 + ".invalid"])
def test_a_name_that_does_not_resolve_tells_so(lab_database: LabDatabase, host: str) -> None:
    with pytest.raises((DatabaseUnavailable, DatabaseMisconfigured), match=host[:10]):
        open_to(lab_database, hosts=((host, 3306),))


def test_abandon_wakes_a_statement_that_hangs_in_another_thread(lab_database: LabDatabase) -> None:
    connection = open_to(lab_database, statement_timeout_s=60.0)
    began = time.monotonic()
    with in_thread(connection.query, "SELECT SLEEP(50)") as hanging:
        wait_until_running(lab_database, "SLEEP(50)")
        connection.abandon()
        with pytest.raises(DatabaseUnavailable, match="it was closed during a statement"):
            hanging.result(30)
    # Neither SLEEP nor the time-out has ended it.
    assert time.monotonic() - began < 40.0
    assert not connection.raw.open


def test_abandon_needs_no_answer(lab_database: LabDatabase, relay: Callable[[str, int], Relay]) -> None:
    between = relay(lab_database.host, lab_database.port)
    connection = open_to(lab_database, hosts=((between.host, between.port),), statement_timeout_s=60.0)
    between.stall("to_client")
    began = time.monotonic()
    with in_thread(connection.commit) as hanging:
        connection.abandon()
        with pytest.raises(DatabaseUnavailable):
            hanging.result(30)
    assert time.monotonic() - began < 40.0


def test_an_interrupted_exchange_ends_the_connection(
    lab_database: LabDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(unbuffered: bool = False) -> None:
        raise KeyboardInterrupt

    connection = open_to(lab_database)
    with monkeypatch.context() as patched:
        patched.setattr(connection.raw, "_read_query_result", interrupt)
        with pytest.raises(KeyboardInterrupt):
            connection.query("SELECT 1")
    # The answer to the first question is still on the wire and must not be taken for that to the second.
    with pytest.raises(DatabaseUnavailable, match="interrupted by KeyboardInterrupt"):
        connection.query("SELECT 2")


def test_a_lost_line_is_noticed_and_ends_the_connection(
    lab_database: LabDatabase, relay: Callable[[str, int], Relay]
) -> None:
    between = relay(lab_database.host, lab_database.port)
    connection = open_to(lab_database, hosts=((between.host, between.port),))
    between.cut()
    with pytest.raises(DatabaseUnavailable):
        connection.query("SELECT 1")
    with pytest.raises(DatabaseUnavailable, match="cannot be used any more"):
        connection.query("SELECT 1")


def test_a_server_killed_during_a_statement(start_mariadb: Callable[..., MariaDB]) -> None:
    lab = create_lab_database(start_mariadb())
    connection = open_to(lab)
    with in_thread(connection.query, "SELECT SLEEP(20)") as hanging:
        wait_until_running(lab, "SLEEP(20)")
        lab.server.kill()
        with pytest.raises(DatabaseUnavailable):
            hanging.result(15)
    with pytest.raises(DatabaseUnavailable):
        open_to(lab)


def test_a_read_only_server_is_waited_for(start_mariadb: Callable[..., MariaDB]) -> None:
    lab = create_lab_database(start_mariadb())
    lab.sql("CREATE TABLE t (v INT)")
    with open_to(lab) as connection:
        lab.sql("SET GLOBAL read_only = 1")
        with pytest.raises(DatabaseUnavailable) as caught:
            connection.execute("INSERT INTO t VALUES (1)")
        assert caught.value.code == 1290


def test_a_long_stream_needs_little_memory(lab_database: LabDatabase) -> None:
    script = (
        "import resource, sys\n"
        "from PyExpLabSys.database.opening import connect\n"
        "from PyExpLabSys.database.target import DatabaseTarget\n"
        "target = DatabaseTarget(hosts=(('127.0.0.1', int(sys.argv[1])),), username='dummy', password='dummy')\n"
        "rows = 0\n"
        "with connect(target) as connection:\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "    query = f'SELECT seq, seq * 1.5e0 FROM {sys.argv[2]}.seq_1_to_300000'\n"
        "    for chunk in connection.stream(query, chunk_rows=1000):\n"
        "        rows += len(chunk)\n"
        "    print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    command = [sys.executable, "-c", script, str(lab_database.port), lab_database.name]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    rows, growth_kib = map(int, result.stdout.split())
    assert rows == 300_000
    # As a list the same answer takes about 40 MiB.
    assert growth_kib < 8 * 1024


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


def certify(folder: Path, name: str, subject_alt_name: str) -> None:
    """Make a CA, and a server certificate signed by it."""
    (folder / f"{name}.ext").write_text(f"subjectAltName={subject_alt_name}\n")
    new = ("-newkey", "rsa:2048", "-nodes")
    openssl(folder, "req", "-x509", *new, "-keyout", f"{name}-ca.key", "-out", f"{name}-ca.pem", "-subj", "/CN=ca")
    openssl(folder, "req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", "/CN=server")
    sign = ("-CA", f"{name}-ca.pem", "-CAkey", f"{name}-ca.key", "-CAcreateserial", "-extfile", f"{name}.ext")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", *sign, "-out", f"{name}.pem")


def tls_options(folder: Path, name: str) -> list[str]:
    return [f"--ssl-ca={folder}/{name}-ca.pem", f"--ssl-cert={folder}/{name}.pem", f"--ssl-key={folder}/{name}.key"]


def cipher(connection: MySQLConnection) -> str:
    ((_name, value),) = connection.query("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    return str(value)


def test_tls_on_request_is_verified(start_mariadb: Callable[..., MariaDB], tmp_path: Path) -> None:
    certify(tmp_path, "right", "IP:127.0.0.1")
    certify(tmp_path, "other", "IP:127.0.0.1")
    lab = create_lab_database(start_mariadb(options=tls_options(tmp_path, "right")))
    with open_to(lab, ssl_ca=str(tmp_path / "right-ca.pem")) as connection:
        assert cipher(connection)
        assert isinstance(connection._socket, ssl.SSLSocket)
    with pytest.raises(DatabaseMisconfigured, match="certificate is not accepted"):
        open_to(lab, ssl_ca=str(tmp_path / "other-ca.pem"))
    # Nothing was asked for, TLS is offered: it is used, and nobody is verified.
    with open_to(lab) as connection:
        assert cipher(connection)


def test_tls_verifies_the_host_name_too(start_mariadb: Callable[..., MariaDB], tmp_path: Path) -> None:
    certify(tmp_path, "elsewhere", "DNS:another.lab")
    lab = create_lab_database(start_mariadb(options=tls_options(tmp_path, "elsewhere")))
    with pytest.raises(DatabaseMisconfigured, match=r"certificate is not accepted.*127\.0\.0\.1"):
        open_to(lab, ssl_ca=str(tmp_path / "elsewhere-ca.pem"))


def test_abandon_wakes_a_statement_that_hangs_in_tls(start_mariadb: Callable[..., MariaDB], tmp_path: Path) -> None:
    certify(tmp_path, "right", "IP:127.0.0.1")
    lab = create_lab_database(start_mariadb(options=tls_options(tmp_path, "right")))
    connection = open_to(lab, ssl_ca=str(tmp_path / "right-ca.pem"), statement_timeout_s=60.0)
    began = time.monotonic()
    with in_thread(connection.query, "SELECT SLEEP(50)") as hanging:
        wait_until_running(lab, "SLEEP(50)")
        connection.abandon()
        with pytest.raises(DatabaseUnavailable, match="it was closed"):
            hanging.result(30)
    assert time.monotonic() - began < 40.0


def test_a_server_without_tls_is_refused_when_tls_is_wanted(lab_database: LabDatabase, tmp_path: Path) -> None:
    certify(tmp_path, "right", "IP:127.0.0.1")
    with pytest.raises(DatabaseMisconfigured, match="SSL is required"):
        open_to(lab_database, ssl_ca=str(tmp_path / "right-ca.pem"))
    with open_to(lab_database) as connection:
        assert not cipher(connection)


@pytest.mark.parametrize("content", [None, "this is no certificate"])
def test_a_ca_file_that_cannot_be_used_is_named(lab_database: LabDatabase, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DatabaseMisconfigured, match=r"ca\.pem \(sql_ssl_ca\)"):
        open_to(lab_database, ssl_ca=str(path))
