"""How long the numbers of a table's rows last."""

import re
from collections.abc import Iterator

from PyExpLabSys.database.connection import Connection
from PyExpLabSys.database.findings import DAY_S, YEAR_S, Finding, severity_of
from PyExpLabSys.database.schema import DESCRIPTIONS, TableLayout, quote

BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
# The rate is that of the last week; one look back covers four times the rows of the one before.
RATE_OVER_S = 7 * DAY_S
FIRST_LOOK_BACK = 1_000
USED_WARNING, USED_SEVERE = 0.5, 0.9


def largest(column_type: str) -> int:
    """Return the largest number that fits a type such as ``int(10) unsigned``; 0 if it is no whole number."""
    match = re.match(r"[a-z]+", column_type.lower())
    bits = BITS.get(match[0], 0) if match else 0
    return 2 ** (bits if "unsigned" in column_type.lower() else bits - 1) - 1 if bits else 0


def check_row_ids(connection: Connection, layout: TableLayout) -> Iterator[Finding]:
    """Yield what there is to say about the ids of rows that are not ``bigint``."""
    end = largest(layout.id_type)
    if not end or end >= largest("bigint"):
        return
    ((last,),) = connection.query(f"SELECT COALESCE(MAX(id), 0) FROM {quote(layout.table)}")
    used = int(last) / end
    mend = f"ALTER TABLE {quote(layout.table)} MODIFY id bigint unsigned NOT NULL AUTO_INCREMENT"
    rate_hz = _rows_per_second(connection, layout.table, int(last)) if "time" in layout.columns else None
    if rate_hz:
        left_s = (end - int(last)) / rate_hz
        what = f"ids are {layout.id_type}: {used:.1%} are used, at last week's rate of rows they end in {_span(left_s)}"
        yield Finding(severity=severity_of(left_s), where=layout.table, what=what, mend=mend)
    else:
        severity = severity_of(0.0 if used > USED_SEVERE else YEAR_S if used > USED_WARNING else float("inf"))
        what = f"ids are {layout.id_type}: {used:.1%} are used, then no row can be stored"
        yield Finding(severity=severity, where=layout.table, what=what, mend=mend)


def check_type_ids(connection: Connection, descriptions: TableLayout, dateplots: TableLayout) -> Iterator[Finding]:
    """Yield a finding if the ids of codenames come near the end of what both tables can hold."""
    for layout, column in ((descriptions, "id"), (dateplots, "type")):
        end = largest(layout.columns.get(column, ""))
        ((last,),) = connection.query(f"SELECT COALESCE(MAX(id), 0) FROM {DESCRIPTIONS}")
        if end and int(last) > USED_WARNING * end:
            increment = " AUTO_INCREMENT" if column == "id" else ""
            yield Finding(
                severity="severe" if int(last) > USED_SEVERE * end else "warning",
                where=layout.table,
                what=f"{column} is {layout.columns[column]}, which ends at {end}; the last codename has id {last}",
                mend=f"ALTER TABLE {quote(layout.table)} MODIFY {column} int unsigned NOT NULL{increment}",
            )


def _rows_per_second(connection: Connection, table: str, last: int) -> float | None:
    """Return how fast ids are used up, over the last week or what there is of it; a few looks at the primary key."""
    newest = _time_at(connection, table, last)
    rate_hz, back = None, FIRST_LOOK_BACK
    while newest is not None:
        first = max(last - back, 1)
        time_s = _time_at(connection, table, first)
        if time_s is not None and newest > time_s:
            rate_hz = (last - first) / (newest - time_s)
            if newest - time_s >= RATE_OVER_S:
                break
        if first == 1:
            break
        back *= 4
    return rate_hz


def _time_at(connection: Connection, table: str, id_: int) -> float | None:
    rows = connection.query(
        f"SELECT UNIX_TIMESTAMP(time) FROM {quote(table)} WHERE id >= ? ORDER BY id LIMIT 1", (id_,)
    )
    return float(rows[0][0]) if rows else None


def _span(seconds: float) -> str:
    return f"{seconds / YEAR_S:.1f} years" if seconds >= YEAR_S else f"{seconds / DAY_S:.0f} days"
