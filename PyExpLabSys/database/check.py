"""A look at the tables of a setup: what is missing, old or running out, and the statement that would mend it.

Nothing is changed: a lab's tables are the lab's, and an ALTER of a large one locks it for long.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from PyExpLabSys.database import codenames, schema
from PyExpLabSys.database.check_ids import check_row_ids, check_type_ids
from PyExpLabSys.database.check_server import check_server, may_create_tables
from PyExpLabSys.database.connection import Connection
from PyExpLabSys.database.findings import DAY_S, Finding, Severity
from PyExpLabSys.database.schema import DESCRIPTIONS, LEDGER, TableLayout, quote
from PyExpLabSys.database.table_definitions import statements

LEDGER_ROW_OLD_S = 90 * DAY_S
IN_THE_FUTURE_S = DAY_S
SEVERITIES: tuple[Severity, ...] = ("severe", "warning", "note")


def check(connection: Connection, setup: str, now_s: float | None = None) -> list[Finding]:
    """Return what there is to say about a setup's tables, the worst first; changes nothing.

    Args:
        connection: Left without an open transaction.
        setup: Its table of continuous data is ``dateplots_<setup>``.
        now_s: The unix time in s; None: this computer's.
    """
    now_s = time.time() if now_s is None else now_s
    try:
        findings = list(_findings(connection, setup, now_s))
    finally:
        connection.rollback()
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def _findings(connection: Connection, setup: str, now_s: float) -> Iterator[Finding]:
    kinds = {
        DESCRIPTIONS: DESCRIPTIONS,
        "dateplots": schema.dateplots_table(setup),
        "measurements": schema.measurements_table(setup),
        "xy_values": schema.xy_values_table(setup),
    }
    layouts: dict[str, TableLayout] = {}
    for kind, table in kinds.items():
        if schema.exists(connection, table):
            layouts[kind] = schema.describe(connection, table)
            yield from _check_table(connection, kind, layouts[kind])
        else:
            yield Finding(
                severity="severe" if kind in (DESCRIPTIONS, "dateplots") else "warning",
                where=table,
                what="there is no such table; pyexplabsys database create makes it",
                mend=";\n".join(statements(connection.dialect, kind, table)),
            )
    if DESCRIPTIONS in layouts:
        yield from _check_codenames(connection, layouts[DESCRIPTIONS])
    if "dateplots" in layouts:
        yield from _check_times(connection, layouts["dateplots"].table, now_s)
    yield from _check_ledger(connection, now_s)
    if connection.dialect == "mysql":
        if DESCRIPTIONS in layouts and "dateplots" in layouts:
            yield from check_type_ids(connection, layouts[DESCRIPTIONS], layouts["dateplots"])
        yield from check_server(connection, now_s)


def _check_table(connection: Connection, kind: str, layout: TableLayout) -> Iterator[Finding]:
    table, name = layout.table, quote(layout.table)
    yield from _check_index(connection, kind, table)
    if kind == "dateplots" and not layout.value_nullable:
        yield Finding(
            severity="note",
            where=table,
            what="value does not take NULL: a NaN cannot be stored and is set aside",
            mend=f"ALTER TABLE {name} MODIFY value double NULL",
        )
    if connection.dialect == "sqlite":
        return
    if not layout.transactional:
        yield Finding(
            severity="warning",
            where=table,
            what=f"engine {layout.engine} has no transactions: a crash of the server can damage the table, and after a "
            "lost connection what arrived must be found out by comparing",
            mend=f"ALTER TABLE {name} ENGINE=InnoDB",
        )
    if "time" in layout.columns and layout.time_digits < schema.TIME_DIGITS:
        unit = "whole seconds" if layout.time_digits == 0 else f"{layout.time_digits} digits of the second"
        yield Finding(
            severity="warning",
            where=table,
            what=f"time keeps {unit} only, the rest of a point's time is lost",
            mend=f"ALTER TABLE {name} MODIFY time timestamp(6) NOT NULL DEFAULT current_timestamp(6)",
        )
    yield from _check_charset(connection, table)
    if kind != DESCRIPTIONS:
        yield from check_row_ids(connection, layout)


def _check_index(connection: Connection, kind: str, table: str) -> Iterator[Finding]:
    wanted = {"dateplots": ("type", "time"), "xy_values": ("measurement",)}.get(kind)
    if wanted is None or any(index[: len(wanted)] == wanted for index in schema.indices(connection, table).values()):
        return
    columns = ", ".join(wanted)
    yield Finding(
        severity="warning",
        where=table,
        what=f"there is no index on ({columns}): reading looks at rows of everything else as well",
        mend=f"CREATE INDEX `{table[:48]}_{'_'.join(wanted)}` ON {quote(table)} ({columns})",
    )


def _check_charset(connection: Connection, table: str) -> Iterator[Finding]:
    rows = connection.query(
        "SELECT DISTINCT character_set_name FROM information_schema.columns WHERE table_schema = DATABASE() "
        "AND table_name = ? AND character_set_name IS NOT NULL AND character_set_name <> 'utf8mb4'",
        (table,),
    )
    if rows:
        yield Finding(
            severity="note",
            where=table,
            what=f"text is kept as {', '.join(sorted(row[0] for row in rows))}, which lacks signs such as that of ohm",
            mend=f"ALTER TABLE {quote(table)} CONVERT TO CHARACTER SET utf8mb4",
        )


def _check_codenames(connection: Connection, layout: TableLayout) -> Iterator[Finding]:
    twice = codenames.duplicates(connection)
    for codename, ids in twice.items():
        yield Finding(
            severity="severe",
            where=DESCRIPTIONS,
            what=f"codename '{codename}' has {len(ids)} rows, with ids {', '.join(map(str, ids))}: no script can "
            "use it. Rename all but the one whose id the points have as type",
        )
    if ("codename",) not in schema.indices(connection, DESCRIPTIONS, unique=True).values():
        yield Finding(
            severity="warning",
            where=DESCRIPTIONS,
            what="codename has no unique key: nothing keeps a second row with the same one out",
            mend=None if twice else f"ALTER TABLE {DESCRIPTIONS} ADD UNIQUE KEY codename (codename)",
        )
    if "unit" not in layout.columns:
        yield Finding(
            severity="note",
            where=DESCRIPTIONS,
            what="there is no column for the unit; it is kept at the end of the description",
            mend=f"ALTER TABLE {DESCRIPTIONS} ADD COLUMN unit varchar(64) NOT NULL DEFAULT ''",
        )


def _check_times(connection: Connection, table: str, now_s: float) -> Iterator[Finding]:
    indices = schema.indices(connection, table).values()
    # Without a fitting index this would be a look at every row.
    by_type = any(index[:2] == ("type", "time") for index in indices)
    if not by_type and not any(index[:1] == ("time",) for index in indices):
        return
    # UNIX_TIMESTAMP of a time zero that comes out of MIN is NULL, so it is compared as it stands in the column.
    latest_sql = "UNIX_TIMESTAMP(MAX(time))" if connection.dialect == "mysql" else "MAX(time)"
    rows = connection.query(
        f"SELECT MIN(time) = 0, {latest_sql} FROM {quote(table)}{' GROUP BY type' if by_type else ''}"
    )
    if any(zero for zero, _ in rows):
        yield Finding(severity="warning", where=table, what="there are points with the time zero: no reader finds them")
    latest = max((float(end) for _, end in rows if end is not None), default=0.0)
    if latest > now_s + IN_THE_FUTURE_S:
        moment = datetime.fromtimestamp(latest, UTC).isoformat(" ", "seconds")
        yield Finding(
            severity="warning",
            where=table,
            what=f"there are points in the future, up to {moment}: a clock was, or is, wrong",
        )


def _check_ledger(connection: Connection, now_s: float) -> Iterator[Finding]:
    if not schema.exists(connection, LEDGER):
        may = connection.dialect == "sqlite" or may_create_tables(connection)
        yield Finding(
            severity="note" if may else "warning",
            where=LEDGER,
            what="there is no ledger yet; the first logger makes it"
            if may
            else "there is no ledger and this account may not create it: a lost connection may store points twice",
            mend=statements(connection.dialect, LEDGER, LEDGER)[0],
        )
        return
    if not schema.describe(connection, LEDGER).transactional:
        yield Finding(
            severity="severe",
            where=LEDGER,
            what="the ledger must stand in an engine with transactions, or points are lost or doubled",
            mend=f"ALTER TABLE {LEDGER} ENGINE=InnoDB",
        )
    changed = "UNIX_TIMESTAMP(changed)" if connection.dialect == "mysql" else "changed"
    old = connection.query(
        f"SELECT logger, destination FROM {LEDGER} WHERE {changed} < ? ORDER BY changed", (now_s - LEDGER_ROW_OLD_S,)
    )
    for logger, destination in old:
        literal = str(logger).replace("'", "''")
        literal = literal.replace("\\", "\\\\") if connection.dialect == "mysql" else literal
        yield Finding(
            severity="note",
            where=LEDGER,
            what=f"logger {logger} ({destination}) has stored nothing for 90 days; if it is gone, its row may go",
            mend=f"DELETE FROM {LEDGER} WHERE logger = '{literal}'",
        )
