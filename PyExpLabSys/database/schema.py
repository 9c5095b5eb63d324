"""The tables of ``cinfdata``: their names, what they look like, and how new ones are made.

Tables that a lab has are described, read and written as they are (MyISAM, whole seconds, latin1)
and never altered. How new ones look, and why, stands in :mod:`~PyExpLabSys.database.table_definitions`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from PyExpLabSys.database.connection import Connection
from PyExpLabSys.database.table_definitions import statements
from PyExpLabSys.errors import DatabaseMisconfigured

DESCRIPTIONS = "dateplots_descriptions"
LEDGER = "logger_progress"

IDENTIFIER = re.compile(r"[0-9a-zA-Z_$]{1,64}")
TRANSACTIONAL_ENGINES = frozenset({"innodb", "xtradb", "ndbcluster", "rocksdb", "sqlite"})
TIME_DIGITS = 6


@dataclass(frozen=True, kw_only=True)
class TableLayout:
    """What one table looks like, as far as reading and writing depend on it.

    Attributes:
        table: Its name.
        engine: The storage engine (``InnoDB``, ``MyISAM``, ``sqlite``); empty for a view.
        time_digits: Decimal digits of the second that its ``time`` keeps, 0 to 6; 0 without such a column.
        value_nullable: Whether ``value`` (in ``xy_values_`` tables ``y``) takes NULL.
        id_type: Type of its ``id``, such as ``int(10) unsigned``; empty without one (old ``xy_values_`` tables).
        columns: Type of each column by its name in lower case, as names of columns are case-insensitive.
        auto_increment: Whether the server gives the ``id`` of a new row; in old descriptions a person did.
    """

    table: str
    engine: str
    time_digits: int
    value_nullable: bool
    id_type: str
    columns: Mapping[str, str] = field(default_factory=dict)
    auto_increment: bool = True

    @property
    def transactional(self) -> bool:
        """Whether what was not committed can be undone."""
        return self.engine.lower() in TRANSACTIONAL_ENGINES


def valid_identifier(name: str) -> str:
    """Return a name unchanged if it may name a table or column.

    Raises:
        ValueError: It holds anything but a-z, A-Z, 0-9, '_' and '$', or has not 1 to 64 characters.
    """
    if IDENTIFIER.fullmatch(name) is None:
        raise ValueError(f"invalid name {name!r}: only 1 to 64 of a-z, A-Z, 0-9, '_' and '$' are allowed")
    return name


def quote(name: str) -> str:
    """Return a valid name in back-quotes, ready to stand in a statement of either dialect."""
    return f"`{valid_identifier(name)}`"


def dateplots_table(setup: str) -> str:
    """Return the name of a setup's table of continuous data.

    Raises:
        ValueError: The setup's name cannot be part of a table's name, or is ``descriptions``, which is taken.
    """
    table = valid_identifier(f"dateplots_{setup}")
    if table.lower() == DESCRIPTIONS:
        raise ValueError(f"a setup cannot be called {setup!r}: {DESCRIPTIONS} is the table of codenames")
    return table


def measurements_table(setup: str) -> str:
    """Return the name of a setup's table with one row for each data set."""
    return valid_identifier(f"measurements_{setup}")


def xy_values_table(setup: str) -> str:
    """Return the name of a setup's table with one row for each point of a data set."""
    return valid_identifier(f"xy_values_{setup}")


def exists(connection: Connection, table: str) -> bool:
    """Return whether a table is there and this account may see it."""
    if connection.dialect == "sqlite":
        sql = "SELECT 1 FROM sqlite_master WHERE type IN ('table', 'view') AND name = ?"
    else:
        sql = "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?"
    return bool(connection.query(sql, (valid_identifier(table),)))


def describe(connection: Connection, table: str) -> TableLayout:
    """Return what a table looks like.

    Raises:
        DatabaseMisconfigured: It is not there; the message names the command that makes it.
    """
    valid_identifier(table)
    layout = (
        _describe_sqlite(connection, table) if connection.dialect == "sqlite" else _describe_mysql(connection, table)
    )
    if layout is None:
        raise DatabaseMisconfigured(
            f"there is no table {table!r} in {connection.server}, or this account may not see it; "
            f"create it with: pyexplabsys database create --setup {setup_of(table)}"
        )
    return layout


def indices(connection: Connection, table: str, *, unique: bool = False) -> dict[str, tuple[str, ...]]:
    """Return the columns, in lower case and in order, of each index of a table; with ``unique`` only of unique ones."""
    if connection.dialect == "sqlite":
        sql = (
            'SELECT list.name, lower(info.name), list."unique" FROM pragma_index_list(?) AS list, '
            "pragma_index_info(list.name) AS info ORDER BY list.seq, info.seqno"
        )
    else:
        sql = (
            "SELECT index_name, LOWER(column_name), 1 - non_unique FROM information_schema.statistics "
            "WHERE table_schema = DATABASE() AND table_name = ? ORDER BY index_name, seq_in_index"
        )
    found: dict[str, tuple[str, ...]] = {}
    for name, column, is_unique in connection.query(sql, (valid_identifier(table),)):
        if is_unique or not unique:
            found[name] = (*found.get(name, ()), column or "")  # no name: an index on an expression
    return found


def setup_of(table: str) -> str:
    """Return the setup that a table belongs to: its name without the prefix; ``NAME`` for a lab's common tables."""
    if table in (DESCRIPTIONS, LEDGER):
        return "NAME"
    return re.sub(r"^(dateplots|measurements|xy_values)_", "", table)


def _describe_mysql(connection: Connection, table: str) -> TableLayout | None:
    engines = connection.query(
        "SELECT engine FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?", (table,)
    )
    if not engines:
        return None
    rows = connection.query(
        "SELECT LOWER(column_name), column_type, is_nullable, datetime_precision, extra "
        "FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? ORDER BY ordinal_position",
        (table,),
    )
    by_name = {
        name: (column_type, nullable == "YES", digits, extra) for name, column_type, nullable, digits, extra in rows
    }
    columns = {name: column_type for name, (column_type, *_) in by_name.items()}
    return TableLayout(
        table=table,
        engine=engines[0][0] or "",
        time_digits=int(by_name["time"][2] or 0) if "time" in by_name else 0,
        value_nullable=_value_nullable({name: nullable for name, (_, nullable, *_) in by_name.items()}),
        id_type=columns.get("id", ""),
        columns=columns,
        auto_increment="id" in by_name and "auto_increment" in by_name["id"][3].lower(),
    )


def _describe_sqlite(connection: Connection, table: str) -> TableLayout | None:
    rows = connection.query('SELECT lower(name), type, "notnull", pk FROM pragma_table_info(?)', (table,))
    if not rows:
        return None
    columns = {name: column_type for name, column_type, *_ in rows}
    return TableLayout(
        table=table,
        engine="sqlite",
        time_digits=TIME_DIGITS if "time" in columns else 0,
        value_nullable=_value_nullable({name: not not_null for name, _, not_null, _ in rows}),
        id_type=columns.get("id", ""),
        columns=columns,
        # An INTEGER PRIMARY KEY is the row number, which SQLite gives by itself.
        auto_increment=("id", "INTEGER", 1) in [(name, column_type.upper(), pk) for name, column_type, _, pk in rows],
    )


def _value_nullable(nullable: Mapping[str, bool]) -> bool:
    return nullable.get("value", nullable.get("y", False))


def create_tables(connection: Connection, setup: str) -> list[str]:
    """Make the tables of a setup, and the lab's common ones, that are not there yet.

    A table that is there is left as it is, whatever it looks like: ``pyexplabsys database check`` says what is old.

    Returns:
        The statements that were executed, empty when everything was there.
    """
    wanted = [
        (DESCRIPTIONS, DESCRIPTIONS),
        ("dateplots", dateplots_table(setup)),
        ("measurements", measurements_table(setup)),
        ("xy_values", xy_values_table(setup)),
        (LEDGER, LEDGER),
    ]
    return [sql for kind, table in wanted for sql in _create(connection, kind, table)]


def create_ledger(connection: Connection) -> None:
    """Make the table that records how far each logger has come, unless it is there."""
    _create(connection, LEDGER, LEDGER)


def _create(connection: Connection, kind: str, table: str) -> list[str]:
    # Asked first, although the statements say IF NOT EXISTS: that still needs the right to create tables.
    if exists(connection, table):
        return []
    executed = statements(connection.dialect, kind, table)
    for sql in executed:
        connection.execute(sql)
    connection.commit()
    return executed
