"""Points come back exactly, in order, in constant memory, from every layout."""

import importlib
import math
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from PyExpLabSys.database import codenames, reading
from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.reading import Reader, read_points, to_unixtime_s
from PyExpLabSys.errors import CodenameError, DatabaseMisconfigured
from PyExpLabSys.settings import Settings
from tests.database.places import TABLE, Place, place_of
from tests.servers.lab import LabDatabase, create_lab_database
from tests.servers.mariadb import MariaDB

T0 = 1_700_000_000.0
SUMMER_TIME_ENDS = 1_761_440_400  # 2025-10-26 01:00 UTC
# As a web page sends them, with the braces filled in.
WEB_DATE_PLOT = (
    "SELECT unix_timestamp(time), value FROM dateplots_dummy where type = {} "
    'and time between "2023-11-14 22:13:20" and "2023-11-14 22:13:22" order by time'
)
WEB_LIVE_BACK_FILL = (
    "SELECT unix_timestamp(time), value FROM dateplots_dummy where "
    'type=(SELECT id FROM dateplots_descriptions where codename="dummy_sine_one") '
    "and unix_timestamp(time) > 1700000001 order by time"
)
TIMES = st.integers(1_000_000_000_000_000, 2_147_483_647_999_999).map(lambda microseconds: microseconds / 1e6)
VALUES = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False, min_value=-1e300, max_value=1e300)


def pairs(points: reading.Points) -> list[tuple[float, float]]:
    return list(zip(points.times.tolist(), points.values.tolist(), strict=True))


def test_points_come_back_with_their_exact_times(place: Place) -> None:
    stored = [(T0 + 0.000001, 1.5), (T0 + 0.25, -2e-300), (T0 + 1.999999, 0.1), (T0 + 2, 1 / 3)]
    place.store(place.register("dummy_sine_one", "V"), stored)
    place.store(place.register("dummy_sine_two"), [(T0, 7.0)])
    points = Reader(place.connection, TABLE).read_points("dummy_sine_one")
    expected = [(math.floor(time), value) for time, value in stored] if place.whole_seconds else stored
    assert (points.codename, points.unit, len(points)) == ("dummy_sine_one", "V", 4)
    assert pairs(points) == expected
    assert points.times.dtype == points.values.dtype == np.float64


def test_null_is_nan(place: Place) -> None:
    place.store(place.register("dummy_sine_one"), [(T0, None), (T0 + 1, 1.0)])
    assert np.isnan(Reader(place.connection, TABLE).read_points("dummy_sine_one").values).tolist() == [True, False]


def test_the_start_is_inside_and_the_end_outside(place: Place) -> None:
    place.store(place.register("dummy_sine_one"), [(T0 + second, float(second)) for second in range(10)])
    reader = Reader(place.connection, TABLE)
    assert reader.read_points("dummy_sine_one", T0 + 3, T0 + 6).values.tolist() == [3.0, 4.0, 5.0]
    assert reader.read_points("dummy_sine_one", T0 + 8).values.tolist() == [8.0, 9.0]
    assert reader.read_points("dummy_sine_one", None, T0 + 2).values.tolist() == [0.0, 1.0]
    assert reader.read_points("dummy_sine_one", 0.0, 1e11).values.tolist() == [float(n) for n in range(10)]
    assert len(reader.read_points("dummy_sine_one", T0 + 3, T0 + 3)) == 0
    assert len(reader.read_points("dummy_sine_one", T0 + 100)) == 0
    assert len(reader.read_points("dummy_sine_one", None, T0 - 100)) == 0


def test_an_empty_table_gives_no_points(place: Place) -> None:
    place.register("dummy_sine_one")
    reader = Reader(place.connection, TABLE)
    assert len(reader.read_points("dummy_sine_one")) == 0
    assert list(reader.iterate_points("dummy_sine_one")) == []
    assert reader.span("dummy_sine_one") == (0.0, 0.0)


@pytest.mark.parametrize("chunk_rows", [1, 2, 3, 7, 1000])
def test_pieces_are_the_whole_whatever_their_size(place: Place, chunk_rows: int) -> None:
    # Many points at one time, long gaps, and times out of order, as pieces meet them.
    times = [T0 + offset for offset in (0, 0, 0, 0, 0, 1, 2, 2, 3, 86_400, 90_000, 90_000, 5e7, 5e7 + 1, 4, 4)]
    place.store(place.register("dummy_sine_one"), [(time, float(number)) for number, time in enumerate(times)])
    reader = Reader(place.connection, TABLE)
    pieces = list(reader.iterate_points("dummy_sine_one", chunk_rows=chunk_rows))
    expected = sorted(((time, float(number)) for number, time in enumerate(times)))
    assert [pair for piece in pieces for pair in pairs(piece)] == expected
    assert all(0 < len(piece) <= chunk_rows for piece in pieces)
    assert pairs(reader.read_points("dummy_sine_one")) == expected


def test_points_of_one_second_come_in_the_order_of_storing(lab_database: LabDatabase) -> None:
    with place_of("old MyISAM", lab_database) as place:
        number = place.register("dummy_sine_one")
        place.store(number, [(T0 + 5, -1.0), *((T0, float(n)) for n in range(5))])
        # The next row goes where the deleted one was, in front of those stored before it.
        lab_database.sql(f"DELETE FROM {TABLE} WHERE value = -1")
        place.store(number, [(T0, 5.0)])
        assert lab_database.sql(f"SELECT value FROM {TABLE} LIMIT 1") == [(5.0,)]
        values = Reader(place.connection, TABLE).read_points("dummy_sine_one").values
        assert values.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_pieces_of_no_rows_are_refused(place: Place) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Reader(place.connection, TABLE).iterate_points("dummy_sine_one", chunk_rows=0)


def test_points_that_come_while_reading_are_found_and_those_read_not_again(place: Place) -> None:
    number = place.register("dummy_sine_one")
    place.store(number, [(T0 + second, float(second)) for second in range(6)])
    with connect(place.target) as other:
        pieces = Reader(other, TABLE).iterate_points("dummy_sine_one", T0, T0 + 6, chunk_rows=2)
        first = next(pieces)
        place.store(number, [(T0, -1.0), (T0 + 5, 5.5)])
        values = [*first.values.tolist(), *(value for piece in pieces for value in piece.values.tolist())]
    assert values == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 5.5]


def test_reading_leaves_no_transaction_that_holds_back_an_alter(server_place: Place) -> None:
    server_place.store(server_place.register("dummy_sine_one"), [(T0, 1.0)])
    reader = Reader(server_place.connection, TABLE)
    pieces = reader.iterate_points("dummy_sine_one", chunk_rows=1)
    next(pieces)
    reader.span("dummy_sine_one")
    with connect(server_place.target) as other:
        other.execute("SET lock_wait_timeout = 1")
        other.execute(f"ALTER TABLE {TABLE} ADD COLUMN remark int NULL")
        other.execute("ALTER TABLE dateplots_descriptions ADD COLUMN remark int NULL")
    assert list(pieces) == []


@pytest.mark.parametrize("layout", ["new", "old InnoDB", "old MyISAM"])
def test_the_hour_that_ends_summer_time_comes_back_exactly(start_mariadb: Callable[..., MariaDB], layout: str) -> None:
    server = start_mariadb(environment={"TZ": "Europe/Copenhagen"})
    lab = create_lab_database(server)
    first = SUMMER_TIME_ENDS - 1800
    with place_of(layout, lab) as place:
        number = place.register("dummy_sine_one")
        # The control: in the server's own zone this is an hour wrong, so the zone is at work here.
        lab.sql(f"INSERT INTO {TABLE} (type, time, value) VALUES ({number}, FROM_UNIXTIME({first}), 0)")
        reader = Reader(place.connection, TABLE)
        assert reader.read_points("dummy_sine_one").times.tolist() == [first + 3600]
        lab.sql(f"DELETE FROM {TABLE}")
        stored = [(first + 600.0 * n, float(n)) for n in range(13)]
        place.store(number, stored)
        assert pairs(reader.read_points("dummy_sine_one")) == stored
        within = reader.read_points("dummy_sine_one", "2025-10-26T02:30:00+02:00", "2025-10-26T02:30:00+01:00")
        assert pairs(within) == stored[:6]


def test_points_with_the_time_zero_hide_no_others(lab_database: LabDatabase) -> None:
    with place_of("old MyISAM", lab_database) as place:
        number = place.register("dummy_sine_one")
        place.connection.execute("SET sql_mode = ''")
        place.connection.execute(f"INSERT INTO {TABLE} (type, time, value) VALUES ({number}, 0, 1)")
        reader = Reader(place.connection, TABLE)
        assert pairs(reader.read_points("dummy_sine_one")) == []
        place.store(number, [(T0, 2.0)])
        assert (
            pairs(reader.read_points("dummy_sine_one"))
            == pairs(reader.read_points("dummy_sine_one", 0.0))
            == [(T0, 2.0)]
        )


def test_the_web_pages_queries_work_as_written(server_place: Place) -> None:
    number = server_place.register("dummy_sine_one")
    server_place.store(number, [(T0 + second, float(second)) for second in range(4)])
    query = server_place.connection.query
    for sql, values in ((WEB_DATE_PLOT.format(number), [0, 1, 2]), (WEB_LIVE_BACK_FILL, [2, 3])):
        assert [(float(t), v) for t, v in query(sql)] == [(T0 + second, float(second)) for second in values]


def test_the_pages_for_data_sets_work_as_written(server_place: Place) -> None:
    connection = server_place.connection
    connection.execute("INSERT INTO measurements_dummy (type, comment, label) VALUES (2, 'a', 'b')")
    connection.executemany(
        "INSERT INTO xy_values_dummy (measurement, x, y) VALUES (?, ?, ?)",
        [(1, 3.0, 1.0), (1, 2.0, 2.0), (2, 0.0, 0.0)],
    )
    connection.commit()
    assert connection.query("SELECT x,y FROM xy_values_dummy where measurement = 1 order by id") == [(3, 1), (2, 2)]
    names = [row[0] for row in connection.query("DESCRIBE measurements_dummy")]
    (row,) = connection.query("SELECT * FROM measurements_dummy")
    assert names == ["id", "time", "type", "timestep", "comment", "label"]
    assert (row[0], row[2], row[4:]) == (1, 2, ("a", "b"))


def test_a_page_of_a_new_table_looks_only_at_its_own_rows(lab_database: LabDatabase) -> None:
    with place_of("new", lab_database) as place:
        place.register("dummy_sine_one")
        lab_database.sql(
            f"INSERT INTO {TABLE} (type, time, value) "
            f"SELECT 1 + seq % 5, FROM_UNIXTIME({T0} + seq), seq FROM seq_1_to_50000"
        )
        lab_database.sql(f"ANALYZE TABLE {TABLE}")
        reader = Reader(place.connection, TABLE)

        def rows_looked_at() -> int:
            rows = place.connection.query("SHOW SESSION STATUS LIKE 'Handler_read%'")
            return sum(int(count) for _, count in rows)

        before = rows_looked_at()
        assert len(reader.read_points("dummy_sine_one", T0 + 40_000, T0 + 41_000)) == 200
        assert rows_looked_at() - before < 1000


def test_memory_stays_the_same_however_long_the_span(sqlite: Place) -> None:
    sqlite.register("dummy_sine_one")
    count = 1_000_000
    sqlite.connection.execute(
        f"INSERT INTO {TABLE} (type, time, value) WITH RECURSIVE n(i) AS "
        f"(SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count}) SELECT 1, {T0} + i * 0.1, i FROM n"
    )
    sqlite.connection.commit()
    reader = Reader(sqlite.connection, TABLE)

    def peak_of(end: float) -> tuple[int, int]:
        tracemalloc.start()
        points = sum(len(piece) for piece in reader.iterate_points("dummy_sine_one", None, end, chunk_rows=10_000))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return points, peak

    few, peak_of_few = peak_of(T0 + 5_000.0)
    many, peak_of_many = peak_of(T0 + 1e6)
    assert (few, many) == (50_000, count)
    assert peak_of_many < 1.2 * peak_of_few
    assert peak_of_many < 16 * count  # what the arrays of all points would take


def round_trip_property(place: Place) -> Callable[[], None]:
    number = place.register("dummy_sine_one")
    reader = Reader(place.connection, TABLE)

    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.tuples(TIMES, VALUES), max_size=20), st.integers(1, 8))
    def property_(points: list[tuple[float, float]], chunk_rows: int) -> None:
        place.connection.execute(f"DELETE FROM {TABLE}")
        place.store(number, points)
        expected = [(math.floor(time) if place.whole_seconds else time, value) for time, value in points]
        expected.sort(key=lambda point: point[0])  # stable: at one time in the order of storing
        pieces = reader.iterate_points("dummy_sine_one", chunk_rows=chunk_rows)
        assert [pair for piece in pieces for pair in pairs(piece)] == expected

    return property_


def test_what_is_stored_comes_back_through_odbc(lab_database: LabDatabase, odbc_dsn: str) -> None:
    with place_of("new", lab_database) as place, connect(replace(place.target, dsn=odbc_dsn)) as odbc:
        assert type(odbc) is not type(place.connection)
        round_trip_property(replace(place, connection=odbc))()


def test_what_is_stored_comes_back(place: Place) -> None:
    round_trip_property(place)()


def test_a_dataframe_has_utc_times_and_the_unit(place: Place) -> None:
    place.store(place.register("dummy_sine_one", "V"), [(T0, 1.0), (T0 + 1, 2.0)])
    frame = Reader(place.connection, TABLE).read_points("dummy_sine_one").to_dataframe()
    assert list(frame["dummy_sine_one"]) == [1.0, 2.0]
    assert list(frame.index) == [pd.Timestamp("2023-11-14T22:13:20Z"), pd.Timestamp("2023-11-14T22:13:21Z")]
    assert frame.attrs == {"unit": "V"}


@given(TIMES)
def test_a_dataframe_has_no_nanoseconds_that_are_not_there(time_s: float) -> None:
    points = reading.Points("a", "", np.array([time_s]), np.array([0.0]))
    (stamp,) = points.to_dataframe().index
    assert stamp.nanosecond == 0
    assert stamp.timestamp() == time_s


@given(st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_a_moment_is_the_same_however_it_is_said(naive: datetime, minutes: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    assert to_unixtime_s(moment) == to_unixtime_s(moment.isoformat()) == to_unixtime_s(seconds) == seconds
    if seconds >= 1e8:
        assert to_unixtime_s(repr(seconds)) == seconds


@pytest.mark.parametrize(
    ("moment", "message"),
    [
        (datetime(2026, 3, 1), "no time zone"),  # noqa: DTZ001
        ("2026-03-01", "no time zone"),
        ("2026-03-01T12:00:00", "no time zone"),
        ("yesterday", "is not a time"),
        ("", "is not a time"),
        (math.nan, "is not a time"),
        (math.inf, "is not a time"),
    ],
)
def test_what_is_no_moment_is_refused(moment: reading.Moment, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        to_unixtime_s(moment)


def test_an_end_before_the_start_is_refused(place: Place) -> None:
    place.register("dummy_sine_one")
    with pytest.raises(ValueError, match="before the start"):
        Reader(place.connection, TABLE).read_points("dummy_sine_one", T0, T0 - 1)


def test_an_unknown_codename_is_an_error_and_stays_unknown(place: Place) -> None:
    with pytest.raises(CodenameError, match="dummy_sine_one"):
        Reader(place.connection, TABLE).read_points("dummy_sine_one")
    assert codenames.listing(place.connection) == []


def test_a_table_without_points_is_refused(place: Place) -> None:
    with pytest.raises(ValueError, match="no column value"):
        Reader(place.connection, "measurements_dummy")
    with pytest.raises(DatabaseMisconfigured, match="--setup oven"):
        Reader(place.connection, "dateplots_oven")


def test_the_short_way_opens_the_database_itself(place: Place) -> None:
    place.store(place.register("dummy_sine_one"), [(T0, 1.0)])
    assert pairs(read_points("dummy_sine_one", setup="dummy", target=place.target)) == [(T0, 1.0)]
    assert pairs(read_points("dummy_sine_one", T0, table=TABLE, target=place.target)) == [(T0, 1.0)]
    with pytest.raises(ValueError, match="either"):
        read_points("dummy_sine_one", target=place.target)


def test_the_short_way_uses_the_common_account_for_reading(lab_database: LabDatabase) -> None:
    with place_of("new", lab_database) as place:
        place.store(place.register("dummy_sine_one"), [(T0, 1.0)])
    settings_ = Settings()
    values = {
        "sql_server_host": f"{lab_database.host}:{lab_database.port}",
        "sql_database": lab_database.name,
        "sql_username": "nobody",
        "sql_password": "wrong",
        "common_sql_reader_user": lab_database.username,
        "common_sql_reader_password": lab_database.password,
    }
    try:
        for key, value in values.items():
            setattr(settings_, key, value)
        assert pairs(read_points("dummy_sine_one", setup="dummy")) == [(T0, 1.0)]
    finally:
        settings_.reset()


@pytest.mark.parametrize("module", ["schema", "codenames", "reading", "check", "export"])
def test_importing_loads_neither_numpy_nor_drivers(module: str) -> None:
    importlib.import_module(f"PyExpLabSys.database.{module}")
    code = (
        f"import sys, PyExpLabSys.database.{module}; "
        "print([name for name in ('numpy', 'pymysql', 'pyodbc', 'pandas', 'pyarrow') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
