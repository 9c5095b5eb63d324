"""Serial communication recorded as a file, and played back: for tests of a driver without its instrument.

The file is a JSON list of ``{"type": "READ"|"WRITE", "data": <base64>}``. A read that timed out before all bytes were
there has one more key, ``"size"``: how many were asked for. Traces that a driver of this package records by itself
are another format, that of :mod:`PyExpLabSys.transport.trace`.
"""

import base64
import binascii
import json
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import serial

from PyExpLabSys.errors import InstrumentError

READ, WRITE = "READ", "WRITE"


class CommunicationsFaker(InstrumentError):
    """The recorded communication is at its end, and more is asked for."""


@dataclass(frozen=True)
class Communication:
    """One read or write.

    Attributes:
        type: ``READ`` or ``WRITE``.
        data: The bytes.
        size: So many were asked for, or given to write.
    """

    type: str
    data: bytes
    size: int

    def as_json(self) -> dict[str, Any]:
        """Return what the file says of it."""
        plain: dict[str, Any] = {"type": self.type, "data": base64.b64encode(self.data).decode("ascii")}
        return plain if self.size == len(self.data) else plain | {"size": self.size}


class CommunicationsCollectingSerial(serial.Serial):
    """A serial port, made and used as :class:`serial.Serial`, that remembers all that is read and written."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._collected: list[Communication] = []
        super().__init__(*args, **kwargs)

    def read(self, size: int = 1) -> bytes:
        """Return up to so many bytes from the port."""
        data = bytes(super().read(size))
        self._collected.append(Communication(READ, data, size))
        return data

    def write(self, data: Any) -> int | None:
        """Write bytes to the port and return how many."""
        written = super().write(data)
        self._collected.append(Communication(WRITE, bytes(data), len(data)))
        return written

    def reset_collected_coms(self) -> None:
        """Forget what was read and written."""
        self._collected.clear()

    def save_collected_coms(self, path: str | Path) -> None:
        """Write what was read and written to a file."""
        Path(path).write_text(json.dumps([one.as_json() for one in self._collected], indent=1) + "\n", encoding="utf-8")


class CommunicationsReplayingSerial(serial.serialutil.SerialBase):
    """Answers as a file says, if it is asked as the file says; takes the settings of a port, and opens none."""

    def __init__(self) -> None:
        super().__init__()
        self._recorded: deque[Communication] = deque()

    @property
    def in_waiting(self) -> int:
        """How many bytes can be read before something must be written."""
        if self._recorded and self._recorded[0].type == READ:
            return len(self._recorded[0].data)
        return 0

    def load_collected_coms(self, path: str | Path) -> None:
        """Begin with the first communication of a file.

        Raises:
            ValueError: it is no file of communications; the message says where.
        """
        try:
            entries = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} is not JSON: {error}") from error
        if not isinstance(entries, list):
            raise ValueError(f"{path} holds no list of communications")
        self._recorded = deque(_communication(entry, f"{path}, entry {i}") for i, entry in enumerate(entries))

    def read(self, size: int = 1) -> bytes:
        """Return the bytes that were read at this place.

        Raises:
            AssertionError: a write was recorded here, or another number of bytes was asked for.
            CommunicationsFaker: nothing more was recorded.
        """
        recorded = self._next(f"read({size})")
        if recorded.type != READ or recorded.size != size:
            raise AssertionError(f"read({size}) where {recorded} was recorded")
        return self._recorded.popleft().data

    def write(self, data: Any) -> int:
        """Check that these bytes were written at this place, and return how many.

        Raises:
            AssertionError: a read, or other bytes, were recorded here.
            CommunicationsFaker: nothing more was recorded.
        """
        recorded = self._next(f"write({bytes(data)!r})")
        if recorded.type != WRITE or recorded.data != bytes(data):
            raise AssertionError(f"write({bytes(data)!r}) where {recorded} was recorded")
        return len(self._recorded.popleft().data)

    def flush(self) -> None:
        """Do nothing: all is written."""

    def reset_input_buffer(self) -> None:
        """Do nothing: what was thrown away was not recorded."""

    def reset_output_buffer(self) -> None:
        """Do nothing: all is written."""

    def _next(self, asked: str) -> Communication:
        if not self._recorded:
            raise CommunicationsFaker(f"{asked} after the end of what was recorded")
        return self._recorded[0]


def _communication(entry: Any, where: str) -> Communication:
    """Return an entry of a file."""
    if not isinstance(entry, dict) or entry.get("type") not in {READ, WRITE} or not isinstance(entry.get("data"), str):
        raise ValueError(f"{where}: expected a type, READ or WRITE, and data, got {entry!r}")
    try:
        data = base64.b64decode(entry["data"], validate=True)
    except binascii.Error as error:
        raise ValueError(f"{where}: the data are not base64: {error}") from error
    size = entry.get("size", len(data))
    if not isinstance(size, int) or size < len(data):
        raise ValueError(f"{where}: {len(data)} bytes cannot answer for {size!r}")
    return Communication(entry["type"], data, size)
