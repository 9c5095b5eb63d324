"""A simulated instrument on a TCP port of this computer."""

import contextlib
import selectors
import socket
import threading
import time
from typing import Self

from PyExpLabSys.simulators.serving.base import ByteSimulator
from PyExpLabSys.simulators.serving.outbox import Outbox

LOCALHOST = "127.0.0.1"


class TcpServer:
    """Serves one instrument to all who connect, from its own thread, while inside ``with``.

    Args:
        simulator: The instrument.
        host: Where to listen: this computer only, unless told otherwise.
        port: 0 takes any free one.

    Attributes:
        port: The port; it stays the same when the instrument is unplugged and plugged in again.
    """

    def __init__(self, simulator: ByteSimulator, *, host: str = LOCALHOST, port: int = 0) -> None:
        self.host = host
        self.port = port
        self._simulator = simulator
        # Held whenever connections are made, used or closed.
        self._lock = threading.RLock()
        self._selector = selectors.DefaultSelector()
        self._listener: socket.socket | None = None
        self._connections: set[socket.socket] = set()
        self._outbox: Outbox[socket.socket] = Outbox()
        self._stopping = False
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="simulated-tcp")

    @property
    def url(self) -> str:
        """What to give a driver as its port."""
        return f"socket://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self.plug()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._wake()
        self._thread.join()
        self.unplug()
        self._selector.close()
        self._wake_reader.close()
        self._wake_writer.close()

    def plug(self) -> None:
        """Listen."""
        with self._lock:
            if self._listener is None:
                self._listener = socket.create_server((self.host, self.port))
                self._listener.setblocking(False)
                self.port = self._listener.getsockname()[1]
                self._selector.register(self._listener, selectors.EVENT_READ)
        self._wake()

    def unplug(self) -> None:
        """Cut all connections and refuse new ones; what is on its way is lost."""
        with self._lock:
            self._outbox.clear()
            for connection in list(self._connections):
                self._drop(connection)
            if self._listener is not None:
                self._selector.unregister(self._listener)
                self._listener.close()
                self._listener = None

    def _wake(self) -> None:
        self._wake_writer.send(b"\0")

    def _run(self) -> None:
        while not self._stopping:
            ready = self._selector.select(self._outbox.wait_s(time.monotonic()))
            with self._lock:
                for key, _ in ready:
                    self._handle(key.fileobj)
                for connection, data in self._outbox.pop_due(time.monotonic()):
                    self._send(connection, data)

    def _handle(self, source: object) -> None:
        if source is self._wake_reader:
            self._wake_reader.recv(4096)
        elif self._listener is not None and source is self._listener:
            self._accept(self._listener)
        elif source in self._connections and isinstance(source, socket.socket):
            self._read(source)

    def _accept(self, listener: socket.socket) -> None:
        # Who has gone away again meanwhile needs no connection.
        with contextlib.suppress(BlockingIOError, ConnectionError):
            connection, _ = listener.accept()
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.add(connection)
            self._selector.register(connection, selectors.EVENT_READ)

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
            return
        now_s = time.monotonic()
        self._outbox.put(self._simulator.feed(data, now_s), connection, now_s)

    def _send(self, connection: socket.socket, data: bytes | None) -> None:
        if data is None:
            self.unplug()
        elif connection in self._connections:
            try:
                connection.sendall(data)
            except OSError:  # also one that reads nothing and whose buffers are full
                self._drop(connection)

    def _drop(self, connection: socket.socket) -> None:
        self._connections.discard(connection)
        self._selector.unregister(connection)
        connection.close()
