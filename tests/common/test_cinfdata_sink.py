"""The sink for cinfdata, against real servers and SQLite: what it stores, what it refuses, and what heals."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from PyExpLabSys.common.batch import Batch
from PyExpLabSys.common.cinfdata_sink import CinfdataSink
from PyExpLabSys.common.receipts import ComparingWriting, LedgerWriting
from PyExpLabSys.database import schema
from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.errors import (
    CodenameError,
    DatabaseMisconfigured,
    DestinationMisconfigured,
    PointsRejected,
    TryAgainLater,
)
from tests.common.lab_tables import CODENAME, LAYOUTS, TABLE, as_kept, make_tables, points_in, points_through, target_of
from tests.database.waiting import in_thread, wait_until_running
from tests.servers.lab import LabDatabase, create_lab_database
from tests.servers.mariadb import MariaDB

T0 = 1_700_000_000.75
NewSink = Callable[..., CinfdataSink]


def batch_of(points: Sequence[tuple[float, float]], first: int = 1, codenames: Sequence[str] = (CODENAME,)) -> Batch:
    """Return a batch of points with consecutive sequence numbers, the codenames taking turns."""
    n = len(points)
    times, values = np.array(points, np.float64).reshape(n, 2).T
    return Batch(
        first_sequence=first,
        last_sequence=first + n - 1,
        sequences=np.arange(first, first + n),
        ids=(np.arange(n) % len(codenames)).astype(np.uint16),
        times=times,
        values=values,
        codenames=tuple(codenames),
    )


def row(n: int) -> tuple[float, float]:
    return T0 + n, float(n)


def store_as_delivery_does(sink: CinfdataSink, batch: Batch) -> dict[int, str]:
    """Hand a batch over, without the points that are refused, until it is stored; return those by sequence number."""
    refused: dict[int, str] = {}
    for _ in range(10):
        try:
            sink.store(batch)
        except PointsRejected as rejection:
            numbers = [int(batch.sequences[i]) for i in rejection.indices]
            refused |= dict(zip(numbers, rejection.reasons, strict=True))
            batch = batch.without(rejection.indices)
        else:
            return refused
    raise AssertionError("a batch was refused ten times")


@pytest.fixture
def new_sink() -> Iterator[NewSink]:
    made: list[CinfdataSink] = []

    def new(target: DatabaseTarget, table: str = TABLE) -> CinfdataSink:
        made.append(CinfdataSink(target, table, logger_id=f"logger-{len(made)}"))
        return made[-1]

    yield new
    for sink in made:
        sink.close(delivered=False)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_points_are_stored_in_order_with_their_codenames(
    lab_database: LabDatabase, new_sink: NewSink, layout: str
) -> None:
    ids = make_tables(lab_database, layout, ["a", "b", "c"])
    sink = new_sink(target_of(lab_database))
    sink.prepare(["a", "b", "c"])
    assert sink.types == ids
    sink.store(batch_of([row(n) for n in range(100)], codenames=["c", "a", "b"]))
    order = [ids[name] for name in ("c", "a", "b")]
    assert points_in(lab_database) == [(order[n % 3], as_kept(layout, T0 + n), float(n)) for n in range(100)]


def test_every_double_comes_back_as_it_was(lab_database: LabDatabase, new_sink: NewSink) -> None:
    make_tables(lab_database, "new")
    generator = np.random.default_rng(1)
    values = generator.integers(0, 2**63, 2000, dtype=np.int64).view(np.float64)
    values = np.concatenate([values[np.isfinite(values)], -values[np.isfinite(values)], [0.1, 1e-308, 1 / 3, 1e22]])
    sink = new_sink(target_of(lab_database))
    sink.store(batch_of([(T0, value) for value in values]))
    with connect(target_of(lab_database)) as connection:
        assert [value for _, _, value in points_through(connection)] == values.tolist()


@pytest.mark.parametrize("layout", [*LAYOUTS, "SQLite"])
def test_a_value_that_must_not_be_null_is_refused_as_nan(
    lab_database: LabDatabase, new_sink: NewSink, layout: str, tmp_path: Path
) -> None:
    if layout == "SQLite":
        target = DatabaseTarget(sqlite_path=tmp_path / "lab.db")
        with connect(target) as connection:
            schema.create_tables(connection, "dummy")
            connection.execute(f"DROP TABLE {TABLE}")
            connection.execute(
                f"CREATE TABLE {TABLE} (id INTEGER PRIMARY KEY, time REAL, type INTEGER, value REAL NOT NULL)"
            )
            connection.commit()
    else:
        target = target_of(lab_database)
        make_tables(lab_database, layout)
        lab_database.sql(f"ALTER TABLE {TABLE} MODIFY value double NOT NULL")
    sink = new_sink(target)
    refused = store_as_delivery_does(sink, batch_of([row(0), (T0, math.nan), row(2)]))
    assert list(refused) == [2]
    assert "value nan cannot be stored in a column of numbers" in refused[2]
    with connect(target) as connection:
        assert [value for _, _, value in points_through(connection)] == [0.0, 2.0]


@pytest.mark.server
@pytest.mark.parametrize("explicit_defaults", ["ON", "OFF"])
def test_a_time_that_no_column_holds_never_becomes_the_present(
    start_mariadb: Callable[..., MariaDB], new_sink: NewSink, explicit_defaults: str
) -> None:
    server = start_mariadb(options=[f"--explicit-defaults-for-timestamp={explicit_defaults}"])
    for layout in LAYOUTS:
        lab = create_lab_database(server)
        make_tables(lab, layout)
        if explicit_defaults == "OFF":
            # What was always done, and what became of it.
            lab.sql(f"INSERT INTO {TABLE} (type, time, value) VALUES (1, FROM_UNIXTIME(-1), 0)")
            assert points_in(lab)[0][1] > 1_700_000_000_000_000, "a naive insert is stored with the present time"
            lab.sql(f"DELETE FROM {TABLE}")
        bad = [0.0, -1.0, 0.5, -1e300, math.nan, math.inf, 2.0**31, 2.0**31 - 1e-7, 2.0**32 - 1, 2.0**32, 1e300]
        good = [1.0, 2.0**31 - 1.0, 2.0**31 - 0.25]
        points = [(t, float(n)) for n, t in enumerate([T0, *bad, *good, T0 + 1.0])]
        refused = store_as_delivery_does(new_sink(target_of(lab)), batch_of(points))
        assert list(refused) == list(range(2, len(bad) + 2))
        assert all("time" in reason for reason in refused.values())
        assert [t for _, t, _ in points_in(lab)] == [as_kept(layout, t) for t in [T0, *good, T0 + 1.0]]


@pytest.mark.server
def test_statements_keep_to_what_the_server_takes(start_mariadb: Callable[..., MariaDB], new_sink: NewSink) -> None:
    server = start_mariadb(options=["--max-allowed-packet=1024", "--net-buffer-length=1024"])
    for layout in LAYOUTS:
        lab = create_lab_database(server)
        make_tables(lab, layout)
        values = [-1.2345678901234567e-300 * (n + 1) for n in range(50)]
        new_sink(target_of(lab)).store(batch_of([(T0 + n, value) for n, value in enumerate(values)]))
        assert [value for _, _, value in points_in(lab)] == values


REFUSALS = {
    "check": "ALTER TABLE {table} ADD CONSTRAINT positive CHECK (value >= 0)",
    "trigger": "CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW "
    "IF NEW.value < 0 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'below zero'; END IF",
    "range": "ALTER TABLE {table} MODIFY value double unsigned NULL",
    "unique": "ALTER TABLE {table} ADD UNIQUE KEY one_each (type, time)",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_that_the_server_refuses_are_found_and_their_neighbours_stored_once(
    lab_database: LabDatabase, new_sink: NewSink, layout: str
) -> None:
    make_tables(lab_database, layout)
    bad = {2, 7, 8, 30, 49}
    expected = [float(n) for n in range(50) if n not in bad]
    for kind, statement in REFUSALS.items():
        table = f"dateplots_{kind}"
        lab_database.sql(f"CREATE TABLE {table} LIKE {TABLE}")
        lab_database.sql(statement.format(table=table))
        sink = new_sink(target_of(lab_database), table)
        bad_row = row(1) if kind == "unique" else (T0, -1.0)
        refused = store_as_delivery_does(sink, batch_of([bad_row if n in bad else row(n) for n in range(50)]))
        assert sorted(refused) == sorted(n + 1 for n in bad), kind
        assert [value for _, _, value in points_in(lab_database, table)] == expected, kind
        # What follows is stored as if nothing had been.
        sink.store(batch_of([row(n) for n in range(100, 110)], first=51))
        assert len(points_in(lab_database, table)) == len(expected) + 10, kind


def test_a_batch_of_which_all_is_refused(lab_database: LabDatabase, new_sink: NewSink) -> None:
    make_tables(lab_database, "new")
    lab_database.sql(REFUSALS["check"].format(table=TABLE))
    sink = new_sink(target_of(lab_database))
    assert len(store_as_delivery_does(sink, batch_of([(T0, -1.0)] * 20))) == 20
    sink.store(batch_of([row(0)], first=21))
    assert len(points_in(lab_database)) == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_column_that_was_renamed_and_is_renamed_back(
    lab_database: LabDatabase, new_sink: NewSink, layout: str
) -> None:
    make_tables(lab_database, layout)
    sink = new_sink(target_of(lab_database))
    sink.store(batch_of([row(0)]))
    lab_database.sql(f"ALTER TABLE {TABLE} CHANGE value amount double NULL")
    for _ in range(2):  # on the connection of before, and on a new one
        with pytest.raises(DestinationMisconfigured, match="Unknown column 'value'"):
            sink.store(batch_of([row(1), row(2)], first=2))
    lab_database.sql(f"ALTER TABLE {TABLE} CHANGE amount value double NULL")
    sink.store(batch_of([row(1), row(2)], first=2))
    assert [value for _, _, value in points_in(lab_database)] == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_table_that_is_gone_and_comes_back(lab_database: LabDatabase, new_sink: NewSink, layout: str) -> None:
    make_tables(lab_database, layout)
    sink = new_sink(target_of(lab_database))
    sink.store(batch_of([row(0)]))
    lab_database.sql(f"RENAME TABLE {TABLE} TO elsewhere")
    for _ in range(2):
        with pytest.raises(DestinationMisconfigured, match=TABLE):
            sink.store(batch_of([row(1)], first=2))
    lab_database.sql(f"RENAME TABLE elsewhere TO {TABLE}")
    sink.store(batch_of([row(1)], first=2))
    assert [value for _, _, value in points_in(lab_database)] == [0.0, 1.0]


def test_a_table_that_comes_back_without_transactions_is_written_as_such(
    lab_database: LabDatabase, new_sink: NewSink
) -> None:
    make_tables(lab_database, "new")
    sink = new_sink(target_of(lab_database))
    sink.store(batch_of([row(1)]))
    assert isinstance(sink._writing, LedgerWriting)
    lab_database.sql(f"DROP TABLE {TABLE}")
    with pytest.raises(DestinationMisconfigured):
        sink.store(batch_of([row(2)], first=2))
    lab_database.sql(
        f"CREATE TABLE {TABLE} (id int unsigned AUTO_INCREMENT PRIMARY KEY, time timestamp NOT NULL DEFAULT now(), "
        "type smallint unsigned NOT NULL, value double) ENGINE=MyISAM"
    )
    sink.store(batch_of([row(2)], first=2))
    assert isinstance(sink._writing, ComparingWriting)
    assert [value for _, _, value in points_in(lab_database)] == [2.0]


def test_prepare_says_what_a_person_has_to_mend(lab_database: LabDatabase, new_sink: NewSink) -> None:
    with pytest.raises(DatabaseMisconfigured, match="pyexplabsys database create --setup dummy"):
        new_sink(target_of(lab_database)).prepare([CODENAME])
    make_tables(lab_database, "new", codenames=())
    sink = new_sink(target_of(lab_database))
    with pytest.raises(CodenameError, match=f"codename add {CODENAME}"):
        sink.prepare([CODENAME])
    assert sink.connection is None


def test_a_table_name_is_checked_before_anything_is_opened(lab_database: LabDatabase) -> None:
    with pytest.raises(ValueError, match="invalid name"):
        CinfdataSink(target_of(lab_database), "a b", logger_id="x")


def test_an_account_that_may_not_make_the_ledger(
    lab_database: LabDatabase, new_sink: NewSink, caplog: pytest.LogCaptureFixture
) -> None:
    make_tables(lab_database, "new")
    lab_database.sql("DROP TABLE logger_progress")
    account = f"`{lab_database.username}`@`{lab_database.host}`"
    lab_database.sql(f"REVOKE ALL ON `{lab_database.name}`.* FROM {account}")
    lab_database.sql(f"GRANT SELECT, INSERT ON `{lab_database.name}`.* TO {account}")
    sink = new_sink(target_of(lab_database))
    lab_database.sql(REFUSALS["check"].format(table=TABLE))
    assert list(store_as_delivery_does(sink, batch_of([row(0), (T0, -1.0), row(1)]))) == [2]
    assert isinstance(sink._writing, ComparingWriting)
    assert "delivery is at least once" in caplog.text
    assert "pyexplabsys database create" in caplog.text
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
    assert [value for _, _, value in points_in(lab_database)] == [0.0, 1.0]
    sink.close(delivered=True)


def test_a_ledger_that_the_account_may_not_write_to(
    lab_database: LabDatabase, new_sink: NewSink, caplog: pytest.LogCaptureFixture
) -> None:
    make_tables(lab_database, "new")
    account = f"`{lab_database.username}`@`{lab_database.host}`"
    lab_database.sql(f"REVOKE ALL ON `{lab_database.name}`.* FROM {account}")
    lab_database.sql(f"GRANT SELECT ON `{lab_database.name}`.* TO {account}")
    lab_database.sql(f"GRANT INSERT ON `{lab_database.name}`.`{TABLE}` TO {account}")
    sink = new_sink(target_of(lab_database))
    sink.store(batch_of([row(0)]))
    assert isinstance(sink._writing, ComparingWriting)
    assert "no ledger" in caplog.text
    assert "GRANT SELECT, INSERT, UPDATE, DELETE ON logger_progress" in caplog.text
    assert len(points_in(lab_database)) == 1


def test_the_row_in_the_ledger_goes_with_a_clean_end_only(lab_database: LabDatabase, new_sink: NewSink) -> None:
    make_tables(lab_database, "new")
    for delivered, rows in ((False, 1), (True, 1)):
        sink = new_sink(target_of(lab_database))
        sink.store(batch_of([row(0)]))
        assert isinstance(sink._writing, LedgerWriting)
        sink.close(delivered=delivered)
        sink.close(delivered=delivered)
        assert lab_database.sql("SELECT COUNT(*) FROM logger_progress") == [(rows,)]
    lasting = CinfdataSink(target_of(lab_database), TABLE, logger_id="lasting", lasting=True)
    lasting.store(batch_of([row(0)]))
    lasting.close(delivered=True)
    assert lab_database.sql("SELECT seq FROM logger_progress WHERE logger = 'lasting'") == [(1,)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_hanging_statement_is_interrupted_and_its_points_come_once(
    lab_database: LabDatabase, new_sink: NewSink, layout: str
) -> None:
    make_tables(lab_database, layout)
    sink = new_sink(target_of(lab_database))
    sink.store(batch_of([row(0)]))
    with lab_database.server._connect(lab_database.name) as locker, locker.cursor() as lock:
        lock.execute(f"LOCK TABLES {TABLE} READ")  # so that the INSERT waits, not the look at what is there
        with in_thread(sink.store, batch_of([row(1)], first=2)) as storing:
            wait_until_running(lab_database, f"INSERT INTO `{TABLE}`")
            sink.interrupt()
            with pytest.raises(TryAgainLater):
                storing.result(10.0)
        lock.execute("UNLOCK TABLES")
    sink.store(batch_of([row(1), row(2)], first=2))
    assert [value for _, _, value in points_in(lab_database)] == [0.0, 1.0, 2.0]
