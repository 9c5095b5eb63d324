"""What pull sockets answer, byte for byte, to a client that is made of the standard library's ``socket``."""

import json
import logging
import re
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from PyExpLabSys.common import socket_ports
from PyExpLabSys.common.sockets import DATA, DataPullSocket, DateDataPullSocket
from tests.common.udp import ask, serving

T_A = 1795311210.988752


def date_socket(codenames: list[str], **arguments: Any) -> DateDataPullSocket:
    return DateDataPullSocket("my name", codenames, port=0, interface="127.0.0.1", **arguments)


def data_socket(codenames: list[str], **arguments: Any) -> DataPullSocket:
    return DataPullSocket("my name", codenames, port=0, interface="127.0.0.1", **arguments)


@pytest.fixture(scope="module")
def abc() -> Iterator[int]:
    """The port of the socket of the published table: a and b have points, c is too old."""
    with serving(date_socket(["a", "b", "c"], timeouts=[None, None, 1.0])) as server:
        server.set_point("a", (T_A, 3))
        server.set_point("b", (1.5, 2))
        yield server.port


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (b"name", b"my name"),
        (b"raw", b"1795311210.988752,3;1.5,2;OLD_DATA"),
        (b"json", b'[[1795311210.988752, 3], [1.5, 2], "OLD_DATA"]'),
        (b"raw_wn", b"a:1795311210.988752,3;b:1.5,2;c:OLD_DATA"),
        (b"json_wn", b'{"a": [1795311210.988752, 3], "b": [1.5, 2], "c": "OLD_DATA"}'),
        (b"a#raw", b"1795311210.988752,3"),
        (b"c#raw", b"OLD_DATA"),
        (b"a#json", b"[1795311210.988752, 3]"),
        (b"c#json", b'"OLD_DATA"'),
        (b"codenames_raw", b"a,b,c"),
        (b"codenames_json", b'["a", "b", "c"]'),
    ],
    ids=lambda text: text.decode(),
)
def test_every_request_of_the_table_gets_exactly_its_reply(abc: int, request_: bytes, reply: bytes) -> None:
    assert ask(abc, request_) == reply


@pytest.mark.parametrize(
    "request_",
    [
        *(b"", b" ", b"raw\n", b"RAW", b" raw", b"commands", b"codenames", b"a", b"d#raw", b"a#", b"#raw", b"#", b"##"),
        *(b"a#raw#", b"a##raw", b"a#b#raw", b"a#name", b"a#RAW", b"status ", b"raw\0", b"json_wn#{}", b"x" * 60000),
        *("a\u00b5#raw".encode(), b"\xff\xfe", b"\xb5#raw", b"a#raw\xff"),
    ],
    ids=repr,
)
def test_anything_else_is_an_unknown_command_with_three_m(
    abc: int, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(abc, request_) == b"UNKNOWN_COMMMAND"
    assert not caplog.records


@pytest.mark.parametrize(
    ("value", "raw", "as_json"),
    [
        (1e-9, "1e-09", "1e-09"),
        (float("nan"), "nan", "NaN"),
        (float("-inf"), "-inf", "-Infinity"),
        (None, "None", "null"),
        (True, "True", "true"),
        ("open", "open", '"open"'),
        ("\u00b5", "\u00b5", '"\\u00b5"'),
        ([1, 2.5], "[1, 2.5]", "[1, 2.5]"),
        (np.float64(2.5), "2.5", "2.5"),
        (np.float32(2.5), "2.5", "2.5"),
        (np.int64(7), "7", "7"),
        (np.bool_(False), "False", "false"),
        (np.array([1.0, 2.0]), "[1. 2.]", "[1.0, 2.0]"),
        (1 + 2j, "(1+2j)", '"(1+2j)"'),
        ({(1, 2): 3}, "{(1, 2): 3}", '"{(1, 2): 3}"'),
        ("\ud800", "\\ud800", '"\\ud800"'),
    ],
    ids=repr,
)
def test_a_value_of_any_kind_is_answered_raw_and_as_json(value: object, raw: str, as_json: str) -> None:
    with serving(date_socket(["a", "b"])) as server:
        server.set_point("a", (1.5, value))
        server.set_point("b", (2.5, 4))
        assert ask(server.port, b"a#raw") == f"1.5,{raw}".encode()
        assert ask(server.port, b"a#json") == f"[1.5, {as_json}]".encode()
        assert ask(server.port, b"raw") == f"1.5,{raw};2.5,4".encode()
        assert ask(server.port, b"json_wn") == f'{{"a": [1.5, {as_json}], "b": [2.5, 4]}}'.encode()


def test_codenames_and_names_beyond_ascii_are_answered() -> None:
    with serving(DateDataPullSocket("M\u00fchle", ["\u03b8"], port=0, interface="127.0.0.1")) as server:
        assert ask(server.port, b"name") == "M\u00fchle".encode()
        assert ask(server.port, "\u03b8#raw".encode()) == b"0.0,0.0"
        assert ask(server.port, b"codenames_json") == b'["\\u03b8"]'
        assert ask(server.port, b"raw_wn") == "\u03b8:0.0,0.0".encode()


def test_before_the_first_point_the_default_is_answered_without_time_out_and_is_old_with_one() -> None:
    for kind in (date_socket, data_socket):
        with serving(kind(["a", "b"], timeouts=[None, 5.0])) as server:
            assert ask(server.port, b"raw") == b"0.0,0.0;OLD_DATA"
    with serving(data_socket(["a"], default_x="t", default_y=47)) as server:
        assert ask(server.port, b"a#raw") == b"t,47"


def test_a_point_gets_old_by_its_own_time_or_by_when_it_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    monkeypatch.setattr(time, "time", lambda: now_s)
    with serving(date_socket(["a"], timeouts=5)) as dated, serving(data_socket(["a"], timeouts=5)) as data:
        dated.set_point("a", (now_s, 1))
        data.set_point("a", (-3.0, 1))
        now_s = 1005.0  # strictly more than the time-out
        assert (ask(dated.port, b"a#raw"), ask(data.port, b"a#raw")) == (b"1000.0,1", b"-3.0,1")
        now_s = 1005.5
        assert (ask(dated.port, b"a#raw"), ask(data.port, b"a#raw")) == (b"OLD_DATA", b"OLD_DATA")
        dated.set_point_now("a", 2)
        data.set_point("a", (7, 8), timestamp=1005.0)
        assert (ask(dated.port, b"a#raw"), ask(data.port, b"a#raw")) == (b"1005.5,2", b"7,8")
        now_s = 1010.25
        assert (ask(dated.port, b"a#raw"), ask(data.port, b"a#raw")) == (b"1005.5,2", b"OLD_DATA")


def test_a_time_that_is_none_is_old_and_spoils_no_other_codename() -> None:
    with serving(date_socket(["a", "b"], timeouts=5)) as server:
        server.set_point("a", ("yesterday", 1))
        server.set_point("b", (4e9, 1))
        assert ask(server.port, b"raw") == b"OLD_DATA;4000000000.0,1"


def test_a_codename_that_was_not_declared_appears_in_json_wn_and_not_in_the_lists() -> None:
    with serving(date_socket(["a"])) as server:
        server.set_point("late", (1.0, 2))
        assert ask(server.port, b"json_wn") == b'{"a": [0.0, 0.0], "late": [1.0, 2]}'
        assert ask(server.port, b"late#json") == b"[1.0, 2]"
        assert ask(server.port, b"json") == b"[[0.0, 0.0]]"
        assert ask(server.port, b"codenames_raw") == b"a"


def test_a_reply_of_any_size_that_udp_carries_arrives_whole_and_a_larger_one_is_an_error() -> None:
    names = [f"c{number:04}" for number in range(2500)]
    with serving(date_socket(names)) as server:
        whole = ask(server.port, b"json_wn")
        assert json.loads(whole) == {name: [0.0, 0.0] for name in names}
        assert len(whole) > 50_000
        free = 65507 - len(b"0.0,")
        server.set_point(names[0], (0.0, "x" * free))
        assert len(ask(server.port, f"{names[0]}#raw".encode())) == 65507
        server.set_point(names[0], (0.0, "x" * (free + 1)))
        assert ask(server.port, f"{names[0]}#raw".encode()).startswith(b"ERROR#The reply has 65508 bytes")
        assert ask(server.port, b"name") == b"my name"


def test_the_status_tells_of_the_computer_and_of_all_sockets_of_the_program() -> None:
    with serving(date_socket(["a"])) as first, serving(data_socket(["a"], check_activity=False)) as second:
        text = ask(first.port, b"status", 4096)
        status = json.loads(text)
        servers = status["socket_server_status"]
        since_s = servers[str(first.port)].pop("since_last_activity")
        assert 0.0 <= since_s < 60.0
        assert servers[str(first.port)] == {"name": "my name", "type": "date", "status": "OK"}
        assert servers[str(second.port)] == {
            "name": "my name",
            "type": "data",
            "status": "DISABLED",
            "since_last_activity": None,
        }
        assert status["system_status"]["number_of_python_threads"] >= 3
        assert len(text) < 2000


def test_a_long_description_does_not_make_the_status_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wordy:
        def complete_status(self) -> dict[str, Any]:
            return {"purpose": {"id": "x", "purpose": "y", "long_description": "\U0001f321 \u00b5" * 3000}}

    monkeypatch.setattr(socket_ports, "SystemStatus", Wordy)
    with serving(date_socket(["a"])) as server:
        text = ask(server.port, b"status")
        assert 1000 < len(text) <= 4096
        assert json.loads(text)["system_status"]["purpose"]["long_description"].startswith("\U0001f321 \u00b5")


def test_a_socket_at_which_nothing_happens_is_inactive(monkeypatch: pytest.MonkeyPatch) -> None:
    server = date_socket(["a"], activity_timeout=10)
    quiet = date_socket(["a"], activity_timeout=10, poke_on_set=False)
    try:
        later_s = time.monotonic() + 11.0
        monkeypatch.setattr(time, "monotonic", lambda: later_s)
        assert server.port_status().status == "INACTIVE"
        assert server.port_status().since_last_activity == pytest.approx(11.0, abs=1.0)
        server.set_point("a", (1, 2))
        quiet.set_point("a", (1, 2))
        assert (server.port_status().status, quiet.port_status().status) == ("OK", "INACTIVE")
        quiet.poke()
        assert quiet.port_status().status == "OK"
    finally:
        server.stop()
        quiet.stop()


def test_the_state_of_a_socket_can_be_read_and_not_written() -> None:
    server, data = date_socket(["a", "b"], timeouts=[1, None]), data_socket(["a"])
    try:
        server.set_point("a", (1.0, 2))
        state = DATA[server.port]
        assert abs(state["activity"].pop("last_activity") - time.time()) < 60.0
        assert state == {
            "name": "my name",
            "type": "date",
            "codenames": ["a", "b"],
            "data": {"a": (1.0, 2), "b": (0.0, 0.0)},
            "timeouts": {"a": 1, "b": None},
            "activity": {"check_activity": True, "activity_timeout": 900},
        }
        assert DATA[data.port]["timestamps"] == {"a": 0.0}
        state["data"]["a"] = None
        assert DATA[server.port]["data"]["a"] == (1.0, 2)
    finally:
        server.stop()
        data.stop()
    assert server.port not in DATA


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"codenames": ["a", "b"], "timeouts": [1]},
            "If a list of timeouts is supplied, it must have as many items as there are in codenames",
        ),
        ({"codenames": ["a", "b", "a"]}, "Codenames must be unique; 'a' is present more than once"),
        *(
            ({"codenames": [f"a{character}b"]}, f"The character '{character}' is not allowed in the codenames")
            for character in "#,;:&"
        ),
    ],
)
def test_wrong_arguments_are_value_errors_and_leave_nothing_registered(arguments: dict[str, Any], message: str) -> None:
    with serving(date_socket(["a"])) as other:
        pass
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        DateDataPullSocket("my name", port=other.port, interface="127.0.0.1", **arguments)
    assert other.port not in DATA
    with serving(DateDataPullSocket("again", ["a"], port=other.port, interface="127.0.0.1")):
        assert ask(other.port, b"name") == b"again"


def test_a_stranger_is_not_told_when_there_is_an_allow_list() -> None:
    with serving(date_socket(["a"], allow_from=["192.0.2.0/24"])) as server:
        assert ask(server.port, b"a#raw") == b"UNKNOWN_COMMMAND"
    with serving(date_socket(["a"], allow_from=["192.0.2.0/24", "127.0.0.1"])) as server:
        assert ask(server.port, b"a#raw") == b"0.0,0.0"


def test_a_value_that_cannot_be_written_is_answered_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    with serving(date_socket(["a", "b"])) as server, caplog.at_level(logging.ERROR):
        server.set_point("a", (1.0, Odd()))
        for _ in range(5):
            assert ask(server.port, b"a#raw") == b"UNKNOWN_COMMMAND"
        assert ask(server.port, b"b#raw") == b"0.0,0.0"
    assert [record.getMessage().count("cannot answer b'a#raw'") for record in caplog.records] == [1]
