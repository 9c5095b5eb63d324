"""A TCP connection to an instrument with a network socket, or to a converter in front of one."""

import contextlib
import socket
from pathlib import Path

from PyExpLabSys.errors import TransportError, TransportTimeoutError
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.channel import ByteChannel


class TcpChannel(ByteChannel):
    """An open connection.

    Args:
        host: Name or address.
        port: TCP port.
        connect_timeout_s: How long the connection may take to be made, in s.
        name: What error messages call it, by default ``HOST:PORT``.

    Raises:
        TransportError: nobody answers there, or the name does not resolve.
    """

    def __init__(self, host: str, port: int, *, connect_timeout_s: float = 5.0, name: str = "") -> None:
        self.name = name or f"{host}:{port}"
        try:
            self._socket = socket.create_connection((host, port), connect_timeout_s)
        except OSError as error:
            raise TransportError(f"{self.name} cannot be reached: {error}") from error
        # A request is one small packet: it must not wait for a second one.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def write(self, data: bytes, timeout_s: float) -> None:
        """Hand all bytes to the operating system within the time-out."""
        try:
            self._socket.settimeout(timeout_s)
            self._socket.sendall(data)
        except TimeoutError as error:
            raise TransportTimeoutError(f"{self.name} took no bytes for {timeout_s} s") from error
        except OSError as error:
            raise TransportError(f"{self.name} cannot be written to: {error}") from error

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Return what has come, or what comes first within the time-out."""
        try:
            self._socket.settimeout(timeout_s)
            data = self._socket.recv(max_bytes)
        except (TimeoutError, BlockingIOError):  # the second, if the time-out is 0
            return b""
        except OSError as error:
            raise TransportError(f"{self.name} cannot be read: {error}") from error
        if not data:
            raise TransportError(f"{self.name}: the other end has closed the connection")
        return data

    def close(self) -> None:
        """Close the connection; a read of another thread ends at once."""
        # Closing alone would leave that thread waiting. A connection that is gone already cannot be shut down.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def open_tcp(
    host: str, port: int, *, timeout_s: float = 2.0, connect_timeout_s: float = 5.0, trace: Path | None = None
) -> ByteTransport:
    """Connect to a TCP port.

    Args:
        host: Name or address.
        port: TCP port.
        timeout_s: How long a reply may take by default, in s.
        connect_timeout_s: How long the connection may take to be made, in s.
        trace: A file to which all that goes over the wire is appended.

    Raises:
        TransportError: nobody answers there, or the name does not resolve.
    """
    return ByteTransport(TcpChannel(host, port, connect_timeout_s=connect_timeout_s), timeout_s=timeout_s, trace=trace)
