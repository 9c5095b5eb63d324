"""The clients: whole replies, time-outs that end, late answers that count for nothing, signed commands."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from PyExpLabSys.common import socket_clients
from PyExpLabSys.common.socket_clients import DataPushClient, DateDataPullClient
from PyExpLabSys.common.sockets import DataPushSocket, DateDataPullSocket
from PyExpLabSys.errors import CommandRejectedError, ProtocolError
from tests.common.udp import serving

SECRET = "a secret of the laboratory"
HOST = "127.0.0.1"


def date_socket(codenames: list[str], **arguments: Any) -> DateDataPullSocket:
    return DateDataPullSocket("furnace", codenames, port=0, interface=HOST, **arguments)


@contextmanager
def answering(answer: Callable[[bytes], list[bytes]]) -> Iterator[int]:
    """Serve a port, with any number of replies to a request, and yield its number."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((HOST, 0))

        def run() -> None:
            while (received := server.recvfrom(65535))[0] != b"end":
                for reply in answer(received[0]):
                    server.sendto(reply, received[1])

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"end", server.getsockname())
            thread.join(5)


def test_fields_are_read_by_method_and_as_attributes() -> None:
    with serving(date_socket(["a", "b"], timeouts=[None, 1.0])) as server:
        server.set_point("a", (1.5, 3))
        client = DateDataPullClient(HOST, "furnace", server.port)
        assert (client.name, client.codenames, client.codenames_set) == ("furnace", ["a", "b"], {"a", "b"})
        assert client.get_field("a") == client.a == [1.5, 3]
        with pytest.raises(ValueError, match=r"^Old data$"):
            client.get_field("b")
        with pytest.raises(ValueError, match=r'^Old data, for field "b"$'):
            client.get_all_fields()
        with pytest.raises(ValueError, match="has no codename 'c', only a, b"):
            client.get_field("c")
        with pytest.raises(AttributeError, match="no attribute 'c'"):
            _ = client.c
        assert str(server.port) in client.get_status()["socket_server_status"]
        lenient = DateDataPullClient(HOST, "furnace", server.port, exception_on_old_data=False)
        assert lenient.get_field("b") == "OLD_DATA"
        assert lenient.get_all_fields() == {"a": [1.5, 3], "b": "OLD_DATA"}


def test_another_name_is_an_error() -> None:
    with serving(date_socket(["a"])) as server:
        message = f'The name of the socket at {HOST}:{server.port} was not "oven" as expected, but "furnace"'
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            DateDataPullClient(HOST, "oven", server.port)


def test_a_reply_beyond_1024_bytes_is_read_whole() -> None:
    names = [f"codename_number_{number:04}" for number in range(1000)]
    with serving(date_socket(names)) as server:
        client = DateDataPullClient(HOST, "furnace", server.port, timeout=5)
        assert client.get_all_fields() == {name: [0.0, 0.0] for name in names}


def test_without_a_time_out_a_missing_server_is_an_error_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_clients, "DEFAULT_TIMEOUT_S", 0.05)
    with answering(lambda _: []) as port, pytest.raises(TimeoutError, match=r"did not answer b'name' within 0\.05 s"):
        DateDataPullClient(HOST, "furnace", port)


def test_a_late_answer_is_not_taken_for_the_next() -> None:
    asked: list[bytes] = []

    def answer(request: bytes) -> list[bytes]:
        asked.append(request)
        # Everything is answered twice: the second answer is one that comes after the client has gone on.
        return {b"name": [b"furnace"] * 2, b"codenames_json": [b'["a", "b"]'] * 2}.get(request, [b"[1, 2]"] * 2)

    with answering(answer) as port:
        client = DateDataPullClient(HOST, "furnace", port, timeout=5)
        assert client.codenames == ["a", "b"]
        assert client.get_field("a") == [1, 2]
    assert asked == [b"name", b"codenames_json", b"a#json"]


@pytest.mark.parametrize(
    ("reply", "error"), [(b"3.5e-7,", ProtocolError), (b"\xff", ProtocolError), (b"UNKNOWN_COMMMAND", ValueError)]
)
def test_what_answers_something_else_is_an_error(reply: bytes, error: type[Exception]) -> None:
    with (
        answering(lambda request: [b"furnace" if request == b"name" else reply]) as port,
        pytest.raises(error, match="codenames_json"),
    ):
        DateDataPullClient(HOST, "furnace", port)


def test_a_data_set_is_sent_and_what_the_socket_says_comes_back() -> None:
    with serving(DataPushSocket("valves", 0, "enqueue", interface=HOST)) as server:
        assert (
            DataPushClient(HOST, "valves", server.port).send({"1": True, "\u00b5": "#"}) == "{'1': True, '\u00b5': '#'}"
        )
        assert server.queue.get_nowait() == {"1": True, "\u00b5": "#"}


@pytest.mark.parametrize("secret", [None, SECRET])
def test_what_a_callback_raises_is_raised_at_the_client(secret: str | None) -> None:
    def callback(data: dict[str, Any]) -> int:
        if data["valve"] > 6:
            raise ValueError("there are six valves")
        return data["valve"] * 10

    with serving(
        DataPushSocket("valves", 0, "callback_direct", callback=callback, interface=HOST, secret=SECRET)
    ) as server:
        client = DataPushClient(HOST, "valves", server.port, secret=secret)
        assert client.send({"valve": 3}) == "30"
        with pytest.raises(CommandRejectedError, match="there are six valves"):
            client.send({"valve": 7})


def test_a_signed_data_set_whose_answers_are_lost_is_carried_out_once() -> None:
    with serving(DataPushSocket("valves", 0, "enqueue", interface=HOST, secret=SECRET)) as server:
        lost = iter([False, True, True, False])

        def relay(request: bytes) -> list[bytes]:
            from tests.common.udp import ask

            reply = ask(server.port, request)
            return [] if next(lost) else [reply]

        with answering(relay) as port:
            client = DataPushClient(HOST, "valves", port, secret=SECRET, timeout=0.2)
            assert client.send({"n": 1}) == "{'n': 1}"
        assert next(lost, "all used") == "all used"
        assert server.queue.qsize() == 1


def test_a_data_set_that_is_not_signed_is_sent_only_once() -> None:
    asked: list[bytes] = []

    def answer(request: bytes) -> list[bytes]:
        asked.append(request)
        return []

    with answering(answer) as port, pytest.raises(TimeoutError, match=r"\(1 attempts\)"):
        DataPushClient(HOST, "valves", port, timeout=0.05).send({"n": 1})
    assert asked == [b'json_wn#{"n": 1}']


@pytest.mark.parametrize("secret", ["another secret altogether", SECRET])
def test_another_secret_or_another_name_is_refused(secret: str) -> None:
    name = "valves" if secret != SECRET else "pumps"
    with serving(DataPushSocket("valves", 0, "enqueue", interface=HOST, secret=SECRET)) as server:
        with pytest.raises(CommandRejectedError, match="The signature is wrong"):
            DataPushClient(HOST, name, server.port, secret=secret).send({"n": 1})
        assert server.queue.empty()


def test_a_reply_that_somebody_else_made_up_is_refused() -> None:
    forged = {b"challenge": [b"RET#challenge"]}
    for reply in (b"signed#" + b"0" * 64 + b"#ACK#{'n': 1}", b"signed#ACK", b"ACK#{'n': 1}", b"RET#1"):
        with (
            answering(lambda request, reply=reply: forged.get(request, [reply])) as port,  # type: ignore[misc]
            pytest.raises(ProtocolError),
        ):
            DataPushClient(HOST, "valves", port, secret=SECRET).send({"n": 1})


def test_a_socket_without_secret_cannot_be_sent_signed_data_sets() -> None:
    with serving(DataPushSocket("valves", 0, "enqueue", interface=HOST)) as server:
        with pytest.raises(CommandRejectedError, match="UNKNOWN_COMMMAND"):
            DataPushClient(HOST, "valves", server.port, secret=SECRET).send({"n": 1})
        assert server.queue.empty()
