"""Pfeiffer TPG 261/262: exchanges of the manual, faults in each half of the handshake, faults of earlier drivers."""

from collections import deque

import pytest

from PyExpLabSys.drivers.pfeiffer import (
    ECHO_TEST,
    GAUGE_IDS,
    MEASUREMENT_STATUS,
    PRESSURE_UNITS,
    TPG261,
    TPG262,
    HandshakeError,
    RefusedError,
    TPG26x,
    decode,
    decode_gauge_ids,
    decode_pressure,
    decode_readings,
    decode_unit,
    encode,
    is_acknowledged,
)
from PyExpLabSys.errors import (
    CommandRejectedError,
    InstrumentError,
    ProtocolError,
    TransportError,
    TransportTimeoutError,
)
from PyExpLabSys.simulators.pfeiffer import SimulatedTPG26x, device, simulate
from PyExpLabSys.simulators.serving.base import Answer, ByteSimulator, MessageSimulator
from PyExpLabSys.simulators.serving.faults import Fault, FaultySimulator
from PyExpLabSys.simulators.serving.memory import SimulatedChannel, VirtualClock, in_memory
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.framing import until
from tests.drivers.conftest import SerialPort, Wire

ACK, NAK, ENQ, ETX = b"\x06\r\n", b"\x15\r\n", b"\x05", b"\x03"


class Handshakes:
    """A controller that knows only the exchanges of a test, for each line its acknowledgement and its data."""

    def __init__(self, *exchanges: tuple[bytes, bytes, bytes]) -> None:
        self._exchanges = {line: (acknowledgement, data) for line, acknowledgement, data in exchanges}
        self._data = b""
        self.heard: list[bytes] = []

    def feed(self, data: bytes, now_s: float) -> list[Answer]:
        self.heard.append(data)
        if data == ETX:
            return []
        if data == ENQ:
            return [Answer(0.0, self._data)]
        acknowledgement, self._data = self._exchanges[data]
        return [Answer(0.0, acknowledgement)]


class FaultAt:
    """A controller that fails in one half of the handshake: at what ends with some bytes."""

    def __init__(self, simulator: ByteSimulator) -> None:
        self._simulator = simulator
        self._faulty = FaultySimulator(simulator)
        self._end = ENQ

    def inject(self, fault: Fault, end: bytes, late_s: float = 0.0) -> None:
        self._end = end
        self._faulty.inject(fault, late_s=late_s)

    def feed(self, data: bytes, now_s: float) -> list[Answer]:
        return list((self._faulty if data.endswith(self._end) else self._simulator).feed(data, now_s))


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def faults() -> FaultAt:
    return FaultAt(device(time_constant_s=1e9))


@pytest.fixture
def controller(faults: FaultAt, clock: VirtualClock) -> TPG262:
    return TPG262(transport=in_memory(faults, clock=clock))


def steady(clock: VirtualClock, **options: object) -> TPG262:
    return TPG262(transport=simulate(clock=clock, time_constant_s=1e9, **options))


# ----------------------------------------------------------------------------------------------- the manual's exchanges

EXCHANGES = [
    pytest.param(
        "PR1",
        b"\x50\x52\x31\x0d\x0a",
        b"\x30\x2c\x2b\x31\x2e\x32\x33\x30\x30\x45\x2d\x30\x33\x0d\x0a",
        "0,+1.2300E-03",
        id="gauge-1",
    ),
    pytest.param(
        "PRX", b"PRX\r\n", b"0,+1.2300E-03,5,+2.0000E-02\r\n", "0,+1.2300E-03,5,+2.0000E-02", id="both-gauges"
    ),
    pytest.param("TID", b"TID\r\n", b"PKR,noSEn\r\n", "PKR,noSEn", id="types"),
    pytest.param("UNI", b"UNI\r\n", b"0\r\n", "0", id="unit"),
    pytest.param("UNI,2", b"UNI,2\r\n", b"2\r\n", "2", id="unit-pascal"),
    pytest.param("PNR", b"PNR\r\n", b"010100\r\n", "010100", id="firmware"),
]


@pytest.mark.parametrize(("command", "line", "reply", "data"), EXCHANGES)
def test_exchanges_of_the_manual(command: str, line: bytes, reply: bytes, data: str, clock: VirtualClock) -> None:
    assert encode(command) == line
    assert is_acknowledged(b"\x06\x0d\x0a", command)
    assert decode(reply) == data
    handshakes = Handshakes((line, ACK, reply))
    assert TPG262(transport=in_memory(handshakes, clock=clock)).command(command) == data
    assert handshakes.heard == [ETX, line, ENQ]


@pytest.mark.parametrize(("command", "line", "reply", "data"), EXCHANGES)
def test_simulator_answers_as_the_manual_says(
    command: str, line: bytes, reply: bytes, data: str, clock: VirtualClock
) -> None:
    assert steady(clock).command(command) == data


def test_refusal_of_the_manual(clock: VirtualClock) -> None:
    assert not is_acknowledged(b"\x15\x0d\x0a", "PR9")
    handshakes = Handshakes((b"PR9\r\n", NAK, b"0001\r\n"))
    for transport in (in_memory(handshakes, clock=clock), simulate(clock=clock)):
        with pytest.raises(RefusedError, match="PR9 refused with 0001: syntax error"):
            TPG262(transport=transport).command("PR9")
    assert handshakes.heard == [ETX, b"PR9\r\n", ENQ]


def test_methods_return_what_the_exchanges_say(clock: VirtualClock) -> None:
    controller = TPG262(
        transport=in_memory(
            Handshakes(
                (b"PR1\r\n", ACK, b"0,+1.2300E-03\r\n"),
                (b"PR2\r\n", ACK, b"5,+2.0000E-02\r\n"),
                (b"PRX\r\n", ACK, b"0,+1.2300E-03,5,+2.0000E-02\r\n"),
                (b"TID\r\n", ACK, b"PKR,noSEn\r\n"),
                (b"UNI\r\n", ACK, b"0\r\n"),
                (b"UNI,2\r\n", ACK, b"2\r\n"),
                (b"PNR\r\n", ACK, b"010100\r\n"),
            ),
            clock=clock,
        )
    )
    assert controller.program_number() == "010100"
    assert controller.pressure_gauge() == controller.pressure_gauge(1) == (1.23e-3, (0, "ok"))
    assert controller.pressure_gauge(2) == (2e-2, (5, "no sensor"))
    assert controller.pressure_gauges() == (1.23e-3, (0, "ok"), 2e-2, (5, "no sensor"))
    assert controller.gauge_identification() == ("PKR", GAUGE_IDS["PKR"], "noSEn", "no sensor")
    assert controller.pressure_unit() == "mbar/bar"
    assert controller.read_pressure() == 1.23e-3
    controller.set_pressure_unit("Pascal")


@pytest.mark.parametrize(
    ("data", "pressure"),
    [
        ("0,+1.2300E-03", 1.23e-3),
        ("0,1.2300E-03", 1.23e-3),
        ("0, 1.2300E-03", 1.23e-3),
        ("0, +1.2300E-03", 1.23e-3),
        ("0,-1.2300E-03", -1.23e-3),
        ("0,8.340E-3", 8.34e-3),
        ("0,+1.0000E+03", 1000.0),
    ],
)
def test_pressures_with_and_without_a_sign(data: str, pressure: float) -> None:
    assert decode_pressure(data) == pressure


@pytest.mark.parametrize("code", range(1, 8))
def test_status_that_says_there_is_no_pressure(code: int, clock: VirtualClock) -> None:
    data = f"{code},+2.0000E-02"
    assert decode_readings(data) == ((2e-2, (code, MEASUREMENT_STATUS[code])),)
    with pytest.raises(CommandRejectedError, match=MEASUREMENT_STATUS[code]):
        decode_pressure(data)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "0",
        "0,",
        ",+1.2300E-03",
        "8,+1.2300E-03",
        "0,+1.23",
        "0,+1.2300E",
        "0,nan",
        "0,+1.23OOE-03",
        "0,+1.2300E-03,0",
    ],
)
def test_no_reading_is_made_up(data: str) -> None:
    with pytest.raises(ProtocolError):
        decode_pressure(data)


@pytest.mark.parametrize("reply", [b"0\r", b"0\n", b"\r\n", b"", b"0\xff\r\n", b"0\x00\r\n"])
def test_lines_that_are_none(reply: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(reply)


@pytest.mark.parametrize("reply", [b"\x06", b"\x06\n", b"\r\n", b"\x15", b"0\r\n", b"\x07\r\n", b"#\x06\r\n"])
def test_neither_yes_nor_no(reply: bytes) -> None:
    with pytest.raises(HandshakeError, match="neither ACK nor NAK"):
        is_acknowledged(reply, "PR1")


@pytest.mark.parametrize(("number", "unit"), PRESSURE_UNITS.items())
def test_units(number: int, unit: str, clock: VirtualClock) -> None:
    assert decode_unit(str(number)) == unit
    controller = steady(clock)
    controller.set_pressure_unit(unit)
    assert controller.pressure_unit() == unit
    assert controller.read_pressure() == pytest.approx({0: 1.23e-3, 1: 9.23e-4, 2: 0.123}[number])


@pytest.mark.parametrize("data", ["3", "-1", "", "x", "0,1", "²"])
def test_units_that_do_not_exist(data: str) -> None:
    with pytest.raises(ProtocolError):
        decode_unit(data)


def test_unit_that_was_not_taken(clock: VirtualClock) -> None:
    controller = TPG262(transport=in_memory(Handshakes((b"UNI,1\r\n", ACK, b"0\r\n")), clock=clock))
    with pytest.raises(CommandRejectedError, match="did not take the unit Torr"):
        controller.set_pressure_unit("Torr")


def test_arguments_that_make_no_sense(controller: TPG262) -> None:
    with pytest.raises(ValueError, match="gauge 3"):
        controller.pressure_gauge(3)
    with pytest.raises(ValueError, match="gauge 0"):
        controller.read_pressure(0)
    with pytest.raises(ValueError, match="unit 'psi'"):
        controller.set_pressure_unit("psi")
    for command in ("", "PR", "pr1", "PR1\r", "PR1,", "PRX1"):
        with pytest.raises(ValueError, match="no mnemonic"):
            controller.command(command)


# ---------------------------------------------------------------------------------------------------------- simulator


def test_pressure_falls_while_pumps_run(clock: VirtualClock) -> None:
    controller = TPG262(transport=simulate(clock=clock, time_constant_s=10.0, pressures_mbar=(1e-2, 1e-2)))
    first = controller.read_pressure()
    clock.sleep(10.0)
    assert controller.read_pressure() == pytest.approx(first / 2.718, rel=0.02)
    clock.sleep(1000.0)
    assert controller.read_pressure() == 1e-7


def test_gauge_that_is_switched_off(clock: VirtualClock) -> None:
    controller = steady(clock, gauges=("PKR", "TPR"))
    assert controller.command("SEN") == "2,0"
    assert controller.command("SEN,1,1") == "1,0"
    assert controller.pressure_gauge(1)[1] == (4, "sensor switched off")
    assert controller.pressure_gauge(2) == (5e-2, (0, "ok"))
    assert controller.command("SEN,0,0") == "1,0"
    assert controller.command("SEN,2,0") == "2,0"
    assert controller.read_pressure() == 1.23e-3


@pytest.mark.parametrize(
    ("gauges", "pressures_mbar", "status"),
    [
        (("PKR", "noSEn"), (1e-10, 1.0), 1),
        (("IKR9", "noSEn"), (1.0, 1.0), 2),
        (("noSEn", "noSEn"), (1.0, 1.0), 5),
        (("noid", "noSEn"), (1.0, 1.0), 6),
    ],
)
def test_simulated_gauge_without_a_pressure(
    gauges: tuple[str, str], pressures_mbar: tuple[float, float], status: int, clock: VirtualClock
) -> None:
    controller = steady(clock, gauges=gauges, pressures_mbar=pressures_mbar)
    assert controller.pressure_gauge()[1][0] == status
    with pytest.raises(CommandRejectedError, match=MEASUREMENT_STATUS[status]):
        controller.read_pressure()


@pytest.mark.parametrize(
    ("command", "error"),
    [("XYZ", "0001: syntax error"), ("UNI,7", "0010: parameter not allowed"), ("PNR,1", "0010: parameter not allowed")],
)
def test_simulator_refuses_and_forgets_the_error(command: str, error: str, clock: VirtualClock) -> None:
    controller = steady(clock)
    with pytest.raises(RefusedError, match=error):
        controller.command(command)
    assert controller.command("ERR") == "0000"


def test_enquiry_brings_fresh_data_again_and_again(clock: VirtualClock) -> None:
    line = simulate(clock=clock, pressures_mbar=(1.0, 1.0))
    assert line.exchange(b"PR1\r", until(b"\n")) == ACK  # the line feed may be left out
    first = line.exchange(ENQ, until(b"\n"))
    clock.sleep(30.0)
    second = line.exchange(ENQ, until(b"\n"))
    assert decode_pressure(decode(second)) < decode_pressure(decode(first)) == 1.0


# ------------------------------------------------------------------------------------------------- faults of the wire


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.SILENCE, TransportTimeoutError),
        (Fault.GARBAGE, ProtocolError),
        (Fault.HALF_A_REPLY, TransportTimeoutError),
        (Fault.LATE, TransportTimeoutError),
    ],
)
@pytest.mark.parametrize("end", [b"\r\n", ENQ], ids=["acknowledgement", "data"])
def test_fault_costs_one_reading_and_no_more(
    controller: TPG262, faults: FaultAt, fault: Fault, end: bytes, error: type[Exception]
) -> None:
    controller.read_pressure()
    faults.inject(fault, end, late_s=1.5)
    with pytest.raises(error):
        controller.read_pressure()
    assert controller.pressure_unit() == "mbar/bar"
    assert controller.read_pressure() == 1.23e-3


def test_disturbed_acknowledgement_is_none(controller: TPG262, faults: FaultAt) -> None:
    faults.inject(Fault.WRONG_ECHO, b"\r\n")
    with pytest.raises(HandshakeError):
        controller.read_pressure()
    assert controller.read_pressure() == 1.23e-3


@pytest.mark.parametrize("late_s", [0.5, 0.7, 0.9, 1.2, 1.55])
@pytest.mark.parametrize("end", [b"\r\n", ENQ], ids=["acknowledgement", "data"])
def test_late_answer_is_not_taken_for_that_to_the_next_question(end: bytes, late_s: float, clock: VirtualClock) -> None:
    """The same question each time, to a slow controller: only the time tells which answer belongs to which."""
    simulated = SimulatedTPG26x()
    faults = FaultAt(MessageSimulator(simulated.handle, simulated.framing, delay_s=0.4))
    controller = TPG262(transport=in_memory(faults, clock=clock))
    faults.inject(Fault.LATE, end, late_s)
    try:
        assert controller.pressure_unit() == "mbar/bar"
    except TransportTimeoutError:
        assert 0.4 + late_s > controller.TIMEOUT_S
    simulated.unit = 1
    assert [controller.pressure_unit() for _ in range(4)] == ["Torr"] * 4


@pytest.mark.parametrize("end", [b"\r\n", ENQ], ids=["acknowledgement", "data"])
def test_unplugged_in_the_middle_and_plugged_in_again(faults: FaultAt, clock: VirtualClock, end: bytes) -> None:
    channel = SimulatedChannel(faults, clock=clock)
    controller = TPG262(transport=ByteTransport(channel, clock=clock))
    faults.inject(Fault.UNPLUGGED, end)
    for _ in range(2):
        with pytest.raises(TransportError, match="unplugged"):
            controller.read_pressure()
    channel.plug()
    assert controller.read_pressure() == 1.23e-3


def test_wrong_digit_of_a_reading_cannot_be_noticed(controller: TPG262, faults: FaultAt) -> None:
    """The protocol has no checksum: this documents what the driver cannot do, whatever it does."""
    faults.inject(Fault.WRONG_CHECKSUM, ENQ)
    assert controller.read_pressure() == 1.23e-2
    assert controller.read_pressure() == 1.23e-3


def test_status_of_a_gauge_costs_no_time(clock: VirtualClock) -> None:
    """A gauge out of its range is no fault of the line: nothing has to be brought back into step."""
    controller = steady(clock, pressures_mbar=(1e-10, 1.0))
    controller.program_number()
    began_s = clock.monotonic()
    for _ in range(3):
        with pytest.raises(CommandRejectedError):
            controller.read_pressure()
    assert clock.monotonic() == began_s


def test_error_word_that_does_not_come(controller: TPG262, faults: FaultAt) -> None:
    faults.inject(Fault.SILENCE, ENQ)
    with pytest.raises(TransportTimeoutError):
        controller.command("PR9")
    assert controller.read_pressure() == 1.23e-3


def test_test_of_the_line(controller: TPG262, faults: FaultAt) -> None:
    assert controller.rs232_communication_test() is True
    assert controller.read_pressure() == 1.23e-3
    faults.inject(Fault.WRONG_ECHO, ECHO_TEST)
    assert controller.rs232_communication_test() is False
    assert controller.read_pressure() == 1.23e-3
    faults.inject(Fault.SILENCE, ECHO_TEST)
    with pytest.raises(TransportTimeoutError):
        controller.rs232_communication_test()
    assert controller.read_pressure() == 1.23e-3


# ---------------------------------------------------------------------------------------------------------- real wires


def test_over_real_wires(wire: Wire) -> None:
    with TPG262(transport=wire(device(gauges=("PKR", "TPR"), time_constant_s=1e9))) as controller:
        assert controller.read_pressure() == 1.23e-3
        assert controller.pressure_gauges() == (1.23e-3, (0, "ok"), 5e-2, (0, "ok"))
        controller.set_pressure_unit("Pascal")
        assert controller.read_pressure(2) == 5.0
        with pytest.raises(RefusedError, match="0001"):
            controller.command("PR9")
        assert controller.rs232_communication_test()
        assert controller.program_number() == "010100"


def test_faults_over_real_wires(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TPG26x, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(TPG26x, "LATE_S", 0.4)
    faults = FaultAt(device(time_constant_s=1e9))
    controller = TPG262(transport=wire(faults))
    for end in (b"\r\n", ENQ):
        for fault in (Fault.SILENCE, Fault.GARBAGE, Fault.HALF_A_REPLY, Fault.LATE):
            faults.inject(fault, end, late_s=0.3)
            with pytest.raises(InstrumentError):
                controller.read_pressure()
            assert controller.pressure_unit() == "mbar/bar"
    faults.inject(Fault.UNPLUGGED, ENQ)
    with pytest.raises(TransportError):
        controller.read_pressure()


@pytest.mark.parametrize("cls", [TPG26x, TPG262, TPG261])
def test_documented_constructors_open_a_port_and_with_closes_it(cls: type[TPG26x], serial_port: SerialPort) -> None:
    port = serial_port(device())
    for arguments in ((port,), (port, 9600), (port, 19200)):
        with cls(*arguments) as controller:
            assert controller.program_number() == "010100"
            settings = controller._transport._channel._port.get_settings()  # type: ignore[attr-defined]
            assert settings["baudrate"] == (arguments[1] if len(arguments) > 1 else 9600)
            assert (settings["bytesize"], settings["parity"], settings["stopbits"]) == (8, "N", 1)
        with pytest.raises(TransportError, match="closed"):
            controller.program_number()


def test_given_transport_stays_open(clock: VirtualClock) -> None:
    transport = simulate(clock=clock)
    with TPG262(transport=transport):
        pass
    assert not transport.closed


def test_identify(clock: VirtualClock) -> None:
    assert TPG26x.identify(simulate(clock=clock)) == "Pfeiffer TPG 261/262, firmware 010100, gauges PKR,noSEn"


def test_identify_knows_strangers(clock: VirtualClock) -> None:
    stranger = Handshakes((b"PNR\r\n", b"?\r\n", b""))
    assert TPG26x.identify(in_memory(stranger, clock=clock)) is None


# -------------------------------------------------------------------------------------------- faults of earlier drivers


@pytest.mark.parametrize(
    ("data", "names"),
    [
        ("PKR,noSEn", ("PKR", "full range cold cathode gauge", "noSEn", "no sensor")),
        ("pkr, NOSEN", ("pkr", "full range cold cathode gauge", "NOSEN", "no sensor")),
        ("XYZ 7,IKR11", ("XYZ 7", "XYZ 7", "IKR11", "cold cathode gauge, down to 1E-11 mbar")),
    ],
    ids=["known", "other-letter-case", "unknown"],
)
def test_gauge_that_is_not_known(data: str, names: tuple[str, str, str, str], clock: VirtualClock) -> None:
    """Earlier: a KeyError."""
    assert decode_gauge_ids(data) == names


@pytest.mark.parametrize("data", ["PKR", "PKR,", "PKR,TPR,TPR", ""])
def test_names_that_are_not_those_of_two_gauges(data: str) -> None:
    with pytest.raises(ProtocolError):
        decode_gauge_ids(data)


def test_what_comes_after_a_refusal_is_in_step(clock: VirtualClock) -> None:
    """Earlier: the error word was left behind, and the next enquiry brought it in place of the data."""
    controller = steady(clock)
    controller.program_number()
    began_s = clock.monotonic()
    for _ in range(3):
        with pytest.raises(RefusedError):
            controller.command("PR9")
        assert controller.read_pressure() == 1.23e-3
    assert clock.monotonic() == began_s


@pytest.mark.parametrize("reply", [NAK, b"hello\r\n"], ids=["refused", "neither"])
def test_what_scripts_catch(reply: bytes, clock: VirtualClock) -> None:
    """As documented for this driver: anything but an acknowledgement is an IOError."""
    controller = TPG262(transport=in_memory(Handshakes((b"PR1\r\n", reply, b"0001\r\n")), clock=clock))
    with pytest.raises(OSError, match="PR1"):
        controller.pressure_gauge()


class StreamingChannel(SimulatedChannel):
    """A controller in the mode in which it sends its readings by itself, ten times a second, and answers in 20 ms."""

    def __init__(self, clock: VirtualClock) -> None:
        controller = SimulatedTPG26x(time_constant_s=1e9)
        super().__init__(MessageSimulator(controller.handle, controller.framing, delay_s=0.02), clock=clock)
        self.next_s: float | None = None

    def write(self, data: bytes, timeout_s: float) -> None:
        if data == ETX:
            self.next_s = None
            # The line that is under way is sent to its end.
            end_s = self._clock.monotonic() + 0.03
            self._coming = deque(coming for coming in self._coming if coming[0] <= end_s)
        super().write(data, timeout_s)

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        coming = list(self._coming)
        while self.next_s is not None and self.next_s <= self._clock.monotonic() + timeout_s:
            coming.append((self.next_s, b"0,+9.9900E-01,0,+9.9900E-01\r\n"))
            self.next_s += 0.1
        self._coming = deque(sorted(coming, key=lambda each: each[0]))
        return super().read(max_bytes, timeout_s)


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.08, 1.234])
def test_controller_that_sends_by_itself_at_the_start(after_s: float, clock: VirtualClock) -> None:
    """Earlier: its readings were taken for acknowledgements."""
    channel = StreamingChannel(clock)
    channel.next_s = 0.0
    controller = TPG262(transport=ByteTransport(channel, clock=clock))
    clock.sleep(after_s)
    assert controller.read_pressure() == 1.23e-3
    assert controller.pressure_unit() == "mbar/bar"


@pytest.mark.parametrize("after_s", [0.01, 0.03], ids=["before-the-acknowledgement", "before-the-data"])
def test_controller_that_begins_to_send_by_itself_later(after_s: float, clock: VirtualClock) -> None:
    """Somebody pressed its keys, say. One reading is lost, and none is made up."""
    channel = StreamingChannel(clock)
    controller = TPG262(transport=ByteTransport(channel, clock=clock))
    assert controller.read_pressure() == 1.23e-3
    channel.next_s = clock.monotonic() + after_s
    with pytest.raises(ProtocolError):
        controller.read_pressure()
    assert controller.read_pressure() == 1.23e-3
    assert channel.next_s is None
