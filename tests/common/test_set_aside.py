"""Points that no destination takes are kept in a file that people and programs can read."""

import json
import logging
import math
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from PyExpLabSys.common.set_aside import SetAsideFile, SetAsidePoint, read_set_aside

POINT = SetAsidePoint("dummy_sine_one", 1700000000.25, 1.5, "Out of range value for column 'value'")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rejected" / "sink.jsonl"


def test_each_point_is_one_line_with_all_that_is_known(path: Path) -> None:
    SetAsideFile(path, "mysql://host:3306/cinfdata/dateplots_dummy").add([POINT])
    (line,) = path.read_text(encoding="utf-8").splitlines()
    entry = json.loads(line)
    assert entry.pop("set_aside").endswith("Z")
    assert entry == {
        "codename": "dummy_sine_one",
        "time": "1700000000.25",
        "value": "1.5",
        "reason": "Out of range value for column 'value'",
        "sink": "mysql://host:3306/cinfdata/dateplots_dummy",
    }


def test_the_folder_is_made_when_the_first_point_comes(path: Path) -> None:
    file = SetAsideFile(path, "sink")
    assert not path.parent.exists()
    file.add([POINT])
    assert list(read_set_aside(path)) == [POINT]


def test_points_are_added_behind_those_of_earlier_runs(path: Path) -> None:
    SetAsideFile(path, "sink").add([POINT])
    other = SetAsidePoint("other", 1.0, 2.0, "why")
    SetAsideFile(path, "sink").add([other, other])
    assert list(read_set_aside(path)) == [POINT, other, other]


@given(
    codename=st.text(),
    reason=st.text() | st.just("a byte that is no text: \udcff"),
    time=st.floats(),
    value=st.floats(),
)
def test_every_point_is_read_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, codename: str, reason: str, time: float, value: float
) -> None:
    path = tmp_path_factory.mktemp("rejected") / "sink.jsonl"
    SetAsideFile(path, "sink").add([SetAsidePoint(codename, time, value, reason)])
    (back,) = read_set_aside(path)
    assert (back.codename, back.reason) == (codename, reason)
    for number, expected in ((back.time, time), (back.value, value)):
        assert math.isnan(number) if math.isnan(expected) else struct.pack("d", number) == struct.pack("d", expected)


def test_infinity_and_nan_are_text_that_json_readers_take(path: Path) -> None:
    SetAsideFile(path, "sink").add([SetAsidePoint("c", math.inf, math.nan, "why")])

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    entry = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert (entry["time"], entry["value"]) == ("inf", "nan")


def test_what_cannot_be_written_goes_to_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "rejected").write_text("a file where the folder should be")
    SetAsideFile(tmp_path / "rejected" / "sink.jsonl", "sink").add([POINT])
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert str(tmp_path / "rejected" / "sink.jsonl") in record.message
    last_line = record.message.splitlines()[-1]
    assert json.loads(last_line)["codename"] == POINT.codename


def test_a_torn_last_line_is_named_after_all_whole_ones(path: Path) -> None:
    SetAsideFile(path, "sink").add([POINT, POINT])
    path.write_bytes(path.read_bytes()[:-30])
    points = read_set_aside(path)
    assert next(points) == POINT
    with pytest.raises(ValueError, match="is no point that was set aside") as refusal:
        next(points)
    assert f"{path}, line 2" in str(refusal.value)


@pytest.mark.parametrize(
    "torn",
    ['{"codename": "°'.encode()[:-1], b"\0\0\0", b"[]", b"1", b'{"codename": "c"}', b'{"time": "soon"}'],
    ids=["half-a-character", "zeros-after-a-power-cut", "list", "number", "too-little", "no-number"],
)
def test_whatever_is_no_point_is_named_with_file_and_line(path: Path, torn: bytes) -> None:
    SetAsideFile(path, "sink").add([POINT])
    path.write_bytes(path.read_bytes() + torn)
    points = read_set_aside(path)
    assert next(points) == POINT
    with pytest.raises(ValueError, match="line 2 is no point") as refusal:
        next(points)
    assert str(path) in str(refusal.value)


def test_a_point_behind_a_torn_line_is_whole(path: Path) -> None:
    SetAsideFile(path, "sink").add([POINT])
    path.write_bytes(path.read_bytes() + b'{"codename": "tor')
    SetAsideFile(path, "sink").add([POINT])
    lines = path.read_bytes().splitlines(keepends=True)
    assert lines[1] == b'{"codename": "tor\n'
    path.write_bytes(lines[0] + lines[2])
    assert list(read_set_aside(path)) == [POINT, POINT]
