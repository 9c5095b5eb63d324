"""The examples of the Modbus specification, for both sides of the wire: neither side may write them down by itself."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from PyExpLabSys.simulators.serving.modbus import RegisterBank
from PyExpLabSys.transport.modbus_unit import ModbusUnit


class Vector(NamedTuple):
    """A call, what it returns, and the bytes of both messages from the function on."""

    call: Callable[[ModbusUnit], Any]
    result: Any
    request: bytes
    reply: bytes


def bits(text: str) -> list[bool]:
    return [character == "1" for character in text.replace(" ", "")]


def vector(name: str, call: Callable[[ModbusUnit], Any], result: Any, request: str, reply: str):
    return pytest.param(Vector(call, result, bytes.fromhex(request), bytes.fromhex(reply)), id=name)


COILS = bits("10110011 11010110 101")
INPUTS = bits("00110101 11011011 101011")
VECTORS = [
    vector("6.1", lambda unit: unit.read_coils(0x13, 19), COILS, "01 0013 0013", "01 03 CD6B05"),
    vector("6.2", lambda unit: unit.read_discrete_inputs(0xC4, 22), INPUTS, "02 00C4 0016", "02 03 ACDB35"),
    vector(
        "6.3",
        lambda unit: unit.read_holding_registers(0x6B, 3),
        [0x022B, 0, 0x64],
        "03 006B 0003",
        "03 06 022B 0000 0064",
    ),
    vector("6.4", lambda unit: unit.read_input_registers(0x08), [0x0A], "04 0008 0001", "04 02 000A"),
    vector("6.5", lambda unit: unit.write_coil(0xAC, True), None, "05 00AC FF00", "05 00AC FF00"),
    vector("6.5-off", lambda unit: unit.write_coil(0xAC, False), None, "05 00AC 0000", "05 00AC 0000"),
    vector("6.6", lambda unit: unit.write_register(0x01, 3), None, "06 0001 0003", "06 0001 0003"),
    vector(
        "6.11",
        lambda unit: unit.write_coils(0x13, bits("10110011 10")),
        None,
        "0F 0013 000A 02 CD01",
        "0F 0013 000A",
    ),
    vector(
        "6.12",
        lambda unit: unit.write_registers(0x01, [0x0A, 0x0102]),
        None,
        "10 0001 0002 04 000A 0102",
        "10 0001 0002",
    ),
    vector(
        "6.17",
        lambda unit: unit.write_and_read_registers(0x0E, [0xFF, 0xFF, 0xFF], 0x03, 6),
        [0xFE, 0x0ACD, 1, 3, 0x0D, 0xFF],
        "17 0003 0006 000E 0003 06 00FF 00FF 00FF",
        "17 0C 00FE 0ACD 0001 0003 000D 00FF",
    ),
]
#: Each takes a value and none returns one, so what it did must be read back.
WRITTEN: dict[str, dict[int, int]] = {
    "coils": {0x13 + place: int(value) for place, value in enumerate(bits("10110011 10"))} | {0xAC: 0},
    "holding": {1: 0x0A, 2: 0x0102, 0x0E: 0xFF, 0x0F: 0xFF, 0x10: 0xFF},
}


def specified_bank() -> RegisterBank:
    """Return a bank that has what the examples read."""
    return RegisterBank(
        coils={0x13 + place: value for place, value in enumerate(COILS)} | {0xAC: 0},
        inputs={0xC4 + place: value for place, value in enumerate(INPUTS)},
        holding=dict.fromkeys(range(0x80), 0)
        | {0x6B: 0x022B, 0x6D: 0x64}
        | dict(enumerate([0xFE, 0x0ACD, 1, 3, 0x0D, 0xFF], start=0x03)),
        input_registers={0x08: 0x0A},
    )
