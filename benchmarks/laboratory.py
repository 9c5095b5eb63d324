"""The databases that the measurements write to: a private MariaDB, and SQLite files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from PyExpLabSys.common.loggers import ContinuousLogger
from PyExpLabSys.database import codenames as descriptions
from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.schema import create_tables
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.settings import Settings
from tests.servers.lab import LabDatabase, create_lab_database
from tests.servers.mariadb import MariaDB

SETUP = "bench"
TABLE = f"dateplots_{SETUP}"
NAMES = [f"bench_codename_{number:03d}" for number in range(100)]
# A server as Debian installs it, but for what LOAD DATA LOCAL needs: each commit is synced to the disk.
SERVER_OPTIONS = ("--local-infile=ON", "--innodb-buffer-pool-size=512M", "--innodb-log-file-size=256M")


@contextmanager
def laboratory() -> Iterator[LabDatabase]:
    """A fresh server with the tables of one setup and a hundred codenames."""
    with MariaDB(options=SERVER_OPTIONS) as server:
        lab = create_lab_database(server)
        prepare(target_of(lab))
        yield lab


def target_of(lab: LabDatabase) -> DatabaseTarget:
    """Return where a laboratory's database is."""
    return DatabaseTarget(
        hosts=((lab.host, lab.port),), database=lab.name, username=lab.username, password=lab.password
    )


def sqlite_target(path: Path) -> DatabaseTarget:
    """Return a fresh SQLite database with the same tables."""
    target = DatabaseTarget(sqlite_path=path)
    prepare(target)
    return target


def prepare(target: DatabaseTarget) -> None:
    """Make tables and codenames."""
    with connect(target) as connection:
        create_tables(connection, SETUP)
        for name in NAMES:
            descriptions.add(connection, name)


def empty_table(lab: LabDatabase) -> None:
    """Make the table new, as it is for the first point."""
    lab.sql(f"TRUNCATE TABLE {TABLE}")


def new_logger(
    lab: LabDatabase | None,
    codenames: list[str],
    *,
    dsn: str | None = None,
    max_points: int | None = None,
    store_within: float = 0.25,
) -> ContinuousLogger:
    """Return a logger into a laboratory's table, or, without one, into the SQLite file of the settings."""
    if lab is None:
        return ContinuousLogger(TABLE, "", "", codenames, max_points=max_points, store_within=store_within)
    return ContinuousLogger(
        TABLE,
        lab.username,
        lab.password,
        codenames,
        dsn=dsn,
        host=lab.host,
        port=lab.port,
        database=lab.name,
        max_points=max_points,
        store_within=store_within,
    )


def use_sqlite(path: Path) -> None:
    """Let loggers without a server write to a file."""
    Settings().sql_url = f"sqlite:///{path}"


def points(count: int, seed: int = 1) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return times a hundredth of a second apart, jittered, and noisy values."""
    random = np.random.default_rng(seed)
    times = 1_750_000_000.0 + np.arange(count) * 0.01 + random.random(count) * 0.009
    return times, random.normal(size=count)


def enqueue_all(logger: ContinuousLogger, codenames: list[str], count: int, seed: int = 1) -> None:
    """Add points, a thousand at a time and a codename at a time in turn."""
    times, values = points(count, seed)
    for turn, start in enumerate(range(0, count, 1000)):
        codename = codenames[turn % len(codenames)]
        logger.enqueue_points(codename, times[start : start + 1000], values[start : start + 1000])
