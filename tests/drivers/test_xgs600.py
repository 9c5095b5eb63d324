"""XGS-600: the exchanges of the manual, each fault of the wire, real wires, and each fault of earlier drivers."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from PyExpLabSys.drivers.xgs600 import (
    XGS600Driver,
    decode,
    decode_boards,
    decode_pressure,
    decode_pressures,
    decode_relays,
    encode,
    encode_pressure,
    encode_sensor,
)
from PyExpLabSys.errors import (
    CommandRejectedError,
    InstrumentError,
    ProtocolError,
    TransportError,
    TransportTimeoutError,
)
from PyExpLabSys.simulators.serving.base import Answer, MessageSimulator, SharedLine
from PyExpLabSys.simulators.serving.faults import Fault, FaultySimulator
from PyExpLabSys.simulators.serving.memory import SimulatedChannel, VirtualClock, in_memory
from PyExpLabSys.simulators.xgs600 import SimulatedGauge, SimulatedXGS600, device, simulate
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.framing import until
from tests.drivers.conftest import SerialPort, Wire
from tests.drivers.exchanges import exchanging

Ask = Callable[[XGS600Driver], object]

#: The controller of the manual's exchanges; nothing changes by itself.
STEADY = (
    SimulatedGauge(0, "10", "MAIN", 2.345e-9, 2.345e-9, filament=1),
    SimulatedGauge(2, "40", "ROUGH", 760.0, 760.0),
    SimulatedGauge(4, "3A", "LOCK", 5.0e-8, 5.0e-8),
)

# ----------------------------------------------------------------------------------------------- the manual's exchanges

EXCHANGES = [
    pytest.param(
        "0F",
        b"#000F\r",
        b">2.345E-09,OPEN,7.600E+02\r",
        lambda controller: controller.read_all_pressures(),
        [2.345e-9, "OPEN", 760.0],
        id="all-pressures",
    ),
    pytest.param(
        "01",
        b"#0001\r",
        b">10FE40FE3AFE\r",
        lambda controller: controller.list_all_gauges(),
        "0: HFIG\n2: CNV\n4: IMG",
        id="boards",
    ),
    pytest.param(
        "02UMAIN",
        b"#0002UMAIN\r",
        b">2.345E-09\r",
        lambda controller: controller.read_pressure("UMAIN"),
        2.345e-9,
        id="pressure",
    ),
    pytest.param(
        "03",
        b"#0003\r",
        b">0005\r",
        lambda controller: controller.read_setpoint_state(),
        [True, False, True, False, False, False, False, False],
        id="relays",
    ),
    pytest.param(
        "5E83",
        b"#005E83\r",
        b">\r",
        lambda controller: controller.set_setpoint(8, "AUTO"),
        None,
        id="relay-automatic",
    ),
    pytest.param("5F8", b"#005F8\r", b">3\r", lambda controller: controller.read_setpoint(8), "AUTO", id="relay-mode"),
    pytest.param("13", b"#0013\r", b">01\r", lambda controller: controller.read_pressure_unit(), "mBar", id="unit"),
]


@pytest.mark.parametrize(("command", "request_bytes", "reply", "ask", "value"), EXCHANGES)
def test_exchanges_of_the_manual(command: str, request_bytes: bytes, reply: bytes, ask: Ask, value: object) -> None:
    assert encode(command) == request_bytes
    assert decode(reply, command) == reply.decode()[1:-1]
    assert XGS600Driver(transport=exchanging({request_bytes: reply})).xgs_comm(command) == reply.decode()[1:-1]


@pytest.mark.parametrize(("command", "request_bytes", "reply", "ask", "value"), EXCHANGES)
def test_driver_makes_these_exchanges(
    command: str, request_bytes: bytes, reply: bytes, ask: Ask, value: object
) -> None:
    assert ask(XGS600Driver(transport=exchanging({request_bytes: reply}))) == value


@pytest.mark.parametrize(("command", "request_bytes", "reply", "ask", "value"), EXCHANGES)
def test_simulator_makes_these_exchanges(
    command: str, request_bytes: bytes, reply: bytes, ask: Ask, value: object
) -> None:
    main, rough, lock = STEADY
    # In the row of all pressures an ion gauge that is off stands between two that are on.
    gauges = (main, lock, rough) if command == "0F" else STEADY
    controller = SimulatedXGS600(gauges=gauges)
    controller.unit = "11" if command == "13" else "10"
    for relay in ("1", "3"):
        controller.relays[relay].mode = "1"
    assert controller.handle(request_bytes, 0.0) == reply


def test_vector_of_the_unknown_gauge() -> None:
    controller = XGS600Driver(transport=exchanging({b"#0002UNOPE\r": b"?FF\r"}))
    with pytest.raises(CommandRejectedError, match=r"02UNOPE refused with \?FF"):
        controller.read_pressure("UNOPE")
    assert SimulatedXGS600().handle(b"#0002UNOPE\r", 0.0) == b"?FF\r"


@pytest.mark.parametrize(
    ("request_bytes", "reply", "ask", "value"),
    [
        (b"#0002T1\r", b">7.600E+02\r", lambda controller: controller.read_pressure("T1"), 760.0),
        (b"#0005\r", b">0210,0105\r", lambda controller: controller.read_software_version(), "0210,0105"),
        (b"#0034I1\r", b">1\r", lambda controller: controller.filament_lit("I1"), 1),
        (b"#0034I1\r", b">00\r", lambda controller: controller.filament_lit("I1"), 0),
        (b"#0013\r", b">00\r", lambda controller: controller.read_pressure_unit(), "Torr"),
        (b"#0013\r", b">02\r", lambda controller: controller.read_pressure_unit(), "Pascal"),
        (b"#005F1\r", b">0\r", lambda controller: controller.read_setpoint(1), "OFF"),
        (b"#005F1\r", b">1\r", lambda controller: controller.read_setpoint(1), "ON"),
        (b"#0062T12.500E-03\r", b">\r", lambda controller: controller.set_setpoint_on(2, "T", 1, 2.5e-3), None),
        (b"#0072I15.000E+01\r", b">\r", lambda controller: controller.set_setpoint_off(2, "I", 1, 50), None),
        (b"#0068UMAIN1.000E-08\r", b">\r", lambda controller: controller.set_setpoint_on(8, "U", "MAIN", 1e-8), None),
        (
            b"#0071UMAIN1.000E-08\r",
            b">\r",
            lambda controller: controller.set_setpoint_off(1, "user_label", "MAIN", 1e-8),
            None,
        ),
        (b"#0006\r", b">\r", lambda controller: controller.xgs_comm("06", expect_reply=False), ""),
        (b"#0013\r", b">01\r", lambda controller: controller.xgs_comm("13", False), ""),
    ],
)
def test_further_documented_methods(request_bytes: bytes, reply: bytes, ask: Ask, value: object) -> None:
    assert ask(XGS600Driver(transport=exchanging({request_bytes: reply}))) == value


@pytest.mark.parametrize(("state", "code"), [(0, 0), ("OFF", 0), (1, 1), ("ON", 1), (3, 3), ("AUTO", 3)], ids=repr)
def test_relay_is_set_by_number_or_name(state: int | str, code: int) -> None:
    XGS600Driver(transport=exchanging({f"#005E1{code}\r".encode(): b">\r"})).set_setpoint(1, state)


def test_emission_is_set_and_read_back() -> None:
    exchanges = {b"#0031UMAIN\r": b">\r", b"#0033UMAIN\r": b">\r", b"#0030UMAIN\r": b">\r", b"#0032UMAIN\r": b">01\r"}
    controller = XGS600Driver(transport=exchanging(exchanges))
    assert controller.set_emission_on("UMAIN", 1) is True
    assert controller.set_emission_on("UMAIN", 2) is True
    assert controller.set_emission_off("UMAIN") is True  # it does not go off
    assert controller.set_smission_off("UMAIN") is True
    with pytest.raises(ValueError, match="filament 3"):
        controller.set_emission_on("UMAIN", 3)


def test_labels_of_all_gauges() -> None:
    exchanges = {b"#00T1\r": b">ROUGH\r", b"#00T2\r": b"?FF\r", b"#00I1\r": b">MAIN\r", b"#00I2\r": b"?FF\r"}
    controller = XGS600Driver(transport=exchanging(exchanges))
    assert controller.read_all_user_label() == {"T1": "ROUGH", "I1": "MAIN"}


def test_labels_end_even_if_the_controller_never_refuses() -> None:
    transport = in_memory(MessageSimulator(lambda *_: b">X\r", until(b"\r")), clock=VirtualClock())
    assert len(XGS600Driver(transport=transport).read_all_user_label()) == 24


@pytest.mark.parametrize(
    ("address", "request_bytes"), [(0, b"#0013\r"), (1, b"#0113\r"), (10, b"#0A13\r"), (0x20, b"#2013\r")]
)
def test_address_is_hexadecimal(address: int, request_bytes: bytes) -> None:
    assert encode("13", address) == request_bytes
    controller = XGS600Driver(address=address, transport=exchanging({request_bytes: b">00\r"}))
    assert controller.read_pressure_unit() == "Torr"


@pytest.mark.parametrize("address", [-1, 0x21, 255])
def test_address_that_does_not_exist_is_refused_before_a_port_is_opened(address: int) -> None:
    with pytest.raises(ValueError, match="address"):
        XGS600Driver("/dev/there/is/none", address=address)


@pytest.mark.parametrize("command", ["", "1", "0f", "02Umain", "#0001", "01\r", "02U\u00b5", "T0"])
def test_what_is_no_command_is_not_sent(command: str) -> None:
    with pytest.raises(ValueError, match="is no command"):
        XGS600Driver(transport=exchanging({})).xgs_comm(command)


@pytest.mark.parametrize(
    ("value", "text"), [(2.5e-6, "2.500E-06"), (760, "7.600E+02"), (1.23456e-9, "1.235E-09"), (9.9999e-4, "1.000E-03")]
)
def test_pressure_that_is_sent(value: float, text: str) -> None:
    assert encode_pressure(value) == text
    assert decode_pressure(text) == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize("value", [0.0, -1e-3, float("nan"), float("inf"), 1e-100, 1e100])
def test_what_is_no_pressure_is_not_sent(value: float) -> None:
    with pytest.raises(ValueError, match="no pressure"):
        XGS600Driver(transport=exchanging({})).set_setpoint_on(1, "T", 1, value)


@pytest.mark.parametrize(
    ("code", "count", "name"),
    [("T", 1, "T1"), ("I", 12, "I12"), ("U", "MAIN", "UMAIN"), ("user_label", "MAIN", "UMAIN")],
)
def test_names_of_gauges(code: str, count: int | str, name: str) -> None:
    assert encode_sensor(code, count) == name


@pytest.mark.parametrize(("code", "count"), [("X", 1), ("T", 0), ("T", "MAIN"), ("U", ""), ("U", "main"), ("", "T")])
def test_what_is_no_gauge(code: str, count: int | str) -> None:
    with pytest.raises(ValueError, match="is no gauge"):
        encode_sensor(code, count)


@pytest.mark.parametrize(
    "ask",
    [
        lambda controller: controller.read_pressure("MAIN"),
        lambda controller: controller.read_setpoint(0),
        lambda controller: controller.read_setpoint(9),
        lambda controller: controller.set_setpoint(1, 2),
        lambda controller: controller.set_setpoint(1, "auto"),
        lambda controller: controller.set_setpoint_off(9, "T", 1, 1.0),
        lambda controller: controller.emission_status("T"),
    ],
    ids=["label-without-u", "relay-0", "relay-9", "mode-2", "mode-auto", "limit-of-relay-9", "gauge-without-number"],
)
def test_arguments_that_make_no_sense_are_refused_before_a_byte_is_sent(ask: Ask) -> None:
    with pytest.raises(ValueError, match=r"gauge|relay|state"):
        ask(XGS600Driver(transport=exchanging({})))


@pytest.mark.parametrize(
    "reply",
    [
        b"\r",
        b"2.345E-09\r",
        b">2.345E-09",
        b">2.3\xff5E-09\r",
        b"?FE\r",
        b"\n>2.345E-09\r",
        b"#0002UMAIN\r",
        b">\x00\r",
    ],
    ids=["empty", "no-mark", "no-end", "no-ascii", "no-refusal", "line-feed", "echo", "control"],
)
def test_invalid_replies(reply: bytes) -> None:
    with pytest.raises(ProtocolError, match="garbled"):
        decode(reply, "02UMAIN")


@pytest.mark.parametrize(
    ("decode_data", "data"),
    [
        (decode_pressure, ""),
        (decode_pressure, "nan"),
        (decode_pressure, "2.345E-0"),
        (decode_pressure, "2.345E-09,7.600E+02"),
        (decode_pressure, "-2.345E-09"),
        (decode_pressures, "2.345E-09,,7.600E+02"),
        (decode_pressures, "2.345E-09,OP3N"),
        (decode_boards, "10FE40FE3A"),
        (decode_boards, "10FE40FE3AXX"),
        (decode_relays, "5"),
        (decode_relays, "0105"),
        (decode_relays, "00G5"),
    ],
)
def test_nothing_is_made_up(decode_data: Callable[[str], object], data: str) -> None:
    with pytest.raises(ProtocolError):
        decode_data(data)


@pytest.mark.parametrize(
    ("request_bytes", "reply", "ask"),
    [
        (b"#0013\r", b">03\r", lambda controller: controller.read_pressure_unit()),
        (b"#005F1\r", b">2\r", lambda controller: controller.read_setpoint(1)),
        (b"#0032I1\r", b">03\r", lambda controller: controller.emission_status("I1")),
        (b"#0034I1\r", b">ON\r", lambda controller: controller.filament_lit("I1")),
        (b"#0002I1\r", b">0005\r", lambda controller: controller.read_pressure("I1")),
        (b"#005E83\r", b">3\r", lambda controller: controller.set_setpoint(8, "AUTO")),
    ],
)
def test_valid_reply_with_data_of_another_kind(request_bytes: bytes, reply: bytes, ask: Ask) -> None:
    with pytest.raises(ProtocolError):
        ask(XGS600Driver(transport=exchanging({request_bytes: reply})))


@pytest.mark.parametrize("bit", range(8))
def test_each_relay_has_its_bit(bit: int) -> None:
    assert decode_relays(f"{1 << bit:04X}") == [place == bit for place in range(8)]


# ----------------------------------------------------------------------------------------------- the simulated chambers


def test_pumps_pull_the_pressures_down() -> None:
    clock = VirtualClock()
    controller = XGS600Driver(transport=simulate(clock=clock, time_constant_s=20.0))
    assert controller.read_all_pressures() == [1.0e-6, 760.0, "OPEN"]
    clock.sleep(20.0)
    assert controller.read_pressure("T1") == pytest.approx(760.0 * 0.3679, rel=0.01)
    clock.sleep(600.0)
    assert controller.read_all_pressures() == [2.345e-9, 1.0e-3, "OPEN"]
    assert controller.read_all_user_label() == {"T1": "ROUGH", "I1": "MAIN", "I2": "LOCK"}


@pytest.mark.parametrize(
    ("command", "unit", "pressure"), [("10", "Torr", 760.0), ("11", "mBar", 1013.0), ("12", "Pascal", 1.013e5)]
)
def test_unit_round_trip(command: str, unit: str, pressure: float) -> None:
    controller = XGS600Driver(transport=simulate(clock=VirtualClock(), gauges=STEADY))
    assert controller.xgs_comm(command) == ""
    assert controller.read_pressure_unit() == unit
    assert controller.read_pressure("UROUGH") == pressure


@pytest.mark.parametrize("filament", [1, 2])
def test_emission_round_trip(filament: int) -> None:
    controller = XGS600Driver(transport=simulate(clock=VirtualClock(), gauges=STEADY))
    with pytest.raises(CommandRejectedError, match="OPEN"):
        controller.read_pressure("ULOCK")
    assert controller.filament_lit("ULOCK") == 0
    assert controller.set_emission_on("ULOCK", filament) is True
    assert controller.filament_lit("I2") == filament
    assert controller.read_pressure("ULOCK") == 5.0e-8
    assert controller.set_emission_off("I2") is False
    with pytest.raises(CommandRejectedError, match="off or not connected"):
        controller.read_pressure("ULOCK")


def test_relay_follows_its_gauge() -> None:
    clock = VirtualClock()
    rough = SimulatedGauge(2, "40", "ROUGH", 760.0, 0.1)
    instrument = SimulatedXGS600(gauges=(rough,), time_constant_s=1.0)
    transport = in_memory(MessageSimulator(instrument.handle, until(b"\r")), clock=clock)
    controller = XGS600Driver(transport=transport)
    controller.set_setpoint_on(3, "T", 1, 1.0)
    controller.set_setpoint_off(3, "user_label", "ROUGH", 2.0)
    assert controller.xgs_comm("04T1") == "0004"
    assert controller.read_setpoint(3) == "AUTO"
    assert controller.read_setpoint_state() == [False] * 8
    clock.sleep(20.0)
    assert controller.read_setpoint_state() == [False, False, True, False, False, False, False, False]
    instrument.gauges[0].base_torr = 1.5  # between the two: it stays
    clock.sleep(20.0)
    assert controller.read_setpoint_state()[2] is True
    instrument.gauges[0].base_torr = 3.0
    clock.sleep(20.0)
    assert controller.read_setpoint_state()[2] is False
    controller.set_setpoint(3, "ON")
    assert controller.read_setpoint_state()[2] is True
    assert controller.read_setpoint(3) == "ON"


@pytest.mark.parametrize(
    "command",
    ["99", "01X", "02", "02T9", "02T0", "5E91", "5E12", "5F11", "61T1", "61T1XXXXXXXXX", "32T1", "30T1", "T9"],
)
def test_simulator_refuses_what_it_does_not_know(command: str) -> None:
    with pytest.raises(CommandRejectedError):
        XGS600Driver(transport=simulate(clock=VirtualClock())).xgs_comm(command, expect_reply=False)


def test_simulators_do_not_share_gauges() -> None:
    clock = VirtualClock()
    first, second = (XGS600Driver(transport=simulate(clock=clock, gauges=STEADY)) for _ in range(2))
    first.set_emission_on("ULOCK", 1)
    assert second.emission_status("ULOCK") is False


# --------------------------------------------------------------------------------------------------- faults of the wire


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def faults() -> FaultySimulator:
    return FaultySimulator(device(gauges=STEADY))


@pytest.fixture
def controller(faults: FaultySimulator, clock: VirtualClock) -> XGS600Driver:
    return XGS600Driver(transport=in_memory(faults, clock=clock))


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
def test_fault_costs_one_reading_and_no_more(
    controller: XGS600Driver, faults: FaultySimulator, fault: Fault, error: type[Exception]
) -> None:
    controller.read_pressure("UMAIN")
    faults.inject(fault, late_s=3.0)
    with pytest.raises(error):
        controller.read_pressure("UMAIN")
    assert controller.read_pressure("UMAIN") == 2.345e-9


@pytest.mark.parametrize("late_s", [1.9, 2.1, 3.0, 3.95])
def test_late_answer_is_not_taken_for_that_to_the_next_question(clock: VirtualClock, late_s: float) -> None:
    # It always takes long, so that a late answer comes before the right one if the driver does not wait.
    faults = FaultySimulator(device(delay_s=1.8, gauges=STEADY))
    controller = XGS600Driver(transport=in_memory(faults, clock=clock))
    faults.inject(Fault.LATE, late_s=late_s - 1.8)
    try:
        assert controller.read_pressure("UMAIN") == 2.345e-9
    except TransportTimeoutError:
        assert late_s > 2.0
    assert controller.read_pressure("UROUGH") == 760.0
    assert controller.read_setpoint_state() == [False] * 8


def test_rest_of_a_torn_reply_is_not_taken_for_the_next(clock: VirtualClock) -> None:
    class Torn:
        """A disturbance on the wire looks like a carriage return, so that one answer becomes two."""

        def __init__(self) -> None:
            self.controller = device(gauges=STEADY)
            self.torn = False

        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            if self.torn:
                return list(self.controller.feed(data, now_s))
            self.torn = True
            return [Answer(0.0, b"#\r"), Answer(0.12, b">9.999E-09\r")]

    controller = XGS600Driver(transport=in_memory(Torn(), clock=clock))
    with pytest.raises(ProtocolError):
        controller.read_pressure("UMAIN")
    assert controller.read_pressure("UMAIN") == 2.345e-9


def test_unplugged_in_the_middle_of_a_reply_and_plugged_in_again(faults: FaultySimulator, clock: VirtualClock) -> None:
    channel = SimulatedChannel(faults, clock=clock)
    controller = XGS600Driver(transport=ByteTransport(channel, clock=clock))
    faults.inject(Fault.UNPLUGGED)
    for _ in range(2):
        with pytest.raises(TransportError, match="unplugged"):
            controller.read_all_pressures()
    channel.plug()
    assert controller.read_all_pressures() == [2.345e-9, 760.0, "OPEN"]


def test_wrong_digit_of_a_reading_cannot_be_noticed(controller: XGS600Driver, faults: FaultySimulator) -> None:
    """The protocol has no checksum: this documents what the driver cannot do, whatever it does."""
    faults.inject(Fault.WRONG_CHECKSUM)
    assert controller.read_pressure("UMAIN") == 2.345e-8


@pytest.mark.parametrize("timeout", [0.5, 2.0, 5.0])
@pytest.mark.parametrize("dribble", [False, True], ids=["silent", "babbling"])
def test_waiting_ends_after_the_timeout(clock: VirtualClock, timeout: float, dribble: bool) -> None:
    class Endless:
        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            return [Answer(0.01 * n, b"x") for n in range(1000)] if dribble else []

    controller = XGS600Driver("", timeout, transport=in_memory(Endless(), clock=clock))
    with pytest.raises(TimeoutError):
        controller.read_all_pressures()
    assert clock.monotonic() == pytest.approx(timeout, abs=0.05)


def test_not_more_than_ten_questions_in_a_second(clock: VirtualClock) -> None:
    asked_s = []

    def handle(request: bytes, now_s: float) -> bytes:
        asked_s.append(now_s)
        return b">00\r"

    controller = XGS600Driver(transport=in_memory(MessageSimulator(handle, until(b"\r")), clock=clock))
    for _ in range(20):
        controller.read_pressure_unit()
    assert min(later - earlier for earlier, later in pairwise(asked_s)) >= 0.0999
    assert clock.monotonic() == pytest.approx(1.9, abs=0.01)
    clock.sleep(1.0)
    controller.read_pressure_unit()  # no waiting where none is due
    assert clock.monotonic() == pytest.approx(2.9, abs=0.01)


# ---------------------------------------------------------------------------------------------------------- real wires


def test_over_real_wires(wire: Wire) -> None:
    with XGS600Driver(transport=wire(device(gauges=STEADY))) as controller:
        assert controller.read_all_pressures() == [2.345e-9, 760.0, "OPEN"]
        controller.set_setpoint(8, "ON")
        assert controller.read_setpoint_state() == [False] * 7 + [True]
        assert controller.set_emission_on("ULOCK", 2) is True
        with pytest.raises(CommandRejectedError):
            controller.read_pressure("UNOPE")


def test_faults_over_real_wires(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(XGS600Driver, "LATE_S", 0.4)
    faults = FaultySimulator(device(gauges=STEADY))
    controller = XGS600Driver("", 0.2, transport=wire(faults))
    for fault in (Fault.SILENCE, Fault.GARBAGE, Fault.WRONG_ECHO, Fault.HALF_A_REPLY, Fault.LATE):
        faults.inject(fault, late_s=0.3)
        with pytest.raises(InstrumentError):
            controller.read_pressure("UMAIN")
        assert controller.read_pressure("UROUGH") == 760.0
    faults.inject(Fault.UNPLUGGED)
    with pytest.raises(TransportError):
        controller.read_pressure("UMAIN")


def test_documented_constructor_opens_a_port_and_with_closes_it(serial_port: SerialPort) -> None:
    port = serial_port(device())
    for arguments in ({"port": port}, {"port": port, "timeout": 1.0}):
        with XGS600Driver(**arguments) as controller:
            controller.read_pressure_unit()
        with pytest.raises(TransportError, match="closed"):
            controller.read_pressure_unit()
        controller.close()


def test_given_transport_stays_open(clock: VirtualClock) -> None:
    transport = simulate(clock=clock)
    with XGS600Driver(transport=transport):
        pass
    assert not transport.closed


def test_two_on_one_line(clock: VirtualClock) -> None:
    gauges = [[replace(STEADY[1], pressure_torr=number, base_torr=number)] for number in (1.0, 2.0)]
    line = in_memory(
        SharedLine(device(address=1, gauges=gauges[0]), device(address=0x1A, gauges=gauges[1])), clock=clock
    )
    assert XGS600Driver(address=1, transport=line).read_pressure("T1") == 1.0
    with pytest.raises(TransportTimeoutError):
        XGS600Driver(address=2, transport=line).read_pressure("T1")
    assert XGS600Driver(address=0x1A, transport=line).read_pressure("T1") == 2.0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "XGS-600, firmware 0210,0105,0105,0105, boards: HFIG, CNV, IMG"),
        ({"gauges": ()}, "XGS-600, firmware 0210, boards: none"),
    ],
)
def test_identify(options: dict[str, Any], text: str, clock: VirtualClock) -> None:
    assert XGS600Driver.identify(simulate(clock=clock, **options)) == text


@pytest.mark.parametrize("reply", [b"", b"hello\r", b"?FF\r", b">hello\r"])
def test_identify_knows_strangers(reply: bytes) -> None:
    assert XGS600Driver.identify(exchanging({b"#0005\r": reply, b"#0001\r": reply})) is None


# -------------------------------------------------------------------------------------------- faults of earlier drivers


@pytest.mark.parametrize(("data", "emission"), [("00", False), ("01", True), ("02", True)])
def test_filament_2_is_emission_too(data: str, emission: bool) -> None:
    """Earlier: a gauge running on filament 2 read as off."""
    controller = XGS600Driver(transport=exchanging({b"#0032I1\r": f">{data}\r".encode()}))
    assert controller.emission_status("I1") is emission


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        ("10FE40FE3AFE", ["0: HFIG", "2: CNV", "4: IMG"]),
        ("4CFEFEFEFE10", ["0: analog", "5: HFIG"]),
        ("FEFEFEFE77FE", ["4: unknown (77)"]),
        ("FEFEFEFEFEFE", []),
    ],
)
def test_slots_are_whole_numbers_and_no_board_is_left_out(data: str, lines: list[str]) -> None:
    """Earlier: "0.0:", and the analog board was ignored."""
    controller = XGS600Driver(transport=exchanging({b"#0001\r": f">{data}\r".encode()}))
    assert controller.list_all_gauges().splitlines() == lines


@pytest.mark.parametrize(
    ("request_bytes", "ask"),
    [
        (b"#0002I1\r", lambda controller: controller.read_pressure("I1")),
        (b"#000F\r", lambda controller: controller.read_all_pressures()),
        (b"#0034I1\r", lambda controller: controller.filament_lit("I1")),
        (b"#0032I1\r", lambda controller: controller.emission_status("I1")),
        (b"#0001\r", lambda controller: controller.list_all_gauges()),
        (b"#0003\r", lambda controller: controller.read_setpoint_state()),
        (b"#005F1\r", lambda controller: controller.read_setpoint(1)),
    ],
)
def test_refusal_is_no_value(request_bytes: bytes, ask: Ask) -> None:
    """Earlier: -1.0, or the error of a conversion to int."""
    with pytest.raises(CommandRejectedError):
        ask(XGS600Driver(transport=exchanging({request_bytes: b"?FF\r"})))


@pytest.mark.parametrize(
    ("request_bytes", "ask"),
    [
        (b"#005E83\r", lambda controller: controller.set_setpoint(8, 3)),
        (b"#0061T11.000E+00\r", lambda controller: controller.set_setpoint_on(1, "T", 1, 1.0)),
        (b"#0071T11.000E+00\r", lambda controller: controller.set_setpoint_off(1, "T", 1, 1.0)),
        (b"#0031I1\r", lambda controller: controller.set_emission_on("I1", 1)),
        (b"#0030I1\r", lambda controller: controller.set_smission_off("I1")),
        (b"#0006\r", lambda controller: controller.xgs_comm("06", expect_reply=False)),
    ],
)
def test_refused_setting_is_an_error(request_bytes: bytes, ask: Ask) -> None:
    """Earlier: what sets something never read its reply, and the next question got it."""
    with pytest.raises(CommandRejectedError):
        ask(XGS600Driver(transport=exchanging({request_bytes: b"?FF\r"})))


def test_controller_without_gauges_has_no_pressures() -> None:
    """Earlier: [-3]."""
    controller = XGS600Driver(transport=exchanging({b"#000F\r": b">\r"}))
    with pytest.raises(CommandRejectedError, match="no gauges"):
        controller.read_all_pressures()


def test_word_that_is_no_pressure_stays_a_word_and_spoils_no_other() -> None:
    """Earlier: -2."""
    controller = XGS600Driver(transport=exchanging({b"#000F\r": b">OFF,7.600E+02\r"}))
    assert controller.read_all_pressures() == ["OFF", 760.0]
