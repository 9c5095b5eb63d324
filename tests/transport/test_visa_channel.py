"""VISA through pyvisa and the backend in Python: on a pseudo-terminal and on a TCP port."""

import gc
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from PyExpLabSys.errors import SettingsError, TransportError, TransportTimeoutError
from PyExpLabSys.simulators.serving.base import MessageSimulator
from PyExpLabSys.simulators.serving.pty import PtyServer
from PyExpLabSys.simulators.serving.tcp import TcpServer
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.framing import until
from PyExpLabSys.transport.serial_channel import SerialSettings
from PyExpLabSys.transport.visa_channel import VisaChannel, open_visa

LF = until(b"\n")


def parrot() -> MessageSimulator:
    return MessageSimulator(lambda request, _: request, LF)


@pytest.fixture
def pty(tmp_path: Path) -> Iterator[PtyServer]:
    with PtyServer(parrot(), tmp_path / "tty", baudrate=19200) as server:
        yield server


@pytest.fixture
def tcp() -> Iterator[TcpServer]:
    with TcpServer(parrot()) as server:
        yield server


@pytest.fixture(params=["serial", "socket"])
def transport(request: pytest.FixtureRequest, pty: PtyServer, tcp: TcpServer) -> Iterator[ByteTransport]:
    resource = f"ASRL{pty.link}::INSTR" if request.param == "serial" else f"TCPIP::{tcp.host}::{tcp.port}::SOCKET"
    transport = open_visa(resource, settings=SerialSettings(baudrate=19200))
    yield transport
    transport.close()


def test_exchanges(transport: ByteTransport) -> None:
    for number in range(5):
        # No byte is special on the wire, whatever VISA takes for the end of a message by default.
        assert transport.exchange(b"%d\r\x00\xff\n" % number, LF) == b"%d\r\x00\xff\n" % number
    with pytest.raises(TransportTimeoutError):
        transport.exchange(b"", LF, timeout_s=0.1)
    assert transport.exchange(b"a\n", LF) == b"a\n"


def test_long_reply(transport: ByteTransport) -> None:
    long = b"x" * 3000 + b"\n"
    assert transport.exchange(long, LF) == long


def test_what_came_unasked_is_thrown_away(transport: ByteTransport) -> None:
    assert transport.exchange(b"a\nb\nc\n", LF) == b"a\n"
    # Each question is answered by itself, but only once the other two have arrived can they be thrown away.
    assert transport.receive(LF) == b"b\n"
    assert transport.receive(LF) == b"c\n"
    assert transport.exchange(b"d\n", LF) == b"d\n"


def test_serial_port_unplugged(pty: PtyServer) -> None:
    transport = open_visa(f"ASRL{pty.link}::INSTR", settings=SerialSettings(baudrate=19200))
    assert transport.exchange(b"a\n", LF) == b"a\n"
    pty.unplug()
    with pytest.raises(TransportError, match="cannot be"):
        transport.exchange(b"a\n", LF)
    transport.close()
    with pytest.raises(TransportError, match="cannot be opened"):
        open_visa(f"ASRL{pty.link}::INSTR")


def test_connection_cut_is_noticed_at_the_second_question(tcp: TcpServer) -> None:
    """The backend takes the end of a connection for silence; writing to it is what fails."""
    transport = open_visa(f"TCPIP::{tcp.host}::{tcp.port}::SOCKET", timeout_s=0.2)
    assert transport.exchange(b"a\n", LF) == b"a\n"
    tcp.unplug()
    with pytest.raises(TransportError):
        transport.exchange(b"a\n", LF)
    with pytest.raises(TransportError, match=r"cannot be (written|read)"):
        transport.exchange(b"a\n", LF)
    transport.close()


def test_serial_settings(pty: PtyServer) -> None:
    settings = SerialSettings(baudrate=19200, bytesize=7, parity="O", stopbits=2, xonxoff=True)
    transport = open_visa(f"ASRL{pty.link}::INSTR", settings=SerialSettings(baudrate=19200))
    channel = transport._channel
    assert isinstance(channel, VisaChannel)
    resource = channel._resource
    assert (resource.baud_rate, resource.data_bits) == (19200, 8)
    transport.close()
    # A pseudo-terminal cannot be set to all this one after the other; what is asked of the library can be seen.
    from pyvisa import constants

    from PyExpLabSys.transport.visa_channel import _set_serial

    class Resource:
        pass

    asked = Resource()
    _set_serial(asked, settings, constants)
    assert vars(asked) == {
        "baud_rate": 19200,
        "data_bits": 7,
        "parity": constants.Parity.odd,
        "stop_bits": constants.StopBits.two,
        "flow_control": constants.ControlFlow.xon_xoff,
    }


@pytest.mark.parametrize(
    "resource", ["nonsense", "TCPIP::no-such-instrument.invalid::5025::SOCKET", "ASRL/dev/no::INSTR"]
)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_cannot_be_opened(resource: str) -> None:
    with pytest.raises(TransportError, match=r"cannot be opened"):
        open_visa(resource, open_timeout_s=1.0)
    # The backend leaves the socket of a name that does not resolve to the garbage collector: let it complain here.
    gc.collect()


def test_nobody_listens() -> None:
    """The backend does not look whether the connection was made: the first question fails."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    transport = open_visa(f"TCPIP::127.0.0.1::{port}::SOCKET", open_timeout_s=1.0, timeout_s=0.2)
    with pytest.raises(TransportError):
        transport.exchange(b"a\n", LF)
    transport.close()


def test_closed(transport: ByteTransport) -> None:
    channel = transport._channel
    channel.close()
    channel.close()
    with pytest.raises(TransportError, match="closed"):
        channel.read(1, 0.1)


def test_without_pyvisa_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvisa", None)
    with pytest.raises(SettingsError, match=r"pip install PyExpLabSys\[visa\]"):
        open_visa("ASRL1::INSTR")
