"""A setup's tables in each layout that labs have, for tests that must hold on all of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PyExpLabSys.database import codenames, schema
from PyExpLabSys.database.connection import Connection
from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.database.times import seconds_text, to_microseconds
from tests.servers.lab import LabDatabase

SERVER_LAYOUTS = ("new", "old InnoDB", "old MyISAM")
LAYOUTS = (*SERVER_LAYOUTS, "SQLite")
TABLE = "dateplots_dummy"


def target_of(lab: LabDatabase) -> DatabaseTarget:
    return DatabaseTarget(
        hosts=((lab.host, lab.port),), database=lab.name, username=lab.username, password=lab.password
    )


@dataclass(frozen=True, kw_only=True)
class Place:
    """The tables of the setup ``dummy`` and a connection to them."""

    layout: str
    connection: Connection
    target: DatabaseTarget

    @property
    def whole_seconds(self) -> bool:
        return self.layout.startswith("old")

    def register(self, codename: str, unit: str = "") -> int:
        return codenames.add(self.connection, codename, unit)

    def store(self, type_id: int, points: Sequence[tuple[float, float | None]]) -> None:
        """Store points by plain statements, not by the writer of the package."""
        rows: Sequence[Sequence[object]]
        if self.connection.dialect == "sqlite":
            sql, rows = f"INSERT INTO {TABLE} (type, time, value) VALUES (?, ?, ?)", [(type_id, *p) for p in points]
        else:
            sql = f"INSERT INTO {TABLE} (type, time, value) VALUES (?, FROM_UNIXTIME(?), ?)"
            digits = 0 if self.whole_seconds else 6
            rows = [(type_id, seconds_text(to_microseconds(time_s), digits), value) for time_s, value in points]
        self.connection.executemany(sql, rows)
        self.connection.commit()


@contextmanager
def place_of(layout: str, lab: LabDatabase) -> Iterator[Place]:
    """Make the tables on a server in one of the layouts."""
    if layout.startswith("old"):
        lab.create_old_layout(engine=layout.split()[1], codenames=())
    with connect(target_of(lab)) as connection:
        if layout == "new":
            schema.create_tables(connection, "dummy")
        yield Place(layout=layout, connection=connection, target=target_of(lab))


@contextmanager
def sqlite_place(folder: Path) -> Iterator[Place]:
    target = DatabaseTarget(sqlite_path=folder / "lab.db")
    with connect(target) as connection:
        schema.create_tables(connection, "dummy")
        yield Place(layout="SQLite", connection=connection, target=target)
