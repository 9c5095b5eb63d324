"""How long the numbers of a table's rows last."""

import re
from collections.abc import Iterator

from PyExpLabSys.database.connection import Connection
from PyExpLabSys.database.findings import DAY_S, YEAR_S, Finding, severity_of
from PyExpLabSys.database.schema import DESCRIPTIONS, TableLayout, quote

BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
# The rate is that of the last week or more; one look back covers four times the ids of the one before.
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
    lately = _ids_used(connection, layout.table, int(last)) if "time" in layout.columns else None
    if lately is not None:
        ids, over_s = lately
        left_s = (end - int(last)) / ids * over_s
        what = (
            f"ids are {layout.id_type}: {used:.1%} are used, at the rate of the last {_span(over_s)} with rows "
            f"they end in {_span(left_s)}"
        )
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


def _ids_used(connection: Connection, table: str, last: int) -> tuple[int, float] | None:
    """Return how many ids were used in how many seconds, over at least a week if there is one.

    Costs a few looks at the primary key, where counting the rows of a week would be a look at each.
    """
    newest = _row_up_to(connection, table, last)
    used, back = None, FIRST_LOOK_BACK
    while newest is not None:
        row = _row_up_to(connection, table, last - back)
        if row is None:
            break
        if newest[1] > row[1]:
            used = (newest[0] - row[0], newest[1] - row[1])
            if used[1] >= RATE_OVER_S:
                break
        back *= 4
    return used


def _row_up_to(connection: Connection, table: str, id_: int) -> tuple[int, float] | None:
    """Return id and unix time, in s, of the last row up to an id."""
    rows = connection.query(
        f"SELECT id, UNIX_TIMESTAMP(time) FROM {quote(table)} WHERE id <= ? ORDER BY id DESC LIMIT 1", (id_,)
    )
    return (int(rows[0][0]), float(rows[0][1])) if rows else None


def _span(seconds: float) -> str:
    return f"{seconds / YEAR_S:.1f} years" if seconds >= YEAR_S else f"{seconds / DAY_S:.1f} days"
