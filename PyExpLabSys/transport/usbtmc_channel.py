"""An instrument on USB by the kernel's own driver for the test and measurement class: ``/dev/usbtmc0``; Linux only."""

import errno
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PyExpLabSys.errors import TransportError, TransportTimeoutError
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.channel import ByteChannel

#: ``USBTMC_IOCTL_SET_TIMEOUT`` of linux/usb/tmc.h: _IOW(91, 10, __u32), in ms; since Linux 4.20.
SET_TIMEOUT = 0x40045B0A
#: The driver takes none that is shorter.
SHORTEST_TIMEOUT_MS = 100


class UsbtmcChannel(ByteChannel):
    """An open device node.

    Args:
        path: Its path.

    Raises:
        TransportError: it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        self._closed = False
        self._lock = threading.Lock()
        with self._translated("cannot be opened"):
            self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY)

    def write(self, data: bytes, timeout_s: float) -> None:
        """Hand all bytes to the driver as one message."""
        with self._lock, self._translated("cannot be written to"):
            self._set_timeout(timeout_s)
            try:
                written = os.write(self._file, data)
            except OSError as error:
                if error.errno != errno.ETIMEDOUT:
                    raise
                raise TransportTimeoutError(f"{self.name} took no bytes for {timeout_s} s") from error
        if written != len(data):
            raise TransportError(f"{self.name} took only {written} of {len(data)} bytes")

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Return a message or the part of it that has room."""
        # Such an instrument sends nothing unasked, and notes an error if it is read out for nothing.
        if timeout_s <= 0.0:
            return b""
        with self._lock, self._translated("cannot be read"):
            self._set_timeout(timeout_s)
            try:
                return os.read(self._file, max_bytes)
            except OSError as error:
                if error.errno == errno.ETIMEDOUT:
                    return b""
                raise

    def close(self) -> None:
        """Give the node back, after a read of another thread has ended."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._file)

    def _set_timeout(self, timeout_s: float) -> None:
        import fcntl  # absent on Windows

        milliseconds = max(SHORTEST_TIMEOUT_MS, round(timeout_s * 1000))
        fcntl.ioctl(self._file, SET_TIMEOUT, struct.pack("=I", milliseconds))

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Make foreign exceptions ours."""
        if self._closed:
            raise TransportError(f"{self.name} is closed")
        try:
            yield
        except TransportError:
            raise
        except OSError as error:
            raise TransportError(f"{self.name} {what}: {error}") from error


def open_usbtmc(path: str, *, timeout_s: float = 2.0, trace: Path | None = None) -> ByteTransport:
    """Open a node of the kernel's usbtmc driver.

    Args:
        path: ``/dev/usbtmc0``.
        timeout_s: How long a reply may take by default, in s.
        trace: A file to which all that goes over the wire is appended.

    Raises:
        TransportError: it cannot be opened.
    """
    return ByteTransport(UsbtmcChannel(path), timeout_s=timeout_s, trace=trace)
