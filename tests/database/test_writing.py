"""Writing many points with few statements."""

import math

import numpy as np
import pytest

from PyExpLabSys.database import schema, writing
from PyExpLabSys.database.connection import Connection
from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.schema import TableLayout
from PyExpLabSys.database.writing import Rows, insert_rows, latest_time, rejected_rows, stored_microseconds, unstorable
from PyExpLabSys.errors import RowsRejected
from tests.database.places import TABLE, Place

T0_US = 1_700_000_000_750_000
LAYOUT = TableLayout(table=TABLE, engine="InnoDB", time_digits=6, value_nullable=True, id_type="bigint(20) unsigned")


def rows_of(values: list[float], type_id: int = 1) -> Rows:
    n = len(values)
    return Rows(
        first_sequence=1,
        last_sequence=n,
        sequences=np.arange(1, n + 1),
        types=np.full(n, type_id, np.int64),
        microseconds=T0_US + 1_000_000 * np.arange(n),
        values=np.array(values, np.float64),
    )


def layout_of(place: Place) -> TableLayout:
    return schema.describe(place.connection, TABLE)


def values_in(connection: Connection) -> list[float | None]:
    return [value for (value,) in connection.query(f"SELECT value FROM {TABLE} ORDER BY id")]


class Recording:
    """Stands for a connection; keeps the statements."""

    dialect = "mysql"

    def __init__(self, max_statement_bytes: int) -> None:
        self.max_statement_bytes = max_statement_bytes
        self.statements: list[str] = []

    def execute(self, sql: str) -> int:
        self.statements.append(sql)
        return sql.count("TIMESTAMP")


@pytest.mark.parametrize("max_statement_bytes", [600, 1024, 4096, 16 * 2**20])
def test_no_statement_is_longer_than_the_server_takes_and_none_shorter_than_needed(max_statement_bytes: int) -> None:
    n = 500
    rows = rows_of([-1.2345678901234567e-308] * n, type_id=2**32 - 1)
    rows.microseconds[:] = 4_294_967_295_999_999
    connection = Recording(max_statement_bytes)
    insert_rows(connection, LAYOUT, rows)  # type: ignore[arg-type]
    assert max(len(sql.encode()) for sql in connection.statements) <= max_statement_bytes
    assert sum(sql.count("TIMESTAMP") for sql in connection.statements) == n
    at_most = math.ceil(n / max(1, (max_statement_bytes - writing.STATEMENT_OVERHEAD_BYTES) // writing.ROW_BYTES_MAX))
    assert len(connection.statements) == at_most


def test_the_longest_row_is_not_longer_than_allowed_for() -> None:
    rows = rows_of([-1.2345678901234567e-308], type_id=2**32 - 1)
    rows.microseconds[:] = 4_294_967_295_999_999
    (text,) = writing._row_texts(rows)
    assert len(text) < writing.ROW_BYTES_MAX


def test_the_text_of_a_statement_holds_numbers_only() -> None:
    connection = Recording(10_000)
    insert_rows(connection, LAYOUT, rows_of([0.1, math.nan, -2.0]))  # type: ignore[arg-type]
    rows = "(1,TIMESTAMP'2023-11-14T22:13:20.750000',0.1e0),(1,TIMESTAMP'2023-11-14T22:13:21.750000',NULL),"
    rows += "(1,TIMESTAMP'2023-11-14T22:13:22.750000',-2.0e0)"
    assert connection.statements == [f"INSERT INTO `dateplots_dummy` (type, time, value) VALUES {rows}"]


def test_rows_are_inserted_in_order_and_not_committed(place: Place) -> None:
    insert_rows(place.connection, layout_of(place), rows_of([3.0, math.nan, 1.0, 2.0]))
    with connect(place.target) as other:
        if layout_of(place).transactional:
            assert values_in(other) == []
        other.rollback()
        place.connection.commit()
        assert values_in(other) == [3.0, None, 1.0, 2.0]


def test_no_rows_are_no_statement(place: Place) -> None:
    insert_rows(place.connection, layout_of(place), rows_of([]))
    place.connection.commit()
    assert values_in(place.connection) == []


def test_rejected_rows_are_found_and_nothing_is_stored(place: Place) -> None:
    layout = layout_of(place)
    condition = "value IS NULL OR value >= 0"
    if place.connection.dialect == "sqlite":
        place.connection.execute(f"DROP TABLE {TABLE}")
        place.connection.execute(
            f"CREATE TABLE {TABLE} (id INTEGER PRIMARY KEY, time REAL, type INTEGER, value REAL CHECK ({condition}))"
        )
    else:
        place.connection.execute(f"ALTER TABLE {TABLE} ADD CONSTRAINT positive CHECK ({condition})")
    place.connection.commit()
    rows = rows_of([-1.0 if n in {0, 3, 4, 99} else float(n) for n in range(100)])
    with pytest.raises(RowsRejected):
        insert_rows(place.connection, layout, rows)
    place.connection.rollback()
    if layout.transactional:
        reasons = rejected_rows(place.connection, layout, rows)
        assert list(reasons) == [0, 3, 4, 99]
        assert all("positive" in reason or "CHECK" in reason for reason in reasons.values())
        assert values_in(place.connection) == []


@pytest.mark.parametrize(
    ("time_s", "value", "reason"),
    [
        (1.0, 0.0, None),
        (0.9999, 0.0, "time 0.9999 is not between 1 and"),
        (0.0, 0.0, "time 0.0"),
        (-1.0, 0.0, "time -1.0"),
        (math.nan, 0.0, "time nan"),
        (math.inf, 0.0, "time inf"),
        (2.0**31 - 1.0, 0.0, None),
        (2.0**31 - 1e-7, 0.0, "time 2147483648"),
        (2.0**31, 0.0, "time 2147483648.0 is not between 1 and 2147483647.999999 s"),
        (1.7e9, math.nan, None),
        (1.7e9, math.inf, "value inf cannot be stored in a nullable column"),
        (1.7e9, -math.inf, "value -inf"),
    ],
)
def test_what_no_table_takes(time_s: float, value: float, reason: str | None) -> None:
    times, values = np.array([1.7e9, time_s, 1.7e9]), np.array([0.0, value, 0.0])
    indices, reasons = unstorable(LAYOUT, times, values, 2.0**31 - 1e-6)
    assert indices == ([] if reason is None else [1])
    assert all(text.startswith(reason or "?") for text in reasons)


def test_what_is_let_through_stays_within_the_bounds_when_rounded() -> None:
    times = np.nextafter(2.0**31 - 1e-6, np.array([0.0, 1e10]))
    indices, _ = unstorable(LAYOUT, times, np.zeros(2), 2.0**31 - 1e-6)
    assert indices == [1]
    assert stored_microseconds(LAYOUT, times[:1])[0] < 2**31 * 1_000_000


def test_the_latest_time_is_asked_of_the_server(place: Place) -> None:
    ends_2038 = place.connection.dialect == "mysql" and place.connection.query("SELECT FROM_UNIXTIME(4294967295)") == [
        (None,)
    ]
    assert latest_time(place.connection) == (2.0**31 if ends_2038 else 2.0**32) - 1e-6
