"""What only the connection through ODBC has: a connect string, and limits that are written down."""

import logging
import socket
import sys
from dataclasses import replace
from typing import Any

import pyodbc
import pytest

from PyExpLabSys.database.mysql import MySQLConnection
from PyExpLabSys.database.odbc import ODBCConnection, connect_string, is_configured
from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.errors import DatabaseMisconfigured, DatabaseUnavailable
from tests.database.waiting import in_thread, wait_until_running
from tests.servers.lab import LabDatabase
from tests.servers.odbc import OdbcSources


def test_the_connect_string_escapes_what_would_end_a_value() -> None:
    target = DatabaseTarget(dsn="lab", username="u", password="a;b}c{d=e", statement_timeout_s=2.5)
    text = connect_string(target)
    assert text.startswith("DSN={lab};UID={u};PWD={a;b}}c{d=e};READ_TIMEOUT={3};WRITE_TIMEOUT={3};CONN_TIMEOUT={10}")


def test_without_an_account_the_one_of_the_data_source_counts() -> None:
    text = connect_string(DatabaseTarget(dsn="lab"))
    assert not [key for key in ("UID", "PWD", "DATABASE", "SSLCA") if key in text]


def test_a_ca_demands_verified_tls() -> None:
    text = connect_string(DatabaseTarget(dsn="lab", ssl_ca="/etc/lab/ca.pem"))
    assert "SSLCA={/etc/lab/ca.pem};FORCETLS={1};SSLVERIFY={1}" in text


@pytest.mark.parametrize(
    "echo", ["DSN=lab;PWD={se;cr}}et};UID=u", "pwd = {se;cr}}et", "PWD=se;DSN=lab"], ids=["braces", "spaces", "bare"]
)
def test_a_driver_that_repeats_the_connect_string_tells_no_password(monkeypatch: pytest.MonkeyPatch, echo: str) -> None:
    def refuse(*_arguments: object, **_keywords: object) -> None:
        raise pyodbc.Error("HY000", f"[HY000] cannot connect with {echo} (1) (SQLDriverConnect)")

    monkeypatch.setattr(pyodbc, "connect", refuse)
    with pytest.raises(DatabaseUnavailable) as caught:
        ODBCConnection(DatabaseTarget(dsn="lab"))
    assert "***" in str(caught.value)
    assert not [part for part in ("se;", "cr}", "et}") if part in str(caught.value)]
    # A traceback shows the cause, with the driver's own text.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.server
class TestWithServer:
    @pytest.fixture
    def target(self, lab_database: LabDatabase, odbc_dsn: str) -> DatabaseTarget:
        return DatabaseTarget(dsn=odbc_dsn, database=lab_database.name, username="dummy", password="dummy")

    def test_the_data_source_may_know_everything(self, lab_database: LabDatabase, odbc_dsn: str) -> None:
        with connect(DatabaseTarget(dsn=odbc_dsn)) as connection:
            assert isinstance(connection, ODBCConnection)
            assert connection.query("SELECT DATABASE()") == [(lab_database.name,)]

    def test_a_dsn_is_known_in_any_case(self, odbc_dsn: str) -> None:
        assert is_configured(odbc_dsn)
        assert is_configured(odbc_dsn.upper())
        assert not is_configured("unknown")

    def test_elsewhere_than_on_windows_an_unknown_dsn_means_the_direct_connection_logged_once(
        self, lab_database: LabDatabase, caplog: pytest.LogCaptureFixture
    ) -> None:
        lab = lab_database
        target = DatabaseTarget(
            dsn="never configured", hosts=((lab.host, lab.port),), username="dummy", password="dummy"
        )
        with caplog.at_level(logging.INFO):
            for _ in range(2):
                with connect(target) as connection:
                    assert isinstance(connection, MySQLConnection)
        assert len([record for record in caplog.records if "never configured" in record.message]) == 1

    def test_an_unknown_dsn_and_no_host_is_for_a_person(self) -> None:
        with pytest.raises(DatabaseMisconfigured, match=r"unknown is not configured.*odbc\.ini"):
            connect(DatabaseTarget(dsn="unknown"))

    def test_on_windows_the_dsn_is_used_whatever_is_configured(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "win32")
        with pytest.raises(DatabaseMisconfigured, match="IM002"):
            connect(DatabaseTarget(dsn="unknown", hosts=(("127.0.0.1", 1),)))

    def test_without_pyodbc_the_missing_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "win32")
        monkeypatch.setitem(sys.modules, "PyExpLabSys.database.odbc", None)
        with pytest.raises(DatabaseMisconfigured, match=r"pip install PyExpLabSys\[odbc\]"):
            connect(DatabaseTarget(dsn="lab"))

    def test_without_pyodbc_linux_connects_directly(
        self, lab_database: LabDatabase, monkeypatch: pytest.MonkeyPatch, target: DatabaseTarget
    ) -> None:
        monkeypatch.setitem(sys.modules, "PyExpLabSys.database.odbc", None)
        with connect(replace(target, hosts=((lab_database.host, lab_database.port),))) as connection:
            assert isinstance(connection, MySQLConnection)

    def test_a_server_that_says_nothing_is_given_up(self, odbc_sources: OdbcSources) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            dsn = odbc_sources.add("127.0.0.1", silent.getsockname()[1], "nothing")
            with pytest.raises(DatabaseUnavailable):
                connect(DatabaseTarget(dsn=dsn, username="dummy", connect_timeout_s=1.0, statement_timeout_s=1.0))

    def test_an_abandoned_statement_comes_back_at_its_time_out(
        self, lab_database: LabDatabase, target: DatabaseTarget
    ) -> None:
        connection = connect(replace(target, statement_timeout_s=2.0))
        with in_thread(connection.query, "SELECT SLEEP(50)") as hanging:
            wait_until_running(lab_database, "SLEEP(50)")
            connection.abandon()
            assert not hanging.done()
            with pytest.raises(DatabaseUnavailable, match="it was closed during a statement"):
                hanging.result(30)

    def test_a_long_stream_costs_what_the_driver_keeps(self, target: DatabaseTarget) -> None:
        with connect(target) as connection:
            rows: list[Any] = [row for chunk in connection.stream("SELECT seq FROM seq_1_to_50000") for row in chunk]
        assert rows == [(number,) for number in range(1, 50_001)]
        assert type(rows[0]) is tuple
