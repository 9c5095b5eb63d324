"""Delivery of a backlog, against the fastest way into each database, and against the usual way."""

import statistics
import tempfile
import threading
from pathlib import Path

import pymysql

from benchmarks.laboratory import (
    NAMES,
    TABLE,
    empty_table,
    enqueue_all,
    laboratory,
    new_logger,
    points,
    sqlite_target,
    use_sqlite,
)
from benchmarks.measuring import Result, alternate, median_ratio, seconds
from PyExpLabSys.common.loggers import ContinuousLogger
from PyExpLabSys.database.opening import connect
from tests.servers.lab import LabDatabase

COUNT = 1_000_000
SINGLE_COUNT = 2_000
CODENAMES = NAMES[:10]


def deliver(logger: ContinuousLogger, codenames: list[str], count: int) -> float:
    """Return the seconds that a logger takes for a backlog, from its start to the last confirmation."""
    enqueue_all(logger, codenames, count)

    def run() -> None:
        logger.start()
        if not logger.flush():
            raise RuntimeError(f"not delivered: {logger.status()}")

    took = seconds(run)
    if logger.stop() != 0:
        raise RuntimeError(f"not delivered: {logger.status()}")
    return took


def raw_connection(lab: LabDatabase) -> "pymysql.Connection[pymysql.cursors.Cursor]":
    """Return a plain connection, as a script would open it."""
    connection = pymysql.connect(
        host=lab.host, port=lab.port, user=lab.username, password=lab.password, database=lab.name, local_infile=True
    )
    connection.cursor().execute("SET time_zone = '+00:00'")
    return connection


def types_of(count: int) -> list[int]:
    """Return the type of each point that :func:`~benchmarks.laboratory.enqueue_all` adds."""
    return [1 + number // 1000 % len(CODENAMES) for number in range(count)]


def write_infile(path: Path, count: int) -> None:
    """Write the same points as :func:`~benchmarks.laboratory.enqueue_all` adds, as LOAD DATA reads them."""
    times, values = points(count)
    with path.open("w", encoding="ascii") as file:
        for type_, time, value in zip(types_of(count), times.tolist(), values.tolist(), strict=True):
            file.write(f"{type_}\t{time:.6f}\t{value!r}\n")


def load_data(lab: LabDatabase, path: Path) -> float:
    """Return the seconds of one LOAD DATA LOCAL INFILE and its commit."""
    connection = raw_connection(lab)

    def load() -> None:
        connection.cursor().execute(
            f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {TABLE} (type, @time, value) SET time = FROM_UNIXTIME(@time)"
        )
        connection.commit()

    try:
        return seconds(load)
    finally:
        connection.close()


def thread_for_each_point(lab: LabDatabase, count: int) -> float:
    """Return the seconds for points of which each has an INSERT, a commit and a thread of its own."""
    connection = raw_connection(lab)
    cursor = connection.cursor()
    times, values = points(count)

    def insert(time: float, value: float) -> None:
        cursor.execute(f"INSERT INTO {TABLE} (type, time, value) VALUES (1, FROM_UNIXTIME({time:.6f}), {value!r})")
        connection.commit()

    def run() -> None:
        for time, value in zip(times.tolist(), values.tolist(), strict=True):
            thread = threading.Thread(target=insert, args=(time, value))
            thread.start()
            thread.join()

    try:
        return seconds(run)
    finally:
        connection.close()


def mariadb(pairs: int) -> list[Result]:
    """Delivery to MariaDB: the table new each time, the ledger included."""
    with laboratory() as lab, tempfile.TemporaryDirectory() as folder:
        infile = Path(folder) / "points.tsv"
        write_infile(infile, COUNT)

        def ours() -> float:
            empty_table(lab)
            took = deliver(new_logger(lab, CODENAMES), CODENAMES, COUNT)
            ((stored,),) = lab.sql(f"SELECT COUNT(*) FROM {TABLE}")
            if stored != COUNT:
                raise RuntimeError(f"{stored} rows for {COUNT} points")
            return took

        def theirs() -> float:
            empty_table(lab)
            return load_data(lab, infile)

        our_s, load_s = alternate(ours, theirs, pairs)
        single_s = [thread_for_each_point(lab, SINGLE_COUNT) for _ in range(3)]
    ratio = median_ratio(load_s, our_s)
    rate = COUNT / statistics.median(our_s)
    single_rate = SINGLE_COUNT / statistics.median(single_s)
    return [
        Result(
            what="delivery to MariaDB against LOAD DATA LOCAL INFILE",
            figure=f"{ratio:.2f} ×",
            target="≥ 0.5 ×",
            reached=ratio >= 0.5,
            details={"points_per_s": rate, "load_data_points_per_s": COUNT / statistics.median(load_s)},
        ),
        Result(
            what="delivery to MariaDB against one INSERT, commit and thread for each point",
            figure=f"{rate / single_rate:.0f} ×",
            target="≥ 100 ×",
            reached=rate / single_rate >= 100.0,
            details={"points_per_s": rate, "single_points_per_s": single_rate},
        ),
    ]


def odbc(pairs: int) -> list[Result]:
    """Delivery to MariaDB through ODBC, against the direct connection."""
    import os

    from tests.servers.odbc import OdbcSources

    with laboratory() as lab, tempfile.TemporaryDirectory() as folder:
        sources = OdbcSources(Path(folder) / "odbc")
        os.environ.update(sources.environment)
        dsn = sources.add(lab.host, lab.port, lab.name)

        def through(dsn: str | None) -> float:
            empty_table(lab)
            return deliver(new_logger(lab, CODENAMES, dsn=dsn), CODENAMES, COUNT)

        odbc_s, direct_s = alternate(lambda: through(dsn), lambda: through(None), pairs)
    return [
        Result(
            what="delivery through pyodbc against the direct connection",
            figure=f"{median_ratio(direct_s, odbc_s):.2f} ×",
            details={"points_per_s": COUNT / statistics.median(odbc_s)},
        )
    ]


def sqlite(pairs: int) -> list[Result]:
    """Delivery to SQLite against one executemany in one transaction, each into a new file."""
    with tempfile.TemporaryDirectory() as folder:
        numbers = iter(range(1_000_000))

        def ours() -> float:
            path = Path(folder) / f"{next(numbers)}.db"
            sqlite_target(path)
            use_sqlite(path)
            took = deliver(new_logger(None, CODENAMES), CODENAMES, COUNT)
            path.unlink()
            return took

        def theirs() -> float:
            path = Path(folder) / f"{next(numbers)}.db"
            times, values = points(COUNT)
            rows = list(zip(types_of(COUNT), times.tolist(), values.tolist(), strict=True))
            with connect(sqlite_target(path)) as connection:
                raw = connection.raw

                def insert() -> None:
                    raw.execute("BEGIN")
                    raw.executemany(f"INSERT INTO {TABLE} (type, time, value) VALUES (?, ?, ?)", rows)
                    raw.commit()

                took = seconds(insert)
            path.unlink()
            return took

        our_s, their_s = alternate(ours, theirs, pairs)
    ratio = median_ratio(their_s, our_s)
    return [
        Result(
            what="delivery to SQLite against one executemany in one transaction",
            figure=f"{ratio:.2f} ×",
            target="≥ 0.7 ×",
            reached=ratio >= 0.7,
            details={"points_per_s": COUNT / statistics.median(our_s)},
        )
    ]
