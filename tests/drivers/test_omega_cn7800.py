"""Omega CN7800: the exchanges of the manual, each fault of the wire, real wires, and each fault of earlier drivers."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import minimalmodbus
import pytest
from pymodbus.simulator import DataType, SimData, SimDevice

from PyExpLabSys.drivers import omega_cn7800
from PyExpLabSys.drivers.omega_cn7800 import CN7800, decode_output, decode_temperature, encode_setpoint
from PyExpLabSys.errors import (
    CommandRejectedError,
    InstrumentError,
    ProtocolError,
    TransportError,
    TransportTimeoutError,
)
from PyExpLabSys.simulators.omega_cn7800 import SimulatedCN7800, device, simulate
from PyExpLabSys.simulators.serving.base import Answer, SharedLine
from PyExpLabSys.simulators.serving.faults import Fault, FaultySimulator
from PyExpLabSys.simulators.serving.memory import SimulatedChannel, VirtualClock, in_memory
from PyExpLabSys.simulators.serving.modbus import RegisterBank, RtuSlave, with_crc
from PyExpLabSys.simulators.serving.pty import PtyServer
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.modbus import ModbusTransport, open_modbus_rtu
from tests.drivers.conftest import SerialPort, Wire
from tests.drivers.exchanges import CHECKSUM_FAULTS, exchanging
from tests.transport.pymodbus_peer import pymodbus_on_serial_line

# An oven so slow that its temperature stands still.
STILL: dict[str, Any] = {"temperature_degc": 25.3, "time_constant_s": 1e9}


def controller_knowing(request: str, reply: str, *, address: int = 1) -> CN7800:
    exchanges = {bytes.fromhex(request): bytes.fromhex(reply)}
    return CN7800("", address=address, transport=ModbusTransport(exchanging(exchanges)))


# ----------------------------------------------------------------------------------------------- the manual's exchanges

READ_TEMPERATURE = "01 03 10 00 00 01 80 CA"


@pytest.mark.parametrize(
    ("reply", "temperature_degc"),
    [("01 03 02 00 FD 79 C5", 25.3), ("01 03 02 FF CC F9 E1", -5.2)],
    ids=["above-zero", "below-zero"],
)
def test_temperature(reply: str, temperature_degc: float) -> None:
    controller = controller_knowing(READ_TEMPERATURE, reply)
    assert controller.temperature is None
    assert controller.read_temperature() == temperature_degc
    assert controller.temperature == temperature_degc


def test_open_sensor() -> None:
    controller = controller_knowing(READ_TEMPERATURE, "01 03 02 80 03 99 85")
    with pytest.raises(CommandRejectedError, match="0x8003: no sensor"):
        controller.read_temperature()
    assert controller.temperature is None


def test_setpoint() -> None:
    assert controller_knowing("01 03 10 01 00 01 D1 0A", "01 03 02 03 E8 B8 FA").read_setpoint() == 100.0


def test_write_setpoint() -> None:
    controller_knowing("01 06 10 01 01 2C DC 87", "01 06 10 01 01 2C DC 87").write_setpoint(30.0)


def test_enable_writes() -> None:
    controller_knowing("01 05 08 10 FF 00 8F 9F", "01 05 08 10 FF 00 8F 9F").allow_writing()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (0x8002, "starting"),
        (0x8003, "no sensor"),
        (0x8004, "input is wrong"),
        (0x8006, "converter"),
        (0x8007, "memory"),
        (0x8005, "0x8005"),
        (0x800F, "0x800F"),
    ],
)
def test_code_in_place_of_a_temperature(code: int, reason: str) -> None:
    with pytest.raises(CommandRejectedError, match=reason):
        decode_temperature(code)


@pytest.mark.parametrize(
    ("register", "temperature_degc"),
    [(0, 0.0), (1, 0.1), (0xFFFF, -0.1), (0x7FFF, 3276.7), (0xD8FA, -999.0), (0x8010, -3275.2)],
)
def test_temperatures(register: int, temperature_degc: float) -> None:
    assert decode_temperature(register) == temperature_degc


@pytest.mark.parametrize(
    ("temperature_degc", "register"), [(30.0, 300), (30.05, 300), (-10.5, 0xFF97), (-999.0, 0xD8FA), (3276.7, 0x7FFF)]
)
def test_setpoints(temperature_degc: float, register: int) -> None:
    assert encode_setpoint(temperature_degc) == register


@pytest.mark.parametrize("temperature_degc", [-999.1, 3276.8, float("nan"), float("inf")])
def test_setpoint_that_cannot_be_sent_is_refused_before_a_byte_is_sent(temperature_degc: float) -> None:
    with pytest.raises(ValueError, match="setpoint"):
        CN7800("", transport=ModbusTransport(exchanging({}))).write_setpoint(temperature_degc)


def test_output() -> None:
    assert decode_output(455) == 45.5
    assert decode_output(1000) == 100.0
    with pytest.raises(ProtocolError):
        decode_output(1001)


def test_control_method_that_does_not_exist() -> None:
    reply = with_crc(bytes.fromhex("01 03 02 00 04")).hex()
    with pytest.raises(ProtocolError, match="control method 4"):
        controller_knowing("01 03 10 05 00 01 90 CB", reply).read_control_method()


# --------------------------------------------------------------------------------------------------- the simulated oven


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def test_setpoint_reaches_the_oven_in_time(clock: VirtualClock) -> None:
    transport = simulate(clock=clock, temperature_degc=20.0, time_constant_s=30.0, writing_allowed=True)
    with CN7800("", transport=transport) as controller:
        controller.write_setpoint(250.0)
        assert controller.read_setpoint() == 250.0
        assert controller.read_temperature() == pytest.approx(20.0, abs=0.1)
        clock.sleep(30.0)
        assert controller.read_temperature() == pytest.approx(250.0 - 230.0 * 0.3679, abs=0.2)
        assert controller.read_output() == 100.0
        clock.sleep(400.0)
        assert controller.read_temperature() == pytest.approx(250.0, abs=0.1)
        assert controller.read_output() == 0.0


def test_stopped_it_cools_down(clock: VirtualClock) -> None:
    controller = CN7800("", transport=simulate(clock=clock, temperature_degc=200.0, writing_allowed=True))
    assert controller.read_running()
    controller.set_running(False)
    assert not controller.read_running()
    clock.sleep(1000.0)
    assert controller.read_temperature() == 20.0
    assert controller.read_output() == 0.0


def test_process_value_is_new_every_0_4_s(clock: VirtualClock) -> None:
    bank = SimulatedCN7800(temperature_degc=20.0, setpoint_degc=1000.0)
    for now_s, fresh in [(0.0, True), (0.3, False), (0.4, True), (0.7, False)]:
        before = bank.holding[0x1000]
        bank.update(now_s)
        assert (bank.holding[0x1000] != before) is fresh


def test_from_the_factory_it_refuses_to_be_written_to(clock: VirtualClock) -> None:
    controller = CN7800("", transport=simulate(clock=clock))
    assert not controller.read_writing_allowed()
    with pytest.raises(CommandRejectedError, match=r"exception 4.*allow_writing\(\)"):
        controller.write_setpoint(30.0)
    assert controller.read_setpoint() == 100.0
    controller.allow_writing()
    assert controller.read_writing_allowed()
    controller.write_setpoint(30.0)
    assert controller.read_setpoint() == 30.0
    controller.allow_writing(False)
    with pytest.raises(CommandRejectedError):
        controller.set_running(False)


def test_setpoint_beyond_the_limits_set_in_the_instrument(clock: VirtualClock) -> None:
    controller = CN7800("", transport=simulate(clock=clock, writing_allowed=True))
    with pytest.raises(CommandRejectedError, match=r"exception 3.*limits"):
        controller.write_setpoint(1300.1)
    assert controller.read_setpoint() == 100.0


def test_unit_and_method(clock: VirtualClock) -> None:
    transport = simulate(clock=clock, writing_allowed=True, **STILL)
    controller = CN7800("", transport=transport)
    assert controller.read_unit() == "degC"
    assert controller.read_control_method() == "PID"


def test_in_fahrenheit_it_shows_fahrenheit(clock: VirtualClock) -> None:
    bank = SimulatedCN7800(**STILL)
    bank.coils[0x0811] = 0
    controller = CN7800("", transport=ModbusTransport(in_memory(RtuSlave(bank), clock=clock)))
    assert controller.read_unit() == "degF"
    assert controller.read_temperature() == 77.5


def test_simulated_sensor_fails(clock: VirtualClock) -> None:
    controller = CN7800("", transport=simulate(clock=clock, error_code=0x8003))
    with pytest.raises(CommandRejectedError, match="no sensor"):
        controller.read_temperature()


@pytest.mark.parametrize(
    ("request_pdu", "reply"),
    [
        ("10 1001 0001 02 012C", "90 01"),
        ("03 1000 0009", "83 03"),
        ("03 1014 0001", "83 02"),
        ("06 1000 0001", "86 02"),
        ("06 1005 0004", "86 03"),
    ],
    ids=["function-16", "nine-registers", "no-such-register", "read-only", "no-such-method"],
)
def test_simulator_refuses_what_the_manual_does_not_have(request_pdu: str, reply: str) -> None:
    bank = SimulatedCN7800(writing_allowed=True)
    assert bank.handle(bytes.fromhex(request_pdu), 0.0) == bytes.fromhex(reply)


# --------------------------------------------------------------------------------------------------- faults of the wire


@pytest.fixture
def faults() -> FaultySimulator:
    return FaultySimulator(device(**STILL))


@pytest.fixture
def controller(faults: FaultySimulator, clock: VirtualClock) -> CN7800:
    return CN7800("", transport=ModbusTransport(in_memory(faults, clock=clock)))


@pytest.mark.parametrize(("fault", "error"), CHECKSUM_FAULTS)
def test_fault_costs_one_reading_and_no_more(
    controller: CN7800, faults: FaultySimulator, fault: Fault, error: type[Exception]
) -> None:
    controller.read_temperature()
    faults.inject(fault, late_s=0.8)
    with pytest.raises(error):
        controller.read_setpoint()
    assert controller.read_temperature() == 25.3


@pytest.mark.parametrize("late_s", [0.45, 0.55, 0.8, 0.95])
def test_late_answer_is_not_taken_for_that_to_the_next_question(clock: VirtualClock, late_s: float) -> None:
    """Temperature and setpoint have the same form: nothing in the late answer tells which it is."""
    # The instrument takes its time, so that a late answer would come before the next one.
    delay_s = 0.4
    faults = FaultySimulator(device(delay_s=delay_s, **STILL))
    controller = CN7800("", transport=ModbusTransport(in_memory(faults, clock=clock)))
    faults.inject(Fault.LATE, late_s=late_s - delay_s)
    if late_s < controller.TIMEOUT_S:
        assert controller.read_setpoint() == 100.0
    else:
        with pytest.raises(TransportTimeoutError):
            controller.read_setpoint()
    assert controller.read_temperature() == 25.3
    assert controller.read_setpoint() == 100.0


def test_answer_of_another_slave_is_refused(clock: VirtualClock) -> None:
    class Quarrel:
        """A second instrument answers first, once."""

        def __init__(self) -> None:
            self.meant, self.other = device(**STILL), with_crc(bytes.fromhex("02 03 02 0063"))

        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            other, self.other = self.other, b""
            answers = list(self.meant.feed(data, now_s))
            return [Answer(0.0, other), *(a._replace(delay_s=0.1) for a in answers)] if other else answers

    controller = CN7800("", transport=ModbusTransport(in_memory(Quarrel(), clock=clock)))
    with pytest.raises(ProtocolError):
        controller.read_setpoint()
    assert controller.read_temperature() == 25.3


def test_unplugged_in_the_middle_of_a_reply_and_plugged_in_again(faults: FaultySimulator, clock: VirtualClock) -> None:
    channel = SimulatedChannel(faults, clock=clock)
    controller = CN7800("", transport=ModbusTransport(ByteTransport(channel, clock=clock)))
    faults.inject(Fault.UNPLUGGED)
    for _ in range(2):
        with pytest.raises(TransportError, match="unplugged"):
            controller.read_temperature()
    channel.plug()
    assert controller.read_temperature() == 25.3


# ----------------------------------------------------------------------------------------------------------- real wires


def test_over_real_wires(wire: Wire) -> None:
    with CN7800("", transport=ModbusTransport(wire(device(**STILL)))) as controller:
        assert controller.read_temperature() == 25.3
        controller.allow_writing()
        controller.write_setpoint(-10.5)
        assert controller.read_setpoint() == -10.5
        with pytest.raises(CommandRejectedError):
            controller.write_setpoint(2000.0)


def test_faults_over_real_wires(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CN7800, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(CN7800, "LATE_S", 0.4)
    faults = FaultySimulator(device(**STILL))
    controller = CN7800("", transport=ModbusTransport(wire(faults)))
    for fault in (Fault.SILENCE, Fault.GARBAGE, Fault.WRONG_CHECKSUM, Fault.HALF_A_REPLY, Fault.LATE):
        faults.inject(fault, late_s=0.3)
        with pytest.raises(InstrumentError):
            controller.read_setpoint()
        assert controller.read_temperature() == 25.3
    faults.inject(Fault.UNPLUGGED)
    with pytest.raises(TransportError):
        controller.read_temperature()


def test_documented_constructor_opens_a_port_and_with_closes_it(serial_port: SerialPort) -> None:
    port = serial_port(device(**STILL))
    # Each opening of the same port must work, even parity included.
    for _ in range(3):
        with CN7800(port) as controller:
            assert controller.read_temperature() == 25.3
        with pytest.raises(TransportError, match="closed"):
            controller.read_temperature()
        controller.close()


def test_port_is_set_as_the_instrument_wants_it(served: ExitStack, tmp_path: Path) -> None:
    server = served.enter_context(PtyServer(device(**STILL), tmp_path / "tty", baudrate=9600))
    with CN7800(str(server.link)) as controller:
        controller.read_temperature()
        channel = controller._transport._line._channel
        settings = channel._port.get_settings()  # type: ignore[attr-defined]
    assert {key: settings[key] for key in ("baudrate", "bytesize", "parity", "stopbits")} == {
        "baudrate": 9600,
        "bytesize": 8,
        "parity": "E",
        "stopbits": 1,
    }


def test_several_on_one_real_line(serial_port: SerialPort) -> None:
    slaves = [
        device(address=address, baudrate=9600, temperature_degc=10.0 * address, time_constant_s=1e9)
        for address in range(1, 9)
    ]
    line = open_modbus_rtu(serial_port(SharedLine(*slaves)), baudrate=9600)
    controllers = [CN7800("", address=address, transport=line) for address in range(1, 9)]
    controllers[2].allow_writing()
    controllers[2].write_setpoint(55.5)
    for _ in range(2):
        assert [controller.read_temperature() for controller in controllers] == [10.0 * n for n in range(1, 9)]
    assert [controller.read_setpoint() for controller in controllers[1:4]] == [100.0, 55.5, 100.0]
    absent = CN7800("", address=9, transport=line)
    with pytest.raises(TransportTimeoutError):
        absent.read_temperature()
    assert controllers[0].read_temperature() == 10.0
    for controller in controllers:
        controller.close()
    assert not line.closed
    line.close()


def test_identify(clock: VirtualClock) -> None:
    line = in_memory(device(), clock=clock)
    assert CN7800.identify(line) == "Omega CN7800 or Delta DTB at address 1, control PID"
    assert not line.closed


def stranger(registers: dict[int, int]) -> RegisterBank:
    bank = SimulatedCN7800()
    bank.holding.update(registers)
    return bank


@pytest.mark.parametrize(
    "bank",
    [
        RegisterBank(holding={0: 7}),
        stranger({0x1001: 900, 0x1002: 500, 0x1003: 0}),
        stranger({0x1005: 9}),
        stranger({0x1001: 0x8003}),
    ],
    ids=["other-registers", "setpoint-beyond-limits", "no-such-method", "setpoint-is-a-code"],
)
def test_identify_knows_strangers(bank: RegisterBank, clock: VirtualClock) -> None:
    assert CN7800.identify(in_memory(RtuSlave(bank), clock=clock)) is None


def test_identify_where_nothing_answers(clock: VirtualClock) -> None:
    assert CN7800.identify(in_memory(device(address=2), clock=clock)) is None


# ---------------------------------------------------------------------------------------------- peers that are not ours


def test_minimalmodbus_reads_the_simulator_as_the_earlier_driver_did(serial_port: SerialPort) -> None:
    master = minimalmodbus.Instrument(
        serial_port(device(temperature_degc=-5.2, ambient_degc=-5.2, time_constant_s=1e9)), 1
    )
    master.serial.timeout = 0.5  # in place of 50 ms, which a busy computer may need
    try:
        assert master.read_register(0x1000, 1, signed=True) == -5.2
        assert master.read_register(0x1001, 1) == 100.0
        assert master.read_bit(0x0814) == 1
        master.write_bit(0x0810, 1)
        with pytest.raises(minimalmodbus.IllegalRequestError):
            master.write_register(0x1001, 30.0, 1)  # function 16
        master.write_register(0x1001, 30.0, 1, functioncode=6)
        assert master.read_register(0x1001, 1) == 30.0
    finally:
        master.serial.close()


def test_driver_reads_a_pymodbus_server() -> None:
    bits = [SimData(0x0810, values=[True, True, False, False, True, False, False], datatype=DataType.BITS)]
    inputs = [SimData(0x0810, values=[True, True, False, False, True, False, False], datatype=DataType.BITS)]
    registers = [SimData(0x1000, values=[0xFFCC, 1000, 13000, 0xF830] + [0] * 15, datatype=DataType.REGISTERS)]
    unused = [SimData(0, values=[0], datatype=DataType.REGISTERS)]
    with pymodbus_on_serial_line(SimDevice(3, simdata=(bits, inputs, registers, unused))) as port:
        line = open_modbus_rtu(port, baudrate=9600, parity="N")
        controller = CN7800("", address=3, transport=line)
        assert controller.read_temperature() == -5.2
        controller.allow_writing()
        controller.write_setpoint(-10.5)
        assert controller.read_setpoint() == -10.5
        assert controller.read_running()
        assert controller.read_unit() == "degC"
        assert controller.read_output() == 0.0
        line.close()


# -------------------------------------------------------------------------------------------- faults of earlier drivers


def test_below_zero_is_below_zero(clock: VirtualClock) -> None:
    """Earlier: registers were taken without their sign, and -5.2 degC was 6548.4."""
    controller = CN7800(
        "", transport=simulate(clock=clock, temperature_degc=-5.2, ambient_degc=-5.2, time_constant_s=1e9)
    )
    assert controller.read_temperature() == -5.2


@pytest.mark.parametrize("code", [0x8002, 0x8003, 0x8004, 0x8006, 0x8007])
def test_no_error_code_is_a_temperature(code: int, clock: VirtualClock) -> None:
    """Earlier: they were readings of about 3277 degC."""
    controller = CN7800("", transport=simulate(clock=clock, error_code=code))
    with pytest.raises(CommandRejectedError, match=f"0x{code:04X}"):
        controller.read_temperature()


def test_setpoint_is_written_with_a_function_that_the_manual_has(clock: VirtualClock) -> None:
    """Earlier: function 16, which it does not have."""
    asked = []

    class Recording(RtuSlave):
        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            asked.append(data[1])
            return super().feed(data, now_s)

    slave = Recording(SimulatedCN7800(writing_allowed=True))
    CN7800("", transport=ModbusTransport(in_memory(slave, clock=clock))).write_setpoint(30.0)
    assert asked == [6]


def test_port_is_a_name_of_udev_or_anything_else(
    serial_port: SerialPort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier: always a name in /dev/serial/by-id."""
    port = serial_port(device(**STILL))
    by_id = tmp_path / "by-id"
    by_id.mkdir()
    monkeypatch.setattr(omega_cn7800, "BY_ID", by_id)
    with CN7800(port) as controller:
        assert controller.read_temperature() == 25.3
    (by_id / "usb-oven").symlink_to(port)
    with CN7800("usb-oven") as controller:
        assert controller.read_temperature() == 25.3
    with pytest.raises(TransportError, match="usb-absent"):
        CN7800("usb-absent")


def test_controller_may_have_any_address(clock: VirtualClock) -> None:
    """Earlier: always 1."""
    transport = simulate(clock=clock, address=17, **STILL)
    assert CN7800("", address=17, transport=transport).read_temperature() == 25.3
    with pytest.raises(TransportTimeoutError):
        CN7800("", transport=transport).read_temperature()


def test_importing_sets_up_no_logging() -> None:
    """Earlier: a handler that wrote to the terminal was installed."""
    program = (
        "import logging\n"
        "import PyExpLabSys.drivers.omega_cn7800\n"
        "loggers = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]\n"
        "raise SystemExit(any(not isinstance(h, logging.NullHandler) for logger in loggers for h in logger.handlers))"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0
