"""Who may command: attached networks, allow-lists, signatures; and that all of it is on record."""

import hashlib
import hmac
import ipaddress
import json
import logging
import platform
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from PyExpLabSys.common import attached_networks as networks
from PyExpLabSys.common import command_audit, push_sockets, signed_commands
from PyExpLabSys.common.command_audit import AUDIT
from PyExpLabSys.common.repeats import Repeats
from PyExpLabSys.common.signed_commands import Signatures
from PyExpLabSys.common.socket_access import AllowList
from PyExpLabSys.common.socket_wire import RequestRefused
from PyExpLabSys.common.sockets import DataPushSocket
from PyExpLabSys.errors import SettingsError
from PyExpLabSys.settings import Settings
from tests.common.udp import ask, serving

SECRET = "a secret of the laboratory"
COMMAND = b'json_wn#{"valve": 7}'


@pytest.fixture(autouse=True)
def audit_as_it_was() -> Iterator[None]:
    yield
    for handler in AUDIT.handlers.copy():
        AUDIT.removeHandler(handler)
        handler.close()
    AUDIT.setLevel(logging.NOTSET)
    AUDIT.propagate = True


def push_socket(**arguments: Any) -> DataPushSocket:
    return DataPushSocket("valves", 0, "enqueue", interface="127.0.0.1", **arguments)


def signed(port: int, request: bytes, *, secret: str = SECRET, name: str = "valves") -> bytes:
    """Return a signed request, made as the documentation says and not with our own functions."""
    challenge = ask(port, b"challenge").removeprefix(b"RET#")
    message = b"\n".join((b"request", name.encode(), challenge, request))
    digest = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest().encode()
    return b"#".join((b"signed", challenge, digest, request))


def test_the_attached_networks_are_those_of_the_addresses_of_this_computer() -> None:
    expected = {
        ipaddress.IPv4Network(f"{address.address}/{address.netmask}", strict=False)
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET and address.netmask
    }
    assert set(networks.attached_networks()) == expected | {networks.LOOPBACK}


def test_on_windows_they_come_from_psutil_and_without_it_only_this_computer_counts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    on_linux = networks.attached_networks()
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    assert networks.attached_networks() == on_linux
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert networks.attached_networks() == [networks.LOOPBACK]
    assert "socket_allow_from" in caplog.text


def test_an_allow_list_allows_what_it_names() -> None:
    listed = AllowList(["10.0.1.0/24", " 10.0.2.7 "])
    assert [listed.allows(address) for address in ("10.0.1.255", "10.0.2.7", "10.0.2.8", "127.0.0.1")] == [
        *(True, True, False, False)
    ]
    assert AllowList("10.0.1.0/24,10.0.2.7").allows("10.0.2.7")
    assert not AllowList([]).allows("127.0.0.1")
    with pytest.raises(ValueError, match=r"10\.0\.1\.1/24"):
        AllowList(["10.0.1.1/24"])


def test_without_one_the_attached_networks_are_looked_at_again_after_a_while() -> None:
    now_s, attached = 0.0, [ipaddress.IPv4Network("127.0.0.0/8")]
    listed = AllowList(None, attached=attached.copy, monotonic=lambda: now_s)
    assert (listed.allows("127.0.0.1"), listed.allows("10.0.1.3")) == (True, False)
    attached.append(ipaddress.IPv4Network("10.0.1.0/24"))  # the address came after boot
    now_s = 9.0
    assert not listed.allows("10.0.1.3")
    now_s = 10.0
    assert (listed.allows("10.0.1.3"), listed.allows("10.0.2.3")) == (True, False)


def test_a_stranger_may_ask_but_not_command_and_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # To a computer that is attached to this network only, the tests come from elsewhere.
    elsewhere = AllowList(None, attached=lambda: [ipaddress.IPv4Network("192.0.2.0/24")])
    monkeypatch.setattr(push_sockets, "AllowList", lambda networks: elsewhere if networks is None else None)
    with serving(push_socket()) as server:
        for _ in range(5):
            assert ask(server.port, COMMAND) == b"ERROR#Commands from 127.0.0.1 are not allowed here"
        assert ask(server.port, b"raw_wn#n:int:1") == b"ERROR#Commands from 127.0.0.1 are not allowed here"
        assert ask(server.port, b"name") == b"RET#valves"
        assert ask(server.port, b"status").startswith(b"{")
        assert server.queue.empty()
        assert server.last == (None, None)
    strangers = [record for record in caplog.records if record.name.endswith("push_requests")]
    assert [record.levelname for record in strangers] == ["WARNING"]
    assert "refused 127.0.0.1" in strangers[0].getMessage()


def test_the_allow_list_is_that_of_the_argument_else_of_the_settings_else_the_attached_networks() -> None:
    with serving(push_socket()) as server:
        assert ask(server.port, COMMAND) == b"ACK#{'valve': 7}"
    Settings().socket_allow_from = "192.0.2.0/24, 198.51.100.7"
    assert Settings().socket_allow_from == ("192.0.2.0/24", "198.51.100.7/32")
    with serving(push_socket()) as server:
        assert ask(server.port, COMMAND).startswith(b"ERROR#")
    with serving(push_socket(allow_from=["127.0.0.1"])) as server:
        assert ask(server.port, COMMAND) == b"ACK#{'valve': 7}"
    with pytest.raises(SettingsError, match="socket_allow_from is 'lab', expected a network such as"):
        Settings().socket_allow_from = "lab"


def test_a_signed_command_is_taken_from_everywhere_and_its_reply_is_signed() -> None:
    with serving(push_socket(allow_from=[], secret=SECRET)) as server:
        request = signed(server.port, COMMAND)
        reply = ask(server.port, request)
        message = b"\n".join((b"reply", b"valves", request.split(b"#")[1], b"ACK#{'valve': 7}"))
        digest = hmac.new(SECRET.encode(), message, hashlib.sha256).hexdigest().encode()
        assert reply == b"signed#" + digest + b"#ACK#{'valve': 7}"
        assert ask(server.port, signed(server.port, b"name")).endswith(b"#RET#valves")
        assert ask(server.port, signed(server.port, b"json_wn#1")).endswith(b"decoding the JSON string is not a dict")
        assert json.loads(ask(server.port, b"commands").removeprefix(b"RET#"))[-2:] == ["challenge", "signed#"]


def test_a_repeated_datagram_gets_the_same_reply_and_is_not_carried_out_again() -> None:
    with serving(push_socket(secret=SECRET)) as server:
        request = signed(server.port, COMMAND)
        replies = {ask(server.port, request) for _ in range(5)}
        assert len(replies) == 1
        assert server.queue.qsize() == 1


def test_what_is_changed_signed_otherwise_or_for_another_socket_is_refused() -> None:
    with serving(push_socket(secret=SECRET)) as server, serving(push_socket(secret=SECRET)) as twin:
        good = signed(server.port, COMMAND)
        elsewhere = signed(twin.port, COMMAND)
        for request, reply in {
            good.replace(b"7", b"8", -1)[:-1] + b"}": b"ERROR#The ",
            good[: -len(COMMAND)] + b'json_wn#{"valve": 8}': b"ERROR#The signature is wrong",
            signed(server.port, COMMAND, secret="another secret of the lab"): b"ERROR#The signature is wrong",
            signed(server.port, COMMAND, name="pumps"): b"ERROR#The signature is wrong",
            elsewhere: b"ERROR#The challenge is unknown, ask for a new one",
            b"signed#" + COMMAND: b"ERROR#The challenge is unknown, ask for a new one",
            b"signed#": b"ERROR#The challenge is unknown, ask for a new one",
            "signed#\u00b5.\u00b5#\u00b5#name".encode(): b"ERROR#The challenge is unknown, ask for a new one",
        }.items():
            assert ask(server.port, request).startswith(reply)
        assert server.queue.empty()
        assert twin.queue.empty()


def test_where_only_signed_commands_are_taken_others_are_refused() -> None:
    with serving(push_socket(secret=SECRET, signed_only=True)) as server:
        assert ask(server.port, COMMAND) == b"ERROR#Only signed commands are taken here"
        assert ask(server.port, signed(server.port, COMMAND)).endswith(b"#ACK#{'valve': 7}")
        assert server.queue.qsize() == 1
    with pytest.raises(ValueError, match="signed_only needs a secret"):
        push_socket(signed_only=True)
    with pytest.raises(ValueError, match="5 characters can be guessed"):
        push_socket(secret="short")


def test_without_a_secret_nothing_is_signed_and_with_one_of_the_settings_it_is() -> None:
    with serving(push_socket()) as server:
        assert ask(server.port, b"challenge") == b"ERROR#UNKNOWN_COMMMAND"
        assert ask(server.port, b"signed#a#b#name") == b"ERROR#UNKNOWN_COMMMAND"
    Settings().socket_secret = SECRET
    with serving(push_socket()) as server:
        assert ask(server.port, signed(server.port, COMMAND)).endswith(b"#ACK#{'valve': 7}")
        assert SECRET not in repr(server.signatures)


def test_a_signed_reply_too_large_for_udp_is_cut_before_it_is_signed() -> None:
    with serving(push_socket(secret=SECRET)) as server:
        reply = ask(server.port, signed(server.port, b"raw_wn#s:str:" + b"\x01" * 30_000))
        assert len(reply) == 65507
        assert ask(server.port, b"name") == b"RET#valves"


def test_a_challenge_serves_once_and_for_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    signatures = Signatures(SECRET, "valves", lambda: now_s)

    def opened(challenge: str, text: str) -> signed_commands.SignedRequest:
        return signatures.open(challenge, signed_commands.sign(SECRET, "request", "valves", challenge, text), text)

    challenge = signatures.new_challenge()
    request = opened(challenge, "a")
    with pytest.raises(RequestRefused, match="came before, and there is no reply"):
        opened(challenge, "a")
    signatures.close(request, "done")
    now_s = 130.0
    assert opened(challenge, "a").earlier_reply == "done"
    with pytest.raises(RequestRefused, match="used for another request"):
        opened(challenge, "b")
    now_s = 130.1
    with pytest.raises(RequestRefused, match="older than"):
        opened(challenge, "a")
    now_s = 160.1
    monkeypatch.setattr(signed_commands, "MOST_KEPT", 1)
    opened(signatures.new_challenge(), "a")  # the first one is forgotten
    with pytest.raises(RequestRefused, match="More than 1 signed requests"):
        opened(signatures.new_challenge(), "b")


def test_every_command_is_on_record(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "record" / "commands.jsonl"
    Settings().command_audit_file = path
    with serving(push_socket(secret=SECRET)) as server, serving(push_socket(allow_from=[])) as closed:
        ask(server.port, b'json_wn#{"text": "line\\nfeed \xc2\xb5"}')
        ask(server.port, signed(server.port, COMMAND))
        ask(server.port, b"raw_wn#s:str:" + b"x" * 5000)
        ask(server.port, b"nonsense")
        ask(server.port, b"name")
        ask(closed.port, COMMAND)
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [(line["signed"], line["refused"]) for line in lines] == [
        *((False, False), (True, False), (False, False), (False, True))
    ]
    assert all(line["sender"].startswith("127.0.0.1:") for line in lines)
    assert lines[0]["server"] == f"valves:{server.port}"
    assert lines[0]["command"] == 'json_wn#{"text": "line\\nfeed \u00b5"}'
    assert lines[1]["outcome"] == "ACK#{'valve': 7}"
    assert lines[2]["command"].endswith("xxx... (5013 characters)")
    assert lines[3]["outcome"] == "Commands from 127.0.0.1 are not allowed here"
    assert not [record for record in caplog.records if record.name == "PyExpLabSys.audit"]


def test_without_a_file_the_record_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with serving(push_socket()) as server, caplog.at_level(logging.INFO, "PyExpLabSys.audit"):
        ask(server.port, COMMAND)
    (record,) = [record for record in caplog.records if record.name == "PyExpLabSys.audit"]
    assert json.loads(record.getMessage())["command"] == COMMAND.decode()


def test_the_record_follows_the_setting(tmp_path: Path) -> None:
    for name in ("first", "second", "second"):
        Settings().command_audit_file = tmp_path / name
        with serving(push_socket()) as server:
            ask(server.port, COMMAND)
    assert [len((tmp_path / name).read_text().splitlines()) for name in ("first", "second")] == [1, 2]
    Settings().command_audit_file = tmp_path
    with pytest.raises(OSError, match="Is a directory"):
        push_socket()
    assert len(command_audit.AUDIT.handlers) == 1


def test_what_repeats_is_counted_and_said_once_a_minute() -> None:
    now_s = 0.0
    repeats = Repeats(60.0, most=2, monotonic=lambda: now_s)
    assert [repeats.count("a") for _ in range(4)] == [1, 0, 0, 0]
    now_s = 60.0
    assert [repeats.count("a"), repeats.count("a")] == [4, 0]
    assert [repeats.count("b"), repeats.count("c"), repeats.count("a")] == [1, 1, 1]  # too many: all begin anew
