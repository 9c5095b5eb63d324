"""Serial communication recorded over a real pseudo-terminal, and played back."""

import json
import os
import pty
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from PyExpLabSys.auxiliary.communications_collecting_pyserial import (
    CommunicationsCollectingSerial,
    CommunicationsFaker,
    CommunicationsReplayingSerial,
)


@pytest.fixture
def line() -> Iterator[tuple[int, CommunicationsCollectingSerial]]:
    """The instrument's end of a line as file descriptor, and the port at ours."""
    instrument, end = pty.openpty()
    tty.setraw(end)
    with CommunicationsCollectingSerial(os.ttyname(end), 9600, timeout=0.05) as port:
        yield instrument, port
    os.close(end)
    os.close(instrument)


@pytest.fixture
def trace(tmp_path: Path, line: tuple[int, CommunicationsCollectingSerial]) -> Path:
    """A file of two exchanges, the second answered by too few bytes."""
    instrument, port = line
    assert port.write(b"*X01\r") == 5
    assert os.read(instrument, 100) == b"*X01\r"
    os.write(instrument, b"X01\xff\r")
    assert port.read(5) == b"X01\xff\r"
    port.write(b"Y")
    os.write(instrument, b"ab")
    assert port.read(4) == b"ab"
    path = tmp_path / "trace.json"
    port.save_collected_coms(path)
    return path


def replayed(path: Path) -> CommunicationsReplayingSerial:
    port = CommunicationsReplayingSerial()
    port.load_collected_coms(str(path))
    return port


def test_the_file_is_the_documented_one(trace: Path) -> None:
    assert json.loads(trace.read_text()) == [
        {"type": "WRITE", "data": "KlgwMQ0="},
        {"type": "READ", "data": "WDAx/w0="},
        {"type": "WRITE", "data": "WQ=="},
        {"type": "READ", "data": "YWI=", "size": 4},
    ]


def test_a_recording_plays_back(trace: Path) -> None:
    port = replayed(trace)
    port.baudrate, port.timeout = 19200, 1.0
    assert port.in_waiting == 0
    assert port.write(b"*X01\r") == 5
    port.flush()
    port.reset_output_buffer()
    assert port.in_waiting == 5
    assert port.read(5) == b"X01\xff\r"
    port.reset_input_buffer()
    assert port.write(bytearray(b"Y")) == 1
    assert port.read(4) == b"ab"
    with pytest.raises(CommunicationsFaker, match=r"read\(1\) after the end"):
        port.read()
    with pytest.raises(CommunicationsFaker, match="write"):
        port.write(b"Y")


def test_reading_a_line_is_recorded_too(line: tuple[int, CommunicationsCollectingSerial], tmp_path: Path) -> None:
    instrument, port = line
    os.write(instrument, b"on\noff\n")
    assert port.readline() == b"on\n"
    assert port.read_until(b"\n") == b"off\n"
    port.save_collected_coms(tmp_path / "trace.json")
    again = replayed(tmp_path / "trace.json")
    assert again.readline() == b"on\n"
    assert again.read_until(b"\n") == b"off\n"


def test_what_was_collected_can_be_forgotten(line: tuple[int, CommunicationsCollectingSerial], tmp_path: Path) -> None:
    _, port = line
    port.write(b"unimportant")
    port.reset_collected_coms()
    port.write(b"Z")
    port.save_collected_coms(tmp_path / "trace.json")
    assert json.loads((tmp_path / "trace.json").read_text()) == [{"type": "WRITE", "data": "Wg=="}]


def test_other_bytes_than_recorded_are_an_assertion_that_fails(trace: Path) -> None:
    port = replayed(trace)
    with pytest.raises(AssertionError, match="X02"):
        port.write(b"*X02\r")
    with pytest.raises(AssertionError, match="WRITE"):
        port.read(5)
    port.write(b"*X01\r")
    with pytest.raises(AssertionError, match=r"read\(4\)"):
        port.read(4)
    with pytest.raises(AssertionError, match="READ"):
        port.write(b"*X01\r")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nothing", "is not JSON"),
        ("{}", "holds no list"),
        ('["READ"]', "entry 0: expected a type"),
        ('[{"type": "READ", "data": "WQ=="}, {"type": "SEEK", "data": "WQ=="}]', "entry 1: expected a type"),
        ('[{"type": "READ", "data": "!"}]', "are not base64"),
        ('[{"type": "READ", "data": "WVla", "size": 2}]', "3 bytes cannot answer for 2"),
    ],
)
def test_another_file_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=complaint):
        replayed(path)
