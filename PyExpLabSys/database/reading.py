"""Points out of the database: one codename, one span of time, as arrays, exact to the microsecond.

A long span is read in pages, each a short query of its own, in constant memory. One long query would hold
back the loggers of a MyISAM table until its last row is taken, and would meet the statement time-out on a large one.

With the index on (``type``, ``time``) of new tables a page costs what it returns. Old tables have one on ``time``
only: a page then looks at all rows, of whatever codename, within a window of time that adapts to how many it found.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from PyExpLabSys.database import codenames, schema
from PyExpLabSys.database.connection import Connection, Row
from PyExpLabSys.database.target import DatabaseTarget, target_from_settings
from PyExpLabSys.database.times import MICROSECONDS, microseconds_of, to_microseconds
from PyExpLabSys.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

Moment = float | datetime | str
"""A moment: unix time in s, a datetime with a time zone, or ISO 8601 text with one."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNIX_SECONDS = re.compile(r"\d{9,}(\.\d*)?")
FIRST_WINDOW_S = 3600
SHORTEST_WINDOW_S = 1
CHUNK_ROWS = 50_000


@dataclass(frozen=True, eq=False)
class Points:
    """Points of one codename in the order of their times.

    Attributes:
        codename: Whose points.
        unit: Unit of the values, empty when the database does not say.
        times: Unix times in s, of shape (n,).
        values: Values, of shape (n,); NaN where the database holds NULL.
    """

    codename: str
    unit: str
    times: "NDArray[np.float64]"
    values: "NDArray[np.float64]"

    def __len__(self) -> int:
        return len(self.times)

    def to_dataframe(self) -> "pd.DataFrame":
        """Return a column of values named after the codename, over an index of UTC times; ``attrs`` has the unit."""
        import pandas as pd

        # Through whole microseconds: pandas turns float seconds into nanoseconds that are not there.
        index = pd.DatetimeIndex(pd.to_datetime(microseconds_of(self.times), unit="us", utc=True), name="time")
        frame = pd.DataFrame({self.codename: self.values}, index=index)
        frame.attrs["unit"] = self.unit
        return frame


class Reader:
    """Reads points from one table.

    Args:
        connection: Stays the caller's to close; between calls no transaction is left open on it.
        table: Such as ``dateplots_dummy``.

    Raises:
        DatabaseMisconfigured: The table is not there.
        ValueError: It is not a table of points.
    """

    def __init__(self, connection: Connection, table: str) -> None:
        columns = schema.describe(connection, table).columns
        missing = {"id", "time", "type", "value"} - set(columns)
        if missing:
            raise ValueError(f"{table!r} is not a table of points: it has no column {', '.join(sorted(missing))}")
        by_type = any(index[:2] == ("type", "time") for index in schema.indices(connection, table).values())
        connection.rollback()
        self.table = table
        self._connection = connection
        # A position in time is what the column holds: microseconds from MySQL, float seconds in an SQLite file.
        self._mysql = connection.dialect == "mysql"
        self._per_second = MICROSECONDS if self._mysql else 1
        self._page_sql = (
            f"SELECT {self._position_sql('time')}, value FROM {schema.quote(table)} "
            "WHERE type = ? AND time >= ? AND time < ? ORDER BY time, id LIMIT ? OFFSET ?"
        )
        # Each end by itself, or SQLite would look at all rows; and for one codename only where an index helps with
        # that, or MySQL would. Old tables may hold the time zero, which is no time.
        conditions = ["type = ?"] * by_type + ["time >= '1970-01-01 00:00:01'"] * self._mysql
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        first, last = (f"(SELECT {end}(time) FROM {schema.quote(table)}{where})" for end in ("MIN", "MAX"))
        self._ends_sql = f"SELECT {self._position_sql(first)}, {self._position_sql(last)}"
        self._types_in_ends_sql = 2 if by_type else 0

    def read_points(self, codename: str, start: Moment | None = None, end: Moment | None = None) -> Points:
        """Return the points of a codename with start <= time < end, all at once.

        Args:
            codename: Its name in ``dateplots_descriptions``.
            start: From when on; None: from the first point.
            end: Until before when; None: to the last point that is there when reading begins.

        Raises:
            CodenameError: The codename does not have exactly one entry.
            ValueError: A bound is not a moment, or has no time zone; or the end is before the start.
        """
        import numpy as np

        entry = self.find(codename)
        pages = list(self._pages(entry, start, end, CHUNK_ROWS))
        if len(pages) == 1:
            return pages[0]
        times = [page.times for page in pages] or [np.empty(0)]
        values = [page.values for page in pages] or [np.empty(0)]
        return Points(codename, entry.unit, np.concatenate(times), np.concatenate(values))

    def iterate_points(
        self,
        codename: str,
        start: Moment | None = None,
        end: Moment | None = None,
        *,
        chunk_rows: int = CHUNK_ROWS,
    ) -> Iterator[Points]:
        """Yield what :meth:`read_points` returns in pieces of at most ``chunk_rows`` points, never an empty one."""
        if chunk_rows < 1:
            raise ValueError(f"chunk_rows must be at least 1, not {chunk_rows}")
        return self._pages(self.find(codename), start, end, chunk_rows)

    def span(self, codename: str, start: Moment | None = None, end: Moment | None = None) -> tuple[float, float]:
        """Return begin and end, in unix s, of what there is to read between two moments; equal when there is nothing.

        In an old table these are ends of all its points, since finding those of one codename would mean reading it.
        """
        first, last = self._span(self.find(codename).id, start, end)
        return first / self._per_second, last / self._per_second

    def _pages(
        self, entry: codenames.Codename, start: Moment | None, end: Moment | None, chunk_rows: int
    ) -> Iterator[Points]:
        import numpy as np

        position, last = self._span(entry.id, start, end)
        window: float = FIRST_WINDOW_S * self._per_second
        taken = 0  # of the points that stand exactly at the position
        while position < last:
            stop = min(position + window, last)
            rows = self._query(self._page_sql, (entry.id, self._bound(position), self._bound(stop), chunk_rows, taken))
            if not rows:
                position, taken, window = stop, 0, window * 2
                continue
            # One conversion for both columns: microseconds are exact in a float64 up to the year 2255.
            page = np.array(rows, dtype=np.float64)
            yield Points(entry.codename, entry.unit, page[:, 0] / self._per_second, page[:, 1].copy())
            if len(rows) < chunk_rows:
                position, taken, window = stop, 0, window * 2 if len(rows) < chunk_rows // 2 else window
            else:
                reached: float = rows[-1][0]
                taken = int((page[:, 0] == reached).sum()) + (taken if reached == position else 0)
                window = max(reached - position, SHORTEST_WINDOW_S * self._per_second)
                position = reached

    def find(self, codename: str) -> codenames.Codename:
        """Return the row of a codename.

        Raises:
            CodenameError: There is not exactly one.
        """
        try:
            return codenames.find(self._connection, codename)
        finally:
            self._connection.rollback()

    def _query(self, sql: str, parameters: Sequence[object]) -> list[Row]:
        rows = self._connection.query(sql, parameters)
        # A transaction left open would show the next page an old state, and hold back an ALTER TABLE.
        self._connection.rollback()
        return rows

    def _span(self, type_id: int, start: Moment | None, end: Moment | None) -> tuple[float, float]:
        """Return first position and the one after the last; equal when there is nothing."""
        begin, until = (None if moment is None else to_unixtime_s(moment) for moment in (start, end))
        if begin is not None and until is not None and until < begin:
            raise ValueError(f"the end {end} is before the start {start}")
        ((first, last),) = self._query(self._ends_sql, (type_id,) * self._types_in_ends_sql)
        if first is None:
            return 0.0, 0.0
        last = last + 1 if self._mysql else math.nextafter(last, math.inf)
        first = first if begin is None else max(first, self._position(begin))
        last = last if until is None else min(last, self._position(until))
        return first, max(first, last)

    def _position_sql(self, time: str) -> str:
        return f"CAST(UNIX_TIMESTAMP({time}) * {MICROSECONDS} AS SIGNED)" if self._mysql else time

    def _position(self, unixtime_s: float) -> float:
        return to_microseconds(unixtime_s) if self._mysql else unixtime_s

    def _bound(self, position: float) -> str | float:
        """Return a position as a value to compare the column with; text, since a session's times are in UTC."""
        if not self._mysql:
            return position
        return (EPOCH + timedelta(microseconds=position)).replace(tzinfo=None).isoformat(" ", "microseconds")


def to_unixtime_s(moment: Moment) -> float:
    """Return a moment as unix time in s.

    Raises:
        ValueError: It has no time zone, is not finite, or is text that is neither ISO 8601 nor unix seconds.
    """
    if isinstance(moment, str):
        return float(moment) if UNIX_SECONDS.fullmatch(moment) else to_unixtime_s(_from_iso(moment))
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError(f"{moment.isoformat()} has no time zone: add one, such as +00:00 or Z for UTC")
        return moment.timestamp()
    if not math.isfinite(moment):
        raise ValueError(f"{moment} is not a time in s")
    return float(moment)


def _from_iso(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a time: write it like 2026-03-01T12:00:00Z, or as unix seconds") from error


def read_points(
    codename: str,
    start: Moment | None = None,
    end: Moment | None = None,
    *,
    setup: str | None = None,
    table: str | None = None,
    target: DatabaseTarget | None = None,
) -> Points:
    """Return the points of a codename with start <= time < end, over a connection of its own.

    Example::

        points = read_points("dummy_sine_one", "2026-03-01T00:00:00+01:00", setup="dummy")
        points.to_dataframe().plot()

    Args:
        codename: Its name in ``dateplots_descriptions``.
        start: From when on; None: from the first point.
        end: Until before when; None: to the last point.
        setup: Read from the table ``dateplots_<setup>``; either this or ``table`` is needed.
        table: The table's name.
        target: The database; None: the one of the settings, with the reader's account if there is one.
    """
    from PyExpLabSys.database.opening import connect

    if (setup is None) == (table is None):
        raise ValueError("give either the setup or the table to read from")
    name = schema.dateplots_table(setup) if setup is not None else str(table)
    with connect(reading_target() if target is None else target) as connection:
        return Reader(connection, name).read_points(codename, start, end)


def reading_target() -> DatabaseTarget:
    """Return the database of the settings, with the lab's common account for reading if one is set."""
    settings = Settings()
    username = settings.get("common_sql_reader_user")
    password = settings.get("common_sql_reader_password")
    return target_from_settings(username=username, password=password if username else None, settings=settings)
