"""Wires for the tests of drivers: simulated instruments on real pseudo-terminals and TCP ports."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from PyExpLabSys.simulators.serving.base import ByteSimulator
from PyExpLabSys.simulators.serving.pty import PtyServer
from PyExpLabSys.simulators.serving.tcp import TcpServer
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.serial_channel import open_serial
from PyExpLabSys.transport.tcp_channel import open_tcp

SerialPort = Callable[[ByteSimulator], str]
Wire = Callable[[ByteSimulator], ByteTransport]


@pytest.fixture
def served() -> Iterator[ExitStack]:
    """What is entered here is closed when the test ends, the last first."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def serial_port(served: ExitStack, tmp_path: Path) -> SerialPort:
    """Put instruments on serial ports: ``serial_port(device())`` returns what to give a driver as its port."""
    links = (tmp_path / f"tty{number}" for number in range(100))
    return lambda simulator: str(served.enter_context(PtyServer(simulator, next(links))).link)


@pytest.fixture(params=["pty", "socket-url", "tcp"])
def wire(request: pytest.FixtureRequest, served: ExitStack, serial_port: SerialPort) -> Wire:
    """Connect instruments: ``wire(device())`` returns a transport, over each kind of real wire in turn."""

    def connect(simulator: ByteSimulator) -> ByteTransport:
        if request.param == "pty":
            transport = open_serial(serial_port(simulator))
        else:
            server = served.enter_context(TcpServer(simulator))
            transport = open_serial(server.url) if request.param == "socket-url" else open_tcp(server.host, server.port)
        served.callback(transport.close)
        return transport

    return connect
