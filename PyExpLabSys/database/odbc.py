"""The connection to a MySQL or MariaDB server through an ODBC data source, over pyodbc."""

import math
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress

import pyodbc

from PyExpLabSys.database.connection import Dialect, Row
from PyExpLabSys.database.guard import Guard
from PyExpLabSys.database.parameters import check_count, finite
from PyExpLabSys.database.server_connection import ServerConnection
from PyExpLabSys.database.server_errors import odbc_error
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.errors import DatabaseError, DatabaseUnavailable

_PASSWORD = re.compile(r"(PWD\s*=\s*)(\{(?:[^}]|\}\})*\}?|[^;]*)", re.IGNORECASE)
_FOUND_ROWS = 2  # the drivers' bit for: an UPDATE counts the rows that its WHERE matched, as pymysql and SQLite do


def is_configured(dsn: str) -> bool:
    """Return whether this computer has an ODBC data source of that name, in whatever case it is written."""
    return dsn.casefold() in {name.casefold() for name in pyodbc.dataSources()}


def connect_string(target: DatabaseTarget) -> str:
    """Return the text that opens the target's data source; what it says wins over what the data source is set up with.

    The time-outs stand here, in whole seconds, since MariaDB's driver ignores those that ODBC itself has. It reads
    READ_TIMEOUT, WRITE_TIMEOUT, CONN_TIMEOUT, FORCETLS and SSLVERIFY; READTIMEOUT, WRITETIMEOUT and SSLMODE mean the
    same to MySQL's driver, and each ignores the other's.
    """
    statement_s, connect_s = str(math.ceil(target.statement_timeout_s)), str(math.ceil(target.connect_timeout_s))
    values = {"DSN": target.dsn or "", "UID": target.username, "PWD": target.password, "DATABASE": target.database}
    values |= {"READ_TIMEOUT": statement_s, "WRITE_TIMEOUT": statement_s, "CONN_TIMEOUT": connect_s}
    values |= {"READTIMEOUT": statement_s, "WRITETIMEOUT": statement_s, "OPTION": str(_FOUND_ROWS)}
    if target.ssl_ca is not None:
        values |= {"SSLCA": target.ssl_ca, "FORCETLS": "1", "SSLVERIFY": "1", "SSLMODE": "VERIFY_IDENTITY"}
    return ";".join(f"{key}={_escaped(value)}" for key, value in values.items() if value)


class ODBCConnection(ServerConnection):
    """One connection through a data source.

    Like :class:`~PyExpLabSys.database.mysql.MySQLConnection`, with two limits that come from ODBC:

    * There is no closing without a word: pyodbc rolls back first. So :meth:`abandon` leaves that to a thread of its
      own, which the statement time-out bounds; a statement that waits in another thread comes back at its time-out.
    * The driver fetches a whole answer before it hands out the first row, so :meth:`stream` is not constant in
      memory (with MariaDB's about 50 bytes for each row of two numbers).

    Args:
        target: The data source and the account.
    """

    dialect: Dialect = "mysql"

    def __init__(self, target: DatabaseTarget) -> None:
        self.server = target.name
        # A driver manager's pool would hand out connections that were given up.
        pyodbc.pooling = False
        try:
            self._raw = pyodbc.connect(
                connect_string(target), autocommit=False, timeout=math.ceil(target.connect_timeout_s)
            )
        except pyodbc.Error as error:
            # Not "from error": a driver may echo the connect string.
            raise self._failure(error) from None
        self._guard = Guard(self.server, self._release)
        try:
            self._begin_session(target.statement_timeout_s)
        except BaseException:
            self.abandon()
            raise

    @property
    def raw(self) -> pyodbc.Connection:
        """The ``pyodbc.Connection``."""
        return self._raw

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement and return the number of rows that it touched; an UPDATE counts what its WHERE matched."""
        bound = _bound(sql, parameters)
        with self._guard.talking(), self._driver(), self._cursor() as cursor:
            cursor.execute(sql, *bound)
            return max(0, int(cursor.rowcount))

    def executemany(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement once for each row of parameters, each a round trip."""
        bound = [finite(row) for row in rows]
        if bound:
            check_count(sql, len(bound[0]))
            with self._guard.talking(), self._driver(), self._cursor() as cursor:
                cursor.executemany(sql, bound)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows of the answer to a query."""
        bound = _bound(sql, parameters)
        with self._guard.talking(), self._driver(), self._cursor() as cursor:
            cursor.execute(sql, *bound)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def stream(self, sql: str, parameters: Sequence[object] = (), chunk_rows: int = 10_000) -> Iterator[list[Row]]:
        """Yield the rows of a long answer in chunks; see the class on memory."""
        bound = _bound(sql, parameters)
        with self._guard.talking():
            with self._driver():
                cursor = self._raw.cursor()
                cursor.execute(sql, *bound)
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
        """Give the connection up at once, from any thread; a thread of its own closes it."""
        self._guard.give_up("it was closed")

    def _cursor(self) -> AbstractContextManager[pyodbc.Cursor]:
        # Not "with cursor": pyodbc's own context manager commits.
        return closing(self._raw.cursor())

    def _fetch(self, cursor: pyodbc.Cursor, chunk_rows: int) -> list[Row]:
        with self._driver():
            return [tuple(row) for row in cursor.fetchmany(chunk_rows)]

    def _release(self) -> None:
        with suppress(RuntimeError):  # no new thread while the interpreter ends, which closes everything anyway
            threading.Thread(target=_close, args=(self._raw,), name="odbc-close", daemon=True).start()

    @contextmanager
    def _driver(self) -> Iterator[None]:
        """Translate pyodbc's errors; give the connection up where they leave it in doubt."""
        try:
            yield
        except pyodbc.Error as error:
            failure = self._failure(error)
            if self._guard.given_up is not None:
                raise DatabaseUnavailable(f"{self.server}: {self._guard.given_up} during a statement") from error
            # Numbers below 2000 or above 2999 come from the server: it answered, so both sides are in step.
            if failure.code is None or 2000 <= failure.code < 3000:
                self._guard.give_up(str(failure))
            raise failure from error
        except BaseException as error:  # such as KeyboardInterrupt: half an answer may be on the wire
            self._guard.give_up(f"an exchange was interrupted by {type(error).__name__}")
            raise

    def _failure(self, error: pyodbc.Error) -> DatabaseError:
        failure = odbc_error(self.server, error)
        return type(failure)(_PASSWORD.sub(r"\1***", str(failure)), failure.code)


def _bound(sql: str, parameters: Sequence[object]) -> tuple[object, ...]:
    if parameters:
        check_count(sql, len(parameters))
    return finite(parameters)


def _close(connection: pyodbc.Connection) -> None:
    with suppress(pyodbc.Error):
        connection.close()


def _escaped(value: str) -> str:
    return "{" + value.replace("}", "}}") + "}"
