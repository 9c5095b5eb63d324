"""A record is 24 bytes, the same everywhere, and empty storage is never one."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from PyExpLabSys.common.records import (
    CODENAMES_MAX,
    FLAG_STAMPED_BY_US,
    KIND_POINT,
    RECORD,
    RECORD_BYTES,
    head_of,
    record_dtype,
)


def test_a_record_is_laid_out_byte_for_byte_as_documented() -> None:
    record = RECORD.pack(head_of(0x1234, FLAG_STAMPED_BY_US), 1.0, -2.0)
    assert record == bytes.fromhex("01 01 3412 00000000 000000000000f03f 00000000000000c0")
    assert len(record) == RECORD_BYTES == RECORD.size == 24


@pytest.mark.parametrize(
    ("field", "offset", "kind"),
    [
        ("kind", 0, "u1"),
        ("flags", 1, "u1"),
        ("codename", 2, "<u2"),
        ("check", 4, "<u4"),
        ("time", 8, "<f8"),
        ("value", 16, "<f8"),
    ],
)
def test_each_field_stands_where_the_table_says(field: str, offset: int, kind: str) -> None:
    fields = record_dtype().fields
    assert fields is not None
    assert fields[field][:2] == (np.dtype(kind), offset)
    assert len(fields) == 6
    assert record_dtype().itemsize == RECORD_BYTES


@given(
    codename=st.integers(0, CODENAMES_MAX - 1),
    flags=st.integers(0, 255),
    time=st.floats(width=64),
    value=st.floats(width=64),
)
def test_numpy_reads_what_struct_writes(codename: int, flags: int, time: float, value: float) -> None:
    packed = RECORD.pack(head_of(codename, flags), time, value)
    (record,) = np.frombuffer(packed, record_dtype())
    assert (record["kind"], record["flags"], record["codename"], record["check"]) == (KIND_POINT, flags, codename, 0)
    assert struct.pack("<dd", record["time"], record["value"]) == struct.pack("<dd", time, value)
    assert record.tobytes() == packed


@given(codename=st.integers(0, CODENAMES_MAX - 1), flags=st.integers(0, 255))
def test_no_point_looks_like_empty_storage(codename: int, flags: int) -> None:
    assert RECORD.pack(head_of(codename, flags), 0.0, 0.0) != bytes(RECORD_BYTES)
    assert np.zeros(1, record_dtype())["kind"][0] != KIND_POINT
