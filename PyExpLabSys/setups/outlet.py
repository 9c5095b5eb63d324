"""Where a setup's points, readings and gaps go: the pipeline to the database, and who listens."""

import logging
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from PyExpLabSys.common.cinfdata_sink import CinfdataSink
from PyExpLabSys.common.delivery import SinkStatus
from PyExpLabSys.common.point_pipeline import STAMPED_BY_US, PointPipeline
from PyExpLabSys.common.sink import Sink
from PyExpLabSys.database.schema import dateplots_table
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.errors import SettingsError
from PyExpLabSys.setups.components import ComponentStatus, Gap, Observer, Reading
from PyExpLabSys.setups.faults import RepeatedFault

LOGGER = logging.getLogger(__name__)

#: After :meth:`PointOutlet.stop`, a sink is given up when it has taken nothing for so long, and one time-out more.
GRACE_S = 2.0
#: A batch that takes longer than its own time-out by this factor hangs.
STUCK_AFTER_TIMEOUTS = 4.0


class PointOutlet:
    """Queues points from the first second on, whether the database is there or not, and tells observers.

    It is the component that all others are started after and stopped before.

    Args:
        setup: Name of the setup, whose table gets the points.
        forward_to: Further sinks.
        max_points: The most points that may wait for one sink; None: as :class:`PointPipeline` chooses.
        store_within_s: A point is handed over at the latest when it has waited for so long, in s.
    """

    name = "delivery"

    def __init__(
        self, setup: str, forward_to: Sequence[Sink], *, max_points: int | None, store_within_s: float
    ) -> None:
        self.table = dateplots_table(setup)
        self._setup, self._forward_to = setup, forward_to
        self._max_points, self._store_within_s = max_points, store_within_s
        self._pipeline: PointPipeline | None = None
        self._delivering = False
        self._heads: dict[str, int] = {}
        self._observers: list[tuple[Observer, RepeatedFault]] = []
        self.left = 0

    def connect(self, target: DatabaseTarget, codenames: Sequence[str]) -> None:
        """Say which database it is, and what there will be."""
        sink = CinfdataSink(target, self.table, logger_id=uuid.uuid4().hex)
        self._pipeline = PointPipeline(
            f"the setup {self._setup}",
            (sink, *self._forward_to),
            max_points=self._max_points,
            store_within_s=self._store_within_s,
        )
        self._heads = {name: self._pipeline.register(name) | STAMPED_BY_US for name in codenames}

    def subscribe(self, observer: Observer) -> None:
        """Tell an observer of every reading and gap."""
        name = getattr(observer, "__qualname__", repr(observer))
        self._observers.append((observer, RepeatedFault(f"the observer {name} failed", LOGGER, time.monotonic)))

    def start(self) -> None:
        """Begin to deliver."""
        self._connected().start()
        self._delivering = True

    def store(self, codename: str, time_s: float, value: float) -> None:
        """Queue a point that was stamped by this computer."""
        pipeline = self._connected()
        if not pipeline.queue.append(self._heads[codename], time_s, value):
            pipeline.report_refusal()

    def publish(self, what: Reading | Gap) -> None:
        """Tell every observer; one that fails is logged, and holds up nobody."""
        for observer, fault in self._observers:
            try:
                observer(what)
            except Exception as error:  # noqa: BLE001 - somebody else's code must not end the readings
                fault.report(error, level=logging.ERROR, traceback=True)
            else:
                fault.clear()

    def stop(self, timeout_s: float | None) -> None:
        """Deliver what is queued while that goes on; ``left`` is then the number of points that are lost."""
        if self._pipeline is not None:
            self.left = self._pipeline.stop(grace_s=GRACE_S, timeout=timeout_s, started=self._delivering)

    def sinks(self) -> dict[str, SinkStatus]:
        """Return how delivery to each sink stands, the database first."""
        return {} if self._pipeline is None else self._pipeline.status()

    def status(self) -> ComponentStatus:
        """Return how delivery goes on. To wait for a destination that is away is progress."""
        sinks = self.sinks()
        timeouts_s = (
            {} if self._pipeline is None else {each.sink.name: each.timeout_s for each in self._pipeline.deliveries}
        )
        stuck = [name for name, each in sinks.items() if each.store_seconds > STUCK_AFTER_TIMEOUTS * timeouts_s[name]]
        alarms = [_trouble(name, each) for name, each in sinks.items()]
        return ComponentStatus(
            stuck=f"{stuck[0]} neither takes nor refuses a batch" if stuck else None,
            alarms=tuple(alarm for alarm in alarms if alarm is not None),
            details=sinks,
        )

    def _connected(self) -> PointPipeline:
        if self._pipeline is None:
            raise RuntimeError("connect() comes first")
        return self._pipeline


def _trouble(name: str, status: SinkStatus) -> str | None:
    if status.connected is False:
        return f"{name} takes no points, {status.queued} wait: {status.last_error}"
    if status.refused:
        return f"{status.refused} points were lost: the queue for {name} was full"
    return None


def simulated_database(setup: str) -> DatabaseTarget:
    """Return a file of its own for simulated points, made now with its tables: they are no data of the lab."""
    import platformdirs

    from PyExpLabSys.database.opening import connect
    from PyExpLabSys.database.schema import create_tables

    folder = platformdirs.user_data_path("PyExpLabSys", appauthor=False) / "simulated"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"there is no place for simulated points: {folder} cannot be made: {error}") from error
    target = DatabaseTarget(sqlite_path=Path(folder) / f"{setup}.db")
    with connect(target) as connection:
        create_tables(connection, setup)
    return target
