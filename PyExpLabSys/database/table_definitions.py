"""How new tables look, in both dialects. Tables that a lab has are never altered.

* InnoDB, because exactly-once delivery needs transactions, and a server crash must not tear a table.
* ``timestamp(6)``: the time of a point to the microsecond.
* ``bigint unsigned`` ids: an ``int`` ends after 497 days of 100 codenames at 1 Hz.
* An index on (``type``, ``time``), which is how points are read: one codename, one span, in order.
* ``utf8mb4``, for the signs of degree, micro and ohm in units. Codenames compare by their bytes
  (``utf8mb4_bin``): under the usual collations ``T_Sample`` and ``t_sample`` are one name, and so are names that
  differ in an accent, and a unique key would refuse what a script takes for two names.

In SQLite ``time`` is a REAL holding unix seconds, since SQLite has no type for it.
"""

from textwrap import dedent

from PyExpLabSys.database.connection import Dialect

_MYSQL = {
    "dateplots_descriptions": """
        CREATE TABLE IF NOT EXISTS {table} (
            id int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
            codename varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
            description varchar(255) NULL,
            unit varchar(64) NOT NULL DEFAULT '',
            UNIQUE KEY codename (codename)
        ) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4
        """,
    "dateplots": """
        CREATE TABLE IF NOT EXISTS {table} (
            id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
            time timestamp(6) NOT NULL DEFAULT current_timestamp(6),
            type int unsigned NOT NULL,
            value double NULL,
            KEY type_time (type, time)
        ) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4
        """,
    "measurements": """
        CREATE TABLE IF NOT EXISTS {table} (
            id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
            time timestamp(6) NOT NULL DEFAULT current_timestamp(6),
            type int unsigned NOT NULL,
            timestep double NULL,
            comment varchar(255) NOT NULL DEFAULT '',
            label varchar(255) NULL,
            KEY time (time)
        ) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4
        """,
    # An InnoDB index ends in the primary key, so this one also gives ORDER BY id within a measurement.
    "xy_values": """
        CREATE TABLE IF NOT EXISTS {table} (
            id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
            measurement bigint unsigned NOT NULL,
            x double NOT NULL,
            y double NOT NULL,
            KEY measurement (measurement)
        ) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4
        """,
    "logger_progress": """
        CREATE TABLE IF NOT EXISTS {table} (
            logger varchar(64) NOT NULL PRIMARY KEY,
            seq bigint unsigned NOT NULL,
            destination varchar(255) NULL,
            changed timestamp NOT NULL DEFAULT current_timestamp ON UPDATE current_timestamp
        ) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
        """,
}

# With a fraction, from the Julian day: unixepoch('subsec') needs SQLite 3.42.
SQLITE_NOW = "(julianday('now') - 2440587.5) * 86400.0"
"""The present unix time in s, in SQLite."""

_SQLITE = {
    "dateplots_descriptions": """
        CREATE TABLE IF NOT EXISTS {table} (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            codename TEXT NOT NULL UNIQUE,
            description TEXT NULL,
            unit TEXT NOT NULL DEFAULT ''
        )
        """,
    "dateplots": """
        CREATE TABLE IF NOT EXISTS {table} (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            time REAL NOT NULL DEFAULT ({now}),
            type INTEGER NOT NULL,
            value REAL NULL
        );
        CREATE INDEX IF NOT EXISTS {index_type_time} ON {table} (type, time)
        """,
    "measurements": """
        CREATE TABLE IF NOT EXISTS {table} (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            time REAL NOT NULL DEFAULT ({now}),
            type INTEGER NOT NULL,
            timestep REAL NULL,
            comment TEXT NOT NULL DEFAULT '',
            label TEXT NULL
        );
        CREATE INDEX IF NOT EXISTS {index_time} ON {table} (time)
        """,
    "xy_values": """
        CREATE TABLE IF NOT EXISTS {table} (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            measurement INTEGER NOT NULL,
            x REAL NOT NULL,
            y REAL NOT NULL
        );
        CREATE INDEX IF NOT EXISTS {index_measurement} ON {table} (measurement)
        """,
    "logger_progress": """
        CREATE TABLE IF NOT EXISTS {table} (
            logger TEXT NOT NULL PRIMARY KEY,
            seq INTEGER NOT NULL,
            destination TEXT NULL,
            changed REAL NOT NULL DEFAULT ({now})
        )
        """,
}

_DEFINITIONS: dict[Dialect, dict[str, str]] = {"mysql": _MYSQL, "sqlite": _SQLITE}


def statements(dialect: Dialect, kind: str, table: str) -> list[str]:
    """Return the statements that make a new table, none of which harms one that is there.

    Args:
        dialect: Of which server.
        kind: ``dateplots``, ``measurements``, ``xy_values``, ``dateplots_descriptions`` or ``logger_progress``.
        table: Its name, a valid identifier.
    """
    # In SQLite the names of indices are common to the whole file, so they carry the table's.
    indices = {f"index_{columns}": f"`{table}_{columns}`" for columns in ("type_time", "time", "measurement")}
    text = dedent(_DEFINITIONS[dialect][kind]).format(table=f"`{table}`", now=SQLITE_NOW, **indices)
    return [statement.strip() for statement in text.split(";")]
