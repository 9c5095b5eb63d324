"""A TCP relay that stands between a client and a server and does what networks do: cut, stall, delay, drop."""

import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from tests.servers.links import DIRECTIONS, Direction, Faults, Link
from tests.servers.ports import LOOPBACK, bind_free_port

BACKLOG = 128
JOIN_TIMEOUT_S = 10.0
COM_QUERY = 3
Result = TypeVar("Result")


def is_query(text: str) -> Callable[[bytes], bool]:
    """Return a predicate for :meth:`Relay.hold_when`: the chunk is a MySQL packet that asks for exactly this."""
    wanted = text.upper().encode("ascii")

    def matches(chunk: bytes) -> bool:
        # Three bytes for the length, one sequence number, one command, then the text.
        return len(chunk) > 5 and chunk[4] == COM_QUERY and chunk[5:].strip(b" ;\0").upper() == wanted

    return matches


class Relay:
    """Passes on TCP connections to a target until told to fail; a context manager that leaves nothing behind.

    A fault is in effect when the method that asks for it returns. One thread owns all sockets and all state.

    Attributes:
        host: Always 127.0.0.1.
        port: Where clients connect, the same for the whole life of this object.
        held: Set while :meth:`hold_when` holds something.
    """

    def __init__(self, target_host: str, target_port: int) -> None:
        self.host = LOOPBACK
        self._target = (target_host, target_port)
        self._faults = Faults()
        self.held = self._faults.held
        self._links: list[Link] = []
        self._n_accepted = 0
        self._listening = True
        self._closing = False
        self._round = threading.Condition()
        self._requests: deque[Callable[[], None]] = deque()
        self._listener = bind_free_port()
        self.port: int = self._listener.getsockname()[1]
        self._listener.listen(BACKLOG)
        self._wake_sender, self._wake_receiver = socket.socketpair()
        for sock in (self._listener, self._wake_sender, self._wake_receiver):
            sock.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=f"relay-{self.port}", daemon=True)
        self._thread.start()

    @property
    def connections(self) -> int:
        """Connections accepted so far."""
        return self._do(lambda: self._n_accepted)

    @property
    def open_connections(self) -> int:
        """Connections that are open at least on the server's side."""
        return self._do(lambda: len(self._links))

    @property
    def passed(self) -> dict[Direction, int]:
        """Bytes delivered so far in each direction."""
        return self._do(self._faults.passed.copy)

    def wait_open_connections(self, n_connections: int, timeout: float) -> bool:
        """Return True once so many connections are open; TimeoutError if that is not so within the time, in s."""
        with self._round:
            if not self._round.wait_for(lambda: len(self._links) == n_connections, timeout):
                raise TimeoutError(f"{len(self._links)} connections are open, not {n_connections}, after {timeout} s")
        return True

    def cut(self) -> None:
        """Reset all connections on both sides, held ones too, and refuse new ones until :meth:`mend`."""
        self._do(self._cut)

    def reset(self) -> None:
        """Reset all connections on both sides, held ones too; new ones pass."""
        self._do(self._reset)

    def half_open(self) -> None:
        """Hide the end of clients from the server, as if their machines had lost power, until :meth:`mend`."""
        self._do(lambda: setattr(self._faults, "half_open", True))

    def mend(self) -> None:
        """Accept connections again after :meth:`cut`, and pass on the ends that :meth:`half_open` hid."""
        self._do(self._mend)

    def stall(self, *directions: Direction) -> None:
        """Accept and read, yet deliver nothing, ends included, in these directions (default both)."""
        self._do(lambda: self._faults.stalled.update(directions or DIRECTIONS))

    def resume(self) -> None:
        """Deliver what :meth:`stall` kept, also of connections of which one side has closed meanwhile."""
        self._do(self._faults.stalled.clear)

    def delay(self, seconds: float) -> None:
        """Deliver each chunk that comes from now on so much later, in both directions; 0 ends it."""
        self._do(lambda: setattr(self._faults, "delay_s", seconds))

    def drop_after(self, n_bytes: int, direction: Direction) -> None:
        """Deliver so many more bytes in a direction, all connections counted, then break that connection, once.

        The receiver gets exactly these bytes and then an end; the sender sees a reset.
        """
        if n_bytes < 1:
            raise ValueError(f"cannot drop after {n_bytes} bytes; reset() drops at once")
        self._do(lambda: self._faults.drops.update({direction: n_bytes}))

    def hold_when(self, predicate: Callable[[bytes], bool], direction: Direction = "to_server") -> None:
        """Hold the next chunk for which the predicate is true, and all behind it on its connection, once.

        It is delivered at :meth:`release`, also if the sender has closed meanwhile: then the receiver sees the end
        after it. The other direction and the other connections go on.
        """
        self._do(lambda: self._faults.holds.update({direction: predicate}))

    def wait_held(self, timeout: float) -> bool:
        """Return True once something is held; TimeoutError if nothing is within so many seconds."""
        if not self.held.wait(timeout):
            raise TimeoutError(f"nothing to hold came within {timeout} s; bytes passed so far: {self.passed}")
        return True

    def release(self) -> None:
        """Deliver what is held, and forget holds that met nothing."""
        self._do(self._release)

    def close(self) -> None:
        """Reset what is open and end the thread; may be called again."""
        self._do(lambda: setattr(self, "_closing", True))
        self._thread.join(JOIN_TIMEOUT_S)
        if self._thread.is_alive():
            raise RuntimeError(f"the relay's thread did not end within {JOIN_TIMEOUT_S} s")
        for sock in (self._listener, self._wake_sender, self._wake_receiver):
            sock.close()

    def __enter__(self) -> "Relay":
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def _do(self, action: Callable[[], Result]) -> Result:
        """Let the thread do this between two rounds, and return what it gives."""
        if not self._thread.is_alive():
            return action()
        future: Future[Result] = Future()
        self._requests.append(lambda: future.set_result(action()))
        self._wake_sender.send(b"!")
        return future.result(JOIN_TIMEOUT_S)

    def _run(self) -> None:
        """Move bytes until closed: try everything, do what was asked for, then wait until there is more to do."""
        try:
            while not self._closing:
                if self._listening:
                    self._accept()
                now = time.monotonic()
                for link in self._links:
                    link.move(self._faults, now)
                with self._round:
                    self._links = [link for link in self._links if not link.closed]
                    self._round.notify_all()
                if self._requests:
                    self._requests.popleft()()
                else:
                    self._wait(now)
        finally:
            self._reset()

    def _accept(self) -> None:
        for _ in range(BACKLOG):
            try:
                client, _address = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            self._n_accepted += 1
            self._links.append(Link(client, self._target))

    def _wait(self, now: float) -> None:
        poll = select.poll()
        poll.register(self._wake_receiver, select.POLLIN)
        if self._listening:
            poll.register(self._listener, select.POLLIN)
        for link in self._links:
            for sock, events in link.wanted_events(self._faults, now).items():
                if events:  # without events poll still reports a reset, again and again
                    poll.register(sock, events)
        dues = [due for link in self._links for way in link.ways if (due := way.due(self._faults)) is not None]
        later = [due - now for due in dues if due > now]
        poll.poll(min(later) * 1000.0 if later else None)
        try:
            self._wake_receiver.recv(4096)
        except BlockingIOError:
            return

    def _cut(self) -> None:
        if self._listening:
            # On Linux, a listening socket that is shut down refuses connections and yet keeps its port.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listening = False
        self._reset()

    def _reset(self) -> None:
        for link in self._links:
            if not link.closed:
                link.close(link.client, link.server)
        self._links.clear()
        self.held.clear()

    def _mend(self) -> None:
        self._faults.half_open = False
        if not self._listening:
            self._listener.listen(BACKLOG)
            self._listening = True

    def _release(self) -> None:
        self._faults.holds.clear()
        for link in self._links:
            for way in link.ways:
                way.release()
        self.held.clear()
