"""A serial port, of this computer or of a server in the network, by pyserial."""

import errno
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from PyExpLabSys.errors import TransportError, TransportTimeoutError
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.channel import ByteChannel
from PyExpLabSys.transport.tcp_channel import TcpChannel

if TYPE_CHECKING:
    import serial

#: How long in s one call into pyserial may wait. Its time-outs cannot be changed without setting the port anew, which
#: disturbs adapters and fails on pseudo-terminals; so a long wait is made of short ones.
SLICE_S = 0.02
#: What to do if a port cannot be opened, by the number of the error.
REMEDIES = {
    errno.ENOENT: "there is no such port; is the adapter plugged in? ls /dev/serial/by-id shows all",
    errno.EACCES: "Permission denied; your account must be in the group of the port: sudo usermod -aG dialout $USER",
    errno.EAGAIN: "in use by another program; fuser says by which",
    errno.EBUSY: "in use by another program; fuser says by which",
}


@dataclass(frozen=True, kw_only=True)
class SerialSettings:
    """How a serial port is set; names and values are those of pyserial."""

    baudrate: int = 9600
    bytesize: int = 8
    parity: str = "N"
    stopbits: float = 1
    rtscts: bool = False
    xonxoff: bool = False


class SerialChannel(ByteChannel):
    """An open port; it is set once and never again.

    Args:
        url: The device (``/dev/ttyUSB0``, ``COM3``), ``rfc2217://HOST:PORT`` or another URL of pyserial.
        settings: Speed, format and handshake.
        write_timeout_s: How long the handshake may hold up a write, in s.

    Raises:
        TransportError: the port cannot be opened.
        ValueError: there are no such settings.
    """

    def __init__(self, url: str, settings: SerialSettings, *, write_timeout_s: float = 2.0) -> None:
        self.name = url
        self._closed = False
        self._lock = threading.Lock()
        with self._translated("cannot be opened"):
            self._port = _open(url, settings, write_timeout_s)

    def write(self, data: bytes, timeout_s: float) -> None:  # noqa: ARG002 (set when the port was opened)
        """Hand all bytes to the port, within the time that was given when it was opened."""
        import serial

        with self._lock, self._translated("cannot be written to"):
            self._check()
            try:
                self._port.write(data)
            except serial.SerialTimeoutException as error:
                raise TransportTimeoutError(
                    f"{self.name} takes no bytes: is the instrument on, and the handshake set as it has it?"
                ) from error

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Return what has come, after at most the time-out (or a slice more)."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            with self._lock, self._translated("cannot be read"):
                self._check()
                waiting = self._port.in_waiting
                if waiting or timeout_s > 0.0:
                    # Waits for a slice if nothing is there.
                    data: bytes = self._port.read(min(max_bytes, max(1, waiting)))
                    if data:
                        return data
            if time.monotonic() >= deadline_s:
                return b""

    def close(self) -> None:
        """Give the port back, after at most a slice if another thread is reading."""
        self._closed = True
        with self._lock, self._translated("cannot be closed"):
            self._port.close()

    def _check(self) -> None:
        if self._closed:
            raise TransportError(f"{self.name} is closed")

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Make foreign exceptions ours."""
        try:
            yield
        except TransportError:
            raise
        except OSError as error:  # SerialException is one
            raise TransportError(f"{self.name} {what}: {REMEDIES.get(error.errno or 0, str(error))}") from error
        except Exception as error:
            if not _is_termios_error(error):
                raise
            raise TransportError(f"{self.name} {what}: {error}") from error


def open_serial(
    url: str,
    *,
    baudrate: int = 9600,
    bytesize: int = 8,
    parity: str = "N",
    stopbits: float = 1,
    rtscts: bool = False,
    xonxoff: bool = False,
    timeout_s: float = 2.0,
    trace: Path | None = None,
) -> ByteTransport:
    """Open a serial port, given as a device, ``socket://HOST:PORT`` or ``rfc2217://HOST:PORT``.

    Args:
        url: What to open.
        baudrate: The speed; like the other settings it means nothing to ``socket://``.
        bytesize: 5 to 8.
        parity: ``N``, ``E``, ``O``, ``M`` or ``S``.
        stopbits: 1, 1.5 or 2.
        rtscts: Whether two wires of the cable say when to stop sending.
        xonxoff: Whether two characters do.
        timeout_s: How long a reply may take by default, in s.
        trace: A file to which all that goes over the wire is appended.

    Raises:
        TransportError: the port cannot be opened: absent, no right to it, in use.
        ValueError: there are no such settings.
    """
    settings = SerialSettings(
        baudrate=baudrate, bytesize=bytesize, parity=parity, stopbits=stopbits, rtscts=rtscts, xonxoff=xonxoff
    )
    if url.lower().startswith("socket://"):
        return ByteTransport(_open_socket(url), timeout_s=timeout_s, trace=trace)
    return ByteTransport(SerialChannel(url, settings, write_timeout_s=timeout_s), timeout_s=timeout_s, trace=trace)


def _open_socket(url: str) -> TcpChannel:
    """Open what pyserial can, too, but would read byte by byte, and at times not close."""
    parts = urlsplit(url)
    if not parts.hostname or not parts.port:
        raise ValueError(f"{url} is not of the form socket://HOST:PORT")
    return TcpChannel(parts.hostname, parts.port, name=url)


def _open(url: str, settings: SerialSettings, write_timeout_s: float) -> "serial.Serial":
    import serial

    # The library has no limit for writing to the network, and says so by an exception.
    limit_s = None if url.lower().startswith("rfc2217:") else write_timeout_s
    # Exclusive: two programs on one port would each get half of the answers.
    return serial.serial_for_url(url, timeout=SLICE_S, write_timeout=limit_s, exclusive=True, **asdict(settings))


def _is_termios_error(error: Exception) -> bool:
    """Whether it is ``termios.error``, which pyserial lets through and which is no OSError; Windows has none."""
    return (type(error).__module__, type(error).__name__) == ("termios", "error")
