"""Bound parameters as the drivers want them."""

import math
import re
from collections.abc import Sequence
from functools import lru_cache

from PyExpLabSys.errors import RowsRejected

# What a placeholder cannot stand in, and the two characters that mean something: ours, and the driver's.
_TOKEN = re.compile(r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`[^`]*`|\?|%""", re.DOTALL)


def plain(values: Sequence[object]) -> tuple[object, ...]:
    """Return values with numpy's scalars as Python's, which all drivers understand."""
    return tuple(value.item() if hasattr(value, "item") else value for value in values)


def finite(values: Sequence[object]) -> tuple[object, ...]:
    """Return values as :func:`plain` does, for a server that has no NaN and no infinity.

    Raises:
        RowsRejected: one of them is not finite.
    """
    converted = plain(values)
    for value in converted:
        if isinstance(value, float) and not math.isfinite(value):
            raise RowsRejected(f"MySQL cannot store {value}")
    return converted


@lru_cache(maxsize=256)
def format_style(sql: str, count: int) -> str:
    """Return SQL with ``?`` placeholders in the ``%s`` style of pymysql; text in quotes stays what it is.

    Raises:
        ValueError: the number of placeholders is not ``count``.
    """
    found = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal found
        if match[0] == "?":
            found += 1
            return "%s"
        return match[0].replace("%", "%%")

    translated = _TOKEN.sub(replace, sql)
    if found != count:
        raise ValueError(f"{count} parameters for {found} placeholders in: {sql[:200]}")
    return translated


def check_count(sql: str, count: int) -> None:
    """Raise ValueError unless the SQL has that many ``?`` placeholders."""
    format_style(sql, count)
