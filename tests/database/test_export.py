"""Files that hold exactly what the table holds, complete or not at all."""

import csv
import json
import tracemalloc
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from PyExpLabSys.database.export import Format, export_points
from PyExpLabSys.database.reading import Reader
from PyExpLabSys.errors import CodenameError, DatabaseUnavailable
from tests.database.places import TABLE, Place

T0 = 1_700_000_000.0
FORMATS: tuple[Format, ...] = ("csv", "parquet")


@pytest.fixture
def reader(place: Place) -> Reader:
    place.store(place.register("dummy_sine_one", 'µV, "raw"'), [(T0 + second, second / 3) for second in range(5)])
    place.store(place.register("dummy_sine_two"), [(T0, None), (T0 + 2, 1e-300)])
    return Reader(place.connection, TABLE)


def test_csv_holds_every_point_exactly(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    assert export_points(reader, ["dummy_sine_one", "dummy_sine_two"], path, "csv", chunk_rows=2) == 7
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["codename"], float(row["unixtime"]), row["value"], row["unit"]) for row in rows] == [
        *(("dummy_sine_one", T0 + second, repr(second / 3), 'µV, "raw"') for second in range(5)),
        ("dummy_sine_two", T0, "", ""),
        ("dummy_sine_two", T0 + 2, "1e-300", ""),
    ]
    assert [datetime.fromisoformat(row["time"]).timestamp() for row in rows] == [float(row["unixtime"]) for row in rows]
    assert all(row["time"].endswith("Z") for row in rows)


def test_parquet_holds_every_point_exactly(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "points.parquet"
    assert export_points(reader, ["dummy_sine_one", "dummy_sine_two"], path, "parquet", chunk_rows=2) == 7
    table = pq.read_table(path)
    assert table.schema.field("time").type == pa.timestamp("us", tz="UTC")
    rows = table.to_pylist()
    assert [row["time"].timestamp() for row in rows] == [*(T0 + second for second in range(5)), T0, T0 + 2]
    assert [row["value"] for row in rows] == [*(second / 3 for second in range(5)), None, 1e-300]
    assert {(row["codename"], row["unit"]) for row in rows} == {("dummy_sine_one", 'µV, "raw"'), ("dummy_sine_two", "")}
    metadata = table.schema.metadata
    assert (metadata[b"setup"], metadata[b"table"]) == (b"dummy", TABLE.encode())
    assert [entry["codename"] for entry in json.loads(metadata[b"codenames"])] == ["dummy_sine_one", "dummy_sine_two"]
    assert json.loads(metadata[b"codenames"])[0]["unit"] == 'µV, "raw"'
    assert pq.ParquetFile(path).num_row_groups == 4


def test_microseconds_arrive_in_both_formats(sqlite: Place, tmp_path: Path) -> None:
    time_s = T0 + 0.123457
    sqlite.store(sqlite.register("dummy_sine_one"), [(time_s, 1.0)])
    reader = Reader(sqlite.connection, TABLE)
    for format_ in FORMATS:
        export_points(reader, ["dummy_sine_one"], tmp_path / format_, format_)
    assert (tmp_path / "csv").read_text().splitlines()[1] == (
        "1700000000.123457,2023-11-14T22:13:20.123457Z,dummy_sine_one,1.0,"
    )
    (moment,) = pq.read_table(tmp_path / "parquet")["time"].to_pylist()
    assert moment.timestamp() == time_s


@pytest.mark.parametrize("format_", FORMATS)
def test_only_the_span_is_written(reader: Reader, tmp_path: Path, format_: Format) -> None:
    assert export_points(reader, ["dummy_sine_one"], tmp_path / "f", format_, start=T0 + 1, end=T0 + 3) == 2


@pytest.mark.parametrize("format_", FORMATS)
def test_no_points_still_make_a_readable_file(reader: Reader, tmp_path: Path, format_: Format) -> None:
    path = tmp_path / "none"
    assert export_points(reader, ["dummy_sine_one"], path, format_, start=T0 + 100) == 0
    if format_ == "csv":
        assert path.read_text() == "unixtime,time,codename,value,unit\n"
    else:
        assert pq.read_table(path).num_rows == 0


@pytest.mark.parametrize("format_", FORMATS)
def test_progress_grows_to_the_whole(reader: Reader, tmp_path: Path, format_: Format) -> None:
    told: list[tuple[float, int]] = []
    export_points(
        reader,
        ["dummy_sine_one", "dummy_sine_two"],
        tmp_path / "f",
        format_,
        progress=lambda share, points: told.append((share, points)),
        chunk_rows=1,
    )
    assert told == sorted(told)
    assert told[-1] == (1.0, 7)
    assert all(0.0 <= share <= 1.0 for share, _ in told)
    assert len(told) == 9


@pytest.mark.parametrize("format_", FORMATS)
def test_an_export_that_fails_leaves_the_old_file_and_nothing_else(
    reader: Reader, tmp_path: Path, format_: Format
) -> None:
    path = tmp_path / "out" / "points"
    path.parent.mkdir()
    path.write_text("old")

    def fail(_share: float, _points: int) -> None:
        raise DatabaseUnavailable("the connection is lost")

    with pytest.raises(DatabaseUnavailable):
        export_points(reader, ["dummy_sine_one"], path, format_, progress=fail)
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]
    export_points(reader, ["dummy_sine_one"], path, format_)
    assert path.read_bytes() != b"old"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("codenames", [[], ["dummy_sine_one", "dummy_sine_one"]])
def test_no_codename_or_one_twice_is_refused(reader: Reader, tmp_path: Path, codenames: list[str]) -> None:
    with pytest.raises(ValueError, match="each once"):
        export_points(reader, codenames, tmp_path / "f", "csv")


def test_an_unknown_codename_writes_nothing(reader: Reader, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(CodenameError, match="dummy_cosine"):
        export_points(reader, ["dummy_sine_one", "dummy_cosine"], folder / "f", "csv")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("format_", FORMATS)
def test_memory_does_not_grow_with_the_span(sqlite: Place, tmp_path: Path, format_: Format) -> None:
    sqlite.register("dummy_sine_one")
    sqlite.connection.execute(
        f"INSERT INTO {TABLE} (type, time, value) WITH RECURSIVE n(i) AS "
        f"(SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 199999) SELECT 1, {T0} + i * 0.1, i FROM n"
    )
    sqlite.connection.commit()
    reader = Reader(sqlite.connection, TABLE)

    def peak_of(end: float) -> tuple[int, int]:
        tracemalloc.start()
        points = export_points(reader, ["dummy_sine_one"], tmp_path / "f", format_, end=end, chunk_rows=5_000)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return points, peak

    peak_of(T0 + 100.0)  # what is loaded at the first use does not count
    few, peak_of_few = peak_of(T0 + 2_000.0)
    many, peak_of_many = peak_of(T0 + 1e6)
    assert (few, many) == (20_000, 200_000)
    assert peak_of_many < 1.5 * peak_of_few
