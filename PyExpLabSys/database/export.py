"""Points from the database into one file, CSV or Parquet, in constant memory."""

import csv
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from PyExpLabSys.database.codenames import Codename
from PyExpLabSys.database.reading import Moment, Points, Reader
from PyExpLabSys.database.schema import setup_of
from PyExpLabSys.database.times import microseconds_of

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["csv", "parquet"]
Progress = Callable[[float, int], None]
"""Told after each piece: the share of the time span that is done, 0 to 1, and how many points are written."""

CSV_COLUMNS = ("unixtime", "time", "codename", "value", "unit")
# Also the size of a row group in Parquet.
CHUNK_ROWS = 100_000


def export_points(
    reader: Reader,
    codenames: Sequence[str],
    path: Path,
    format: Format,  # noqa: A002 (what users call it)
    *,
    start: Moment | None = None,
    end: Moment | None = None,
    progress: Progress | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> int:
    """Write the points with start <= time < end into a file, codename by codename, and return how many.

    The file appears under its name when it is complete; a file of that name is replaced. Both formats have one
    row for each point:

    * CSV: ``unixtime`` in s, ``time`` as ISO 8601 in UTC, ``codename``, ``value`` (empty for NULL), ``unit``.
    * Parquet: ``time`` (microseconds, UTC), ``codename``, ``value`` (null for NULL), ``unit``; the schema's metadata
      hold ``setup``, ``table`` and ``codenames`` (JSON: codename, unit and description of each).

    Raises:
        CodenameError: A codename does not have exactly one entry; nothing is written.
        FileNotFoundError: There is no such folder; nothing is written.
        ValueError: There is no codename, one is given twice, or a bound is not a moment.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.absolute().parent}: make it, or write {path.name} elsewhere")
    if not codenames or len(set(codenames)) != len(codenames):
        raise ValueError(f"give at least one codename, and each once: {', '.join(codenames) or 'there is none'}")
    entries = [reader.find(codename) for codename in codenames]
    pieces = _pieces(reader, codenames, start, end, chunk_rows, progress or _nobody)
    with _complete_or_nothing(path) as unfinished:
        if format == "parquet":
            return _write_parquet(unfinished, pieces, reader.table, entries)
        return _write_csv(unfinished, pieces)


def _nobody(_share: float, _points: int) -> None:
    """Take a report that nobody wants."""


def _pieces(
    reader: Reader,
    codenames: Sequence[str],
    start: Moment | None,
    end: Moment | None,
    chunk_rows: int,
    progress: Progress,
) -> Iterator[Points]:
    written = 0
    for done, codename in enumerate(codenames):
        first_s, last_s = reader.span(codename, start, end)
        for piece in reader.iterate_points(codename, start, end, chunk_rows=chunk_rows):
            yield piece
            written += len(piece)
            # By time, as counting the points of an old table first would take as long as reading them. New points
            # may have come since the span was asked for.
            share = min(1.0, (float(piece.times[-1]) - first_s) / (last_s - first_s))
            progress((done + share) / len(codenames), written)
        progress((done + 1) / len(codenames), written)


@contextmanager
def _complete_or_nothing(path: Path) -> Iterator[Path]:
    """Give the name to write under; at the end the file gets its own name, or after an error it is removed."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield unfinished
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _write_csv(path: Path, pieces: Iterator[Points]) -> int:
    import numpy as np

    written = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        for piece in pieces:
            moments = np.datetime_as_string(microseconds_of(piece.times).view("datetime64[us]"), timezone="UTC")
            # repr of a float: the shortest text that is exactly this number again.
            rows = zip(piece.times.tolist(), moments.tolist(), piece.values.tolist(), strict=True)
            writer.writerows(
                (repr(unixtime_s), moment, piece.codename, "" if math.isnan(value) else repr(value), piece.unit)
                for unixtime_s, moment, value in rows
            )
            written += len(piece)
    return written


def _write_parquet(path: Path, pieces: Iterator[Points], table: str, entries: Sequence[Codename]) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    described = [
        {"codename": entry.codename, "unit": entry.unit, "description": entry.description} for entry in entries
    ]
    columns = [
        pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("codename", pa.string(), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("unit", pa.string(), nullable=False),
    ]
    schema = pa.schema(columns, metadata={"setup": setup_of(table), "table": table, "codenames": json.dumps(described)})
    written = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for piece in pieces:
            writer.write_table(_arrow_table(piece, schema))
            written += len(piece)
    return written


def _arrow_table(piece: Points, schema: "pa.Schema") -> "pa.Table":
    import pyarrow as pa

    columns: list[Any] = [
        pa.array(microseconds_of(piece.times), type=schema.field("time").type),
        pa.repeat(piece.codename, len(piece)),
        pa.array(piece.values, from_pandas=True),  # NaN becomes null
        pa.repeat(piece.unit, len(piece)),
    ]
    return pa.Table.from_arrays(columns, schema=schema)
