"""What the live socket sends, byte for byte, and that nothing that is wrong with the proxy reaches the measurement."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from PyExpLabSys.common import live_socket
from PyExpLabSys.common.pull_sockets import DataPullSocket
from PyExpLabSys.common.sockets import DATA, LiveSocket, PortStillReserved
from PyExpLabSys.settings import Settings
from tests.common.udp import ask, serving


@pytest.fixture
def proxy() -> Iterator[socket.socket]:
    """The UDP side of a live proxy."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        yield receiver


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "rasppi12")


def live(proxy: socket.socket | None, codenames: list[str], **arguments: Any) -> LiveSocket:
    server = None if proxy is None else proxy.getsockname()
    defaults: dict[str, Any] = {"internal_data_pull_socket_port": 0, "interface": "127.0.0.1"}
    return LiveSocket("live", codenames, server, **(defaults | arguments))


def pull_port(server: LiveSocket) -> int:
    assert server.pull_socket is not None
    return server.pull_socket.port


def test_a_batch_is_one_datagram_of_the_published_form(proxy: socket.socket) -> None:
    with serving(live(proxy, ["x", "y"])) as server:
        assert server.hostname == "rasppi12"
        server.set_batch({"x": (1.0, 2.0), "y": (2, True)})
        assert proxy.recv(65535) == b'{"host": "rasppi12", "data": {"x": [1.0, 2.0], "y": [2, true]}}'
        assert ask(pull_port(server), b"raw") == b"1.0,2.0;2,True"


def test_a_point_and_a_text_beyond_ascii_and_a_reset(proxy: socket.socket) -> None:
    with serving(live(proxy, ["x", "y"], no_internal_data_pull_socket=True)) as server:
        assert server.pull_socket is None
        server.set_point("x", (1.5, "\u00b5"))
        assert json.loads(proxy.recv(65535)) == {"host": "rasppi12", "data": {"x": [1.5, "\u00b5"]}}
        server.reset(["x", "y"])
        assert proxy.recv(65535) == b'{"host": "rasppi12", "data": {"x": "RESET", "y": "RESET"}}'


def test_values_of_now_share_one_time(proxy: socket.socket) -> None:
    with serving(live(proxy, ["x", "y"])) as server:
        before = time.time()
        server.set_batch_now({"x": 1, "y": 2})
        data = json.loads(proxy.recv(65535))["data"]
        assert before <= data["x"][0] == data["y"][0] <= time.time()
        server.set_point_now("x", 3)
        assert json.loads(proxy.recv(65535))["data"]["x"][1] == 3


def test_a_reset_leaves_the_point_of_the_pull_socket_as_it_is(proxy: socket.socket) -> None:
    with serving(live(proxy, ["x"])) as server:
        server.set_point("x", (1.0, 2.0))
        server.reset(["x"])
        assert ask(pull_port(server), b"x#raw") == b"1.0,2.0"


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (float("nan"), None),
        (float("-inf"), None),
        (np.float32("nan"), None),
        (np.float32(1.5), 1.5),
        ([1.0, float("nan")], [1.0, None]),
        ({1, }, [1]),
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_sent_is_json_for_browsers(proxy: socket.socket, value: object, sent: object) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    with serving(live(proxy, ["x"])) as server:
        server.set_point("x", (1.0, value))
        assert json.loads(proxy.recv(65535), parse_constant=refuse)["data"] == {"x": [1.0, sent]}


def test_an_undeclared_codename_is_an_error_before_anything_is_set_or_sent(proxy: socket.socket) -> None:
    with serving(live(proxy, ["x"])) as server:
        for call in (
            lambda: server.set_batch({"x": (1, 2), "z": (1, 2)}),
            lambda: server.set_point_now("z", 1),
            lambda: server.reset(["x", "z"]),
        ):
            with pytest.raises(RuntimeError, match=r"^The codename: 'z' is not registered$"):
                call()
        assert ask(pull_port(server), b"x#raw") == b"0.0,0.0"
        server.set_point("x", (3, 4))
        assert json.loads(proxy.recv(65535))["data"] == {"x": [3, 4]}


def test_a_batch_too_large_for_a_datagram_goes_in_several(proxy: socket.socket) -> None:
    names = [f"a_rather_long_codename_of_a_channel_{number}" for number in range(3000)]
    proxy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_000_000)
    with serving(live(proxy, names, no_internal_data_pull_socket=True)) as server:
        server.set_batch(dict.fromkeys(names, (1.0, 2.0)))
        received: dict[str, Any] = {}
        while len(received) < len(names):
            received |= json.loads(proxy.recv(65535))["data"]
        assert list(received) == names


def test_a_proxy_that_is_not_configured_is_said_and_values_can_still_be_pulled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serving(live(None, ["x"])) as server:
        server.set_point("x", (1, 2))
        server.reset(["x"])
        assert ask(pull_port(server), b"x#raw") == b"1,2"
    assert "common_liveserver_host and common_liveserver_port have no value" in caplog.text


def test_the_proxy_of_the_settings_is_taken(proxy: socket.socket) -> None:
    settings = Settings()
    settings.common_liveserver_host, settings.common_liveserver_port = proxy.getsockname()
    with serving(live(None, ["x"])) as server:
        server.set_point("x", (1, 2))
        assert json.loads(proxy.recv(65535))["data"] == {"x": [1, 2]}


def test_a_name_without_address_is_looked_up_again_until_it_has_one(
    proxy: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live_socket, "RESOLVE_AGAIN_S", 0.01)
    answers, found = [False, False, True], threading.Event()

    def resolve(name: str) -> str:
        assert name == "proxy.example"
        if answers.pop(0):
            found.set()
            return "127.0.0.1"
        raise socket.gaierror(socket.EAI_AGAIN, "temporary failure in name resolution")

    with (
        caplog.at_level(logging.INFO),
        serving(
            LiveSocket(
                "live",
                ["x"],
                ("proxy.example", proxy.getsockname()[1]),
                internal_data_pull_socket_port=0,
                interface="127.0.0.1",
                resolve=resolve,
            )
        ) as server,
    ):
        server.set_point("x", (0, 0))
        assert found.wait(5)
        assert server._resolver is not None
        server._resolver.join(5)
        server.set_point("x", (1, 2))
        assert json.loads(proxy.recv(65535))["data"] == {"x": [1, 2]}
    assert caplog.text.count("until proxy.example has an address") == 1
    assert "live values go to 127.0.0.1" in caplog.text


def test_a_network_that_is_down_is_said_once_and_costs_nothing_else(
    proxy: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(live(proxy, ["x"])) as server:
        # No route leads from a socket of this computer alone to another network.
        server._channel.bind(("127.0.0.1", 0))
        server._address = ("203.0.113.1", 9767)
        for number in range(5):
            server.set_point("x", (1, number))
        assert ask(pull_port(server), b"x#raw") == b"1,4"
    assert caplog.text.count("nothing reaches the live proxy 203.0.113.1:9767") == 1


def test_two_in_one_process_take_the_next_port(monkeypatch: pytest.MonkeyPatch, proxy: socket.socket) -> None:
    with serving(DataPullSocket("other", ["a"], port=0, interface="127.0.0.1")) as taken:
        monkeypatch.setattr(live_socket, "INTERNAL_PORT", taken.port)
        with serving(live(proxy, ["x"], internal_data_pull_socket_port=taken.port)) as server:
            assert taken.port < pull_port(server) < taken.port + 10
            assert ask(pull_port(server), b"name") == b"live"
        for wrong in (["x", "x"], ["a#b"]):
            with pytest.raises(ValueError, match=r"Codenames must be unique|not allowed in the codenames"):
                live(proxy, wrong, internal_data_pull_socket_port=taken.port)


def test_a_port_that_was_asked_for_is_not_replaced_by_another(proxy: socket.socket) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        before = list(DATA)
        with pytest.raises(PortStillReserved):
            live(proxy, ["x"], internal_data_pull_socket_port=other.getsockname()[1])
        assert list(DATA) == before


def test_after_stop_nothing_is_sent(proxy: socket.socket) -> None:
    with serving(live(proxy, ["x"])) as server:
        pass
    server.set_point("x", (1, 2))
    proxy.settimeout(0.05)
    with pytest.raises(TimeoutError):
        proxy.recv(65535)
