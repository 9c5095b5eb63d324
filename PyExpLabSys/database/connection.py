"""What a database connection can do, whichever driver carries it.

One interface over pymysql, pyodbc and sqlite3, so that writer, reader and schema are written once.
The drivers' exceptions are translated where they enter, into :class:`~PyExpLabSys.errors.DatabaseError`
and its subclasses.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Self

Dialect = Literal["mysql", "sqlite"]
Row = tuple[Any, ...]


class Connection(ABC):
    """One open connection, used by one thread at a time. Nothing is stored before :meth:`commit`.

    All methods that talk to the server raise :class:`~PyExpLabSys.errors.DatabaseUnavailable`,
    :class:`~PyExpLabSys.errors.RowsRejected` or :class:`~PyExpLabSys.errors.DatabaseMisconfigured`.

    Attributes:
        dialect: ``mysql`` (also MariaDB, also through ODBC) or ``sqlite``.
        server: Where it leads, for messages; never holds a password.
        max_statement_bytes: The longest statement that the server takes.
    """

    dialect: Dialect
    server: str
    max_statement_bytes: int

    @property
    @abstractmethod
    def raw(self) -> Any:
        """The driver's own connection (``pymysql.Connection``, ``pyodbc.Connection``, ``sqlite3.Connection``)."""

    @abstractmethod
    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement, with ``?`` for each bound parameter, and return the number of rows that it touched."""

    @abstractmethod
    def executemany(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement once for each row of parameters."""

    @abstractmethod
    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows of the answer to a query."""

    @abstractmethod
    def stream(self, sql: str, parameters: Sequence[object] = (), chunk_rows: int = 10_000) -> Iterator[list[Row]]:
        """Yield the rows of a long answer in chunks, in constant memory.

        No other statement may run on this connection before the last chunk is taken or the iterator is closed.
        """

    @abstractmethod
    def commit(self) -> None:
        """Make what was executed permanent."""

    @abstractmethod
    def rollback(self) -> None:
        """Undo what was executed since the last commit."""

    @abstractmethod
    def close(self) -> None:
        """Say goodbye and close; never raises."""

    @abstractmethod
    def abandon(self) -> None:
        """Close without talking to the server: at once, never raises, whatever the server is doing."""

    def end(self, other: "Connection") -> bool:
        """End what another connection of this account, given up here, may still be doing on the server.

        Returns:
            Whether it is certain that nothing of it will be carried out any more.
        """
        # Where there is no server, nothing goes on after the connection is closed.
        return other is not self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()
