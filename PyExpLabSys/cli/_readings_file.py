"""Readings out of a text file with a column of times and a column of values."""

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from PyExpLabSys.database.reading import Moment, Points, to_unixtime_s

TIME_COLUMNS, VALUE_COLUMN, CODENAME_COLUMN = ("unixtime", "time"), "value", "codename"
SEPARATORS = "\t;,"


@dataclass(frozen=True)
class Columns:
    """Where in a row everything stands; ``codename`` None: all rows are of one."""

    time: int = 0
    value: int = 1
    codename: int | None = None


def read_file(
    path: Path, codename: str | None = None, start: Moment | None = None, end: Moment | None = None
) -> Points:
    """Return the readings with start <= time < end, in the order of their times.

    The file has columns that commas, semicolons, tabs or blanks separate: of times, in s or as ISO 8601 with a time
    zone, and of values, empty where there was none. With a line of headings the columns ``unixtime`` or ``time``,
    ``value`` and ``codename`` are taken, as ``pyexplabsys export`` writes them, else the first two. Lines that begin
    with ``#`` are passed over.

    Args:
        path: The file.
        codename: Take the rows of this codename.
        start: From when on; None: from the first.
        end: Until before when; None: to the last.

    Raises:
        ValueError: The file is not like that; or it has several codenames, and none was said.
    """
    import numpy as np

    with path.open(encoding="utf-8", newline="") as file:
        rows = _rows(file)
        first = next(rows, None)
        if first is None:
            raise ValueError(f"{path}: there is nothing in it")
        columns = _columns(first[1])
        rows = rows if columns else chain([first], rows)
        read = [_reading(path, line, row, columns or Columns()) for line, row in rows]
    codenames = sorted({name for _, _, name in read if name in {codename or name, ""}})
    if len(codenames) > 1:
        raise ValueError(f"{path} has several codenames, say which: {', '.join(codenames)}")
    first_s, last_s = (None if moment is None else to_unixtime_s(moment) for moment in (start, end))
    kept = [
        (time_s, value)
        for time_s, value, name in read
        if name in codenames and (first_s is None or time_s >= first_s) and (last_s is None or time_s < last_s)
    ]
    times, values = np.array(sorted(kept, key=lambda each: each[0]), dtype=np.float64).reshape(-1, 2).T
    return Points("".join(codenames) or codename or path.name, "", times, values)


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield number and fields of each line that has some."""
    separator = None
    for number, line in enumerate(lines, start=1):
        text = line.strip("\ufeff\r\n")
        if not text.strip() or text.startswith("#"):
            continue
        if separator is None:
            separator = next((each for each in SEPARATORS if each in text), " ")
        fields = text.split() if separator == " " else next(csv.reader([text], delimiter=separator))
        yield number, [field.strip() for field in fields]


def _columns(row: Sequence[str]) -> Columns | None:
    """Return what a line of headings says; None if it is none."""
    names = [field.lower() for field in row]
    times = [names.index(name) for name in TIME_COLUMNS if name in names]
    if times and VALUE_COLUMN in names:
        codename = names.index(CODENAME_COLUMN) if CODENAME_COLUMN in names else None
        return Columns(times[0], names.index(VALUE_COLUMN), codename)
    return None if _is_time(row[0]) else Columns()


def _is_time(text: str) -> bool:
    try:
        _time(text)
    except ValueError:
        return False
    return True


def _reading(path: Path, line: int, row: Sequence[str], columns: Columns) -> tuple[float, float, str]:
    try:
        name = "" if columns.codename is None else row[columns.codename]
        return _time(row[columns.time]), float(row[columns.value] or "nan"), name
    except IndexError:
        raise ValueError(f"{path}, line {line}: it has no more than {len(row)} columns") from None
    except ValueError as error:
        raise ValueError(f"{path}, line {line}: {error}") from error


def _time(text: str) -> float:
    try:
        time_s = float(text)  # any clock will do
    except ValueError:
        return to_unixtime_s(text)
    if not math.isfinite(time_s):
        raise ValueError(f"{text!r} is not a time")
    return time_s
