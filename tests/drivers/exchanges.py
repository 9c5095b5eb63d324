"""What the tests of most drivers share: exchanges of a fact sheet, byte for byte, and what may go wrong on the wire."""

from collections.abc import Callable, Mapping

import pytest

from PyExpLabSys.errors import ProtocolError, TransportTimeoutError
from PyExpLabSys.simulators.serving.base import Answer
from PyExpLabSys.simulators.serving.faults import Fault, FaultySimulator
from PyExpLabSys.simulators.serving.memory import VirtualClock, in_memory
from PyExpLabSys.transport.byte_transport import ByteTransport

FAULTS = (
    (Fault.SILENCE, TransportTimeoutError),
    (Fault.GARBAGE, ProtocolError),
    (Fault.WRONG_ECHO, ProtocolError),
    (Fault.HALF_A_REPLY, TransportTimeoutError),
    (Fault.LATE, TransportTimeoutError),
)
"""What every driver with a request and a reply notices, and what it raises then."""
CHECKSUM_FAULTS = (*FAULTS, (Fault.WRONG_CHECKSUM, ProtocolError))
"""The same for replies with a checksum; without one a wrong digit cannot be noticed."""


class Exchanges:
    """Answers the requests that it knows, and fails the test at any other one.

    Args:
        replies: For each request its reply; empty: it gets none.
    """

    def __init__(self, replies: Mapping[bytes, bytes]) -> None:
        self._replies = replies

    def feed(self, data: bytes, now_s: float) -> list[Answer]:
        """Return the reply to a request, which must come whole."""
        if data not in self._replies:
            raise AssertionError(f"the driver sends {data!r}, known are {list(self._replies)}")
        reply = self._replies[data]
        return [Answer(0.0, reply)] if reply else []


def exchanging(replies: Mapping[bytes, bytes]) -> ByteTransport:
    """Return a transport with these exchanges at its end, on a virtual clock."""
    return in_memory(Exchanges(replies), clock=VirtualClock())


def assert_fault_costs_one_reading(
    read: Callable[[], float], faults: FaultySimulator, fault: Fault, error: type[Exception], *, late_s: float
) -> None:
    """Read while there is a fault, which must be noticed, and once more, which must give the value from before it.

    Args:
        read: Reads a value that does not change.
        faults: What it is read from.
        fault: What goes wrong.
        error: What the driver must raise.
        late_s: How late a late reply comes: after the driver's time-out, and before it takes the line for silent.
    """
    value = read()
    faults.inject(fault, late_s=late_s)
    with pytest.raises(error):
        read()
    assert read() == value
