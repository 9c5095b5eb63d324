"""The tables that loggers write to in tests, in each layout that labs have on a server, and what stands in them."""

from collections.abc import Sequence

from PyExpLabSys.database import schema
from PyExpLabSys.database.connection import Connection
from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.database.times import floor_to_digits, to_microseconds
from tests.servers.lab import LabDatabase

LAYOUTS = ("new", "old InnoDB", "old MyISAM")
TABLE = "dateplots_dummy"
CODENAME = "dummy_sine_one"

StoredPoint = tuple[int, int, float | None]
"""Type, time in microseconds, value."""


def target_of(lab: LabDatabase, statement_timeout_s: float = 15.0) -> DatabaseTarget:
    """Return the lab's database with the account ``dummy``."""
    return DatabaseTarget(
        hosts=((lab.host, lab.port),),
        database=lab.name,
        username=lab.username,
        password=lab.password,
        statement_timeout_s=statement_timeout_s,
    )


def make_tables(lab: LabDatabase, layout: str, codenames: Sequence[str] = (CODENAME,)) -> dict[str, int]:
    """Make the tables of the setup ``dummy`` in one of the layouts; return the ids of the codenames."""
    if layout.startswith("old"):
        return lab.create_old_layout(codenames=codenames, engine=layout.split()[1])
    with connect(target_of(lab)) as connection:
        schema.create_tables(connection, "dummy")
    for codename in codenames:
        lab.sql("INSERT INTO dateplots_descriptions (codename) VALUES (%s)", (codename,))
    return {name: int(id_) for name, id_ in lab.sql("SELECT codename, id FROM dateplots_descriptions")}


def as_kept(layout: str, time_s: float) -> int:
    """Return a unix time in s as a table of that layout keeps it, in microseconds."""
    return floor_to_digits(to_microseconds(time_s), 0 if layout.startswith("old") else 6)


def points_in(lab: LabDatabase, table: str = TABLE) -> list[StoredPoint]:
    """Return what stands in a table on the server, in the order of insertion."""
    microseconds = "CAST(UNIX_TIMESTAMP(time) * 1000000 AS SIGNED)"
    return [(*row,) for row in lab.sql(f"SELECT type, {microseconds}, value FROM `{table}` ORDER BY id")]


def points_through(connection: Connection, table: str = TABLE) -> list[StoredPoint]:
    """Return what stands in a table, as another connection sees it, in either dialect."""
    microseconds = (
        "CAST(ROUND(time * 1000000) AS INTEGER)"
        if connection.dialect == "sqlite"
        else "CAST(UNIX_TIMESTAMP(time) * 1000000 AS SIGNED)"
    )
    rows = connection.query(f"SELECT type, {microseconds}, value FROM `{table}` ORDER BY id")
    connection.rollback()
    return [(*row,) for row in rows]
