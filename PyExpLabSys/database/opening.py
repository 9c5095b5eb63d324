"""Opening the connection that a target describes."""

import logging
import sys

from PyExpLabSys.database.connection import Connection
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.errors import DatabaseError, DatabaseMisconfigured, DatabaseUnavailable

LOGGER = logging.getLogger(__name__)
_direct_instead: set[str] = set()


def connect(target: DatabaseTarget) -> Connection:
    """Return an open connection: to the SQLite file, to the ODBC data source, or to the first host that answers.

    A DSN is used on Windows, and elsewhere where it is configured; if it is not, the connection is direct, since labs
    share scripts between systems. That is logged once for each DSN.

    Raises:
        DatabaseUnavailable: no host can be reached now.
        DatabaseMisconfigured: only a person can help.
    """
    if target.sqlite_path is not None:
        from PyExpLabSys.database.sqlite import SQLiteConnection

        return SQLiteConnection(target.sqlite_path, target.statement_timeout_s)
    if target.dsn is not None and _odbc_is_meant(target, target.dsn):
        return _connect_through_odbc(target)
    return _connect_directly(target)


def uses_odbc(dsn: str) -> bool:
    """Return whether the connection through a data source of that name is really made through ODBC here."""
    return sys.platform == "win32" or _is_configured(dsn)


def _odbc_is_meant(target: DatabaseTarget, dsn: str) -> bool:
    if uses_odbc(dsn):
        return True
    if not target.hosts:
        raise DatabaseMisconfigured(
            f"the ODBC data source {dsn} is not configured on this computer (odbc.ini), "
            "and there is no host to connect to directly"
        )
    if dsn not in _direct_instead:
        _direct_instead.add(dsn)
        LOGGER.warning("ODBC data source %s is not configured here: connecting directly to %s", dsn, target.hosts[0][0])
    return False


def _is_configured(dsn: str) -> bool:
    try:
        from PyExpLabSys.database.odbc import is_configured
    except ImportError:  # without pyodbc, or without the driver manager that it loads
        return False
    return is_configured(dsn)


def _connect_through_odbc(target: DatabaseTarget) -> Connection:
    try:
        from PyExpLabSys.database.odbc import ODBCConnection
    except ImportError as error:
        raise DatabaseMisconfigured(
            f"{target.name} needs pyodbc ({error}); install it with: pip install PyExpLabSys[odbc]"
        ) from error
    return ODBCConnection(target)


def _connect_directly(target: DatabaseTarget) -> Connection:
    from PyExpLabSys.database.mysql import MySQLConnection

    failures: list[DatabaseError] = []
    for host, port in target.hosts:
        try:
            return MySQLConnection(target, host, port)
        except DatabaseError as error:
            failures.append(error)
    if not failures:
        raise DatabaseMisconfigured("no database server is given: set sql_server_host")
    # One host that may come back is worth waiting for, whatever the others say.
    kind = next((type(error) for error in failures if isinstance(error, DatabaseUnavailable)), type(failures[0]))
    raise kind("; ".join(str(error) for error in failures), failures[0].code) from failures[0]
