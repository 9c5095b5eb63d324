"""The sink for the lab's ``cinfdata`` database: MySQL, MariaDB, ODBC or SQLite."""

import logging
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from PyExpLabSys.common.sink import Sink
from PyExpLabSys.errors import (
    CodenameError,
    DatabaseError,
    DatabaseMisconfigured,
    DatabaseUnavailable,
    DestinationMisconfigured,
    PointsRejected,
    TryAgainLater,
)

if TYPE_CHECKING:
    from PyExpLabSys.common.batch import Batch
    from PyExpLabSys.common.receipts import Writing
    from PyExpLabSys.database.connection import Connection
    from PyExpLabSys.database.schema import TableLayout
    from PyExpLabSys.database.target import DatabaseTarget
    from PyExpLabSys.database.writing import Rows

LOGGER = logging.getLogger(__name__)

LOCK_WAIT_TIMEOUT = 1205
# After so many failures in a row, what earlier connections may still be doing is ended whatever the error was.
PATIENCE = 2
FORGOTTEN_MAX = 16
# Each commit is synced to the disk, and writes again the pages of the index that the one before wrote.
SQLITE_BATCH_POINTS = 20_000


class CinfdataSink(Sink):
    """Stores points in one ``dateplots_`` table, each once.

    The first connection is made when it is needed, and again after every failure: a connection on which something
    went wrong is given up, since nobody knows what it will still do.

    Args:
        target: The database.
        table: The table, such as ``dateplots_dummy``.
        logger_id: Identity of the log that the points come from (see
            :class:`~PyExpLabSys.common.receipts.LedgerWriting`).
        lasting: The log outlives this process; its row in the ledger stays when everything is delivered.
    """

    def __init__(self, target: "DatabaseTarget", table: str, *, logger_id: str, lasting: bool = False) -> None:
        from PyExpLabSys.database.schema import valid_identifier

        self.name = f"{target.name}/{valid_identifier(table)}"
        self.timeout_s = target.statement_timeout_s
        if target.sqlite_path is not None:
            self.batch_points = SQLITE_BATCH_POINTS
        self._target = target
        self._table = table
        self._logger_id = logger_id
        self._lasting = lasting
        self._writing: Writing | None = None
        self._transactional = False
        self._layout: TableLayout
        self._latest_s: float
        self._connection: Connection | None = None
        self._forgotten: deque[Connection] = deque(maxlen=FORGOTTEN_MAX)
        self._end_forgotten = False
        self._failures = 0
        self.types: dict[str, int] = {}

    @property
    def connection(self) -> "Connection | None":
        """The present connection, None while there is none."""
        return self._connection

    def prepare(self, codenames: Iterable[str]) -> None:
        """Connect, see that points can be stored, and translate codenames.

        Raises:
            DatabaseUnavailable: Not now.
            DatabaseMisconfigured: Wrong password, no such table, no right to write.
            CodenameError: A codename does not have exactly one entry.
        """
        from PyExpLabSys.database import codenames as descriptions

        try:
            connection = self._connected()
            self.types |= {name: descriptions.translate(connection, name) for name in codenames}
            connection.commit()
        except DatabaseError:
            self._give_up_connection()
            raise

    def store(self, batch: "Batch") -> None:
        """Store all points of a batch, or raise as :meth:`Sink.store` says."""
        try:
            self._store(batch)
            self._failures = 0
        except DatabaseUnavailable as error:
            self._failures += 1
            # Somebody holds the ledger's row: most likely an earlier connection of ours that the server still has.
            self._end_forgotten |= error.code == LOCK_WAIT_TIMEOUT or self._failures >= PATIENCE
            self._give_up_connection()
            raise TryAgainLater(str(error)) from error
        except (DatabaseMisconfigured, CodenameError) as error:
            self._give_up_connection()
            raise DestinationMisconfigured(str(error)) from error

    def interrupt(self) -> None:
        """Break the connection under a statement that hangs."""
        if (connection := self._connection) is not None:
            connection.abandon()

    def close(self, *, delivered: bool) -> None:
        """Close the connection; a log that does not last takes its row out of the ledger when all is delivered."""
        if self._connection is None:
            return
        if delivered and not self._lasting and self._writing is not None:
            try:
                self._writing.forget(self._connection)
            except DatabaseError as error:
                LOGGER.info("a row stays in the ledger of %s: %s", self._connection.server, error)
        self._connection.close()
        self._connection = None

    def _store(self, batch: "Batch") -> None:
        import numpy as np

        from PyExpLabSys.database.writing import unstorable

        connection = self._connected()
        # A table made anew may have another engine, and what suits one with transactions fails with one without.
        if self._writing is None or self._transactional != self._layout.transactional:
            self._writing = self._choose_writing(connection)
            self._transactional = self._layout.transactional
        indices, reasons = unstorable(self._layout, batch.times, batch.values, self._latest_s)
        if indices:
            raise PointsRejected(indices, reasons)
        refused = self._writing.store(connection, self._layout, self._rows(connection, batch))
        if refused:
            raise PointsRejected(np.searchsorted(batch.sequences, list(refused)).tolist(), list(refused.values()))

    def _rows(self, connection: "Connection", batch: "Batch") -> "Rows":
        import numpy as np

        from PyExpLabSys.database.codenames import translate
        from PyExpLabSys.database.writing import Rows, stored_microseconds

        used, positions = np.unique(batch.ids, return_inverse=True)
        names = [batch.codenames[i] for i in used]
        self.types |= {name: translate(connection, name) for name in names if name not in self.types}
        return Rows(
            first_sequence=batch.first_sequence,
            last_sequence=batch.last_sequence,
            sequences=batch.sequences,
            types=np.array([self.types[name] for name in names], np.int64)[positions],
            microseconds=stored_microseconds(self._layout, batch.times),
            values=batch.values,
        )

    def _connected(self) -> "Connection":
        """Return a connection through which the table can be written."""
        if self._connection is None:
            # Database drivers and numpy are loaded here, by the thread that needs them.
            from PyExpLabSys.database.opening import connect
            from PyExpLabSys.database.schema import describe, quote
            from PyExpLabSys.database.writing import latest_time

            self._connection = connection = connect(self._target)
            self._layout = describe(connection, self._table)
            self._latest_s = latest_time(connection)
            # Stores nothing, but fails like an INSERT that would: a missing right or column is known at once.
            nothing = "SELECT type, time, value FROM (SELECT 1 AS type, NULL AS time, 1 AS value) AS one WHERE type = 0"
            connection.execute(f"INSERT INTO {quote(self._table)} (type, time, value) {nothing}")
            connection.commit()
            if self._end_forgotten:
                still_there = [old for old in self._forgotten if not connection.end(old)]
                self._forgotten = deque(still_there, maxlen=FORGOTTEN_MAX)
                self._end_forgotten = False
        return self._connection

    def _choose_writing(self, connection: "Connection") -> "Writing":
        from PyExpLabSys.common.receipts import ComparingWriting, LedgerWriting
        from PyExpLabSys.database.schema import LEDGER, create_ledger, describe

        if not self._layout.transactional:
            LOGGER.info(
                "%s has no transactions (%s): what it holds is compared after a failure", self.name, self._layout.engine
            )
            return ComparingWriting()
        try:
            create_ledger(connection)
            if describe(connection, LEDGER).transactional:
                # Neither touches a row, but both fail where the account may not write to the ledger.
                connection.execute(f"INSERT INTO {LEDGER} (logger, seq) SELECT logger, seq FROM {LEDGER} WHERE 1 = 0")
                connection.execute(f"UPDATE {LEDGER} SET seq = seq WHERE logger = ''")
                connection.commit()
                return LedgerWriting(self._logger_id, self.name)
            reason = f"{LEDGER} is no InnoDB table: ALTER TABLE {LEDGER} ENGINE=InnoDB"
        except DatabaseMisconfigured as error:
            connection.rollback()
            reason = str(error)
        LOGGER.warning(
            "no ledger for %s (%s): delivery is at least once; a point may be stored twice after a failure. "
            "An administrator mends it: pyexplabsys database create makes the table, and "
            "GRANT SELECT, INSERT, UPDATE, DELETE ON %s lets this account use it",
            *(self.name, reason, LEDGER),
        )
        return ComparingWriting()

    def _give_up_connection(self) -> None:
        if self._connection is not None:
            self._connection.abandon()
            self._forgotten.append(self._connection)
            self._connection = None
