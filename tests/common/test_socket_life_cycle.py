"""Ports are taken and let go: stop, failed constructors, sockets that nobody keeps, other programs."""

import errno
import gc
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from PyExpLabSys.common import socket_server
from PyExpLabSys.common.sockets import (
    DATA,
    DataPullSocket,
    DataPushSocket,
    DateDataPullSocket,
    PortStatus,
    PortStillReserved,
)
from PyExpLabSys.errors import ProtocolError
from tests.common.udp import ask, serving

KINDS: list[Callable[..., Any]] = [
    lambda port: DateDataPullSocket("s", ["a"], port=port, interface="127.0.0.1"),
    lambda port: DataPullSocket("s", ["a"], port=port, interface="127.0.0.1"),
    lambda port: DataPushSocket("s", port=port, interface="127.0.0.1"),
    lambda port: DataPushSocket("s", port, "callback_async", callback=print, interface="127.0.0.1"),
]
every_kind = pytest.mark.parametrize("make", KINDS, ids=["date", "data", "push", "push-async"])


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
        return True


def test_importing_needs_no_settings_and_no_network(tmp_path: Any) -> None:
    code = (
        "import socket; socket.socket = None\n"
        "import PyExpLabSys.common.sockets, PyExpLabSys.common.socket_clients, PyExpLabSys.common.system_status\n"
        "from PyExpLabSys.settings import Settings; assert Settings._file is None\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr


@every_kind
def test_the_port_is_free_as_soon_as_stop_returns_and_can_be_taken_again_and_again(make: Callable[..., Any]) -> None:
    with serving(make(0)) as first:
        port = first.port
        assert first.daemon
    for _ in range(3):
        assert port not in DATA
        assert is_free(port)
        with serving(make(port)) as server:
            assert server.is_alive()
            assert ask(port, b"name").endswith(b"s")
        server.join()
        assert not server.is_alive()


@every_kind
def test_a_socket_that_was_never_started_lets_go_of_its_port(make: Callable[..., Any]) -> None:
    stopped, dropped = make(0), make(0)
    ports = stopped.port, dropped.port
    assert not stopped.is_alive()
    assert not is_free(ports[0])
    stopped.stop()
    stopped.stop()
    del dropped
    gc.collect()
    for port in ports:
        assert is_free(port)
        assert port not in DATA


@every_kind
def test_a_port_that_this_process_serves_is_refused_and_the_first_goes_on(make: Callable[..., Any]) -> None:
    with serving(make(0)) as server:
        with pytest.raises(ValueError, match=f"^A UDP server already exists on port: {server.port}$"):
            make(server.port)
        assert ask(server.port, b"name").endswith(b"s")
        assert server.port in DATA


@every_kind
def test_a_port_of_another_program_is_still_reserved_until_that_lets_go(make: Callable[..., Any]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        for _ in range(2):
            with pytest.raises(PortStillReserved, match=f"port {port} is in use.*allow_reuse_address"):
                make(port)
            assert port not in DATA
    with serving(make(port)):
        assert ask(port, b"name").endswith(b"s")


def test_an_address_that_is_not_ours_passes_through_and_leaves_nothing(recwarn: pytest.WarningsRecorder) -> None:
    before = list(DATA)
    with pytest.raises(OSError, match="Cannot assign requested address") as caught:
        DateDataPullSocket("s", ["a"], port=0, interface="203.0.113.1")
    assert caught.value.errno == errno.EADDRNOTAVAIL
    gc.collect()
    assert list(DATA) == before
    assert not recwarn


def test_without_an_interface_all_are_listened_on(monkeypatch: pytest.MonkeyPatch) -> None:
    bound: list[Any] = []

    class Recorded(socket.socket):
        def bind(self, address: Any) -> None:
            bound.append(address)
            super().bind(("127.0.0.1", 0))

    monkeypatch.setattr(socket, "socket", Recorded)
    for server in (DateDataPullSocket("s", ["a"]), DataPullSocket("s", ["a"]), DataPushSocket("s")):
        server.stop()
    assert bound == [("", 9000), ("", 9010), ("", 8500)]


def test_a_callback_may_stop_its_own_socket() -> None:
    def stop(_: dict[str, Any]) -> str:
        server.stop()
        return "stopped"

    server = DataPushSocket("s", 0, "callback_direct", callback=stop, interface="127.0.0.1")
    server.start()
    assert ask(server.port, b"raw_wn#n:int:1") == b'RET#"stopped"'
    server.join(5)
    assert not server.is_alive()
    assert is_free(server.port)


def test_stop_does_not_wait_for_ever_for_a_callback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_server, "STOP_TIMEOUT_S", 0.05)
    called, go_on = threading.Event(), threading.Event()

    def callback(_: dict[str, Any]) -> None:
        called.set()
        go_on.wait(10)

    server = DataPushSocket("s", 0, "callback_direct", callback=callback, interface="127.0.0.1")
    server.start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"raw_wn#n:int:1", ("127.0.0.1", server.port))
        assert called.wait(5)
        server.stop()
    assert server.is_alive()  # stop returned while the callback was held
    assert is_free(server.port)
    go_on.set()
    server.join(5)
    assert not server.is_alive()


def test_a_thread_that_ends_by_itself_while_it_is_stopped_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(DateDataPullSocket("s", ["a"], port=0, interface="127.0.0.1")) as server:
        wake = server._wake

        def wake_late() -> None:
            wake()
            server.join(5)  # it has let go of the port
            wake()

        monkeypatch.setattr(server, "_wake", wake_late)
    assert is_free(server.port)


def test_stop_ends_the_thread_even_if_it_cannot_be_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_server, "LOOK_S", 0.05)
    monkeypatch.setattr(DateDataPullSocket, "_wake", lambda _: None)
    with serving(DateDataPullSocket("s", ["a"], port=0, interface="127.0.0.1")) as server:
        assert ask(server.port, b"name") == b"s"
    assert not server.is_alive()


def test_a_port_that_fails_for_a_while_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(socket.socket):
        failures = 3

        def recvfrom(self, *arguments: Any) -> Any:
            if self.failures:
                self.failures -= 1
                raise (ConnectionResetError if self.failures else OSError)(errno.ENETDOWN, "network is down")
            return super().recvfrom(*arguments)

        def sendto(self, *arguments: Any) -> int:
            if arguments[0] == b"0.0,0.0":
                raise OSError(errno.ENETUNREACH, "network is unreachable")
            if len(arguments[0]) > 8192:
                raise OSError(errno.EMSGSIZE, "too long")
            return super().sendto(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", Failing)
        server = DateDataPullSocket("s", ["a"], port=0, interface="127.0.0.1")
    with serving(server):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"a#raw", ("127.0.0.1", server.port))  # the reply cannot be sent
        assert ask(server.port, b"name") == b"s"
        server.set_point("a", (1.0, "x" * 10_000))
        assert (
            ask(server.port, b"a#raw") == b"ERROR#The reply has 10004 bytes, and at most 8192 can be sent: ask for less"
        )


def test_a_port_is_asked_over_udp_how_it_does() -> None:
    with serving(DataPullSocket("furnace", ["a"], port=0, interface="127.0.0.1")) as server:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), timeout=5)
        status = PortStatus.ask("127.0.0.1", server.port)
        assert (status.name, status.type, status.status) == ("furnace", "data", "OK")
        assert status.since_last_activity is not None
        port = server.port
    with pytest.raises(TimeoutError, match=f"127.0.0.1:{port} did not answer b'status' within 0.1 s"):
        PortStatus.ask("127.0.0.1", port, timeout=0.1)


def test_what_answers_something_else_is_no_such_socket() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as foreign:
        foreign.bind(("127.0.0.1", 0))
        port = foreign.getsockname()[1]
        for reply in (b"3.5e-7", json.dumps({"socket_server_status": {}}).encode(), b"\xff"):

            def answer(reply: bytes = reply) -> None:
                _, client = foreign.recvfrom(100)
                foreign.sendto(reply, client)

            thread = threading.Thread(target=answer)
            thread.start()
            with pytest.raises(ProtocolError, match="answered 'status'"):
                PortStatus.ask("127.0.0.1", port)
            thread.join()
