"""``ContinuousLogger``: one call for each point, and it arrives in the lab's database.

The points go to the lab's new-style tables, one ``dateplots_`` table for each setup
(see the page *The database layout* of the documentation)::

    from PyExpLabSys.common.loggers import ContinuousLogger

    db_logger = ContinuousLogger(table="dateplots_dummy", username="dummy", password="dummy",
                                 measurement_codenames=["dummy_sine_one"])
    db_logger.start()
    db_logger.enqueue_point_now("dummy_sine_one", 1.5)
    db_logger.stop()
"""

import atexit
import logging
import struct
import threading
import time
import uuid
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from PyExpLabSys.common.cinfdata_sink import CinfdataSink
from PyExpLabSys.common.delivery import Backoff, Delivery, SinkStatus
from PyExpLabSys.common.point_pipeline import STAMPED_BY_US, PointPipeline
from PyExpLabSys.common.records import FLAG_STAMPED_BY_US, KIND_POINT, record_dtype
from PyExpLabSys.common.sink import Sink
from PyExpLabSys.common.timed_queries import NONE_RESPONSE, InterruptableThread, NoneResponse, timeout_query
from PyExpLabSys.errors import CodenameError, DatabaseMisconfigured, DatabaseUnavailable, PyExpLabSysError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from PyExpLabSys.database.target import DatabaseTarget

__all__ = [
    "NONE_RESPONSE",
    "ContinuousLogger",
    "InterruptableThread",
    "NoneResponse",
    "StartupException",
    "timeout_query",
]

LOGGER = logging.getLogger(__name__)

FIRST_STARTUP_DELAY_S = 1.0
LONGEST_STARTUP_DELAY_S = 20.0
OUR_STAMP_WITHIN_S = 1.0
wall_clock = time.time


class StartupException(PyExpLabSysError):
    """The continuous logger failed to start up."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args)
        self.kwargs = kwargs


class _Documented(str):
    """A documented default: told from the same text assigned by a script."""


class _Secret(str):
    """Text that a ``repr``, and so a dictionary or a traceback with locals, does not show."""

    def __repr__(self) -> str:
        return "'***'"


class _UnknownCodename(KeyError):
    """A codename that is not one of the logger's; equals the plain ``KeyError`` of old in type and argument."""

    def __init__(self, codename: str, known: Iterable[str]) -> None:
        super().__init__(codename)
        self._known = ", ".join(known)

    def __str__(self) -> str:
        return f"{self.args[0]!r} is not among this logger's measurement_codenames: {self._known}"


class _Heads(dict[str, int]):
    """The first bytes of a record for each codename."""

    def __missing__(self, codename: str) -> NoReturn:
        raise _UnknownCodename(codename, self)


class QueueView:
    """What waits for the database, to be looked at; points are added with ``enqueue_point``."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def qsize(self) -> int:
        """Return the number of points that the database has not confirmed."""
        return self._delivery.cursor.waiting

    def empty(self) -> bool:
        """Return whether the database has confirmed all points."""
        return self.qsize() == 0

    def put(self, *_args: object, **_kwargs: object) -> NoReturn:
        """Raise: statements cannot be queued."""
        raise TypeError("data_queue is only to be looked at: add points with enqueue_point(codename, (time, value))")


class ContinuousLogger(threading.Thread):
    """Sends continuous data to the lab's database: each point once, in order, whatever the network does.

    A point leaves the queue only when the database has confirmed it. Until then it is held in memory, and survives
    everything but the death of this process: connections that break or hang, a server that is restarted, locked
    tables. A script that merely ends delivers what is queued, as long as the server takes it.

    A handler of a signal must neither add points nor call :meth:`stop`: it may have interrupted the main thread while
    that adds a point and holds the queue. Let it raise (``sys.exit()``) or set an Event that the loop looks at.

    Which server is meant: the keyword ``host`` or ``database``; else the class variable of that name, where a script
    has assigned it; else the settings; else ``servcinf-sql`` and ``cinfdata``.

    Args:
        table: The setup's table, such as ``dateplots_dummy``.
        username: An account with write rights to the table.
        password: Its password.
        measurement_codenames: Codenames of the measurements that this logger sends.
        dequeue_timeout: The longest that the idle thread takes to end after :meth:`stop`, in s.
        reconnect_waittime: The longest pause between attempts to connect again, in s; the pauses grow towards it.
        dsn: Name of an ODBC data source; used on Windows, elsewhere where it is configured.
        host: The server: a name, ``name:port``, or a list of these, tried in turn.
        port: Its port.
        database: Name of the database.
        forward_to: Further sinks; one that is slow or dead holds up neither the database nor another.
        max_points: The most points that may wait for one sink. When the database is so far behind, new points are
            refused: counted, and logged, but without an exception; a further sink loses its own oldest points.
            Default: 10,000,000, or a quarter of the memory if that is less.
        startup_timeout: How long to try to reach the database before the constructor gives up, in s.
        store_within: A point is sent to the database at the latest when it has waited for so long, in s.

    Raises:
        StartupException: The database cannot be reached within ``startup_timeout``, does not accept the account, has
            no such table, or a codename does not have exactly one entry in ``dateplots_descriptions``.
        SettingsError: The settings are wrong.
        ValueError: An argument is.
    """

    host: ClassVar[str] = _Documented("servcinf-sql")
    database: ClassVar[str] = _Documented("cinfdata")

    def __init__(
        self,
        table: str,
        username: str,
        password: str,
        measurement_codenames: Sequence[str],
        dequeue_timeout: float = 1,
        reconnect_waittime: float = 60,
        dsn: str | None = None,
        *,
        host: str | Sequence[str] | None = None,
        port: int | None = None,
        database: str | None = None,
        forward_to: Sequence[Sink] = (),
        max_points: int | None = None,
        startup_timeout: float = 300.0,
        store_within: float = 0.25,
    ) -> None:
        super().__init__(name=f"logger of {table}", daemon=True)
        if isinstance(measurement_codenames, str):
            raise ValueError(
                f"measurement_codenames is a list of codenames, not the one text {measurement_codenames!r}"
            )
        self.mysql = {"table": table, "username": username, "password": _Secret(password), "dsn": dsn}
        self.dequeue_timeout = dequeue_timeout
        self.reconnect_waittime = reconnect_waittime
        target = self._choose_database(username, password, host, port, database, dsn)
        self._sink = CinfdataSink(target, table, logger_id=uuid.uuid4().hex)
        self._pipeline = PointPipeline(
            self.name,
            (self._sink, *forward_to),
            max_points=max_points,
            store_within_s=store_within,
            retry_cap_s=reconnect_waittime,
        )
        self._queue = self._pipeline.queue
        self._append = self._queue.append
        self._refused = self._pipeline.report_refusal
        self._heads = _Heads({name: self._pipeline.register(name) for name in measurement_codenames})
        self._delivery = self._pipeline.deliveries[0]
        self.data_queue = QueueView(self._delivery)
        self._stop_called = threading.Event()
        self._prepare(startup_timeout)
        # Through a weak reference, so that a logger that a script throws away is not kept for ever.
        this = weakref.ref(self)
        self._at_exit = lambda: (logger := this()) and logger.stop()
        atexit.register(self._at_exit)

    @property
    def _codename_translation(self) -> Mapping[str, int]:
        return dict(self._sink.types)

    @property
    def _connection(self) -> Any:
        return None if self._sink.connection is None else self._sink.connection.raw

    @property
    def _cursor(self) -> Any:
        return None if self._connection is None else self._connection.cursor()

    def run(self) -> None:
        """Deliver points until stopped. Called by :meth:`start`, which comes before the first point is delivered."""
        self._pipeline.run()

    def enqueue_point_now(self, codename: str, value: float) -> float:
        """Add a point measured just now, and return the unix time in s that it got.

        Args:
            codename: One of ``measurement_codenames``.
            value: The value; NaN and None stand for "no value" and are stored as NULL.

        Raises:
            KeyError: The codename is not one of this logger's.
            ValueError: The value is not a number.
        """
        now = wall_clock()
        head = self._heads[codename] | STAMPED_BY_US
        try:
            if not self._append(head, now, value):
                self._refused()
        except (struct.error, OverflowError):
            if not self._append(head, now, _number(codename, "value", value)):
                self._refused()
        return now

    def enqueue_point(self, codename: str, point: Sequence[float]) -> None:
        """Add a point; never waits for the database.

        Args:
            codename: One of ``measurement_codenames``.
            point: Unix time in s and value, ``(x, y)``.

        Raises:
            KeyError: The codename is not one of this logger's.
            ValueError: The point has not two items, or one of them is not a number.
            TypeError: The point cannot be taken apart.
        """
        try:
            x, y = point
        except ValueError:
            raise ValueError("'point' must be a iterable with 2 values") from None
        head = self._heads[codename]
        try:
            if -1.0 < x - wall_clock() < 1.0:  # OUR_STAMP_WITHIN_S
                head |= STAMPED_BY_US
            if not self._append(head, x, y):
                self._refused()
        except (ValueError, TypeError, struct.error, OverflowError):
            # Rare, so that two plain numbers pay nothing for it. Nothing was appended.
            self._enqueue_odd_point(codename, x, y)

    def enqueue_points(self, codename: str, times: "ArrayLike", values: "ArrayLike") -> None:
        """Add many points of one codename at once.

        Args:
            codename: One of ``measurement_codenames``.
            times: Unix times in s, shape (n,).
            values: The values, shape (n,).

        Raises:
            KeyError: The codename is not one of this logger's.
            ValueError: The arrays are not two equally long rows of numbers; none of the points was added.
        """
        import numpy as np

        head = self._heads[codename]
        try:
            x, y = np.asarray(times, np.float64), np.asarray(values, np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"times and values of {codename} are not two rows of numbers: {error}") from None
        if x.ndim != 1 or x.shape != y.shape:
            raise ValueError(f"times and values must have one equal length, their shapes are {x.shape} and {y.shape}")
        records = np.zeros(len(x), record_dtype())
        records["kind"] = KIND_POINT
        records["flags"] = (np.abs(x - wall_clock()) < OUR_STAMP_WITHIN_S) * FLAG_STAMPED_BY_US
        records["codename"] = head >> 16
        records["time"], records["value"] = x, y
        if self._queue.extend(records) < len(records):
            self._refused()

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until every sink has taken all points that were added so far; return whether they have.

        Args:
            timeout: How long to wait at most, in s; None waits as long as it takes.
        """
        return self._pipeline.flush(timeout, running=self.is_alive())

    def status(self) -> dict[str, SinkStatus]:
        """Return how delivery to each sink stands, by the sink's name; the database comes first."""
        return self._pipeline.status()

    def stop(self, *, timeout: float | None = None) -> int:
        """Deliver what is queued, end the thread, and return the number of points that are left.

        Goes on for as long as the server takes points. Once that fails or hangs, it gives up after
        ``dequeue_timeout`` plus the time-out of one statement; the points that are left are logged as lost.

        Args:
            timeout: Give up after so long in any case, in s.

        Returns:
            The number of points that are missing at the sink that misses most; 0 when all were delivered.
        """
        if self._stop_called.is_set():
            return self._pipeline.points_left()
        self._stop_called.set()
        atexit.unregister(self._at_exit)
        return self._pipeline.stop(grace_s=self.dequeue_timeout, timeout=timeout, started=self.ident is not None)

    def _enqueue_odd_point(self, codename: str, x: Any, y: Any) -> None:
        """Add a point that is not two plain numbers, or say what is wrong with it."""
        time_s, value = _number(codename, "time", x), _number(codename, "value", y)
        ours = abs(time_s - wall_clock()) < OUR_STAMP_WITHIN_S
        if not self._append(self._heads[codename] | ours * STAMPED_BY_US, time_s, value):
            self._refused()

    def _choose_database(
        self,
        username: str,
        password: str,
        host: str | Sequence[str] | None,
        port: int | None,
        database: str | None,
        dsn: str | None,
    ) -> "DatabaseTarget":
        from PyExpLabSys.database.opening import uses_odbc
        from PyExpLabSys.database.target import target_from_settings
        from PyExpLabSys.settings import Settings

        settings = Settings()
        if host is None and not isinstance(self.host, _Documented):
            host = self.host
        if host is None and not settings.get("sql_url") and not settings.get("sql_server_host"):
            host = self.host
        if database is None and not isinstance(self.database, _Documented):
            database = self.database
        if database is None and not settings.get("sql_database") and not (dsn is not None and uses_odbc(dsn)):
            # An ODBC data source names its own database.
            database = self.database
        return target_from_settings(
            username=username, password=password, host=host, port=port, database=database, dsn=dsn, settings=settings
        )

    def _prepare(self, startup_timeout_s: float) -> None:
        """Wait for the database and translate the codenames."""
        deadline = time.monotonic() + startup_timeout_s
        pauses = Backoff(FIRST_STARTUP_DELAY_S, LONGEST_STARTUP_DELAY_S)
        while True:
            try:
                return self._sink.prepare(self._heads)
            except (DatabaseMisconfigured, CodenameError) as error:
                # The message says it all; with the driver's own errors before it nobody would find it.
                raise StartupException(str(error)) from None
            except DatabaseUnavailable as error:
                left_s = deadline - time.monotonic()
                if left_s <= 0.0:
                    raise StartupException(f"Could not connect to database: {error}") from None
                LOGGER.warning("%s: %s; trying for another %.0f s", self.name, error, left_s)
                # There is nobody yet who could ask this constructor to stop, other than by a signal.
                time.sleep(min(pauses.next_delay(), left_s))


def _number(codename: str, what: str, value: Any) -> float:
    """Return a time or value as a float; None is "no value"."""
    if value is None and what == "value":
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"the {what} of a point of {codename} is not a number: {value!r}") from None
