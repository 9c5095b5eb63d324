"""Simulated instruments on real pseudo-terminals and TCP ports."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from PyExpLabSys.errors import TransportError, TransportTimeoutError
from PyExpLabSys.simulators.serving.base import Answer, ByteSimulator, MessageSimulator
from PyExpLabSys.simulators.serving.faults import Fault, FaultySimulator
from PyExpLabSys.simulators.serving.pty import PtyServer
from PyExpLabSys.simulators.serving.tcp import TcpServer
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.framing import until
from PyExpLabSys.transport.serial_channel import open_serial
from PyExpLabSys.transport.tcp_channel import open_tcp

CR = until(b"\r")
Server = PtyServer | TcpServer
#: For all the buffers between two sockets.
REPLY_THAT_IS_TOO_LONG = b"x" * 50_000_000


def parrot(delay_s: float = 0.0) -> MessageSimulator:
    return MessageSimulator(lambda request, _: request, CR, delay_s=delay_s)


def connect(server: Server) -> ByteTransport:
    return open_serial(str(server.link)) if isinstance(server, PtyServer) else open_tcp(server.host, server.port)


@pytest.fixture(params=["pty", "tcp"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[ByteSimulator], Server]:
    def make(simulator: ByteSimulator) -> Server:
        return TcpServer(simulator) if request.param == "tcp" else PtyServer(simulator, tmp_path / "tty")

    return make


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "tty"


@pytest.fixture
def open_files() -> Iterator[None]:
    """Fail a test that leaves a file, a terminal or a socket open."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    yield
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.usefixtures("open_files")
def test_many_openings_one_after_the_other(make: Callable[[ByteSimulator], Server]) -> None:
    with make(parrot()) as server:
        for number in range(30):
            transport = connect(server)
            assert transport.exchange(b"%d\r" % number, CR) == b"%d\r" % number
            transport.close()


@pytest.mark.usefixtures("open_files")
def test_two_at_once_get_their_own_answers(make: Callable[[ByteSimulator], Server]) -> None:
    with make(parrot(delay_s=0.05)) as server:
        first = connect(server)
        assert first.exchange(b"1\r", CR) == b"1\r"
        second = connect(server)
        first.send(b"1\r")
        second.send(b"2\r")
        assert second.receive(CR) == b"2\r"
        assert first.receive(CR) == b"1\r"
        first.close()
        second.close()


def test_answers_wait_for_their_time(make: Callable[[ByteSimulator], Server]) -> None:
    class Backwards:
        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            return [Answer(0.2, b"late\r"), Answer(0.1, b"early\r")]

    with make(Backwards()) as server:
        transport = connect(server)
        transport.send(b"?")
        assert [transport.receive(CR), transport.receive(CR)] == [b"early\r", b"late\r"]
        transport.close()


def test_answer_to_one_who_has_gone_is_lost(make: Callable[[ByteSimulator], Server]) -> None:
    with make(parrot(delay_s=0.05)) as server:
        transport = connect(server)
        transport.exchange(b"first\r", CR)  # after that, who comes next has a wire of their own
        transport.send(b"lost\r")
        transport.close()
        transport = connect(server)
        assert transport.exchange(b"a\r", CR) == b"a\r"
        with pytest.raises(TransportTimeoutError):
            transport.receive(CR, timeout_s=0.1)
        transport.close()


@pytest.mark.usefixtures("open_files")
def test_unplugged_and_plugged_in_again(make: Callable[[ByteSimulator], Server]) -> None:
    with make(parrot()) as server:
        for _ in range(3):
            transport = connect(server)
            assert transport.exchange(b"a\r", CR) == b"a\r"
            server.unplug()
            server.unplug()
            with pytest.raises(TransportError):
                transport.exchange(b"a\r", CR)
            transport.close()
            with pytest.raises(TransportError):
                connect(server)
            server.plug()
            server.plug()


def test_plug_pulled_in_the_middle_of_a_reply(make: Callable[[ByteSimulator], Server]) -> None:
    faulty = FaultySimulator(parrot())
    with make(faulty) as server:
        transport = connect(server)
        faulty.inject(Fault.UNPLUGGED)
        with pytest.raises(TransportError):
            transport.exchange(b"hello\r", CR)
        transport.close()
        server.plug()
        transport = connect(server)
        assert transport.exchange(b"hello\r", CR) == b"hello\r"
        transport.close()


def test_threads_on_one_server(make: Callable[[ByteSimulator], Server]) -> None:
    with make(parrot()) as server:
        transport = connect(server)
        wrong: list[bytes] = []

        def ask(name: bytes) -> None:
            for number in range(50):
                question = b"%s%d\r" % (name, number)
                if transport.exchange(question, CR) != question:
                    wrong.append(question)

        threads = [threading.Thread(target=ask, args=(name,)) for name in (b"a", b"b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30.0)
        transport.close()
    assert not wrong


# ----------------------------------------------------------------------------------------------------- pseudo-terminal


def test_opened_and_closed_without_a_word(link: Path) -> None:
    """Then, too, the next opening gets a terminal of its own: one that was used before cannot do parity."""
    with PtyServer(parrot(), link) as server:
        for _ in range(10):
            before = link.readlink()
            open_serial(str(link), parity="E").close()
            noticed = threading.Event()
            for _ in range(2000):
                if link.readlink() != before:
                    break
                noticed.wait(0.005)
            assert link.readlink() != before
            transport = open_serial(str(link), parity="O")
            assert transport.exchange(b"a\r", CR) == b"a\r"
            transport.close()
    assert server.link == link


def test_link_leads_to_a_fresh_terminal_before_the_first_answer(link: Path) -> None:
    with PtyServer(parrot(), link):
        transport = open_serial(str(link))
        before = link.readlink()
        transport.exchange(b"a\r", CR)
        assert link.readlink() != before
        transport.close()


def test_link_goes_with_the_server(link: Path) -> None:
    with PtyServer(parrot(), link):
        assert link.is_symlink()
    assert not os.path.lexists(link)


def test_what_is_there_is_not_overwritten(link: Path) -> None:
    link.write_text("precious")
    with pytest.raises(FileExistsError, match="new name"), PtyServer(parrot(), link):
        pass
    assert link.read_text() == "precious"


def test_other_speed_is_not_understood(link: Path) -> None:
    with PtyServer(parrot(), link, baudrate=19200):
        transport = open_serial(str(link), baudrate=9600)
        with pytest.raises(TransportTimeoutError):
            transport.exchange(b"a\r", CR, timeout_s=0.1)
        transport.close()
        transport = open_serial(str(link), baudrate=19200)
        assert transport.exchange(b"a\r", CR) == b"a\r"
        transport.close()


# ----------------------------------------------------------------------------------------------------------------- TCP


def test_listens_on_this_computer_only() -> None:
    with TcpServer(parrot()) as server:
        assert server.host == "127.0.0.1"
        assert server.url == f"socket://127.0.0.1:{server.port}"


def test_port_stays_the_same() -> None:
    with TcpServer(parrot()) as server:
        port = server.port
        server.unplug()
        server.plug()
        assert server.port == port


def test_client_that_reads_nothing_is_dropped() -> None:
    with TcpServer(MessageSimulator(lambda *_: REPLY_THAT_IS_TOO_LONG, CR)) as server:
        with socket.create_connection((server.host, server.port), 10.0) as greedy:
            greedy.sendall(b"?\r")
            received = bytearray()
            with contextlib.suppress(ConnectionError):
                while data := greedy.recv(100_000):
                    received += data
        assert len(received) < len(REPLY_THAT_IS_TOO_LONG)
        other = open_tcp(server.host, server.port)
        assert other.exchange(b"?\r", until(b"x")) == b"x"
        other.close()
