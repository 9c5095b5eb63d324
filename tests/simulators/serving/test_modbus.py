"""Simulated Modbus: the specification's examples, what a slave must leave alone, and a master that is not ours."""

from pathlib import Path

import minimalmodbus
import pytest

from PyExpLabSys.simulators.serving.base import Answer, SharedLine
from PyExpLabSys.simulators.serving.modbus import (
    Refusal,
    RefusedError,
    RegisterBank,
    RtuSlave,
    TcpUnits,
    crc16,
    rtu_request_length,
    with_crc,
)
from PyExpLabSys.simulators.serving.pty import PtyServer
from tests.transport.modbus_vectors import COILS, VECTORS, Vector, specified_bank


@pytest.mark.parametrize("vector", VECTORS)
def test_specified_exchange(vector: Vector) -> None:
    assert specified_bank().handle(vector.request, 0.0) == vector.reply
    rtu = RtuSlave(specified_bank(), 0x11).feed(with_crc(b"\x11" + vector.request), 0.0)
    assert rtu == [Answer(0.0, with_crc(b"\x11" + vector.reply))]
    header = b"\xab\xcd\0\0"
    request = header + (1 + len(vector.request)).to_bytes(2, "big") + b"\x11" + vector.request
    reply = header + (1 + len(vector.reply)).to_bytes(2, "big") + b"\x11" + vector.reply
    assert TcpUnits({0x11: specified_bank()}).feed(request, 0.0) == [Answer(0.0, reply)]


def test_checksum() -> None:
    assert with_crc(bytes.fromhex("01 03 00 00 00 0A")) == bytes.fromhex("01 03 00 00 00 0A C5 CD")
    assert crc16(bytes.fromhex("01 03 00 00 00 0A C5 CD")) == 0


@pytest.mark.parametrize(
    ("request_pdu", "reply"),
    [
        ("14 06", "94 01"),
        ("03 006B 0000", "83 03"),
        ("03 0000 007E", "83 03"),
        ("03 007F 0002", "83 02"),
        ("04 0000 0001", "84 02"),
        ("01 0000 0001", "81 02"),
        ("01 0013 07D1", "81 03"),
        ("05 00AC 0001", "85 03"),
        ("05 00AD FF00", "85 02"),
        ("06 0080 0001", "86 02"),
        ("0F 0013 0000 00", "8F 03"),
        ("0F 0013 0009 01 FF", "8F 03"),
        ("0F 0013 0008 01", "8F 03"),
        ("10 0000 0000 00", "90 03"),
        ("10 0000 0002 02 0001", "90 03"),
        ("10 0000 0001 02 00", "90 03"),
        ("10 007F 0002 04 0001 0002", "90 02"),
        ("17 0000 0001 0000", "97 03"),
        ("03 00", "83 03"),
    ],
)
def test_refusals(request_pdu: str, reply: str) -> None:
    assert specified_bank().handle(bytes.fromhex(request_pdu), 0.0) == bytes.fromhex(reply)


def test_refused_write_leaves_everything() -> None:
    bank = specified_bank()
    before = dict(bank.holding)
    bank.handle(bytes.fromhex("10 007F 0002 04 0001 0002"), 0.0)
    assert bank.holding == before


def test_device_that_knows_few_functions_and_hands_out_few_registers() -> None:
    bank = RegisterBank(holding=dict.fromkeys(range(20), 5), functions={3}, longest=8)
    assert bank.handle(bytes.fromhex("03 0000 0008"), 0.0)[:2] == b"\x03\x10"
    assert bank.handle(bytes.fromhex("03 0000 0009"), 0.0) == b"\x83\x03"
    assert bank.handle(bytes.fromhex("06 0000 0001"), 0.0) == b"\x86\x01"


def test_instrument_changes_with_time_and_may_refuse() -> None:
    class Clock(RegisterBank):
        def update(self, now_s: float) -> None:
            self.holding[0] = int(now_s)

        def write(self, table: dict[int, int], address: int, value: int) -> None:
            raise RefusedError(Refusal.FAILURE)

    bank = Clock(holding={0: 0})
    assert bank.handle(bytes.fromhex("03 0000 0001"), 7.9) == bytes.fromhex("03 02 0007")
    assert bank.handle(bytes.fromhex("06 0000 0001"), 8.0) == bytes.fromhex("86 04")


READ = with_crc(bytes.fromhex("11 03 006B 0001"))
ANSWER = with_crc(bytes.fromhex("11 03 02 022B"))


def test_request_may_come_in_pieces_but_not_with_a_pause() -> None:
    slave = RtuSlave(specified_bank(), 0x11)
    assert slave.feed(READ[:3], 0.0) == []
    assert slave.feed(READ[3:], 0.01) == [Answer(0.0, ANSWER)]
    assert slave.feed(READ[:3], 1.0) == []
    assert slave.feed(READ[3:], 1.1) == []
    # What is left of it does not spoil the next one.
    assert slave.feed(READ, 1.2) == [Answer(0.0, ANSWER)]


@pytest.mark.parametrize("other", [b"\x12\x03\x00\x6b\x00\x01", b"\x12\x10\x00\x00\x00\x01\x02\x00\x05"])
def test_slave_leaves_alone_what_is_for_others(other: bytes) -> None:
    slave = RtuSlave(specified_bank(), 0x11)
    assert slave.feed(with_crc(other), 0.0) == []
    assert slave.feed(with_crc(other) + READ, 0.0) == [Answer(0.0, ANSWER)]


def test_what_has_a_wrong_checksum_is_for_nobody() -> None:
    slave = RtuSlave(specified_bank(), 0x11)
    assert slave.feed(READ[:-1] + b"\x00", 0.0) == []
    assert slave.feed(READ, 0.01) == [Answer(0.0, ANSWER)]


def test_what_is_for_all_is_done_by_all_and_answered_by_none() -> None:
    banks = [specified_bank(), specified_bank()]
    line = SharedLine(*(RtuSlave(bank, number) for number, bank in enumerate(banks, start=1)))
    assert line.feed(with_crc(bytes.fromhex("00 06 0001 0007")), 0.0) == []
    assert [bank.holding[1] for bank in banks] == [7, 7]


def test_unknown_function_is_refused() -> None:
    slave = RtuSlave(specified_bank(), 0x11)
    assert slave.feed(with_crc(b"\x11\x2b\x0e\x01\x00"), 0.0) == [Answer(0.0, with_crc(b"\x11\xab\x01"))]


def test_bytes_take_their_time_at_a_baudrate() -> None:
    slave = RtuSlave(specified_bank(), 0x11, delay_s=0.01, baudrate=9600)
    ((delay_s, data),) = slave.feed(READ, 0.0)
    assert data == ANSWER
    assert delay_s == pytest.approx(0.01 + (8 + 7) * 11 / 9600)


@pytest.mark.parametrize("vector", VECTORS)
def test_length_of_a_request_is_known_as_soon_as_it_is_whole_and_not_before(vector: Vector) -> None:
    frame = with_crc(b"\x11" + vector.request)
    lengths = [rtu_request_length(frame[:come]) for come in range(len(frame) + 1)]
    assert lengths == [None] * len(frame) + [len(frame)]
    assert rtu_request_length(frame + b"more") == len(frame)


TCP_READ = bytes.fromhex("0001 0000 0006 11 03 006B 0001")
TCP_ANSWER = bytes.fromhex("0001 0000 0005 11 03 02 022B")


def test_tcp_requests_in_pieces_and_in_a_row() -> None:
    units = TcpUnits({0x11: specified_bank()}, delay_s=0.1)
    assert units.feed(TCP_READ[:9], 0.0) == []
    assert units.feed(TCP_READ[9:] + TCP_READ, 0.1) == [Answer(0.1, TCP_ANSWER)] * 2


def test_tcp_forgets_half_a_request_of_somebody_who_has_gone() -> None:
    units = TcpUnits({0x11: specified_bank()})
    assert units.feed(TCP_READ[:9], 0.0) == []
    assert units.feed(TCP_READ, 2.0) == [Answer(0.0, TCP_ANSWER)]


@pytest.mark.parametrize("noise", ["0001 0001 0006 11 03 006B 0001", "0001 0000 0001 11 03", "0001 0000 FFFF 11 03"])
def test_tcp_does_not_answer_what_is_no_modbus(noise: str) -> None:
    units = TcpUnits({0x11: specified_bank()})
    assert units.feed(bytes.fromhex(noise), 0.0) == []
    assert units.feed(TCP_READ, 0.1) == [Answer(0.0, TCP_ANSWER)]


def test_gateway_says_that_a_unit_is_not_there() -> None:
    reply = TcpUnits({1: specified_bank()}).feed(TCP_READ, 0.0)
    assert reply == [Answer(0.0, bytes.fromhex("0001 0000 0003 11 83 0B"))]


# -------------------------------------------------------------------------------------------- a master that is not ours


def minimalmodbus_master(port: str, address: int) -> minimalmodbus.Instrument:
    master = minimalmodbus.Instrument(port, address)
    # A busy computer may take longer than the 50 ms that it allows.
    master.serial.timeout = 0.5
    return master


def test_minimalmodbus_reads_and_writes(tmp_path: Path) -> None:
    bank = specified_bank()
    with PtyServer(RtuSlave(bank, 0x11), tmp_path / "tty") as server:
        master = minimalmodbus_master(str(server.link), 0x11)
        try:
            assert master.read_bits(0x13, 19, functioncode=1) == COILS
            assert master.read_bit(0xC6, functioncode=2) == 1
            assert master.read_registers(0x6B, 3) == [0x022B, 0, 0x64]
            assert master.read_register(0x08, functioncode=4) == 0x0A
            master.write_bit(0xAC, 1)
            master.write_bits(0x13, [0, 1, 1])
            master.write_register(0x01, -5.2, number_of_decimals=1, signed=True)  # function 16
            master.write_register(0x02, 300, functioncode=6)
            master.write_float(0x20, 25.25)
            assert master.read_register(0x01, 1, signed=True) == -5.2
            assert master.read_float(0x20) == 25.25
            with pytest.raises(minimalmodbus.IllegalRequestError):
                master.read_register(0x80)
            assert master.read_register(0x6B) == 0x022B
        finally:
            master.serial.close()
    assert [bank.coils[place] for place in (0x13, 0x14, 0x15, 0xAC)] == [0, 1, 1, 1]
    assert [bank.holding[place] for place in (1, 2)] == [0x10000 - 52, 300]


def test_minimalmodbus_finds_several_slaves_on_a_line(tmp_path: Path) -> None:
    slaves = (RtuSlave(RegisterBank(holding={0: 100 * number}), number, baudrate=9600) for number in (1, 2, 247))
    with PtyServer(SharedLine(*slaves), tmp_path / "tty") as server:
        master = minimalmodbus_master(str(server.link), 1)
        try:
            for address in (1, 2, 247, 2, 1):
                master.address = address
                assert master.read_register(0) == 100 * address
            master.address = 3
            master.serial.timeout = 0.2
            with pytest.raises(minimalmodbus.NoResponseError):
                master.read_register(0)
        finally:
            master.serial.close()
