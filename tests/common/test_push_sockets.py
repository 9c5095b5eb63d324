"""What push sockets answer, byte for byte, and what becomes of the data."""

import json
import logging
import re
import sys
import threading
import time
from collections.abc import Iterator
from queue import Queue
from typing import Any

import pytest

from PyExpLabSys.common import push_sockets
from PyExpLabSys.common.sockets import DATA, CallBackThread, DataPushSocket
from tests.common.udp import ask, serving

MICRO = "\u00b5"


def push_socket(action: str = "store_last", **arguments: Any) -> DataPushSocket:
    return DataPushSocket("pusher", port=0, action=action, interface="127.0.0.1", **arguments)


@pytest.fixture(scope="module")
def pusher() -> Iterator[DataPushSocket]:
    with serving(push_socket()) as server:
        yield server


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        ("name", "RET#pusher"),
        ("commands", 'RET#["json_wn#", "raw_wn#", "name", "status", "commands"]'),
        ('json_wn#{"greeting": "Live long", "n": 47}', "ACK#{'greeting': 'Live long', 'n': 47}"),
        ("raw_wn#x:int:1,2,3;y:float:1e-3;z:bool:True", "ACK#{'x': [1, 2, 3], 'y': 0.001, 'z': True}"),
        (
            "raw_wn#number:88",
            "ERROR#The data part 'number:88' did not match the expected format of 3 parts divided by ':'",
        ),
        (
            "raw_wn#number:floats:88",
            "ERROR#The data type 'floats' is unknown. Only dict_keys(['int', 'float', 'str', 'bool']) are allowed",
        ),
        (
            "raw_wn#n:int:1.5",
            "ERROR#Unable to convert values to 'int'. Error is: invalid literal for int() with base 10: '1.5'",
        ),
        ("json_wn#nonsense", "ERROR#The string 'nonsense' could not be decoded as JSON"),
        ("json_wn#[1,2]", "ERROR#The object '[1, 2]' returned after decoding the JSON string is not a dict"),
        ('json_wn#{"x": NaN}', "ACK#{'x': nan}"),
        *(
            (text, "ERROR#UNKNOWN_COMMMAND")
            for text in ("", "json_wn", "raw_wn", "NAME", "name#", "status#", "a#b", "#", "raw_wn#x:int:1#", "raw")
        ),
        # Until now the first of these got no answer, and the second was unknown.
        (f'json_wn#{{"unit": "{MICRO}V"}}', f"ACK#{{'unit': '{MICRO}V'}}"),
        ('json_wn#{"colour": "#ff0000", "n": "a#b"}', "ACK#{'colour': '#ff0000', 'n': 'a#b'}"),
        (f"raw_wn#unit:str:{MICRO}V", f"ACK#{{'unit': '{MICRO}V'}}"),
    ],
)
def test_every_request_of_the_table_gets_exactly_its_reply(pusher: DataPushSocket, request_: str, reply: str) -> None:
    assert ask(pusher.port, request_.encode()) == reply.encode()


@pytest.mark.parametrize("text", ["True1", "true", "", "1"])
def test_a_truth_value_is_true_or_false_to_the_letter(pusher: DataPushSocket, text: str) -> None:
    reply = ask(pusher.port, f"raw_wn#z:bool:{text}".encode()).decode()
    assert reply == f"ERROR#Unable to convert values to 'bool'. Error is: {text!r} is neither 'True' nor 'False'"


@pytest.mark.parametrize(
    "request_",
    [
        b"\xff\xfe",
        b'json_wn#{"a": "\xb5"}',
        b"json_wn#" + b"[" * 30_000,
        b'json_wn#{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'json_wn#{"n": ' + b"9" * 5_000 + b"}",
        b"raw_wn#n:int:" + b"9" * 5_000,
    ],
    ids=["no-utf-8", "latin-1", "brackets", "nested-too-deep", "too-many-digits", "too-many-digits-raw"],
)
def test_what_cannot_be_read_is_an_error_and_stored_nowhere(
    pusher: DataPushSocket, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    ask(pusher.port, b"raw_wn#before:int:1")
    assert ask(pusher.port, request_).startswith(b"ERROR#")
    assert pusher.last[1] == {"before": 1}
    assert not [record for record in caplog.records if record.exc_info]


def test_the_status_has_no_prefix(pusher: DataPushSocket) -> None:
    status = json.loads(ask(pusher.port, b"status"))
    assert status["socket_server_status"][str(pusher.port)] == {
        "name": "pusher",
        "type": "push",
        "status": "DISABLED",
        "since_last_activity": None,
    }


def test_the_latest_data_set_and_all_merged_are_kept_as_copies() -> None:
    with serving(push_socket()) as server:
        assert server.last == (None, None)
        assert server.updated == (None, {})
        before = time.time()
        ask(server.port, b'json_wn#{"a": [1, 2], "b": 2}')
        ask(server.port, b'json_wn#{"b": 3}')
        last_time, last = server.last
        updated_time: float | None
        updated: dict[str, Any]
        updated_time, updated = server.updated
        assert last_time is not None
        assert before <= last_time == updated_time <= time.time()
        assert (last, updated) == ({"b": 3}, {"a": [1, 2], "b": 3})
        updated["a"].append(3)
        assert server.updated[1] == {"a": [1, 2], "b": 3}
        state = DATA[server.port]
        assert state["action"] == "store_last"
        assert (state["last"], state["updated"]) == ({"b": 3}, {"a": [1, 2], "b": 3})
        assert (state["last_time"], state["updated_time"]) == (last_time, updated_time)
        server.set_last_to_none()
        server.clear_updated()
        assert (server.last, server.updated) == ((None, None), (None, {}))


@pytest.mark.parametrize("own", [True, False])
def test_data_sets_are_enqueued_in_order_and_stored(own: bool) -> None:
    queue: Queue[Any] | None = None if own else Queue()
    with serving(push_socket("enqueue", queue=queue)) as server:
        assert own or server.queue is queue
        assert DATA[server.port]["queue"] is server.queue
        for number in range(3):
            assert ask(server.port, f"raw_wn#n:int:{number}".encode()) == f"ACK#{{'n': {number}}}".encode()
        assert [server.queue.get_nowait() for _ in range(3)] == [{"n": 0}, {"n": 1}, {"n": 2}]
        assert server.last[1] == {"n": 2}


def test_a_data_set_beyond_ascii_is_enqueued_once_and_acknowledged() -> None:
    with serving(push_socket("enqueue")) as server:
        assert ask(server.port, b'json_wn#{"unit": "\\u00b5"}') == f"ACK#{{'unit': '{MICRO}'}}".encode()
        assert ask(server.port, b'json_wn#{"half": "\\ud800"}') == b"ACK#{'half': '\\ud800'}"
        assert server.queue.qsize() == 2


def test_a_full_queue_is_an_error_and_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_sockets, "QUEUE_SIZE", 2)
    with serving(push_socket("enqueue")) as server:
        replies = [ask(server.port, f"raw_wn#n:int:{number}".encode()) for number in range(3)]
        assert replies[1:] == [b"ACK#{'n': 1}", b"ERROR#The queue is full, the data set was not taken"]
        assert server.last[1] == {"n": 1}
        assert [server.queue.get_nowait(), server.queue.get_nowait()] == [{"n": 0}, {"n": 1}]
        assert ask(server.port, b"raw_wn#n:int:3") == b"ACK#{'n': 3}"


def test_an_exception_in_an_asynchronous_callback_is_logged_and_the_next_is_called(
    caplog: pytest.LogCaptureFixture,
) -> None:
    called: Queue[dict[str, Any]] = Queue()

    def callback(data: dict[str, Any]) -> None:
        called.put(dict(data))
        if data["n"] == 0:
            raise RuntimeError("valve stuck")
        if data["n"] == 1:
            sys.exit("a callback that wants to end the program")
        data.clear()

    with serving(push_socket("callback_async", callback=callback)) as server, caplog.at_level(logging.ERROR):
        for number in range(3):
            assert ask(server.port, f"raw_wn#n:int:{number}".encode()) == f"ACK#{{'n': {number}}}".encode()
        assert [called.get(timeout=5) for _ in range(3)] == [{"n": 0}, {"n": 1}, {"n": 2}]
        assert server.last[1] == {"n": 2}
    assert [record.exc_info is not None for record in caplog.records] == [True, True]
    assert "valve stuck" in caplog.text


@pytest.mark.parametrize(
    ("value", "as_json", "raw", "string"),
    [
        (
            {"a": 42, "b": [1, 2], "c": False},
            'RET#{"a": 42, "b": [1, 2], "c": false}',
            "RET#a:int:42;b:int:1,2;c:bool:False",
            "RET#{'a': 42, 'b': [1, 2], 'c': False}",
        ),
        (
            [[7.0, 42.0], [7.5, 45.5]],
            "RET#[[7.0, 42.0], [7.5, 45.5]]",
            "RET#float:7.0,42.0&7.5,45.5",
            "RET#[[7.0, 42.0], [7.5, 45.5]]",
        ),
        (None, "RET#null", "RET#None", "RET#None"),
        (
            5,
            "RET#5",
            "EXCEP#Raw conversion failed with message:Return value must be a dict or list with return format 'raw'",
            "RET#5",
        ),
        (
            {"a": [1, 2.0]},
            'RET#{"a": [1, 2.0]}',
            "EXCEP#Raw conversion failed with message:With return format raw, value in list must have same type",
            "RET#{'a': [1, 2.0]}",
        ),
        (
            [[1, "x"]],
            'RET#[[1, "x"]]',
            "EXCEP#Raw conversion failed with message:With return format raw, value in list must have same type",
            "RET#[[1, 'x']]",
        ),
        ({"u": MICRO}, 'RET#{"u": "\\u00b5"}', f"RET#u:str:{MICRO}", f"RET#{{'u': '{MICRO}'}}"),
    ],
)
def test_what_a_direct_callback_returns_is_the_reply(value: object, as_json: str, raw: str, string: str) -> None:
    for return_format, reply in (("json", as_json), ("raw", raw), ("string", string)):
        with serving(push_socket("callback_direct", callback=lambda _: value, return_format=return_format)) as server:
            assert ask(server.port, b'json_wn#{"method": "read"}') == reply.encode()
            assert DATA[server.port]["return_format"] == return_format


@pytest.mark.parametrize("return_format", ["json", "raw", "string"])
@pytest.mark.parametrize("error", [ValueError(f"no valve 7 {MICRO}"), SystemExit(f"no valve 7 {MICRO}")])
def test_an_exception_in_a_direct_callback_is_answered_and_logged(
    error: BaseException, return_format: str, caplog: pytest.LogCaptureFixture
) -> None:
    def callback(data: dict[str, Any]) -> None:
        raise error

    with serving(push_socket("callback_direct", callback=callback, return_format=return_format)) as server:
        for _ in range(2):
            assert ask(server.port, b'json_wn#{"valve": 7}') == f"EXCEP#no valve 7 {MICRO}".encode()
        assert server.is_alive()
    assert [record.exc_info is not None for record in caplog.records if record.levelname == "ERROR"] == [True, True]


def test_a_reply_too_large_for_udp_still_says_that_the_command_was_carried_out() -> None:
    with serving(push_socket("callback_direct", callback=lambda _: "x" * 70_000)) as server:
        assert ask(server.port, b"raw_wn#n:int:1").startswith(b"EXCEP#Carried out, but the reply of 70006 bytes")
    with serving(push_socket("enqueue")) as server:
        # Each of these characters takes four in the text of the dictionary.
        reply = ask(server.port, b"raw_wn#s:str:" + b"\x01" * 30_000)
        assert reply.startswith(b"ACK#{'s': '\\x01")
        assert len(reply) == 65507
        assert server.queue.qsize() == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"action": "store_last", "queue": Queue()},
            "The 'queue' argument can only be used when the action is 'enqueue'",
        ),
        (
            {"action": "enqueue", "callback": print},
            "The 'callback' argument can only be used when the action is 'callback_async' or 'callback_direct'",
        ),
        ({"action": "callback_async", "callback": 7}, "Value for callback: '7' is not callable"),
        ({"action": "callback_direct"}, "Value for callback: 'None' is not callable"),
        (
            {"action": "callback_direct", "callback": print, "return_format": "xml"},
            "The 'return_format' argument may only be one of the 'json', 'raw' or 'string' values",
        ),
        (
            {"action": "nothing"},
            "Unknown action 'nothing'. Must be one of: ['store_last', 'enqueue', 'callback_async', 'callback_direct']",
        ),
    ],
)
def test_wrong_arguments_are_value_errors_and_leave_nothing_registered(arguments: dict[str, Any], message: str) -> None:
    before = list(DATA)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        push_socket(**arguments)
    assert list(DATA) == before


def test_a_callback_thread_ends_within_about_a_second_and_says_what_it_leaves(caplog: pytest.LogCaptureFixture) -> None:
    queue: Queue[int] = Queue()
    at_work, go_on = threading.Event(), threading.Event()

    def callback(_: int) -> None:
        at_work.set()
        go_on.wait(5)

    thread = CallBackThread(queue, callback)
    assert not thread.is_alive()
    thread.start()
    for number in range(3):
        queue.put(number)
    assert at_work.wait(5)
    threading.Timer(0.1, go_on.set).start()
    thread.stop()
    thread.join(1.5)
    assert not thread.is_alive()
    assert "with 2 commands in the queue" in caplog.text
