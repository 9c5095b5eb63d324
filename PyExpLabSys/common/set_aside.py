"""Points that a destination can never take: kept in a readable file, each with the reason.

One JSON object a line, so that a person can read it, a line can be mended, and every whole line can be read back
whatever happened to the last one.
"""

import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class SetAsidePoint:
    """A point that was not stored.

    Attributes:
        codename: Its codename.
        time: Unix time in s; NaN and infinity are possible reasons for it to stand here.
        value: Its value, likewise.
        reason: Why the destination never takes it.
    """

    codename: str
    time: float
    value: float
    reason: str


class SetAsideFile:
    """Appends points to a file; a point that cannot even be written there goes to the log.

    Args:
        path: The file; its folder is made when the first point comes.
        sink: Name of the sink that refused the points.
    """

    def __init__(self, path: Path, sink: str) -> None:
        self.path = path
        self._sink = sink

    def add(self, points: list[SetAsidePoint]) -> None:
        """Write points to the file and down to the disk; never raises for a disk that fails."""
        lines = [self._line(point) for point in points]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+") as file:
                file.write(_line_break_where_missing(file) + "".join(lines).encode("utf-8", "backslashreplace"))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            # The log is the last place where they can be kept; blocking the good points behind them is worse.
            LOGGER.error("cannot write %s (%s); these points are set aside here:\n%s", self.path, error, "".join(lines))

    def _line(self, point: SetAsidePoint) -> str:
        entry = {
            "codename": point.codename,
            # Text, since JSON has no infinity and no NaN.
            "time": repr(point.time),
            "value": repr(point.value),
            "reason": point.reason,
            "sink": self._sink,
            "set_aside": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        return json.dumps(entry, ensure_ascii=False) + "\n"


def _line_break_where_missing(file: BinaryIO) -> bytes:
    """Return what keeps a last line that a power cut has torn apart from the next one."""
    if file.seek(0, os.SEEK_END) == 0:
        return b""
    file.seek(-1, os.SEEK_END)
    return b"" if file.read(1) == b"\n" else b"\n"


def read_set_aside(path: Path) -> Iterator[SetAsidePoint]:
    """Yield the points of a file that :class:`SetAsideFile` wrote.

    Raises:
        ValueError: A line is not a whole entry; the message names the file and the line.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                entry = json.loads(line)
                yield SetAsidePoint(entry["codename"], float(entry["time"]), float(entry["value"]), entry["reason"])
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{path}, line {number} is no point that was set aside: {line.strip()!r}") from error
