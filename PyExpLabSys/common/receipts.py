"""How rows are written so that an unknown outcome can be cleared up afterwards.

A statement that timed out may have been carried out, or may be carried out later. Both ways of writing below know,
when the same points come again, which of them the table has already.
"""

import logging
import math
import uuid
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass

from PyExpLabSys.database.connection import Connection
from PyExpLabSys.database.schema import LEDGER, TableLayout, quote
from PyExpLabSys.database.table_definitions import SQLITE_NOW
from PyExpLabSys.database.writing import Rows, insert_rows, rejected_rows
from PyExpLabSys.errors import DatabaseUnavailable, RowsRejected

LOGGER = logging.getLogger(__name__)

ATTEMPTS = 4


class Writing(ABC):
    """Writes rows each once, however often and in whatever portions they come again after a failure."""

    @abstractmethod
    def store(self, connection: Connection, layout: TableLayout, rows: Rows) -> dict[int, str]:
        """Store rows and commit, or store what can be stored and return the refused ones.

        Returns:
            Sequence number and reason of each row that the server never takes; empty when all are stored. When it
            is not empty, the rows have to come again without these.

        Raises:
            DatabaseUnavailable: Not now; the outcome is unknown.
            DatabaseMisconfigured: Not before a person mends the database.
        """

    def forget(self, connection: Connection) -> None:  # noqa: B027 - comparing leaves nothing behind
        """Remove what this writing has left in the database, once all points are stored."""


class LedgerWriting(Writing):
    """Exactly once: the rows and the progress in ``logger_progress`` are one transaction.

    Each transaction begins by moving the ledger on, from where this logger knows it to be. If it is not there, no
    row is stored: an earlier transaction has been carried out after all. The ledger's row lock makes this one wait
    for an earlier one that is still open.

    Args:
        logger_id: Identity of the log that the sequence numbers belong to; never used for another log.
        destination: Where the points go, for people who read the ledger.
    """

    def __init__(self, logger_id: str, destination: str) -> None:
        self.logger_id = logger_id
        self._destination = destination[:255]
        self._confirmed: int | None = None
        self._sent = 0

    def store(self, connection: Connection, layout: TableLayout, rows: Rows) -> dict[int, str]:
        """Store what of the rows the ledger does not have."""
        if self._confirmed is None:
            self._confirmed = self._begin(connection, rows.first_sequence - 1)
        for _ in range(ATTEMPTS):
            if self._confirmed >= rows.last_sequence:
                return {}
            rest = rows.only(rows.sequences > self._confirmed)
            self._sent = max(self._sent, rows.last_sequence)
            if self._move(connection, self._confirmed, rows.last_sequence):
                return self._insert(connection, layout, rest, rows.last_sequence)
            self._confirmed = self._look(connection, rows.first_sequence - 1)
        raise DatabaseUnavailable(f"the row of logger {self.logger_id} in {LEDGER} is changed by somebody else")

    def forget(self, connection: Connection) -> None:
        """Remove this logger's row from the ledger."""
        connection.execute(f"DELETE FROM {LEDGER} WHERE logger = ?", (self.logger_id,))
        connection.commit()

    def _insert(self, connection: Connection, layout: TableLayout, rows: Rows, last: int) -> dict[int, str]:
        try:
            insert_rows(connection, layout, rows)
        except RowsRejected:
            return _refused(connection, layout, rows)
        connection.commit()
        self._confirmed = last
        return {}

    def _move(self, connection: Connection, previous: int, last: int) -> bool:
        # The column is a server's to keep; SQLite has no ON UPDATE.
        changed = f", changed = {SQLITE_NOW}" if connection.dialect == "sqlite" else ""
        sql = f"UPDATE {LEDGER} SET seq = ?{changed} WHERE logger = ? AND seq = ?"
        return connection.execute(sql, (last, self.logger_id, previous)) == 1

    def _begin(self, connection: Connection, previous: int) -> int:
        """Return where the ledger stands; a new one begins at ``previous``."""
        rows = connection.query(f"SELECT seq FROM {LEDGER} WHERE logger = ?", (self.logger_id,))
        if not rows:
            connection.execute(
                f"INSERT INTO {LEDGER} (logger, seq, destination) VALUES (?, ?, ?)",
                (self.logger_id, previous, self._destination),
            )
        connection.commit()
        return int(rows[0][0]) if rows else previous

    def _look(self, connection: Connection, previous: int) -> int:
        """Find out why the ledger is not where it was expected, and return where it is."""
        connection.rollback()  # a new transaction, so that the query sees what was committed meanwhile
        expected = self._confirmed
        stands = self._begin(connection, previous)
        if expected is not None and stands < expected:
            LOGGER.error(
                "%s stands at %d for logger %s, which had come to %d: the database has gone back in time "
                "(a restored backup?), points stored in between may be missing from it",
                *(LEDGER, stands, self.logger_id, expected),
            )
        if stands > self._sent:
            LOGGER.error(
                "%s stands at %d for logger %s, which has sent no more than %d: somebody else has changed it. "
                "This logger takes a new identity",
                *(LEDGER, stands, self.logger_id, self._sent),
            )
            self.logger_id = uuid.uuid4().hex
            stands = self._begin(connection, previous)
        return stands


@dataclass(frozen=True)
class _Attempt:
    """An insertion whose outcome is not known yet: the largest id before it, its rows and its connection."""

    above_id: int
    rows: Rows
    connection: Connection


class ComparingWriting(Writing):
    """For tables without transactions, or accounts without a ledger: looks what is there after an unknown outcome.

    The largest id is noted before each batch. After an unknown outcome the connection that had it is ended on the
    server, and what stands above that id is compared with the batch. Two loggers that store equal values of one
    codename with equal time stamps at such a moment cannot be told apart.
    """

    def __init__(self) -> None:
        self._attempt: _Attempt | None = None
        self._stored: set[int] = set()

    def store(self, connection: Connection, layout: TableLayout, rows: Rows) -> dict[int, str]:
        """Store what of the rows is not in the table yet."""
        self._clear_up(connection, layout)
        reasons: dict[int, str] = {}
        try:
            self._insert(connection, layout, self._missing(rows))
        except RowsRejected:
            if layout.transactional:
                self._attempt = None
                return _refused(connection, layout, self._missing(rows))
            # Without transactions the rows before the refused one are in the table; go on one by one.
            self._clear_up(connection, layout)
            missing = self._missing(rows)
            for i in range(len(missing)):
                row = missing.only(slice(i, i + 1))
                try:
                    self._insert(connection, layout, row)
                    self._stored.add(int(row.sequences[0]))
                except RowsRejected as error:
                    connection.rollback()
                    self._attempt = None
                    reasons[int(row.sequences[0])] = str(error)
        if not reasons:
            self._stored = {sequence for sequence in self._stored if sequence > rows.last_sequence}
        return reasons

    def _insert(self, connection: Connection, layout: TableLayout, rows: Rows) -> None:
        if len(rows) == 0:
            return
        ((largest,),) = connection.query(f"SELECT COALESCE(MAX(id), 0) FROM {quote(layout.table)}")
        self._attempt = _Attempt(int(largest), rows, connection)
        insert_rows(connection, layout, rows)
        connection.commit()
        self._attempt = None

    def _missing(self, rows: Rows) -> Rows:
        import numpy as np

        return rows.only(~np.isin(rows.sequences, list(self._stored))) if self._stored else rows

    def _clear_up(self, connection: Connection, layout: TableLayout) -> None:
        """Find out which rows of an attempt with unknown outcome are in the table."""
        if self._attempt is None:
            return
        if connection is not self._attempt.connection and not connection.end(self._attempt.connection):
            raise DatabaseUnavailable("the connection of an earlier attempt is still at work on the server")
        connection.rollback()
        present = Counter(
            (int(type_), int(microseconds), None if value is None else float(value))
            for type_, microseconds, value in connection.query(
                f"SELECT type, {_microseconds_of_time(connection)}, value FROM {quote(layout.table)} WHERE id > ?",
                (self._attempt.above_id,),
            )
        )
        connection.commit()
        rows = self._attempt.rows
        columns = (rows.sequences, rows.types, rows.microseconds, rows.values)
        for sequence, type_, microseconds, value in zip(*(column.tolist() for column in columns), strict=True):
            key = (type_, microseconds, None if math.isnan(value) else value)
            if present[key] > 0:
                present[key] -= 1
                self._stored.add(sequence)
        self._attempt = None


def _refused(connection: Connection, layout: TableLayout, rows: Rows) -> dict[int, str]:
    """Undo an insertion into a transactional table; return sequence number and reason of the rows that spoiled it."""
    connection.rollback()
    reasons = rejected_rows(connection, layout, rows)
    if not reasons:
        raise DatabaseUnavailable("rows were refused together, but not one by one")
    return {int(rows.sequences[position]): reason for position, reason in reasons.items()}


def _microseconds_of_time(connection: Connection) -> str:
    """Return the expression that gives the column ``time`` in microseconds."""
    if connection.dialect == "sqlite":
        return "CAST(ROUND(time * 1000000) AS INTEGER)"
    return "CAST(UNIX_TIMESTAMP(time) * 1000000 AS SIGNED)"
