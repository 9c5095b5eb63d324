"""What a relay does with the two directions of one connection."""

import errno
import select
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Direction = Literal["to_server", "to_client"]
DIRECTIONS: tuple[Direction, Direction] = ("to_server", "to_client")
CHUNK_BYTES = 65_536
# Beyond this the relay stops reading, and its peers block as they would on a network.
KEPT_BYTES_MAX = 64 * 1024 * 1024
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


@dataclass
class Faults:
    """What is wrong with the network at the moment; ``drops`` and ``holds`` are used up by what they hit."""

    stalled: set[Direction] = field(default_factory=set)
    delay_s: float = 0.0
    half_open: bool = False
    drops: dict[Direction, int] = field(default_factory=dict)
    holds: dict[Direction, Callable[[bytes], bool]] = field(default_factory=dict)
    held: threading.Event = field(default_factory=threading.Event)
    passed: dict[Direction, int] = field(default_factory=lambda: dict.fromkeys(DIRECTIONS, 0))


@dataclass(eq=False)
class Way:
    """One direction of a connection: what came from its source and did not go to its sink yet."""

    direction: Direction
    source: socket.socket
    sink: socket.socket
    chunks: deque[tuple[float, bytes]] = field(default_factory=deque)  # when it may go on, and what
    kept_bytes: int = 0
    held: list[bytes] | None = None  # what a hold keeps back, behind the chunks
    source_ended: bool = False
    sink_ended: bool = False  # it was told of the end, or takes no more

    def take(self, chunk: bytes, faults: Faults, now: float) -> None:
        """Keep a chunk that came, unless nobody wants it any more."""
        if self.sink_ended:
            return
        self.kept_bytes += len(chunk)
        predicate = faults.holds.get(self.direction)
        if self.held is None and predicate is not None and predicate(chunk):
            del faults.holds[self.direction]
            self.held = []
            faults.held.set()
        if self.held is None:
            self.chunks.append((now + faults.delay_s, chunk))
        else:
            self.held.append(chunk)

    def release(self) -> None:
        """Let what is held go on."""
        self.chunks.extend((0.0, chunk) for chunk in self.held or ())
        self.held = None

    def end_sink(self) -> None:
        """Forget what waits: nobody takes it any more."""
        self.sink_ended = True
        self.chunks.clear()
        self.held = None
        self.kept_bytes = 0

    def due(self, faults: Faults) -> float | None:
        """Return when the next chunk may go on, None if nothing waits or may."""
        return self.chunks[0][0] if self.chunks and self.direction not in faults.stalled else None

    def deliver(self, faults: Faults, now: float) -> bool:
        """Send what may go on; return False if a drop was reached."""
        while (due := self.due(faults)) is not None and due <= now:
            chunk = self.chunks[0][1]
            allowed = faults.drops.get(self.direction, len(chunk))
            try:
                n_sent = self.sink.send(chunk[:allowed])
            except BlockingIOError:
                return True
            except OSError:
                self.end_sink()
                return True
            self._sent(n_sent, faults)
            if faults.drops.get(self.direction) == 0:
                del faults.drops[self.direction]
                return False
        self._pass_on_end(faults)
        return True

    def _sent(self, n_bytes: int, faults: Faults) -> None:
        faults.passed[self.direction] += n_bytes
        self.kept_bytes -= n_bytes
        if self.direction in faults.drops:
            faults.drops[self.direction] -= n_bytes
        due, chunk = self.chunks.popleft()
        if n_bytes < len(chunk):
            self.chunks.appendleft((due, chunk[n_bytes:]))

    def _pass_on_end(self, faults: Faults) -> None:
        hidden = self.direction in faults.stalled or (faults.half_open and self.direction == "to_server")
        if self.source_ended and not self.sink_ended and not self.chunks and self.held is None and not hidden:
            self.end_sink()
            try:
                self.sink.shutdown(socket.SHUT_WR)
            except OSError as error:
                if error.errno != errno.ENOTCONN:  # the peer has reset the connection already
                    raise


class Link:
    """A client, and the connection to the server that was made for it."""

    def __init__(self, client: socket.socket, target: tuple[str, int]) -> None:
        self.client = client
        self.server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.connected = self.closed = False
        for sock in (self.client, self.server):
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.to_server = Way("to_server", self.client, self.server)
        self.to_client = Way("to_client", self.server, self.client)
        self.ways = (self.to_server, self.to_client)
        self._target = target

    def move(self, faults: Faults, now: float) -> None:
        """Read and send what can be read and sent without waiting."""
        if self.closed or not (self.connected or self._connect()):
            return
        for way, opposite in (self.ways, self.ways[::-1]):
            self._read(way, opposite, faults, now)
            if not way.deliver(faults, now):
                self.close(way.source)
                return
        if self.to_server.sink_ended and self.to_client.sink_ended:
            self.close()

    def close(self, *reset: socket.socket) -> None:
        """Close both sockets; the peers of those in ``reset`` see a reset instead of an end."""
        self.closed = True
        for sock in reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        self.client.close()
        self.server.close()

    def wanted_events(self, faults: Faults, now: float) -> dict[socket.socket, int]:
        """Return for which events of which sockets :meth:`move` waits."""
        if not self.connected:
            return {self.server: select.POLLOUT}
        events = {self.client: 0, self.server: 0}
        for way in self.ways:
            if not way.source_ended and way.kept_bytes < KEPT_BYTES_MAX:
                events[way.source] |= select.POLLIN
            if (due := way.due(faults)) is not None and due <= now:
                events[way.sink] |= select.POLLOUT
        return events

    def _connect(self) -> bool:
        """Return True once connected to the server; reset the client if that cannot be."""
        # Asked again, connect_ex tells how the attempt under way stands.
        code = self.server.connect_ex(self._target)
        self.connected = code in (0, errno.EISCONN)
        if not self.connected and code not in (errno.EINPROGRESS, errno.EALREADY, errno.EAGAIN):
            self.close(self.client)
        return self.connected

    @staticmethod
    def _read(way: Way, opposite: Way, faults: Faults, now: float) -> None:
        if way.source_ended or way.kept_bytes >= KEPT_BYTES_MAX:
            return
        try:
            chunk = way.source.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            # A reset: this peer takes nothing any more either.
            way.source_ended = True
            opposite.end_sink()
            return
        if chunk:
            way.take(chunk, faults, now)
        else:
            way.source_ended = True
