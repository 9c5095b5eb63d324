"""Writes many points with few statements.

``executemany`` of the usual drivers sends one statement a row as soon as a placeholder stands inside a function
call such as ``FROM_UNIXTIME(?)``, and binding five thousand parameters costs more than storing them. So the text of
one multi-row INSERT is made here. It holds nothing but digits of numbers: no text of anybody's enters it.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PyExpLabSys.database.connection import Connection
from PyExpLabSys.database.schema import TableLayout, quote
from PyExpLabSys.database.times import MICROSECONDS, floor_all_to_digits, microseconds_of
from PyExpLabSys.errors import RowsRejected

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

ROW_BYTES_MAX = 80
"""The longest row: ``(4294967295,TIMESTAMP'2106-02-07T06:28:15.999999',-1.2345678901234567e-308),``."""
STATEMENT_OVERHEAD_BYTES = 512
EARLIEST_S = 1.0
"""Unix 0 is refused, and what is below silently becomes the present time in a column that defaults to it."""
LATEST_S = 2.0**32
"""No server stores later times in a TIMESTAMP, and most none from 2038 on: see :func:`latest_time`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Points as the table takes them.

    Attributes:
        first_sequence: Everything below it is stored.
        last_sequence: Once these rows are stored, everything up to here is.
        sequences: Sequence number of each point, ascending.
        types: Id of each point's codename in ``dateplots_descriptions``.
        microseconds: Unix time of each point in microseconds, floored to what the column keeps.
        values: The values; NaN is stored as NULL.
    """

    first_sequence: int
    last_sequence: int
    sequences: "NDArray[np.int64]"
    types: "NDArray[np.int64]"
    microseconds: "NDArray[np.int64]"
    values: "NDArray[np.float64]"

    def __len__(self) -> int:
        return len(self.sequences)

    def only(self, which: "NDArray[np.bool_] | NDArray[np.intp] | slice") -> "Rows":
        """Return the rows at these positions; sequence numbers that they settle stay the same."""
        return replace(
            self,
            sequences=self.sequences[which],
            types=self.types[which],
            microseconds=self.microseconds[which],
            values=self.values[which],
        )


def latest_time(connection: Connection) -> float:
    """Return the latest unix time in s that may be sent.

    Some servers say no to a later one; to others it is NULL, which silently becomes the present time in a column that
    defaults to it, as with times below :data:`EARLIEST_S`.
    """
    if connection.dialect == "sqlite":
        return LATEST_S - 1e-6
    ((beyond_2038,),) = connection.query(f"SELECT FROM_UNIXTIME({LATEST_S - 1:.0f})")
    return (2.0**31 if beyond_2038 is None else LATEST_S) - 1e-6


def unstorable(
    layout: TableLayout, times: "NDArray[np.float64]", values: "NDArray[np.float64]", latest_s: float
) -> tuple[list[int], list[str]]:
    """Return positions and reasons of the points that a table can never take, whatever the server says.

    Args:
        layout: The table.
        times: Unix times in s.
        latest_s: The server's :func:`latest_time`.
        values: The values.
    """
    import numpy as np

    bad_time = ~((times >= EARLIEST_S) & (times <= latest_s))
    bad_value = np.isinf(values)
    if not layout.value_nullable:
        bad_value |= np.isnan(values)
    indices = np.flatnonzero(bad_time | bad_value).tolist()
    reasons = [
        f"time {times[i]} is not between {EARLIEST_S:.0f} and {latest_s:.6f} s"
        if bad_time[i]
        else f"value {values[i]} cannot be stored in a {'nullable ' if layout.value_nullable else ''}column of numbers"
        for i in indices
    ]
    return indices, reasons


def stored_microseconds(layout: TableLayout, times: "NDArray[np.float64]") -> "NDArray[np.int64]":
    """Return unix times in s as the table keeps them, in microseconds."""
    return floor_all_to_digits(microseconds_of(times), layout.time_digits)


def insert_rows(connection: Connection, layout: TableLayout, rows: Rows) -> None:
    """Insert rows in their order, with as few statements as the server's longest statement allows; no commit.

    Raises:
        RowsRejected: The server refuses a value. What is in the table then depends on its engine.
        DatabaseUnavailable: The outcome is unknown.
        DatabaseMisconfigured: The table is not as described, or the account may not write to it.
    """
    if connection.dialect == "sqlite":
        _insert_bound(connection, layout, rows)
        return
    prefix = f"INSERT INTO {quote(layout.table)} (type, time, value) VALUES "
    for part in _parts(rows, connection.max_statement_bytes):
        connection.execute(prefix + ",".join(_row_texts(part)))


def _parts(rows: Rows, max_statement_bytes: int) -> "Iterable[Rows]":
    step = max(1, (max_statement_bytes - STATEMENT_OVERHEAD_BYTES) // ROW_BYTES_MAX)
    return (rows.only(slice(start, start + step)) for start in range(0, len(rows), step))


def _row_texts(rows: Rows) -> "Iterable[str]":
    import numpy as np

    # A literal is read once, as it stands; FROM_UNIXTIME costs the server as much again as the rest of the row. The
    # session is in UTC, so that it says the same.
    times = np.datetime_as_string(rows.microseconds.view("datetime64[us]"), unit="us").tolist()
    # repr() of a float is the shortest text that gives the same float again. Without an exponent the server would
    # take it for a DECIMAL, and convert that.
    values = [text if "e" in text else text + "e0" for text in map(repr, rows.values.tolist())]
    for i in np.flatnonzero(np.isnan(rows.values)).tolist():
        values[i] = "NULL"
    return map("(%d,TIMESTAMP'%s',%s)".__mod__, zip(rows.types.tolist(), times, values, strict=True))


def _insert_bound(connection: Connection, layout: TableLayout, rows: Rows) -> None:
    """Insert into SQLite, which sends nothing anywhere: binding is fastest there. NaN is bound as NULL by it."""
    times = (rows.microseconds / MICROSECONDS).tolist()
    connection.executemany(
        f"INSERT INTO {quote(layout.table)} (type, time, value) VALUES (?, ?, ?)",
        list(zip(rows.types.tolist(), times, rows.values.tolist(), strict=True)),
    )


def rejected_rows(connection: Connection, layout: TableLayout, rows: Rows) -> dict[int, str]:
    """Return position and reason of each row that the server refuses, found by bisection; stores nothing.

    Only for a transactional table. A row counts as refused also when only the rows before it make it so (a unique
    key that both want).
    """
    reasons: dict[int, str] = {}

    def try_span(start: int, end: int) -> None:
        connection.execute("SAVEPOINT tried")
        try:
            insert_rows(connection, layout, rows.only(slice(start, end)))
        except RowsRejected as error:
            connection.execute("ROLLBACK TO SAVEPOINT tried")
            if end - start == 1:
                reasons[start] = str(error)
            else:
                middle = (start + end) // 2
                try_span(start, middle)
                try_span(middle, end)

    try_span(0, len(rows))
    connection.rollback()
    return reasons
