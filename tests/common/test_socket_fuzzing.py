"""Datagrams of all kinds: 100,000 of them neither stop a socket nor run a callback that they should not.

Which of them are commands is decided here by a second reading of the published table, that shares no code with ours.
"""

import json
import re
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from PyExpLabSys.common.sockets import DataPushSocket, DateDataPullSocket
from tests.common.udp import TIMEOUT_S, serving

EXAMPLES = 400
#: Each example sends so many datagrams to each of five sockets.
BURST = 50
DATAGRAMS_IN_TOTAL = 100_000
SECRET = "a secret of the laboratory"

_WORDS = st.sampled_from(
    [
        *("name", "raw", "json", "raw_wn", "json_wn", "status", "commands", "codenames_raw", "challenge", "signed"),
        *("a", "b", "#", "##", ":", ";", ",", "&", "int", "float", "str", "bool", "True", "1", "-2.5", "1e999", "nan"),
        *("{", "}", "[", "]", '"', '{"a": 1}', "[1]", "null", "\\u00b5", "\\ud800", "\u00b5", "\U0001f321", "\0", "\n"),
        *("json_wn#", "raw_wn#", "a#raw", "a#json", "x:int:1", "x:bool:True", "signed#a.b.c#d#"),
    ]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)
_RAW_PART = st.builds(
    lambda name, kind, values: f"{name}:{kind}:{','.join(values)}",
    st.sampled_from(["x", "y", ""]),
    st.sampled_from(["int", "float", "str", "bool", "floats", ""]),
    st.lists(st.sampled_from(["1", "2.5", "True", "a#", "", "1_0", " 3 ", "\u0663"]), max_size=3),
)
DATAGRAMS = st.one_of(
    st.binary(max_size=30),
    st.lists(_WORDS, max_size=6).map(lambda words: "".join(words).encode()),
    _JSON.map(lambda value: b"json_wn#" + json.dumps(value).encode()),
    _JSON.map(lambda value: b"json_wn#" + json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")),
    st.lists(_RAW_PART, max_size=3).map(lambda parts: b"raw_wn#" + ";".join(parts).encode()),
)
INTEGER = re.compile(r"\s*[-+]?\d+(_\d+)*\s*")


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


IS_OF_TYPE = {
    "int": lambda text: INTEGER.fullmatch(text) is not None,
    "float": is_number,
    "str": lambda _: True,
    "bool": lambda text: text in ("True", "False"),
}


def is_command(datagram: bytes) -> bool:
    """Return whether a datagram carries a data set, after the published table."""
    try:
        text = datagram.decode("utf-8")
    except UnicodeDecodeError:
        return False
    if text.startswith("json_wn#"):
        try:
            return isinstance(json.loads(text[8:]), dict)
        except ValueError:
            return False
    if text.startswith("raw_wn#") and text.count("#") == 1:
        parts = [part.split(":") for part in text[7:].split(";")]
        return all(
            len(part) == 3 and part[1] in IS_OF_TYPE and all(map(IS_OF_TYPE[part[1]], part[2].split(",")))
            for part in parts
        )
    return False


ARGUMENTS: dict[str, dict[str, Any]] = {
    "stranger": {"allow_from": ["192.0.2.0/24"]},
    "signed": {"secret": SECRET, "signed_only": True},
}


class Target:
    """A socket under fire, and the callbacks that it ran."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.called: list[dict[str, Any]] = []
        self.sent = self.carried_out = 0
        arguments = ARGUMENTS.get(kind, {})
        self.server: DataPushSocket | DateDataPullSocket
        if kind == "pull":
            self.server = DateDataPullSocket("fuzzed", ["a", "b"], port=0, interface="127.0.0.1")
        elif kind == "enqueue":
            self.server = DataPushSocket("fuzzed", 0, "enqueue", interface="127.0.0.1")
        else:
            self.server = DataPushSocket(
                "fuzzed", 0, "callback_direct", callback=self.called.append, interface="127.0.0.1", **arguments
            )

    def taken(self) -> int:
        """Return how many data sets were taken since the last look."""
        if self.kind == "enqueue":
            queue = self.server.queue  # type: ignore[union-attr]
            return sum(1 for _ in iter(lambda: None if queue.empty() else queue.get_nowait(), None))
        count = len(self.called)
        self.called.clear()
        return count

    def expected(self, datagrams: list[bytes]) -> int:
        """Return how many should be."""
        if self.kind in ("direct", "enqueue"):
            return sum(map(is_command, datagrams))
        return 0


@pytest.fixture(scope="module")
def targets() -> Iterator[list[Target]]:
    with ExitStack() as stack:
        targets = [Target(kind) for kind in ("pull", "direct", "enqueue", "stranger", "signed")]
        for target in targets:
            stack.enter_context(serving(target.server))
        yield targets
    assert sum(target.sent for target in targets) >= DATAGRAMS_IN_TOTAL
    # That the damaged ones are refused says something only if many were good.
    assert min(target.carried_out for target in targets if target.kind in ("direct", "enqueue")) > EXAMPLES


@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(datagrams=st.lists(DATAGRAMS, min_size=10, max_size=10), seed=st.integers(0, 2**32 - 1))
def test_fuzzed_datagrams_are_all_answered_and_run_only_what_they_should(
    targets: list[Target], datagrams: list[bytes], seed: int
) -> None:
    burst = [*datagrams, *(damaged(datagram, seed + kind) for datagram in datagrams for kind in range(4))]
    assert len(burst) == BURST
    for target in targets:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(TIMEOUT_S)
            client.connect(("127.0.0.1", target.server.port))
            for datagram in burst:
                client.send(datagram)
                assert client.recv(65535), datagram
        assert target.server.is_alive()
        taken = target.taken()
        assert taken == target.expected(burst), target.kind
        target.sent += len(burst)
        target.carried_out += taken


def damaged(datagram: bytes, seed: int) -> bytes:
    """Return a datagram with a byte changed, left out or doubled, or cut off."""
    if not datagram:
        return struct.pack("<Q", seed)
    place, byte = seed // 4 % len(datagram), bytes([seed // 64 % 256])
    head, tail = datagram[:place], datagram[place + 1 :]
    return [head + byte + tail, head + tail, head + datagram[place : place + 1] * 2 + tail, head][seed % 4]


def test_the_second_reading_of_the_table_is_right_about_its_examples() -> None:
    commands = [b'json_wn#{"n": 47}', b"raw_wn#x:int:1,2,3;y:float:1e-3;z:bool:True", b'json_wn#{"a": "#"}']
    others = [b"name", b"", b"json_wn#[1,2]", b"raw_wn#number:88", b"raw_wn#n:int:1.5", b"raw_wn#s:str:#", b"\xff"]
    assert [is_command(datagram) for datagram in commands + others] == [True] * len(commands) + [False] * len(others)
