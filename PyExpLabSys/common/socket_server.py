"""A thread that answers the datagrams of one UDP port, one request after the other."""

import errno
import logging
import socket
import threading
import time
import weakref
from typing import Any, ClassVar, Protocol

from PyExpLabSys.common import socket_ports
from PyExpLabSys.common.repeats import Repeats
from PyExpLabSys.common.socket_ports import PortStatus
from PyExpLabSys.common.socket_wire import LARGEST_DATAGRAM
from PyExpLabSys.errors import PyExpLabSysError

LOGGER = logging.getLogger(__name__)

Address = tuple[str, int]

#: Should the datagram that wakes a stopped thread be lost, it looks by itself after this time, in s.
LOOK_S = 1.0
#: What every system carries: some take less than UDP could.
SMALL_REPLY = 8192
#: How long to wait after a port could not be read, in s.
PAUSE_S = 0.1
#: How long ``stop`` waits for a callback that is at work, in s.
STOP_TIMEOUT_S = 5.0


class PortStillReserved(PyExpLabSysError):
    """Another program has the port."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"UDP port {port} is in use by another program, or the operating system still reserves it: end that "
            f"program (ss -ulpn shows it) or take another port. allow_reuse_address would not help: with it two "
            f"programs would share the port, and each request would reach only one of them."
        )


class Handler(Protocol):
    """The wire side of a socket."""

    def answer(self, request: bytes, sender: Address) -> bytes:
        """Return the reply to a request."""
        ...

    def on_fault(self) -> bytes:
        """Return the reply to a request on which ``answer`` failed."""
        ...

    def on_too_large(self, reply: bytes, most: int) -> bytes:
        """Return what is said, in at most so many bytes, in place of a reply that no datagram can carry."""
        ...


class UdpServer(threading.Thread):
    """One port and its thread; it is a daemon thread, as scripts know it.

    The port is opened here and let go by ``stop``, or when nobody keeps a socket that was never started.

    Args:
        name: The name of the socket.
        port: 0 for any free one.
        handler: What answers.
        check_activity: Whether a socket at which nothing happens is reported as ``INACTIVE``.
        activity_timeout: After how many seconds.
        interface: The address to listen on; empty: all of this computer's.

    Raises:
        ValueError: This process serves the port already.
        PortStillReserved: Another program has it.
    """

    TYPE: ClassVar[str]

    def __init__(
        self, name: str, port: int, handler: Handler, check_activity: bool, activity_timeout: float, interface: str
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.socket_name = name
        self._handler = handler
        self._check_activity, self._activity_timeout_s = check_activity, activity_timeout
        self._active_s = time.monotonic()
        self._stopping = threading.Event()
        self._repeats = Repeats()
        # Last, and at once: whatever failed before has left nothing behind, and what others see is complete.
        with socket_ports.CLAIMING:
            socket_ports.refuse_served(port)
            self._channel = _open(interface, port)
            self._address: Address = self._channel.getsockname()
            self.port = self._address[1]
            socket_ports.add(self.port, self)
        self._close = weakref.finalize(self, self._channel.close)
        self._close.atexit = False  # a daemon thread may be reading it

    def poke(self) -> None:
        """Note that something happened."""
        self._active_s = time.monotonic()

    def run(self) -> None:
        """Answer until stopped."""
        try:
            while not self._stopping.is_set():
                self._answer_one()
        finally:
            self._close()

    def stop(self) -> None:
        """End the thread and free the port; also from a callback that the thread is in."""
        self._stopping.set()
        socket_ports.remove(self.port, self)
        if self is threading.current_thread():
            return
        if self.is_alive():
            self._wake()
            self.join(STOP_TIMEOUT_S)
            if self.is_alive():
                LOGGER.warning("%s on port %d is stopped, but a callback is still at work", self.socket_name, self.port)
        self._close()

    def state(self) -> dict[str, Any]:
        """Return the entry of this port in :data:`DATA`."""
        return {
            "name": self.socket_name,
            "type": self.TYPE,
            "activity": {
                "check_activity": self._check_activity,
                "activity_timeout": self._activity_timeout_s,
                "last_activity": time.time() - (time.monotonic() - self._active_s),
            },
        }

    def port_status(self) -> PortStatus:
        """Return how this port does."""
        if not self._check_activity:
            return PortStatus(name=self.socket_name, type=self.TYPE, status="DISABLED", since_last_activity=None)
        since_s = time.monotonic() - self._active_s
        status = "OK" if since_s < self._activity_timeout_s else "INACTIVE"
        return PortStatus(name=self.socket_name, type=self.TYPE, status=status, since_last_activity=since_s)

    def _answer_one(self) -> None:
        try:
            request, sender = self._channel.recvfrom(65536)
        except (TimeoutError, ConnectionResetError):  # the latter: Windows tells that nobody took an earlier reply
            return
        except OSError as error:
            if not self._stopping.wait(PAUSE_S) and self._repeats.count("receive"):
                LOGGER.warning("cannot receive on port %d, trying on: %s", self.port, error)
            return
        if not self._stopping.is_set():
            self._send(self._reply(request, sender), sender)

    def _reply(self, request: bytes, sender: Address) -> bytes:
        try:
            return self._handler.answer(request, sender)
        except Exception as error:
            # Whatever is wrong with one request, the next one is answered.
            if times := self._repeats.count(type(error).__name__):
                LOGGER.exception("port %d cannot answer %r (%d times so far)", self.port, request[:200], times)
            return self._handler.on_fault()

    def _send(self, reply: bytes, sender: Address) -> None:
        try:
            if len(reply) > LARGEST_DATAGRAM:
                reply = self._handler.on_too_large(reply, LARGEST_DATAGRAM)
            try:
                self._channel.sendto(reply, sender)
            except OSError as error:
                if error.errno != errno.EMSGSIZE:
                    raise
                self._channel.sendto(self._handler.on_too_large(reply, SMALL_REPLY), sender)
        except OSError as error:
            if not self._stopping.is_set() and (times := self._repeats.count(("send", sender[0]))):
                LOGGER.warning("port %d cannot reply to %s (%d times): %s", self.port, sender[0], times, error)

    def _wake(self) -> None:
        host, port = self._address
        try:
            # Through the port itself: if the thread has just let it go, nobody else gets this.
            self._channel.sendto(b"", ("127.0.0.1" if host == "0.0.0.0" else host, port))  # noqa: S104 (compared only)
        except OSError as error:
            LOGGER.debug("port %d was not woken, it has ended or will within %s s: %s", port, LOOK_S, error)


def _open(interface: str, port: int) -> socket.socket:
    channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        channel.bind((interface, port))
        channel.settimeout(LOOK_S)
    except OSError as error:
        channel.close()
        if error.errno == errno.EADDRINUSE:
            raise PortStillReserved(port) from error
        raise
    except BaseException:
        channel.close()
        raise
    return channel
