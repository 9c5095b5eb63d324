"""A simulated instrument in the same process: no port, no thread, and, with a virtual clock, no waiting."""

import threading
from collections import deque

from PyExpLabSys.errors import TransportError
from PyExpLabSys.simulators.serving.base import ByteSimulator
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.channel import ByteChannel
from PyExpLabSys.transport.clock import SYSTEM_CLOCK, Clock


class VirtualClock:
    """A clock that goes only when somebody waits, and then at once."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        """Return the time in s."""
        return self._now_s

    def sleep(self, seconds: float) -> None:
        """Let this many seconds pass, at once."""
        if seconds < 0.0:
            raise ValueError(f"cannot sleep {seconds} s")
        with self._lock:
            self._now_s += seconds


class SimulatedChannel(ByteChannel):
    """A wire with a simulated instrument at its end; waiting for its bytes lets the clock go on.

    Args:
        simulator: The instrument.
        clock: What times its answers; the transport must have the same.
    """

    def __init__(self, simulator: ByteSimulator, *, clock: Clock = SYSTEM_CLOCK, name: str = "simulated") -> None:
        self.name = name
        self._simulator = simulator
        self._clock = clock
        # When in s, and what comes then; None: the plug is pulled.
        self._coming: deque[tuple[float, bytes | None]] = deque()
        self._plugged = True
        self._closed = False

    def write(self, data: bytes, timeout_s: float) -> None:  # noqa: ARG002 (a simulator takes everything at once)
        """Feed the instrument."""
        self._check()
        now_s = self._clock.monotonic()
        answers = [(now_s + answer.delay_s, answer.data) for answer in self._simulator.feed(data, now_s)]
        self._coming = deque(sorted([*self._coming, *answers], key=lambda coming: coming[0]))

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Return what the instrument has sent by now, or the first that it sends before the time-out."""
        self._check()
        now_s = self._clock.monotonic()
        if not self._coming or self._coming[0][0] > now_s + timeout_s:
            self._clock.sleep(timeout_s)
            self._check()
            return b""
        time_s, data = self._coming.popleft()
        self._clock.sleep(max(0.0, time_s - now_s))
        if data is None:
            self.unplug()
            data = b""
        self._check()
        if len(data) > max_bytes:
            self._coming.appendleft((time_s, data[max_bytes:]))
        return data[:max_bytes]

    def unplug(self) -> None:
        """Pull the plug: what is on its way is lost, and all that is tried fails."""
        self._plugged = False
        self._coming.clear()

    def plug(self) -> None:
        """Put the plug in again."""
        self._plugged = True

    def close(self) -> None:
        """Close the wire."""
        self._closed = True

    def _check(self) -> None:
        if self._closed or not self._plugged:
            raise TransportError(f"{self.name} is {'closed' if self._closed else 'unplugged'}")


def in_memory(
    simulator: ByteSimulator, *, clock: Clock = SYSTEM_CLOCK, timeout_s: float = 2.0, name: str = "simulated"
) -> ByteTransport:
    """Return a transport with this instrument at its end."""
    return ByteTransport(SimulatedChannel(simulator, clock=clock, name=name), timeout_s=timeout_s, clock=clock)
