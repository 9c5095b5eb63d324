"""ModbusTransport: the specification's examples, each fault of the wire, and a server that is not ours."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus import FramerType

from PyExpLabSys.errors import (
    CommandRejectedError,
    InstrumentError,
    ProtocolError,
    SettingsError,
    TransportError,
    TransportTimeoutError,
)
from PyExpLabSys.simulators.serving.base import Answer, ByteSimulator, SharedLine
from PyExpLabSys.simulators.serving.faults import Fault, FaultySimulator
from PyExpLabSys.simulators.serving.memory import SimulatedChannel, VirtualClock, in_memory
from PyExpLabSys.simulators.serving.modbus import RegisterBank, RtuSlave, TcpUnits, with_crc
from PyExpLabSys.simulators.serving.pty import PtyServer
from PyExpLabSys.simulators.serving.tcp import TcpServer
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.modbus import EXCEPTIONS, ModbusTransport, open_modbus_rtu, open_modbus_tcp, silence_s
from PyExpLabSys.transport.modbus_unit import ModbusUnit
from PyExpLabSys.transport.trace import ReplayedChannel
from tests.drivers.exchanges import exchanging
from tests.transport.modbus_vectors import VECTORS, WRITTEN, Vector, specified_bank
from tests.transport.pymodbus_peer import filled_device, pymodbus_on_serial_line, pymodbus_on_tcp

# ----------------------------------------------------------------------------------------- the specification's examples


def rtu_unit(request: bytes, reply: bytes, address: int = 0x11) -> ModbusUnit:
    return ModbusUnit(ModbusTransport(exchanging({request: reply})), address)


def tcp_unit(request: bytes, reply: bytes, address: int = 0x11) -> ModbusUnit:
    return ModbusUnit(ModbusTransport(exchanging({request: reply}), tcp=True), address)


def tcp_frame(pdu: bytes, *, transaction: int = 1, unit: int = 0x11) -> bytes:
    return transaction.to_bytes(2, "big") + b"\0\0" + (len(pdu) + 1).to_bytes(2, "big") + bytes([unit]) + pdu


@pytest.mark.parametrize("vector", VECTORS)
def test_specified_exchange_in_rtu(vector: Vector) -> None:
    unit = rtu_unit(with_crc(b"\x11" + vector.request), with_crc(b"\x11" + vector.reply))
    assert vector.call(unit) == vector.result


@pytest.mark.parametrize("vector", VECTORS)
def test_specified_exchange_in_tcp(vector: Vector) -> None:
    assert vector.call(tcp_unit(tcp_frame(vector.request), tcp_frame(vector.reply))) == vector.result


def test_checksum_goes_out_low_byte_first() -> None:
    unit = rtu_unit(bytes.fromhex("01 03 00 00 00 0A C5 CD"), with_crc(b"\x01\x03\x14" + bytes(20)), address=1)
    assert unit.read_holding_registers(0, 10) == [0] * 10


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        ("01 10 10 01 00 01 54 C9", None, ""),
        ("01 90 01 8D C0", CommandRejectedError, "function 16 of unit 1 refused with exception 1: illegal function"),
    ],
)
def test_writing_one_register_with_function_16(reply: str, error: type[Exception] | None, message: str) -> None:
    unit = rtu_unit(bytes.fromhex("01 10 10 01 00 01 02 01 2C B6 0D"), bytes.fromhex(reply), address=1)
    if error is None:
        unit.write_registers(0x1001, [300])
    else:
        with pytest.raises(error, match=message):
            unit.write_registers(0x1001, [300])


@pytest.mark.parametrize(("code", "meaning"), [*EXCEPTIONS.items(), (77, "which Modbus does not define")])
@pytest.mark.parametrize("tcp", [False, True], ids=["rtu", "tcp"])
def test_exception_says_what_it_means(code: int, meaning: str, tcp: bool) -> None:
    request, refusal = bytes.fromhex("03 0000 0001"), bytes([0x83, code])
    if tcp:
        unit = tcp_unit(tcp_frame(request), tcp_frame(refusal))
    else:
        unit = rtu_unit(with_crc(b"\x11" + request), with_crc(b"\x11" + refusal))
    for _ in range(2 if not tcp else 1):  # after a refusal the line is in step
        with pytest.raises(CommandRejectedError, match=f"exception {code}: {meaning}"):
            unit.read_holding_registers(0)


# ------------------------------------------------------------------------------------------------ replies that are none

READ_BOTH = bytes.fromhex("11 03 006B 0002")


@pytest.mark.parametrize(
    "reply",
    [
        with_crc(bytes.fromhex("11 03 04 0001 0002"))[:-1] + b"\x00",
        with_crc(bytes.fromhex("12 03 04 0001 0002")),
        with_crc(bytes.fromhex("11 04 04 0001 0002")),
        with_crc(bytes.fromhex("11 03 02 0001")),
        with_crc(bytes.fromhex("11 03 06 0001 0002 0003")),
        with_crc(bytes.fromhex("12 83 02")),
        with_crc(bytes.fromhex("11 84 02")),
        with_crc(bytes.fromhex("11 83 02"))[:-1] + b"\x00",
        b"\xff" * 9,
    ],
    ids=[
        "checksum",
        "unit",
        "function",
        "too-short",
        "too-long",
        "refusal-of-another-unit",
        "refusal-of-another-function",
        "refusal-with-wrong-checksum",
        "noise",
    ],
)
def test_rtu_reply_that_is_none(reply: bytes) -> None:
    with pytest.raises(ProtocolError):
        rtu_unit(with_crc(READ_BOTH), reply).read_holding_registers(0x6B, 2)


@pytest.mark.parametrize(
    "reply",
    [
        "0002 0000 0007 11 03 04 0001 0002",
        "0001 0000 0007 12 03 04 0001 0002",
        "0001 0000 0007 11 04 04 0001 0002",
        "0001 0000 0005 11 03 02 0001",
        "0001 0000 0009 11 03 06 0001 0002 0003",
        "0001 0000 0007 11 03 02 0001 0002",
        "0001 0001 0007 11 03 04 0001 0002",
        "0001 0000 0001 11",
        "0001 0000 0002 11 03",
        "0001 0000 0002 11 83",
        "0001 0000 0004 11 83 02 00",
        "0001 0000 0000 11 03 04 0001 0002",
        "0001 0000 FFFF 11 03 04 0001 0002",
        "0001 0000 0003 11 84 02",
    ],
    ids=[
        "transaction",
        "unit",
        "function",
        "too-short",
        "too-long",
        "count",
        "protocol",
        "only-unit",
        "only-function",
        "refusal-without-code",
        "refusal-with-more",
        "length-0",
        "length-65535",
        "refusal-of-another-function",
    ],
)
def test_tcp_reply_that_is_none(reply: str) -> None:
    with pytest.raises(ProtocolError):
        tcp_unit(tcp_frame(READ_BOTH[1:]), bytes.fromhex(reply)).read_holding_registers(0x6B, 2)


@pytest.mark.parametrize(
    ("method", "arguments", "request_pdu", "reply"),
    [
        ("write_register", (1, 3), "06 0001 0003", "06 0001 0004"),
        ("write_register", (1, 3), "06 0001 0003", "06 0002 0003"),
        ("write_coil", (1, True), "05 0001 FF00", "05 0001 0000"),
        ("write_registers", (1, [2, 3]), "10 0001 0002 04 0002 0003", "10 0001 0001"),
        ("write_coils", (1, [True]), "0F 0001 0001 01 01", "0F 0002 0001"),
    ],
)
@pytest.mark.parametrize("tcp", [False, True], ids=["rtu", "tcp"])
def test_write_that_was_taken_otherwise(method: str, arguments: tuple, request_pdu: str, reply: str, tcp: bool) -> None:
    sent, came = bytes.fromhex(request_pdu), bytes.fromhex(reply)
    if tcp:
        unit = tcp_unit(tcp_frame(sent), tcp_frame(came))
    else:
        unit = rtu_unit(with_crc(b"\x11" + sent), with_crc(b"\x11" + came))
    with pytest.raises(ProtocolError):
        getattr(unit, method)(*arguments)


def test_no_turned_bit_of_an_rtu_reply_goes_unnoticed() -> None:
    good = with_crc(bytes.fromhex("11 03 04 0001 0002"))
    for position in range(8 * len(good)):
        spoiled = bytearray(good)
        spoiled[position // 8] ^= 1 << position % 8
        with pytest.raises(InstrumentError):
            rtu_unit(with_crc(READ_BOTH), bytes(spoiled)).read_holding_registers(0x6B, 2)


@given(reply=st.binary(max_size=40))
def test_noise_is_never_a_value(reply: bytes) -> None:
    with pytest.raises(InstrumentError):
        rtu_unit(with_crc(READ_BOTH), reply).read_holding_registers(0x6B, 2)
    with pytest.raises(InstrumentError):
        tcp_unit(tcp_frame(READ_BOTH[1:]), reply).read_holding_registers(0x6B, 2)


# --------------------------------------------------------------------------------------------------- faults of the wire


def counting_bank(offset: int = 0) -> RegisterBank:
    return RegisterBank(holding={place: offset + place for place in range(200)})


def connect(simulator: ByteSimulator, clock: VirtualClock, *, tcp: bool, address: int = 1) -> ModbusUnit:
    return ModbusUnit(ModbusTransport(in_memory(simulator, clock=clock), tcp=tcp), address)


def served_bank(tcp: bool) -> ByteSimulator:
    return TcpUnits({1: counting_bank()}) if tcp else RtuSlave(counting_bank())


@pytest.mark.parametrize("tcp", [False, True], ids=["rtu", "tcp"])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.SILENCE, TransportTimeoutError),
        (Fault.GARBAGE, ProtocolError),
        (Fault.WRONG_ECHO, ProtocolError),
        (Fault.HALF_A_REPLY, TransportTimeoutError),
        (Fault.LATE, TransportTimeoutError),
    ],
)
def test_fault_costs_one_reading_and_no_more(tcp: bool, fault: Fault, error: type[Exception]) -> None:
    clock = VirtualClock()
    faults = FaultySimulator(served_bank(tcp))
    unit = connect(faults, clock, tcp=tcp)
    assert unit.read_holding_registers(5) == [5]
    faults.inject(fault, late_s=2.5)
    with pytest.raises(error):
        unit.read_holding_registers(5)
    assert unit.read_holding_registers(7) == [7]


def test_wrong_checksum_costs_one_reading_and_no_more() -> None:
    faults = FaultySimulator(served_bank(tcp=False))
    unit = connect(faults, VirtualClock(), tcp=False)
    faults.inject(Fault.WRONG_CHECKSUM)
    with pytest.raises(ProtocolError, match="checksum"):
        unit.read_holding_registers(5)
    assert unit.read_holding_registers(7) == [7]


@pytest.mark.parametrize("tcp", [False, True], ids=["rtu", "tcp"])
@pytest.mark.parametrize("late_s", [0.45, 0.6, 0.9, 0.99])
def test_late_answer_is_not_taken_for_that_to_the_next_question(tcp: bool, late_s: float) -> None:
    # The device takes its time, so that a late answer would come before the next one.
    delay_s = 0.4
    bank = counting_bank()
    faults = FaultySimulator(TcpUnits({1: bank}, delay_s=delay_s) if tcp else RtuSlave(bank, delay_s=delay_s))
    transport = ModbusTransport(in_memory(faults, clock=VirtualClock()), tcp=tcp)
    unit = ModbusUnit(transport, 1, timeout_s=0.5, late_s=1.0)
    faults.inject(Fault.LATE, late_s=late_s - delay_s)
    if late_s < 0.5:
        assert unit.read_holding_registers(5) == [5]
    else:
        with pytest.raises(TransportTimeoutError):
            unit.read_holding_registers(5)
    # Same unit, function and length: on RTU nothing in a late answer would give it away.
    assert [unit.read_holding_registers(place)[0] for place in range(10)] == list(range(10))


class Stutterer:
    """A device whose first answer has a wrong checksum, and which says it again a little later."""

    def __init__(self) -> None:
        self._slave = RtuSlave(counting_bank(), delay_s=0.2)
        self._stutters = True

    def feed(self, data: bytes, now_s: float) -> list[Answer]:
        answers = self._slave.feed(data, now_s)
        if not self._stutters:
            return answers
        self._stutters = False
        (answer,) = answers
        return [Answer(0.2, answer.data[:-1] + b"\0"), Answer(0.3, answer.data)] if answer.data else []


def test_what_follows_a_garbled_reply_is_thrown_away() -> None:
    unit = connect(Stutterer(), VirtualClock(), tcp=False)
    with pytest.raises(ProtocolError, match="checksum"):
        unit.read_holding_registers(5)
    assert unit.read_holding_registers(7) == [7]


def test_unplugged_in_the_middle_of_a_reply_and_plugged_in_again() -> None:
    clock = VirtualClock()
    faults = FaultySimulator(served_bank(tcp=False))
    channel = SimulatedChannel(faults, clock=clock)
    unit = ModbusUnit(ModbusTransport(ByteTransport(channel, clock=clock)), 1)
    faults.inject(Fault.UNPLUGGED)
    for _ in range(2):
        with pytest.raises(TransportError, match="unplugged"):
            unit.read_holding_registers(5)
    channel.plug()
    assert unit.read_holding_registers(7) == [7]


class Impostor:
    """A slave whose first answer comes from another one, with a good checksum, and its own behind it."""

    def __init__(self, other_first: bytes) -> None:
        self._slave = RtuSlave(counting_bank())
        self._other_first = other_first

    def feed(self, data: bytes, now_s: float) -> list[Answer]:
        first, self._other_first = self._other_first, b""
        answers = self._slave.feed(data, now_s)
        return [Answer(0.0, first), *(answer._replace(delay_s=0.1) for answer in answers)] if first else answers


def test_answer_of_another_slave_is_refused_and_what_follows_is_thrown_away() -> None:
    unit = connect(Impostor(with_crc(bytes.fromhex("02 03 02 0063"))), VirtualClock(), tcp=False)
    with pytest.raises(ProtocolError, match="begins"):
        unit.read_holding_registers(5)
    assert unit.read_holding_registers(7) == [7]


def test_what_came_unasked_is_thrown_away() -> None:
    clock = VirtualClock()

    class Chatty(RtuSlave):
        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            answers = super().feed(data, now_s)
            return [*answers, *(answer._replace(delay_s=0.5) for answer in answers)]

    unit = connect(Chatty(counting_bank()), clock, tcp=False)
    assert unit.read_holding_registers(5) == [5]
    clock.sleep(1.0)
    assert unit.read_holding_registers(7) == [7]


# ---------------------------------------------------------------------------------------------- silence, lock and trace


class Timed:
    """Notes when requests come, and when the answers to them are complete."""

    def __init__(self, simulator: ByteSimulator) -> None:
        self._simulator = simulator
        self.asked_s: list[float] = []
        self.answered_s: list[float] = []

    def feed(self, data: bytes, now_s: float) -> list[Answer]:
        answers = list(self._simulator.feed(data, now_s))
        self.asked_s.append(now_s)
        self.answered_s.extend(now_s + answer.delay_s for answer in answers)
        return answers


@pytest.mark.parametrize(
    ("baudrate", "silent_s"), [(1200, 0.0320833), (9600, 0.0040104), (19200, 0.0020052), (115200, 0.00175)]
)
def test_line_is_silent_between_frames_whoever_asks(baudrate: int, silent_s: float) -> None:
    assert silence_s(baudrate) == pytest.approx(silent_s, rel=1e-4)
    clock = VirtualClock()
    line = Timed(SharedLine(*(RtuSlave(counting_bank(), n, delay_s=0.01, baudrate=baudrate) for n in (1, 2))))
    transport = ModbusTransport(in_memory(line, clock=clock), baudrate=baudrate)
    units = [ModbusUnit(transport, address) for address in (1, 2)]
    for unit in units * 3:
        unit.read_holding_registers(0)
    gaps_s = [asked - answered for answered, asked in zip(line.answered_s, line.asked_s[1:], strict=False)]
    assert gaps_s == pytest.approx([silent_s] * 5, rel=1e-4)


def test_who_asks_rarely_does_not_wait() -> None:
    clock = VirtualClock()
    line = Timed(RtuSlave(counting_bank()))
    unit = connect(line, clock, tcp=False)
    unit.read_holding_registers(0)
    clock.sleep(1.0)
    asked_s = clock.monotonic()
    unit.read_holding_registers(0)
    assert line.asked_s[1] == asked_s


def test_tcp_needs_no_silence() -> None:
    line = Timed(served_bank(tcp=True))
    unit = connect(line, VirtualClock(), tcp=True)
    for _ in range(3):
        unit.read_holding_registers(0)
    assert line.asked_s == [0.0] * 3


def test_transactions_are_counted_and_begin_again() -> None:
    seen = []

    class Numbered(TcpUnits):
        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            seen.append(int.from_bytes(data[:2], "big"))
            return super().feed(data, now_s)

    unit = connect(Numbered({1: counting_bank()}), VirtualClock(), tcp=True)
    for _ in range(3):
        unit.read_holding_registers(0)
    unit._transport._transaction = 0xFFFE
    for _ in range(2):
        unit.read_holding_registers(0)
    assert seen == [1, 2, 3, 0xFFFF, 1]


def test_threads_share_a_line() -> None:
    slaves = SharedLine(*(RtuSlave(counting_bank(1000 * n), n) for n in range(1, 5)))
    transport = ModbusTransport(in_memory(slaves, clock=VirtualClock()))
    wrong: list[object] = []

    def ask(address: int) -> None:
        unit = ModbusUnit(transport, address)
        for place in range(100):
            try:
                came = unit.read_holding_registers(place, 2)
            except InstrumentError as error:
                wrong.append(error)
            else:
                if came != [1000 * address + place, 1000 * address + place + 1]:
                    wrong.append(came)

    threads = [threading.Thread(target=ask, args=(address,)) for address in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    assert wrong == []


def test_exchanges_that_belong_together_are_not_interrupted() -> None:
    transport = ModbusTransport(in_memory(served_bank(tcp=False)))
    done = threading.Event()

    def ask() -> None:
        ModbusUnit(transport, 1).read_holding_registers(0)
        done.set()

    thread = threading.Thread(target=ask)
    with transport.locked():
        thread.start()
        unit = ModbusUnit(transport, 1)
        assert [unit.read_holding_registers(place) for place in (1, 2)] == [[1], [2]]
        assert not done.wait(0.05)
    thread.join(timeout=10)
    assert done.is_set()


def test_exchanges_are_recorded_and_played_back(tmp_path: Path) -> None:
    trace = tmp_path / "line.trace"
    clock = VirtualClock()
    channel = SimulatedChannel(served_bank(tcp=False), clock=clock)
    transport = ModbusTransport(ByteTransport(channel, clock=clock, trace=trace))
    assert ModbusUnit(transport, 1).read_holding_registers(5, 2) == [5, 6]
    transport.close()
    assert transport.closed
    with pytest.raises(TransportError, match="closed"):
        ModbusUnit(transport, 1).read_holding_registers(5, 2)
    replayed = ModbusTransport(ByteTransport(ReplayedChannel(trace), clock=clock))
    assert ModbusUnit(replayed, 1).read_holding_registers(5, 2) == [5, 6]


# -------------------------------------------------------------------------------------- what cannot be is not even sent


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("read_coils", (0, 0)),
        ("read_coils", (0, 2001)),
        ("read_discrete_inputs", (-1,)),
        ("read_holding_registers", (0, 126)),
        ("read_input_registers", (0xFFFF, 2)),
        ("write_coil", (0x10000, True)),
        ("write_register", (0, -1)),
        ("write_register", (0, 0x10000)),
        ("write_coils", (0, [])),
        ("write_coils", (0, [True] * 1969)),
        ("write_registers", (0, [1] * 124)),
        ("write_registers", (0, [1, 65536])),
        ("write_and_read_registers", (0, [1] * 122, 0)),
        ("write_and_read_registers", (0, [1], 0, 126)),
    ],
)
def test_impossible_requests(method: str, arguments: tuple) -> None:
    unit = ModbusUnit(ModbusTransport(exchanging({})), 1)
    with pytest.raises(ValueError, match="outside"):
        getattr(unit, method)(*arguments)


@pytest.mark.parametrize(("tcp", "address"), [(False, 0), (False, 256), (False, -1), (True, 256)])
def test_impossible_addresses(tcp: bool, address: int) -> None:
    with pytest.raises(ValueError, match="address"):
        ModbusUnit(ModbusTransport(exchanging({}), tcp=tcp), address)


# ------------------------------------------------------------------------------------------------------------ the extra


def test_missing_extra_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    line = exchanging({})
    monkeypatch.setitem(sys.modules, "pymodbus", None)
    expected = r"pip install 'PyExpLabSys\[modbus\]'"
    with pytest.raises(SettingsError, match=expected):
        ModbusTransport(line)
    # Before anything is opened: there is neither such a port nor such a host.
    with pytest.raises(SettingsError, match=expected):
        open_modbus_rtu("/dev/there-is-none")
    with pytest.raises(SettingsError, match=expected):
        open_modbus_tcp("localhost", 1)


def test_library_is_imported_by_who_needs_it_only() -> None:
    program = (
        "import sys, PyExpLabSys.transport.modbus_unit, PyExpLabSys.drivers.omega_cn7800\n"
        "import PyExpLabSys.simulators.omega_cn7800\n"
        "raise SystemExit('pymodbus' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0


# ------------------------------------------------------------------------------------------- real wires, our simulators


@pytest.mark.parametrize("vector", VECTORS)
def test_specified_exchange_over_a_pseudo_terminal(vector: Vector, tmp_path: Path) -> None:
    with PtyServer(RtuSlave(specified_bank(), 0x11), tmp_path / "tty") as server:
        transport = open_modbus_rtu(str(server.link))
        assert vector.call(ModbusUnit(transport, 0x11)) == vector.result
        transport.close()


def test_specified_exchanges_over_tcp_leave_what_they_wrote() -> None:
    bank = specified_bank()
    with TcpServer(TcpUnits({0x11: bank})) as server:
        transport = open_modbus_tcp(server.host, server.port)
        unit = ModbusUnit(transport, 0x11)
        for parameters in VECTORS:
            vector = parameters.values[0]
            assert isinstance(vector, Vector)
            assert vector.call(unit) == vector.result
        with pytest.raises(CommandRejectedError, match="11: the gateway got no answer"):
            ModbusUnit(transport, 0x12).read_coils(0)
        transport.close()
    assert {place: bool(bank.coils[place]) for place in WRITTEN["coils"]} == WRITTEN["coils"]
    assert {place: bank.holding[place] for place in WRITTEN["holding"]} == WRITTEN["holding"]


def test_eight_slaves_on_one_real_line(tmp_path: Path) -> None:
    slaves = SharedLine(*(RtuSlave(counting_bank(1000 * n), n, baudrate=9600) for n in range(1, 9)))
    with PtyServer(slaves, tmp_path / "tty") as server:
        transport = open_modbus_rtu(str(server.link), baudrate=9600)
        units = {address: ModbusUnit(transport, address) for address in range(1, 9)}
        for place in range(3):
            assert [unit.read_holding_registers(place)[0] - place for unit in units.values()] == [
                1000 * address for address in units
            ]
        transport.close()


# ---------------------------------------------------------------------------------------------------- a server not ours


def check_against_pymodbus(transport: ModbusTransport, address: int = 1) -> None:
    unit = ModbusUnit(transport, address)
    try:
        assert unit.read_holding_registers(3, 4) == [1000 * address + place for place in range(3, 7)]
        assert unit.read_input_registers(0, 125) == [60000 + place for place in range(125)]
        assert unit.read_coils(2, 19) == [place % 3 == 0 for place in range(2, 21)]
        assert unit.read_discrete_inputs(5, 3) == [True, False, True]
        unit.write_register(10, 0xFFCC)
        unit.write_registers(11, [1, 2, 65535])
        assert unit.read_holding_registers(10, 4) == [0xFFCC, 1, 2, 65535]
        unit.write_coil(7, True)
        unit.write_coils(8, [True, False, True, True, False, False, True, False, True])
        assert unit.read_coils(7, 10) == [True, True, False, True, True, False, False, True, False, True]
        assert unit.write_and_read_registers(20, [7, 8], 19, 4) == [1000 * address + 19, 7, 8, 1000 * address + 22]
        with pytest.raises(CommandRejectedError, match="exception 2: illegal data address"):
            unit.read_holding_registers(199, 2)
        assert unit.read_holding_registers(199) == [1000 * address + 199]
    finally:
        transport.close()


def test_pymodbus_server_over_tcp() -> None:
    with pymodbus_on_tcp(filled_device(1), framer=FramerType.SOCKET) as port:
        check_against_pymodbus(open_modbus_tcp("127.0.0.1", port))


def test_pymodbus_server_with_rtu_frames_over_tcp() -> None:
    with pymodbus_on_tcp(filled_device(1), filled_device(2), framer=FramerType.RTU) as port:
        check_against_pymodbus(open_modbus_rtu(f"socket://127.0.0.1:{port}"))
        check_against_pymodbus(open_modbus_rtu(f"socket://127.0.0.1:{port}"), address=2)


def test_pymodbus_server_on_a_serial_line() -> None:
    with pymodbus_on_serial_line(filled_device(1)) as port:
        check_against_pymodbus(open_modbus_rtu(port, baudrate=9600, parity="N"))
