"""Serial ports: real pseudo-terminals, a real RFC 2217 server, and every foreign exception made ours."""

import contextlib
import errno
import gc
import os
import socket
import termios
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
import serial.rfc2217

from PyExpLabSys.errors import InstrumentError, TransportError, TransportTimeoutError
from PyExpLabSys.simulators.serving.base import MessageSimulator
from PyExpLabSys.simulators.serving.pty import PtyServer
from PyExpLabSys.simulators.serving.tcp import TcpServer
from PyExpLabSys.transport.framing import until
from PyExpLabSys.transport.serial_channel import SerialChannel, SerialSettings, open_serial

CR = until(b"\r")


def parrot() -> MessageSimulator:
    return MessageSimulator(lambda request, _: request, CR)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PtyServer]:
    with PtyServer(parrot(), tmp_path / "tty") as server:
        yield server


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[tuple[int, str]]:
    """A pseudo-terminal without an instrument: our end, and the path of the other."""
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize("parity", ["N", "E", "O"])
def test_exchange_with_every_parity(server: PtyServer, parity: str) -> None:
    transport = open_serial(str(server.link), bytesize=7, parity=parity)
    assert transport.exchange(b"a\r", CR) == b"a\r"
    with pytest.raises(TransportTimeoutError):
        transport.exchange(b"", CR, timeout_s=0.1)
    assert transport.exchange(b"b\r", CR, timeout_s=5.0) == b"b\r"
    transport.close()


def test_port_is_set_once(server: PtyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Setting a port anew disturbs adapters; time-outs must not do it."""
    transport = open_serial(str(server.link), parity="E")
    monkeypatch.setattr(serial.Serial, "_reconfigure_port", lambda *_, **__: pytest.fail("the port is set anew"))
    for timeout_s in (0.05, 1.0, 2.0):
        assert transport.exchange(b"a\r", CR, timeout_s=timeout_s) == b"a\r"
    transport.close()


def test_unplugged_and_plugged_in_again(server: PtyServer) -> None:
    transport = open_serial(str(server.link))
    assert transport.exchange(b"a\r", CR) == b"a\r"
    server.unplug()
    for _ in range(2):
        with pytest.raises(TransportError, match="tty cannot be"):
            transport.exchange(b"a\r", CR)
    transport.close()
    with pytest.raises(TransportError, match="tty cannot be opened"):
        open_serial(str(server.link))
    server.plug()
    transport = open_serial(str(server.link))
    assert transport.exchange(b"a\r", CR) == b"a\r"
    transport.close()


def test_unplugged_while_waiting(server: PtyServer) -> None:
    transport = open_serial(str(server.link))
    unplug = threading.Timer(0.1, server.unplug)
    unplug.start()
    with pytest.raises(TransportError, match="cannot be read"):
        transport.exchange(b"no end", CR, timeout_s=30.0)
    unplug.join()
    transport.close()


def test_termios_error_at_opening_is_ours(bare: tuple[int, str]) -> None:
    """The second setting of a pseudo-terminal with parity fails with termios.error, which is no OSError."""
    _, path = bare
    open_serial(path, parity="E").close()
    with pytest.raises(termios.error), serial.Serial(path, parity="E"):  # what it is without us
        pass
    with pytest.raises(TransportError, match="cannot be opened") as caught:
        open_serial(path, parity="E")
    assert isinstance(caught.value.__cause__, termios.error)


def test_bug_in_pyserial_is_not_hidden(server: PtyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    transport = open_serial(str(server.link))
    monkeypatch.setattr(serial.Serial, "write", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        transport.send(b"a")
    transport.close()


def test_second_program_on_a_port_is_refused(bare: tuple[int, str]) -> None:
    _, path = bare
    first = open_serial(path)
    with pytest.raises(TransportError, match="in use by another program"):
        open_serial(path)
    first.close()
    open_serial(path).close()


@pytest.mark.parametrize(
    "settings",
    [{"parity": "X"}, {"bytesize": 9}, {"stopbits": 3}, {"baudrate": -1}],
    ids=["parity", "bits", "stop", "baud"],
)
def test_settings_that_do_not_exist(settings: dict, bare: tuple[int, str]) -> None:
    with pytest.raises(ValueError, match="Not a valid"):
        open_serial(bare[1], **settings)


def test_no_such_port(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="ttyX cannot be opened: there is no such port"):
        open_serial(str(tmp_path / "ttyX"))


def test_port_of_another_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", "/dev/ttyS0")

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(TransportError, match=r"/dev/ttyS0 cannot be opened: Permission denied.*dialout"):
        open_serial("/dev/ttyS0")


def test_port_that_takes_nothing(bare: tuple[int, str]) -> None:
    channel = SerialChannel(bare[1], SerialSettings(), write_timeout_s=0.1)
    with pytest.raises(TransportTimeoutError, match="takes no bytes"):
        channel.write(b"x" * 1_000_000, 0.1)
    channel.close()


def test_reading_what_is_there_does_not_wait(bare: tuple[int, str]) -> None:
    master, path = bare
    channel = SerialChannel(path, SerialSettings())
    assert channel.read(100, 0.0) == b""
    os.write(master, b"abc")
    came = [channel.read(2, 5.0), channel.read(2, 5.0)]
    while len(b"".join(came)) < 3:
        came.append(channel.read(2, 5.0))
    assert b"".join(came) == b"abc"
    assert max(len(data) for data in came) <= 2
    channel.close()


def test_close_ends_a_read_of_another_thread(bare: tuple[int, str]) -> None:
    channel = SerialChannel(bare[1], SerialSettings())
    errors: list[Exception] = []

    def read() -> None:
        try:
            channel.read(1, 30.0)
        except TransportError as error:
            errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    channel.close()
    channel.close()
    thread.join(10.0)
    assert len(errors) == 1
    with pytest.raises(TransportError, match="closed"):
        channel.write(b"a", 1.0)


# -------------------------------------------------------------------------------------------------------------- socket


def test_socket_url() -> None:
    with TcpServer(parrot()) as server:
        transport = open_serial(server.url, baudrate=19200, parity="O")
        assert transport.name == server.url
        assert transport.exchange(b"a\r", CR) == b"a\r"
        transport.close()


@pytest.mark.parametrize("url", ["socket://", "socket://host", "socket://:4001", "socket://host:port"])
def test_socket_url_that_names_no_port(url: str) -> None:
    with pytest.raises(ValueError, match=r"socket://HOST:PORT|Port could not be cast"):
        open_serial(url)


# ------------------------------------------------------------------------------------------------------------ RFC 2217


class Rfc2217Server:
    """A serial port given to the network, as by a terminal server: pyserial's PortManager over one connection.

    The port is pyserial's loop, which answers with what it is sent: a pseudo-terminal lacks the lines of a modem, which
    this protocol reports.
    """

    def __init__(self) -> None:
        self.port = serial.serial_for_url("loop://", timeout=0.01)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rfc2217://127.0.0.1:{self.listener.getsockname()[1]}"
        self.connection: socket.socket | None = None
        self.manager: serial.rfc2217.PortManager | None = None
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.serve)]
        self.threads[0].start()

    def write(self, data: bytes) -> None:
        assert self.connection is not None
        self.connection.sendall(data)

    def serve(self) -> None:
        self.listener.settimeout(10.0)
        self.connection, _ = self.listener.accept()
        # Its stub wants the client's class; what it uses is a port, and an object that writes to the network.
        self.manager = serial.rfc2217.PortManager(self.port, self)  # type: ignore[arg-type]
        self.threads.append(threading.Thread(target=self.read_port))
        self.threads[1].start()
        with contextlib.suppress(ConnectionError):  # cut while it was answering
            while data := self.connection.recv(1024):
                self.port.write(b"".join(self.manager.filter(data)))
        self.ended.set()

    def read_port(self) -> None:
        assert self.manager is not None
        while not self.ended.is_set():
            with contextlib.suppress(OSError):
                if data := self.port.read(self.port.in_waiting or 1):
                    self.write(b"".join(self.manager.escape(data)))

    def cut(self) -> None:
        assert self.connection is not None
        self.connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self.connection is not None:
            with contextlib.suppress(OSError):  # the other end was first
                self.cut()
        for thread in self.threads:
            thread.join(10.0)
        if self.connection is not None:
            self.connection.close()
        self.listener.close()
        self.port.close()


@pytest.fixture
def rfc2217() -> Iterator[Rfc2217Server]:
    remote = Rfc2217Server()
    yield remote
    remote.close()


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # of pyserial
def test_rfc2217(rfc2217: Rfc2217Server) -> None:
    transport = open_serial(rfc2217.url, baudrate=19200)
    assert rfc2217.port.baudrate == 19200
    for number in range(20):
        assert transport.exchange(b"%d\xff\r" % number, CR) == b"%d\xff\r" % number
    with pytest.raises(TransportTimeoutError):
        transport.exchange(b"", CR, timeout_s=0.1)
    transport.close()


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")
# pyserial does not close the socket of a connection that was cut, it only drops it.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_rfc2217_cut(rfc2217: Rfc2217Server) -> None:
    transport = open_serial(rfc2217.url, timeout_s=0.5)
    assert transport.exchange(b"a\r", CR) == b"a\r"
    rfc2217.cut()
    with pytest.raises(InstrumentError):
        transport.exchange(b"a\r", CR)
    transport.close()
    gc.collect()


def test_rfc2217_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TransportError, match="cannot be opened"):
        open_serial(f"rfc2217://127.0.0.1:{port}")
