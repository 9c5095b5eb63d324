"""Simulated instruments in the same process, on virtual and on real time."""

import time

import pytest

from PyExpLabSys.errors import TransportError
from PyExpLabSys.simulators.serving.base import Answer, MessageSimulator
from PyExpLabSys.simulators.serving.memory import SimulatedChannel, VirtualClock, in_memory
from PyExpLabSys.transport.framing import until

CR = until(b"\r")


def parrot(delay_s: float = 0.0) -> MessageSimulator:
    return MessageSimulator(lambda request, _: request, CR, delay_s=delay_s)


def test_virtual_clock_goes_when_somebody_waits() -> None:
    clock = VirtualClock(5.0)
    clock.sleep(2.5)
    assert clock.monotonic() == 7.5
    with pytest.raises(ValueError, match="cannot sleep -1 s"):
        clock.sleep(-1)


def test_waiting_takes_virtual_time_only() -> None:
    clock = VirtualClock()
    began_s = time.monotonic()
    transport = in_memory(parrot(delay_s=1000.0), clock=clock, timeout_s=2000.0)
    assert transport.exchange(b"a\r", CR) == b"a\r"
    assert clock.monotonic() == 1000.0
    assert time.monotonic() - began_s < 100.0


def test_read_gives_what_is_due_and_no_more() -> None:
    clock = VirtualClock()
    channel = SimulatedChannel(parrot(delay_s=1.0), clock=clock)
    channel.write(b"abc\r", 1.0)
    assert channel.read(100, 0.0) == b""
    assert channel.read(100, 0.5) == b""
    assert clock.monotonic() == 0.5
    assert channel.read(3, 2.0) == b"abc"
    assert clock.monotonic() == 1.0
    assert channel.read(3, 0.0) == b"\r"


def test_answers_come_in_the_order_of_their_times() -> None:
    class Backwards:
        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            return [Answer(2.0, b"late"), Answer(1.0, b"early")]

    channel = SimulatedChannel(Backwards(), clock=VirtualClock())
    channel.write(b"?", 1.0)
    assert [channel.read(100, 5.0), channel.read(100, 5.0)] == [b"early", b"late"]


def test_unplugged_everything_fails_until_plugged_in_again() -> None:
    channel = SimulatedChannel(parrot(), clock=VirtualClock(), name="oven")
    channel.write(b"lost\r", 1.0)
    channel.unplug()
    for _ in range(2):
        with pytest.raises(TransportError, match="oven is unplugged"):
            channel.read(1, 1.0)
        with pytest.raises(TransportError, match="oven is unplugged"):
            channel.write(b"a", 1.0)
    channel.plug()
    channel.write(b"a\r", 1.0)
    assert channel.read(100, 1.0) == b"a\r"


def test_plug_pulled_by_the_instrument() -> None:
    class Dying:
        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            return [Answer(0.0, b"ha"), Answer(0.1, None), Answer(0.2, b"lf")]

    channel = SimulatedChannel(Dying(), clock=VirtualClock())
    channel.write(b"?", 1.0)
    assert channel.read(100, 1.0) == b"ha"
    with pytest.raises(TransportError, match="unplugged"):
        channel.read(100, 1.0)


def test_closed() -> None:
    channel = SimulatedChannel(parrot())
    channel.close()
    with pytest.raises(TransportError, match="closed"):
        channel.read(1, 0.0)


def test_real_time_by_default() -> None:
    began_s = time.monotonic()
    assert in_memory(parrot(delay_s=0.05)).exchange(b"a\r", CR) == b"a\r"
    assert time.monotonic() - began_s >= 0.05
