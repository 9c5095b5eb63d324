"""A lab on a server of its own, and a logger under load in it."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pymysql

from PyExpLabSys.common.delivery import SinkStatus
from PyExpLabSys.common.loggers import ContinuousLogger
from PyExpLabSys.database.table_definitions import statements
from tests.faults.load import Load
from tests.faults.oracle import CODENAMES, Point, Row, differences, expected_rows, stream
from tests.faults.waiting import PATIENCE_S, wait_until
from tests.servers.lab import LabDatabase
from tests.servers.mariadb import MariaDB

NEW, OLD, MYISAM = "new InnoDB", "old InnoDB", "old MyISAM"
LAYOUTS = (NEW, OLD, MYISAM)
SETUP = "faults"
TABLE = f"dateplots_{SETUP}"
SOMEBODY = "somebody"
LONGEST_PAUSE_S = 0.3
STORE_WITHIN_S = 0.05
HANGS_FOR_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Site:
    """The tables of one setup, in one of the layouts.

    Attributes:
        lab: The database.
        layout: One of ``LAYOUTS``.
        ids: Id of each codename.
    """

    lab: LabDatabase
    layout: str
    ids: dict[str, int]

    @property
    def server(self) -> MariaDB:
        return self.lab.server

    @property
    def time_digits(self) -> int:
        return 6 if self.layout == NEW else 0

    def logger(
        self, host: str | Sequence[str] | None = None, port: int | None = None, **options: Any
    ) -> ContinuousLogger:
        """Return a logger for this setup, not started; the server's own address is the default."""
        return ContinuousLogger(
            TABLE,
            self.lab.username,
            self.lab.password,
            CODENAMES,
            reconnect_waittime=LONGEST_PAUSE_S,
            store_within=STORE_WITHIN_S,
            host=host or self.lab.host,
            port=port or self.lab.port,
            database=self.lab.name,
            **options,
        )

    def rows(self, table: str = TABLE) -> dict[str, list[Row]]:
        """Return the rows of each codename by ascending id; times in microseconds."""
        names = {type_id: codename for codename, type_id in self.ids.items()}
        # UNIX_TIMESTAMP of a plain column is what is stored, whatever the zone of this session.
        sql = f"SELECT type, CAST(UNIX_TIMESTAMP(time) * 1000000 AS SIGNED), value FROM {table} ORDER BY id"
        found: dict[str, list[Row]] = {codename: [] for codename in CODENAMES}
        for type_id, microseconds, value in self.lab.sql(sql):
            found.setdefault(names.get(type_id, f"type {type_id}"), []).append((microseconds, value))
        return found

    def check(self, points: Sequence[Point], table: str = TABLE) -> None:
        """Assert that a table holds these points: all, once, in order, nothing else."""
        wrong = differences(expected_rows(points, self.time_digits), self.rows(table))
        assert not wrong, "\n".join([f"{table} ({self.layout}) is not what enqueue_point accepted:", *wrong])

    def session(self) -> "pymysql.Connection[Any]":
        """Return a session of somebody else in the lab; a context manager."""
        return pymysql.connect(
            host=self.lab.host,
            port=self.lab.port,
            user=SOMEBODY,
            password=SOMEBODY,
            database=self.lab.name,
            read_timeout=PATIENCE_S,
        )

    def connections(self) -> list[int]:
        """Return the server's numbers of the logger's connections."""
        sql = "SELECT id FROM information_schema.processlist WHERE user = %s ORDER BY id"
        return [number for (number,) in self.lab.sql(sql, (self.lab.username,))]

    def is_running(self, text: str) -> bool:
        """Return whether the server works on a statement of the logger's that contains this text."""
        sql = "SELECT 1 FROM information_schema.processlist WHERE user = %s AND info LIKE %s"
        return bool(self.lab.sql(sql, (self.lab.username, f"%{text}%")))


@contextmanager
def site_of(server: MariaDB, lab: LabDatabase, layout: str) -> Iterator[Site]:
    """Make the tables of the setup in one of the layouts."""
    if layout == NEW:
        # Not through a connection of the package, which may be weakened.
        for kind, table in (("dateplots_descriptions", "dateplots_descriptions"), ("dateplots", TABLE)):
            for statement in statements("mysql", kind, table):
                lab.sql(statement)
        ids = {codename: number for number, codename in enumerate(CODENAMES, start=1)}
        for codename, number in ids.items():
            lab.sql("INSERT INTO dateplots_descriptions (id, codename) VALUES (%s, %s)", (number, codename))
    else:
        ids = lab.create_old_layout(SETUP, CODENAMES, engine=layout.split()[1])
    yield Site(lab=lab, layout=layout, ids=ids)


@dataclass(kw_only=True)
class Run:
    """A logger under load.

    Attributes:
        logger: The logger.
        site: Where it stores.
        load: What it is given at the moment.
        points: All that it has accepted before this load.
        n_rejected: How many further points can never be stored.
        gone: How many of the first went with a table that was dropped.
    """

    site: Site
    logger: ContinuousLogger
    load: Load
    points: list[Point] = field(default_factory=list)
    n_rejected: int = 0
    gone: int = 0

    @property
    def accepted(self) -> list[Point]:
        """All points that it has accepted."""
        return self.points + self.load.accepted

    def status(self) -> SinkStatus:
        """Return how delivery to the database stands."""
        return next(iter(self.logger.status().values()))

    def sees_outage(self, *texts: str) -> SinkStatus:
        """Return once the status tells of the fault, and show that points are accepted meanwhile.

        Args:
            texts: What ``last_error`` must say.
        """
        wait_until(
            lambda: self.status().connected is False and all(text in str(self.status().last_error) for text in texts),
            f"the status tells of the fault {texts}",
        )
        delivered = self.status().delivered
        self.load.more(300)
        status = self.status()
        assert status.connected is False
        assert status.delivered == delivered, "the fault is not held any more"
        assert status.queued >= 300
        assert status.oldest_undelivered is not None
        return status

    def accepts_while_storing(self) -> None:
        """Show that ``enqueue_point`` returns while the sink has a batch in hand: the same before and after."""

        def accepted() -> bool:
            before_s = self.status().store_seconds
            if before_s < HANGS_FOR_S:
                return False
            self.load.more(20)
            return self.status().store_seconds > before_s

        wait_until(accepted, "enqueue_point returns while a batch is in hand")

    def delivers(self, n_points: int = 200) -> None:
        """Return once so many further points are delivered."""
        wanted = self.status().delivered + n_points
        wait_until(lambda: self.status().delivered >= wanted, f"{n_points} further points are delivered")

    def settle(self) -> None:
        """End the load, and wait until all is delivered."""
        self.load.stop()
        wait_until(lambda: self.status().queued == 0, "all points are delivered")

    def reload(self, points: Iterator[Point]) -> Load:
        """Return another load, after :meth:`settle`; a context manager."""
        self.points += self.load.accepted
        self.load = Load(self.logger, points)
        return self.load

    def __enter__(self) -> "Run":
        self.load.__enter__()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.load.stop()

    def check(self) -> None:
        """Settle, and assert that nothing is lost, nothing there twice, and the status says so."""
        self.settle()
        status = self.status()
        assert (status.connected, status.rejected, status.refused) == (True, self.n_rejected, 0)
        assert (status.queued, status.delivered) == (0, len(self.accepted))
        assert status.oldest_undelivered is None
        assert status.store_seconds == 0.0
        assert self.logger.stop() == 0
        self.site.check(self.accepted[self.gone :])


@contextmanager
def under_load(
    site: Site,
    address: tuple[str | Sequence[str], int | None] | None = None,
    *,
    seed: int = 1,
    delivering: bool = True,
    **options: Any,
) -> Iterator[Run]:
    """Run a logger, and check at the end that its table is right.

    Args:
        site: Where it stores.
        address: The server's, by default its own; a relay's for faults of the network.
        seed: Of the points.
        delivering: Begin with points that are delivered.
        options: Further arguments of the logger.
    """
    logger = site.logger(*(address or (None, None)), **options)
    with ExitStack() as stack:
        stack.callback(logger.stop, timeout=0.5)
        logger.start()
        run = Run(site=site, logger=logger, load=Load(logger, stream(seed)))
        stack.enter_context(run)
        if delivering:
            run.delivers()
        yield run
        run.check()
