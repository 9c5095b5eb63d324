"""The direct connection to a MySQL or MariaDB server, over pymysql."""

import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pymysql
from pymysql.constants import CLIENT
from pymysql.cursors import SSCursor

from PyExpLabSys.database.connection import Dialect, Row
from PyExpLabSys.database.guard import Guard
from PyExpLabSys.database.parameters import finite, format_style
from PyExpLabSys.database.server_connection import ServerConnection
from PyExpLabSys.database.server_errors import mysql_error
from PyExpLabSys.database.target import DatabaseTarget, host_text
from PyExpLabSys.errors import DatabaseError, DatabaseMisconfigured, DatabaseUnavailable

_CERTIFICATE_NOT_YET_VALID = 9  # X509_V_ERR_CERT_NOT_YET_VALID


class MySQLConnection(ServerConnection):
    """One connection to one server.

    An error that leaves in doubt what the server does or says next (a time-out, a lost connection, an interrupted
    exchange) closes the connection for good; an error that the server itself reported does not.

    :meth:`abandon` may be called from any thread. A statement that waits in another one then comes back at once, with
    :class:`~PyExpLabSys.errors.DatabaseUnavailable`.

    Args:
        target: The database and the account.
        host: One of the target's servers.
        port: Its port.
    """

    dialect: Dialect = "mysql"

    def __init__(self, target: DatabaseTarget, host: str, port: int) -> None:
        self.server = f"mysql://{host_text(host, port)}/{target.database}"
        self._raw = _open(self.server, target, host, port)
        driver: Any = (
            self._raw
        )  # for two names of pymysql that are not public, but the only way to close without a word
        self._socket: socket.socket = driver._sock
        self._guard = Guard(self.server, driver._force_close)
        try:
            self._begin_session(target.statement_timeout_s)
        except BaseException:
            self.abandon()
            raise

    @property
    def raw(self) -> "pymysql.Connection[Any]":
        """The ``pymysql.Connection``."""
        return self._raw

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement and return the number of rows that it touched; an UPDATE counts what its WHERE matched.

        A statement without parameters is sent as it is, whatever characters it holds.
        """
        statement = _statement(sql, parameters)
        with self._guard.talking(), self._driver(), self._raw.cursor() as cursor:
            return int(cursor.execute(*statement))

    def executemany(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement once for each row of parameters; plain ``INSERT ... VALUES (?, ?)`` are sent together."""
        bound = [finite(row) for row in rows]
        if bound:
            translated = format_style(sql, len(bound[0]))
            with self._guard.talking(), self._driver(), self._raw.cursor() as cursor:
                cursor.executemany(translated, bound)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows of the answer to a query."""
        statement = _statement(sql, parameters)
        with self._guard.talking(), self._driver(), self._raw.cursor() as cursor:
            cursor.execute(*statement)
            return list(cursor.fetchall())

    def stream(self, sql: str, parameters: Sequence[object] = (), chunk_rows: int = 10_000) -> Iterator[list[Row]]:
        """Yield the rows of a long answer in chunks, in constant memory; the time-out holds for each wait for data.

        Closing the iterator early reads the rest of the answer and throws it away.
        """
        statement = _statement(sql, parameters)
        with self._guard.talking():
            with self._driver():
                cursor = self._raw.cursor(SSCursor)
                cursor.execute(*statement)
            try:
                while rows := self._fetch(cursor, chunk_rows):
                    yield rows
            finally:
                if self._guard.given_up is None:
                    with self._driver():
                        cursor.close()

    def commit(self) -> None:
        """Make what was executed permanent."""
        with self._guard.talking(), self._driver():
            self._raw.commit()

    def rollback(self) -> None:
        """Undo what was executed since the last commit."""
        with self._guard.talking(), self._driver():
            self._raw.rollback()

    def close(self) -> None:
        """Say goodbye and close; never raises."""
        with suppress(DatabaseError, RuntimeError), self._guard.talking(), self._driver():
            self._raw.close()
        self.abandon()

    def abandon(self) -> None:
        """Close without talking to the server, at once; also while a statement waits in another thread."""
        self._guard.give_up("it was closed")
        with suppress(OSError):  # closed by giving up, if nobody was inside
            # Wakes the thread that waits for the server. Of the socket below TLS, which would want to say goodbye.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _fetch(self, cursor: Any, chunk_rows: int) -> list[Row]:
        with self._driver():
            return list(cursor.fetchmany(chunk_rows))

    @contextmanager
    def _driver(self) -> Iterator[None]:
        """Translate pymysql's errors; give the connection up where they leave it in doubt."""
        try:
            yield
        except pymysql.err.Error as error:
            failure = _translated(self.server, error)
            if self._guard.given_up is not None:
                raise DatabaseUnavailable(f"{self.server}: {self._guard.given_up} during a statement") from error
            if not self._raw.open or error.args[0] == 0:
                self._guard.give_up(str(failure))
            raise failure from error
        except BaseException as error:  # such as KeyboardInterrupt: half an answer may be on the wire
            self._guard.give_up(f"an exchange was interrupted by {type(error).__name__}")
            raise


def _statement(sql: str, parameters: Sequence[object]) -> tuple[str, tuple[object, ...] | None]:
    """Return what pymysql's ``execute`` takes; without parameters the SQL as it is, which may be megabytes."""
    return (format_style(sql, len(parameters)), finite(parameters)) if parameters else (sql, None)


def _open(server: str, target: DatabaseTarget, host: str, port: int) -> "pymysql.Connection[Any]":
    # Without a CA pymysql uses TLS if the server offers it; nobody is verified then.
    verify = True if target.ssl_ca else None
    try:
        return pymysql.connect(
            host=host,
            port=port,
            user=target.username,
            password=target.password.encode("utf-8"),  # pymysql itself knows only latin1
            database=target.database or None,
            charset="utf8mb4",
            connect_timeout=target.connect_timeout_s,
            read_timeout=target.statement_timeout_s,
            write_timeout=target.statement_timeout_s,
            client_flag=CLIENT.FOUND_ROWS,  # as ODBC and SQLite count
            program_name="PyExpLabSys",
            autocommit=False,
            ssl_ca=target.ssl_ca,
            ssl_verify_cert=verify,
            ssl_verify_identity=verify,
        )
    except pymysql.err.Error as error:
        raise _translated(server, error) from error
    except OSError as error:
        raise DatabaseMisconfigured(f"{server}: the CA file {target.ssl_ca} (sql_ssl_ca): {error}") from error
    except (RuntimeError, UnicodeError) as error:  # authentication needs a package; a host name that cannot be encoded
        raise DatabaseMisconfigured(f"{server}: {error}") from error


def _translated(server: str, error: pymysql.err.Error) -> DatabaseError:
    code, message = (*error.args, "", "")[:2]
    cause = getattr(error, "original_exception", None)
    if isinstance(cause, ssl.SSLCertVerificationError) and cause.verify_code != _CERTIFICATE_NOT_YET_VALID:
        # Not yet valid: a computer without a clock battery has just started, and its clock will be set.
        return DatabaseMisconfigured(f"{server}: its certificate is not accepted (sql_ssl_ca): {cause}", code)
    if not isinstance(code, int) or code == 0:
        return DatabaseUnavailable(f"{server}: {message or code or 'the connection is closed'}")
    return mysql_error(server, code, str(message), getattr(error, "sqlstate", None))
