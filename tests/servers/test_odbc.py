"""ODBC data sources of a test lead to its database, also when unixODBC was used before."""

import subprocess
import sys

import pyodbc
import pytest

from tests.servers import odbc
from tests.servers.lab import LabDatabase
from tests.servers.mariadb import ServerFailure
from tests.servers.odbc import OdbcSources

pytestmark = pytest.mark.server


def ask(connect_string: str, query: str = "SELECT DATABASE(), @@port") -> tuple[object, ...]:
    connection = pyodbc.connect(connect_string, timeout=10)
    try:
        return tuple(connection.execute(query).fetchone())
    finally:
        connection.close()


@pytest.mark.parametrize("turn", ["first", "second"])
def test_a_dsn_leads_to_the_database_of_its_test(turn: str, odbc_dsn: str, lab_database: LabDatabase) -> None:
    assert ask(f"DSN={odbc_dsn}") == (lab_database.name, lab_database.port)
    assert odbc_dsn in pyodbc.dataSources()


def test_a_dsn_is_found_after_one_that_is_not(lab_database: LabDatabase, odbc_sources: OdbcSources) -> None:
    with pytest.raises(pyodbc.Error, match="IM002"):
        pyodbc.connect("DSN=unknown", timeout=10)
    dsn = odbc_sources.add(lab_database.host, lab_database.port, lab_database.name, "dummy", "dummy")
    assert ask(f"DSN={dsn}") == (lab_database.name, lab_database.port)


def test_without_an_account_in_the_dsn_the_one_given_counts(
    lab_database: LabDatabase, odbc_sources: OdbcSources
) -> None:
    dsn = odbc_sources.add(lab_database.host, lab_database.port, lab_database.name)
    with pytest.raises(pyodbc.Error, match="Access denied"):
        pyodbc.connect(f"DSN={dsn}", timeout=10)
    assert ask(f"DSN={dsn};UID=dummy;PWD=dummy", "SELECT SUBSTRING_INDEX(USER(), '@', 1)") == ("dummy",)


def test_a_process_that_a_test_starts_finds_the_dsn(odbc_dsn: str, lab_database: LabDatabase) -> None:
    script = "import pyodbc, sys; print(pyodbc.connect('DSN=' + sys.argv[1]).execute('SELECT DATABASE()').fetchval())"
    run = subprocess.run(
        [sys.executable, "-c", script, odbc_dsn], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.strip() == lab_database.name


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(odbc, "LIBRARY_FOLDERS", ())
    with pytest.raises(ServerFailure, match="install odbc-mariadb"):
        odbc.driver_library()
