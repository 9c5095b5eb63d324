"""I2CTransport: through real smbus2 with only ``ioctl`` replaced, each fault of the bus, traces."""

import builtins
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from smbus2 import SMBus

from PyExpLabSys.errors import InstrumentError, SettingsError, TransportError, TransportTimeoutError
from PyExpLabSys.simulators.serving.i2c import BusFault, RegisterDevice, SimulatedBus
from PyExpLabSys.simulators.serving.memory import VirtualClock
from PyExpLabSys.transport.i2c import I2CTransport, open_i2c
from PyExpLabSys.transport.i2c_bus import NOT_ACKNOWLEDGED
from PyExpLabSys.transport.i2c_trace import ReplayedBus
from PyExpLabSys.transport.trace import read_trace
from tests.transport import linux_i2c
from tests.transport.linux_i2c import LinuxI2C

ADDRESS = 0x40


class Device(RegisterDevice):
    """Registers that hold their own numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.registers[:] = range(256)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def bus(clock: VirtualClock) -> SimulatedBus:
    return SimulatedBus({ADDRESS: Device()}, clock=clock)


@pytest.fixture
def linux(monkeypatch: pytest.MonkeyPatch) -> LinuxI2C:
    return linux_i2c.install(monkeypatch)


@pytest.fixture
def path(linux: LinuxI2C, bus: SimulatedBus, tmp_path: Path) -> str:
    return linux.serve(bus, tmp_path / "i2c-1")


@pytest.fixture(params=["memory", "smbus2"])
def transport(
    request: pytest.FixtureRequest, path: str, bus: SimulatedBus, clock: VirtualClock
) -> Iterator[I2CTransport]:
    transport = I2CTransport(bus, ADDRESS, clock=clock) if request.param == "memory" else open_i2c(path, ADDRESS)
    yield transport
    transport.close()


# ------------------------------------------------------------------------------------------------------- on the wire


@pytest.mark.parametrize(
    ("call", "messages", "result"),
    [
        (lambda device: device.write(b""), ((ADDRESS, b""),), None),
        (lambda device: device.write(b"\x10"), ((ADDRESS, b"\x10"),), None),
        (lambda device: device.write(b"\x10\x00\x01"), ((ADDRESS, b"\x10\x00\x01"),), None),
        (lambda device: device.read(2), ((ADDRESS, 2),), b"\x00\x01"),
        (lambda device: device.write_read(b"\x20", 1), ((ADDRESS, b"\x20"), (ADDRESS, 1)), b"\x20"),
        (
            lambda device: device.write_read(b"\xfe", 40),
            ((ADDRESS, b"\xfe"), (ADDRESS, 40)),
            bytes([254, 255, *range(38)]),
        ),
    ],
    ids=["call-only", "one-byte", "several-bytes", "read", "register", "longer-than-smbus"],
)
def test_what_goes_over_the_wire(linux: LinuxI2C, path: str, call: Any, messages: object, result: object) -> None:
    transport = open_i2c(path, ADDRESS)
    assert call(transport) == result
    assert linux.wire == [messages]
    transport.close()


#: The calls of the smbus package, as the fact sheet has them, and what they put on the wire.
SMBUS_CALLS = [
    ("write_quick", (), [(ADDRESS, b"")]),
    ("write_byte", (0x12,), [(ADDRESS, b"\x12")]),
    ("read_byte", (), [(ADDRESS, 1)]),
    ("write_byte_data", (0x12, 0x34), [(ADDRESS, b"\x12\x34")]),
    ("read_byte_data", (0x12,), [(ADDRESS, b"\x12"), (ADDRESS, 1)]),
    ("write_i2c_block_data", (0x12, [1, 2, 3]), [(ADDRESS, b"\x12\x01\x02\x03")]),
    ("read_i2c_block_data", (0x12, 3), [(ADDRESS, b"\x12"), (ADDRESS, 3)]),
    ("write_word_data", (0x12, 0x3456), [(ADDRESS, b"\x12\x56\x34")]),
    ("read_word_data", (0x12,), [(ADDRESS, b"\x12"), (ADDRESS, 2)]),
]


@pytest.mark.parametrize(("name", "arguments", "messages"), SMBUS_CALLS, ids=[name for name, *_ in SMBUS_CALLS])
def test_same_transfers_as_the_calls_of_smbus(
    linux: LinuxI2C, path: str, name: str, arguments: tuple[Any, ...], messages: list[linux_i2c.Message]
) -> None:
    """Libraries of others meet our simulators through these."""
    with SMBus(path) as smbus:
        result = getattr(smbus, name)(ADDRESS, *arguments)
    transport = open_i2c(path, ADDRESS)
    written = b"".join(part for _, part in messages if isinstance(part, bytes))
    count = sum(part for _, part in messages if isinstance(part, int))
    if count == 0:
        transport.write(written)
    else:
        reply = transport.write_read(written, count) if written else transport.read(count)
        # What is read without a register stands behind what was read last.
        before = 1 if name == "read_byte" else 0
        assert result == (list(reply) if isinstance(result, list) else int.from_bytes(reply, "little") - before)
    assert linux.wire == [tuple(messages)] * 2
    transport.close()


@pytest.mark.parametrize("number", [3, "3", "/dev/i2c-3"], ids=repr)
def test_bus_by_its_number(number: int | str, linux: LinuxI2C, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real_open = os.open
    monkeypatch.setattr(os, "open", lambda name, *rest: real_open(path if name == "/dev/i2c-3" else name, *rest))
    transport = open_i2c(number, ADDRESS)
    assert transport.name == "/dev/i2c-3 address 0x40"
    assert transport.write_read(b"\x07", 1) == b"\x07"
    transport.close()


# ------------------------------------------------------------------------------------------------------------- faults


def test_nobody_at_the_address(path: str) -> None:
    transport = open_i2c(path, 0x41)
    with pytest.raises(TransportError, match=r"i2c-1 address 0x41: no acknowledgement \(NACK\)") as caught:
        transport.write_read(b"\0", 1)
    assert not isinstance(caught.value, TransportTimeoutError)
    assert isinstance(caught.value.__cause__, OSError)
    transport.close()


def test_injected_no_acknowledgement_costs_one_transfer(transport: I2CTransport, bus: SimulatedBus) -> None:
    bus.inject(BusFault.NACK)
    with pytest.raises(TransportError, match="NACK"):
        transport.write(b"\x01\x02")
    assert transport.write_read(b"\x05", 1) == b"\x05"


def test_bus_that_hangs(transport: I2CTransport, bus: SimulatedBus, clock: VirtualClock) -> None:
    bus.inject(BusFault.STUCK, times=2)
    for _ in range(2):
        with pytest.raises(TransportTimeoutError, match="the bus hangs"):
            transport.read(1)
    assert clock.monotonic() == 2.0
    assert transport.write_read(b"\x05", 1) == b"\x05"


def test_rest_of_a_block_that_nobody_sends_is_ones(transport: I2CTransport, bus: SimulatedBus) -> None:
    bus.inject(BusFault.HALF_A_BLOCK, after=1)
    assert transport.write_read(b"\x10", 4) == b"\x10\x11\x12\x13"
    assert transport.write_read(b"\x10", 4) == b"\x10\x11\xff\xff"
    assert transport.write_read(b"\x10", 4) == b"\x10\x11\x12\x13"


def test_write_that_is_torn_is_not_acknowledged(transport: I2CTransport, bus: SimulatedBus) -> None:
    bus.inject(BusFault.HALF_A_BLOCK)
    with pytest.raises(TransportError, match="NACK"):
        transport.write(b"\x10\x00")


def test_unplugged_in_the_middle_and_plugged_in_again(transport: I2CTransport, bus: SimulatedBus) -> None:
    bus.inject(BusFault.UNPLUGGED)
    assert transport.write_read(b"\x10", 4) == b"\x10\x11\xff\xff"
    for _ in range(2):
        with pytest.raises(TransportError, match="NACK"):
            transport.write_read(b"\x10", 4)
    bus.plug(ADDRESS)
    assert transport.write_read(b"\x10", 4) == b"\x10\x11\x12\x13"


@pytest.mark.parametrize(
    ("number", "kind", "message"),
    [
        (errno.EREMOTEIO, TransportError, "NACK"),
        (errno.ENXIO, TransportError, "NACK"),
        (errno.ETIMEDOUT, TransportTimeoutError, "hangs"),
        (errno.EBUSY, TransportTimeoutError, "busy"),
        (errno.EAGAIN, TransportError, "another master"),
        (errno.EOPNOTSUPP, TransportError, "cannot do such a transfer"),
        (errno.EIO, TransportError, "the transfer failed .*Input/output error"),
        (errno.ENODEV, TransportError, "the transfer failed .*No such device"),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else "",
)
def test_errors_of_linux_become_ours(
    linux: LinuxI2C, path: str, number: int, kind: type[Exception], message: str
) -> None:
    transport = open_i2c(path, ADDRESS)
    linux.fault = number
    with pytest.raises(InstrumentError, match=message) as caught:
        transport.write_read(b"\0", 1)
    assert type(caught.value) is kind
    assert transport.write_read(b"\x05", 1) == b"\x05"
    transport.close()


# ---------------------------------------------------------------------------------------------- opening and closing


def test_bus_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="is I2C switched on"):
        open_i2c(str(tmp_path / "i2c-7"), ADDRESS)


def test_file_that_is_no_bus_is_closed_again(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    before = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(TransportError, match="this is no I2C bus"):
        open_i2c(str(tmp_path / "file"), ADDRESS)
    assert len(set(Path("/proc/self/fd").iterdir())) == len(before)


def test_device_that_a_driver_of_the_kernel_has(linux: LinuxI2C, path: str) -> None:
    linux.kernel_has = {ADDRESS}
    with pytest.raises(TransportError, match="the kernel itself has this address"):
        open_i2c(path, ADDRESS)
    open_i2c(path, ADDRESS + 1).close()


def test_adapter_that_can_only_do_smbus(linux: LinuxI2C, path: str) -> None:
    linux.functions = linux_i2c.I2C_FUNC_SMBUS_EMUL
    with pytest.raises(TransportError, match="for SMBus only"):
        open_i2c(path, ADDRESS)


@pytest.mark.parametrize("address", [0x07, 0x78, 0xEE, -1])
def test_address_that_no_device_has(address: int, bus: SimulatedBus) -> None:
    with pytest.raises(ValueError, match="outside 0x08 to 0x77"):
        open_i2c("/no/such/file", address)
    with pytest.raises(ValueError, match="outside 0x08 to 0x77"):
        I2CTransport(bus, address)


@pytest.mark.parametrize("count", [0, -1])
def test_reading_nothing_is_refused_before_the_bus_is_touched(
    transport: I2CTransport, bus: SimulatedBus, count: int
) -> None:
    with pytest.raises(ValueError, match="cannot read"):
        transport.read(count)
    with pytest.raises(ValueError, match="cannot read"):
        transport.write_read(b"\0", count)
    assert bus.transfers == 0


def test_closed_is_closed(transport: I2CTransport) -> None:
    assert not transport.closed
    transport.close()
    transport.close()
    assert transport.closed
    with pytest.raises(TransportError, match="closed"):
        transport.read(1)


def test_closed_by_another_thread_while_it_waits(path: str) -> None:
    """The transport was not closed yet when the transfer began, the file is when its turn comes."""
    transport = open_i2c(path, ADDRESS)
    transport._bus.close()
    with pytest.raises(TransportError, match="closed"):
        transport.read(1)
    transport.close()


def test_missing_smbus2_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without_smbus2(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name == "smbus2":
            raise ImportError(name)
        return real_import(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_smbus2)
    with pytest.raises(SettingsError, match=r"pip install 'PyExpLabSys\[i2c\]'"):
        open_i2c(1, ADDRESS)


def test_transfers_that_belong_together_stay_together(transport: I2CTransport, bus: SimulatedBus) -> None:
    arrived, done = threading.Event(), threading.Event()

    def intrude() -> None:
        arrived.set()
        transport.write(b"\x99")
        done.set()

    thread = threading.Thread(target=intrude)
    with transport.locked():
        transport.write(b"\x20")
        thread.start()
        assert arrived.wait(10.0)
        assert transport.read(1) == b"\x20"
        assert not done.is_set()
        assert bus.transfers == 2
    thread.join(10.0)
    assert done.is_set()
    assert transport.read(1) == b"\x99"


# ------------------------------------------------------------------------------------------------------------- traces


def test_trace_and_its_replay(bus: SimulatedBus, clock: VirtualClock, tmp_path: Path) -> None:
    def talk(transport: I2CTransport) -> list[object]:
        results: list[object] = []
        for call in (
            lambda: transport.write(b""),
            lambda: transport.write(b"\x10\x41"),
            lambda: transport.write_read(b"\x10", 2),
            lambda: transport.read(1),
        ):
            try:
                results.append(call())
            except TransportError as error:
                results.append("NACK" in str(error))
        return results

    trace = tmp_path / "trace"
    transport = I2CTransport(bus, ADDRESS, clock=clock, trace=trace)
    bus.inject(BusFault.NACK, after=3)
    recorded = talk(transport)
    transport.close()
    assert recorded == [None, None, b"A\x11", True]
    assert trace.read_text(encoding="utf-8").startswith("# PyExpLabSys trace of simulated address 0x40, ")
    assert [(event.sign, event.text) for event in read_trace(trace)] == [
        (">", ""),
        (">", "\\x10A"),
        (">", "\\x10"),
        ("<", "A\\x11"),
        (
            "!",
            f"simulated address 0x40: {NOT_ACKNOWLEDGED} ([Errno 121] Remote I/O error)",
        ),
    ]
    replay = I2CTransport(ReplayedBus(trace), ADDRESS)
    assert talk(replay) == recorded
    with pytest.raises(TransportError, match="ends where 1 bytes are read"):
        replay.read(1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda device: device.write(b"\x02"), "has .* where .* is written"),
        (lambda device: device.read(1), "where 1 bytes are read"),
        (lambda device: device.write_read(b"\x01", 3), "where 3 bytes are read"),
    ],
)
def test_replay_of_something_else(call: Any, message: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text("0.0 > \\x01\n0.1 < \\x02\n", encoding="utf-8")
    with pytest.raises(TransportError, match=message):
        call(I2CTransport(ReplayedBus(trace), ADDRESS))


def test_trace_ends_where_the_bus_is_closed(bus: SimulatedBus, clock: VirtualClock, tmp_path: Path) -> None:
    transport = I2CTransport(bus, ADDRESS, clock=clock, trace=tmp_path / "trace")
    traced = transport._bus
    transport.close()
    assert traced.transfer(ADDRESS, b"\x01", 1) == b"\x01"
    assert read_trace(tmp_path / "trace") == []


def test_trace_that_cannot_be_written_is_no_fault_of_the_bus(path: str, tmp_path: Path) -> None:
    before = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(FileNotFoundError, match="no_folder"):
        open_i2c(path, ADDRESS, trace=tmp_path / "no_folder" / "trace")
    assert len(set(Path("/proc/self/fd").iterdir())) == len(before)
