"""The relay does to connections exactly what it is told, and nothing else."""

import errno
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pymysql
import pytest

from tests.servers.lab import LabDatabase
from tests.servers.ports import LOOPBACK, bind_free_port, free_port
from tests.servers.relay import Relay, is_query

PATIENCE_S = 10.0
# How long nothing must come before a test says that nothing comes.
SILENCE_S = 0.15


class EchoServer(socketserver.ThreadingTCPServer):
    """Sends back what it gets; notes what came and how each connection ended."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), EchoHandler)
        self.received = bytearray()
        self.ends: list[str] = []
        self.changed = threading.Condition()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE_S), (bytes(self.received[:200]), self.ends)

    def note(self, chunk: bytes = b"", end: str | None = None) -> None:
        with self.changed:
            self.received += chunk
            if end is not None:
                self.ends.append(end)
            self.changed.notify_all()


class EchoHandler(socketserver.BaseRequestHandler):
    server: EchoServer

    def handle(self) -> None:
        try:
            while chunk := self.request.recv(65_536):
                self.server.note(chunk)
                self.request.sendall(chunk)
        except OSError as error:
            self.server.note(end=errno.errorcode[error.errno or 0])
        else:
            self.server.note(end="EOF")


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    with EchoServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="echo")
        thread.start()
        yield server
        server.shutdown()
        thread.join(PATIENCE_S)


@pytest.fixture
def through(echo: EchoServer) -> Iterator[Relay]:
    """A relay to the echo server; closed before it."""
    with Relay(*echo.server_address) as relay:
        yield relay


@pytest.fixture
def connect(through: Relay) -> Iterator[Callable[[], socket.socket]]:
    sockets: list[socket.socket] = []

    def connect_once() -> socket.socket:
        sockets.append(socket.create_connection((through.host, through.port), PATIENCE_S))
        return sockets[-1]

    yield connect_once
    for sock in sockets:
        sock.close()


Connect = Callable[[], socket.socket]


def receive(sock: socket.socket, n_bytes: int) -> bytes:
    received = b""
    while len(received) < n_bytes:
        chunk = sock.recv(n_bytes - len(received))
        assert chunk, f"the end came after {received!r}"
        received += chunk
    return received


def ask(sock: socket.socket, request: bytes) -> bytes:
    sock.sendall(request)
    return receive(sock, len(request))


def ask_at(address: tuple[str, int], sock: socket.socket) -> bytes:
    sock.connect(address)
    return ask(sock, b"hello")


def nothing_comes(sock: socket.socket) -> bool:
    sock.settimeout(SILENCE_S)
    try:
        sock.recv(1)
    except TimeoutError:
        return True
    finally:
        sock.settimeout(PATIENCE_S)
    return False


def close_with_reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


# ------------------------------------------------------------------------------------------------ nothing wrong


def test_bytes_pass_unchanged_and_are_counted(through: Relay, connect: Connect) -> None:
    first, second = connect(), connect()
    assert ask(first, b"one") == b"one"
    assert ask(second, b"three") == b"three"
    assert through.passed == {"to_server": 8, "to_client": 8}
    assert (through.connections, through.open_connections) == (2, 2)


def test_megabytes_pass_in_order(connect: Connect) -> None:
    sock = connect()
    payload = bytes(range(256)) * 40_000
    sender = threading.Thread(target=sock.sendall, args=(payload,))
    sender.start()
    received = receive(sock, len(payload))
    sender.join(PATIENCE_S)
    assert received == payload


def test_the_end_is_passed_on_after_all_bytes(echo: EchoServer, through: Relay, connect: Connect) -> None:
    sock = connect()
    sock.sendall(b"last words")
    sock.shutdown(socket.SHUT_WR)
    assert receive(sock, 10) == b"last words"
    assert sock.recv(1) == b""
    echo.wait_for(lambda: echo.ends == ["EOF"])
    assert through.wait_open_connections(0, PATIENCE_S)


def test_a_client_that_vanishes_ends_the_connection_to_the_server(echo: EchoServer, connect: Connect) -> None:
    sock = connect()
    ask(sock, b"hello")
    close_with_reset(sock)
    echo.wait_for(lambda: echo.ends == ["EOF"])


def test_a_server_that_resets_ends_the_connection_to_the_client() -> None:
    with bind_free_port() as listener:
        listener.listen()
        with (
            Relay(LOOPBACK, listener.getsockname()[1]) as relay,
            socket.create_connection((LOOPBACK, relay.port), PATIENCE_S) as client,
        ):
            accepted, _address = listener.accept()
            client.sendall(b"read")
            assert receive(accepted, 4) == b"read"
            close_with_reset(accepted)
            assert client.recv(1) == b""
            assert relay.wait_open_connections(0, PATIENCE_S)


def test_without_a_server_the_client_is_reset() -> None:
    with Relay(LOOPBACK, free_port()) as relay:
        with socket.socket() as client:
            client.settimeout(PATIENCE_S)
            with pytest.raises(ConnectionResetError):
                # While it connects or when it reads: whichever comes first.
                ask_at((LOOPBACK, relay.port), client)
        assert (relay.connections, relay.open_connections) == (1, 0)


# ---------------------------------------------------------------------------------------------------------- cut


def test_cut_resets_both_sides_and_refuses_until_mended(echo: EchoServer, through: Relay, connect: Connect) -> None:
    sock = connect()
    ask(sock, b"hello")
    for _turn in range(3):
        through.cut()
        assert through.open_connections == 0
        with pytest.raises(ConnectionRefusedError):
            connect()
        through.mend()
        assert ask(connect(), b"again") == b"again"
    with pytest.raises(ConnectionResetError):
        sock.recv(1)
    echo.wait_for(lambda: echo.ends == ["ECONNRESET"] * 3)


def test_cut_keeps_the_port(through: Relay) -> None:
    through.cut()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((through.host, through.port))


def test_cut_and_mend_may_be_repeated(through: Relay, connect: Connect) -> None:
    through.cut()
    through.cut()
    through.mend()
    through.mend()
    assert ask(connect(), b"hello") == b"hello"


def test_reset_takes_new_connections_at_once(echo: EchoServer, through: Relay, connect: Connect) -> None:
    sock = connect()
    ask(sock, b"hello")
    through.reset()
    assert ask(connect(), b"again") == b"again"
    with pytest.raises(ConnectionResetError):
        sock.recv(1)
    echo.wait_for(lambda: echo.ends == ["ECONNRESET"])


# -------------------------------------------------------------------------------------------------------- stall


def test_a_stalled_relay_accepts_and_never_answers(echo: EchoServer, through: Relay, connect: Connect) -> None:
    through.stall()
    sock = connect()
    sock.sendall(b"anybody?")
    assert nothing_comes(sock)
    assert echo.received == b""
    through.resume()
    assert receive(sock, 8) == b"anybody?"


@pytest.mark.parametrize("leave", [socket.socket.close, close_with_reset], ids=["close", "reset"])
def test_what_a_stall_kept_is_delivered_though_the_client_left(
    leave: Callable[[socket.socket], None], echo: EchoServer, through: Relay, connect: Connect
) -> None:
    sock = connect()
    ask(sock, b"hello")
    through.stall()
    sock.sendall(b" and farewell")
    # The relay answers after a whole round, so it has read these bytes: with a reset, unread ones would be lost.
    assert through.open_connections == 1
    leave(sock)
    assert (bytes(echo.received), echo.ends, through.open_connections) == (b"hello", [], 1)
    through.resume()
    echo.wait_for(lambda: bool(echo.ends))
    assert echo.received == b"hello and farewell"
    assert through.wait_open_connections(0, PATIENCE_S)


def test_answers_can_be_stalled_alone(echo: EchoServer, through: Relay, connect: Connect) -> None:
    sock = connect()
    through.stall("to_client")
    sock.sendall(b"done?")
    echo.wait_for(lambda: echo.received == b"done?")
    assert nothing_comes(sock)
    through.resume()
    assert receive(sock, 5) == b"done?"


def test_a_stalled_sender_blocks_in_the_end(monkeypatch: pytest.MonkeyPatch, through: Relay, connect: Connect) -> None:
    monkeypatch.setattr("tests.servers.links.KEPT_BYTES_MAX", 100_000)
    sock = connect()
    through.stall()
    sock.setblocking(False)
    deadline = time.monotonic() + PATIENCE_S
    n_sent = blocked = 0
    while blocked < 20 and time.monotonic() < deadline:
        try:
            n_sent += sock.send(b"x" * 65_536)
            blocked = 0
        except BlockingIOError:
            blocked += 1
            through.open_connections  # noqa: B018 (a whole round of the relay)
    assert blocked == 20
    sock.setblocking(True)
    sock.settimeout(PATIENCE_S)
    through.resume()
    assert receive(sock, n_sent) == b"x" * n_sent


# ------------------------------------------------------------------------------------------------- delay, drop


def test_delay_holds_each_way(through: Relay, connect: Connect) -> None:
    sock = connect()
    ask(sock, b"fast")
    through.delay(0.1)
    started_s = time.monotonic()
    assert ask(sock, b"slow") == b"slow"
    assert time.monotonic() - started_s >= 0.2
    through.delay(0.0)
    assert ask(sock, b"fast") == b"fast"


def test_drop_after_delivers_exactly_that_many_bytes_to_the_server(
    echo: EchoServer, through: Relay, connect: Connect
) -> None:
    sock = connect()
    ask(sock, b"before")
    through.drop_after(5, "to_server")
    sock.sendall(b"123")
    assert receive(sock, 3) == b"123"
    sock.sendall(b"456789")
    echo.wait_for(lambda: bool(echo.ends))
    assert echo.received == b"before12345"
    with pytest.raises(ConnectionResetError):
        receive(sock, 1_000)
    assert ask(connect(), b"again") == b"again"


def test_drop_after_delivers_exactly_that_many_bytes_to_the_client(through: Relay, connect: Connect) -> None:
    sock = connect()
    through.drop_after(4, "to_client")
    sock.sendall(b"123456")
    assert receive(sock, 4) == b"1234"
    assert sock.recv(1) == b""
    assert through.open_connections == 0


def test_drop_after_nothing_is_refused(through: Relay) -> None:
    with pytest.raises(ValueError, match=r"reset\(\) drops at once"):
        through.drop_after(0, "to_server")


# --------------------------------------------------------------------------------------------------------- hold


def test_a_hold_keeps_one_connection_from_its_chunk_on(echo: EchoServer, through: Relay, connect: Connect) -> None:
    held, free = connect(), connect()
    through.hold_when(lambda chunk: chunk == b"COMMIT")
    assert ask(held, b"INSERT") == b"INSERT"
    assert not through.held.is_set()
    held.sendall(b"COMMIT")
    assert through.wait_held(PATIENCE_S)
    held.sendall(b"more")
    assert ask(free, b"COMMIT") == b"COMMIT"
    assert ask(connect(), b"COMMIT") == b"COMMIT"
    assert nothing_comes(held)
    through.release()
    assert not through.held.is_set()
    assert receive(held, 10) == b"COMMITmore"


@pytest.mark.parametrize("leave", [socket.socket.close, close_with_reset], ids=["close", "reset"])
def test_what_is_held_is_delivered_though_the_client_left(
    leave: Callable[[socket.socket], None], echo: EchoServer, through: Relay, connect: Connect
) -> None:
    sock = connect()
    through.hold_when(b"COMMIT".__eq__)
    sock.sendall(b"COMMIT")
    through.wait_held(PATIENCE_S)
    leave(sock)
    assert ask(connect(), b"resent") == b"resent"
    assert (bytes(echo.received), echo.ends) == (b"resent", [])
    through.release()
    echo.wait_for(lambda: bool(echo.ends))
    assert echo.received == b"resentCOMMIT"
    assert through.wait_open_connections(1, PATIENCE_S)


def test_answers_can_be_held(echo: EchoServer, through: Relay, connect: Connect) -> None:
    sock = connect()
    through.hold_when(b"OK".__eq__, "to_client")
    sock.sendall(b"OK")
    through.wait_held(PATIENCE_S)
    assert echo.received == b"OK"
    assert nothing_comes(sock)
    through.release()
    assert receive(sock, 2) == b"OK"


def test_a_hold_that_is_cut_is_lost(echo: EchoServer, through: Relay, connect: Connect) -> None:
    sock = connect()
    through.hold_when(b"COMMIT".__eq__)
    sock.sendall(b"COMMIT")
    through.wait_held(PATIENCE_S)
    through.cut()
    assert not through.held.is_set()
    through.release()
    echo.wait_for(lambda: bool(echo.ends))
    assert echo.received == b""


def test_waiting_for_a_hold_that_does_not_come_is_an_error(through: Relay) -> None:
    through.hold_when(b"COMMIT".__eq__)
    with pytest.raises(TimeoutError, match="nothing to hold"):
        through.wait_held(0.05)


def test_release_forgets_a_hold_that_met_nothing(through: Relay, connect: Connect) -> None:
    through.hold_when(b"COMMIT".__eq__)
    through.release()
    assert ask(connect(), b"COMMIT") == b"COMMIT"


@pytest.mark.parametrize(
    ("chunk", "is_commit"),
    [
        (b"\x07\0\0\0\x03COMMIT", True),
        (b"\x07\0\0\0\x03commit", True),
        (b"\x08\0\0\0\x03COMMIT;", True),
        (b"\x07\0\0\0\x16COMMIT", False),
        (b"\x09\0\0\0\x03COMMITED", False),
        (b"\x01\0\0\0\x03", False),
        (b"", False),
    ],
    ids=["capitals", "small", "semicolon", "another-command", "another-text", "no-text", "nothing"],
)
def test_is_query_knows_a_commit(chunk: bytes, is_commit: bool) -> None:
    assert is_query("COMMIT")(chunk) is is_commit


# ---------------------------------------------------------------------------------------------------- half open


@pytest.mark.parametrize("leave", [socket.socket.close, close_with_reset], ids=["close", "reset"])
def test_half_open_hides_the_end_of_a_client_from_the_server(
    leave: Callable[[socket.socket], None], echo: EchoServer, through: Relay, connect: Connect
) -> None:
    sock = connect()
    ask(sock, b"hello")
    through.half_open()
    leave(sock)
    assert ask(connect(), b"next") == b"next"
    assert echo.ends == []
    assert through.open_connections == 2
    through.mend()
    echo.wait_for(lambda: echo.ends == ["EOF"])
    assert through.wait_open_connections(1, PATIENCE_S)


# -------------------------------------------------------------------------------------------------------- close


def test_close_leaves_no_thread_and_no_port(echo: EchoServer) -> None:
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    relay = Relay(*echo.server_address)
    sock = socket.create_connection((relay.host, relay.port), PATIENCE_S)
    ask(sock, b"hello")
    relay.close()
    relay.close()
    assert f"relay-{relay.port}" not in [thread.name for thread in threading.enumerate()]
    with pytest.raises(ConnectionResetError):
        sock.recv(1)
    sock.close()
    echo.wait_for(lambda: echo.ends == ["ECONNRESET"])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((relay.host, relay.port), PATIENCE_S)
    echo.server_close()
    assert len(list(Path("/proc/self/fd").iterdir())) == open_files - 1


def test_an_idle_relay_does_not_spin(through: Relay, connect: Connect) -> None:
    held = connect()
    through.hold_when(b"COMMIT".__eq__)
    held.sendall(b"COMMIT")
    through.wait_held(PATIENCE_S)
    close_with_reset(held)
    through.stall()
    connect().sendall(b"kept")
    assert through.open_connections == 2
    clock = time.pthread_getcpuclockid(through._thread.ident or 0)
    used_s = time.clock_gettime(clock)
    assert nothing_comes(connect())
    assert time.clock_gettime(clock) - used_s < SILENCE_S / 2


# --------------------------------------------------------------------------------------------------- with MariaDB


@pytest.mark.server
def test_a_held_commit_is_carried_out_after_its_client_gave_up(
    lab_database: LabDatabase, relay: Callable[[str, int], Relay]
) -> None:
    lab_database.sql("CREATE TABLE t (i int) ENGINE=InnoDB")
    between = relay(lab_database.host, lab_database.port)
    connection = pymysql.connect(
        host=between.host,
        port=between.port,
        user=lab_database.username,
        password=lab_database.password,
        database=lab_database.name,
        read_timeout=0.2,
    )
    connection.cursor().execute("INSERT INTO t VALUES (1)")
    between.hold_when(is_query("COMMIT"))
    with pytest.raises(pymysql.err.OperationalError, match="timed out"):
        connection.commit()
    assert between.wait_held(PATIENCE_S)
    assert lab_database.sql("SELECT * FROM t") == []
    between.release()
    # This waits for the lock of a row whose transaction is not over.
    assert lab_database.sql("SELECT * FROM t LOCK IN SHARE MODE") == [(1,)]
