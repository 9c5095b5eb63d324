"""The embedded database: one SQLite file, no server."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from PyExpLabSys.database.connection import Connection, Dialect, Row
from PyExpLabSys.database.guard import Guard
from PyExpLabSys.database.parameters import plain
from PyExpLabSys.database.server_errors import sqlite_error
from PyExpLabSys.errors import DatabaseError, DatabaseMisconfigured, DatabaseUnavailable

# SQLite takes a statement of 1 GB; the bound keeps memory small, and is what a MariaDB server allows by default.
MAX_STATEMENT_BYTES = 16 * 2**20
_ASK_EVERY_STEPS = 100_000  # of SQLite's virtual machine: a few ms


class SQLiteConnection(Connection):
    """One connection to one file.

    Transactions are explicit: :meth:`execute` and :meth:`executemany` begin one with ``BEGIN IMMEDIATE``, which takes
    the write lock, and with it the wait for another writer, before anything is done. Queries outside one see what is
    committed at that moment.

    :meth:`abandon` may be called from any thread. It interrupts a running statement; one that waits for another
    writer's lock comes back at the end of its time-out, since SQLite cannot be woken from that.

    Args:
        path: The file, made if it is not there; its folder must be.
        statement_timeout_s: How long to wait for another writer, in s.
    """

    dialect: Dialect = "sqlite"
    max_statement_bytes = MAX_STATEMENT_BYTES

    def __init__(self, path: Path, statement_timeout_s: float = 15.0) -> None:
        self.server = f"sqlite:///{path.absolute()}"
        if not path.parent.is_dir():
            raise DatabaseMisconfigured(
                f"{self.server}: there is no folder {path.parent.absolute()}; make it, or mend sql_url"
            )
        with _translated(self.server):
            # isolation_level=None: the module begins no transactions of its own.
            self._raw = sqlite3.connect(
                path, timeout=statement_timeout_s, isolation_level=None, check_same_thread=False
            )
        self._guard = Guard(self.server, self._release)
        # Not sqlite3's interrupt(): it is not heard if it comes just before the statement begins.
        self._raw.set_progress_handler(lambda: self._guard.given_up is not None, _ASK_EVERY_STEPS)
        try:
            with _translated(self.server):
                self._raw.execute("PRAGMA journal_mode = WAL")
                # FULL: a commit survives power loss. NORMAL may lose the last ones, and is no faster with batches: 200
                # commits of 5000 rows took 10.8 to 13.0 s with FULL and 10.4 to 12.0 s with NORMAL.
                self._raw.execute("PRAGMA synchronous = FULL")
        except BaseException:
            self.abandon()
            raise

    @property
    def raw(self) -> sqlite3.Connection:
        """The ``sqlite3.Connection``."""
        return self._raw

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement, in a transaction, and return the number of rows that it touched."""
        with self._talking():
            self._begin()
            return max(0, self._raw.execute(sql, plain(parameters)).rowcount)

    def executemany(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement once for each row of parameters, which are Python's own numbers and texts."""
        with self._talking():
            self._begin()
            self._raw.executemany(sql, rows)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows of the answer to a query."""
        with self._talking():
            return self._raw.execute(sql, plain(parameters)).fetchall()

    def stream(self, sql: str, parameters: Sequence[object] = (), chunk_rows: int = 10_000) -> Iterator[list[Row]]:
        """Yield the rows of a long answer in chunks, in constant memory."""
        with self._guard.talking():
            with self._driver():
                cursor = self._raw.execute(sql, plain(parameters))
            try:
                while rows := self._fetch(cursor, chunk_rows):
                    yield rows
            finally:
                cursor.close()

    def commit(self) -> None:
        """Make what was executed permanent."""
        with self._talking():
            self._raw.commit()

    def rollback(self) -> None:
        """Undo what was executed since the last commit."""
        with self._talking():
            self._raw.rollback()

    def close(self) -> None:
        """Close; what was not committed is undone; never raises."""
        self._guard.give_up("it was closed")

    def abandon(self) -> None:
        """Interrupt what is running and close, at once; also from another thread."""
        self._guard.give_up("it was closed")

    def _begin(self) -> None:
        if not self._raw.in_transaction:
            self._raw.execute("BEGIN IMMEDIATE")

    def _fetch(self, cursor: sqlite3.Cursor, chunk_rows: int) -> list[Row]:
        with self._driver():
            return cursor.fetchmany(chunk_rows)

    def _release(self) -> None:
        with suppress(sqlite3.Error):
            self._raw.close()

    @contextmanager
    def _talking(self) -> Iterator[None]:
        with self._guard.talking(), self._driver():
            yield

    @contextmanager
    def _driver(self) -> Iterator[None]:
        try:
            with _translated(self.server):
                yield
        except DatabaseError as error:
            if self._guard.given_up is not None:
                raise DatabaseUnavailable(f"{self.server}: {self._guard.given_up} during a statement") from error
            raise


@contextmanager
def _translated(server: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise sqlite_error(server, error) from error
