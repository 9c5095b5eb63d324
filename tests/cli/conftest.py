"""Ports with simulated instruments, for commands that open ports."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from PyExpLabSys.simulators.serving.base import ByteSimulator
from PyExpLabSys.simulators.serving.pty import PtyServer
from PyExpLabSys.simulators.serving.tcp import TcpServer


@pytest.fixture
def served() -> Iterator[ExitStack]:
    """What is entered here is closed when the test ends, the last first."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def serial_port(served: ExitStack, tmp_path: Path) -> Callable[..., str]:
    """Put an instrument on a serial port: ``serial_port(device(), 9600)`` hears only what is sent at 9600 baud."""

    def serve(simulator: ByteSimulator, baudrate: int | None = None) -> str:
        return str(served.enter_context(PtyServer(simulator, tmp_path / "tty", baudrate=baudrate)).link)

    return serve


@pytest.fixture
def tcp_port(served: ExitStack) -> Callable[[ByteSimulator], int]:
    """Put an instrument on a TCP port of this computer, and return the port."""
    return lambda simulator: served.enter_context(TcpServer(simulator)).port
