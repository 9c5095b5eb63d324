"""Bronkhorst: exchanges of the manual, each fault of the wire, real wires, and each fault of earlier drivers."""

import pytest

from PyExpLabSys.drivers.bronkhorst import (
    CONTROL_MODE,
    MEASURE,
    SETPOINT,
    TEMPERATURE,
    USER_TAG,
    Bronkhorst,
    Identification,
    decode_measure,
    encode_setpoint,
)
from PyExpLabSys.errors import (
    CommandRejectedError,
    InstrumentError,
    ProtocolError,
    TransportError,
    TransportTimeoutError,
)
from PyExpLabSys.simulators.bronkhorst import SimulatedBronkhorst, device, simulate
from PyExpLabSys.simulators.serving.base import Answer, MessageSimulator, SharedLine
from PyExpLabSys.simulators.serving.faults import Fault, FaultySimulator
from PyExpLabSys.simulators.serving.memory import SimulatedChannel, VirtualClock, in_memory
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.framing import until
from PyExpLabSys.transport.propar import Kind, Parameter
from PyExpLabSys.transport.serial_channel import open_serial
from tests.drivers.conftest import SerialPort, Wire
from tests.drivers.exchanges import exchanging

SERIAL_REQUEST = b":0780047163716300\r\n"
SERIAL_REPLY = b":108002716300" + b"M12345678A".hex().upper().encode() + b"00\r\n"


def controller_with(exchanges: dict[bytes, bytes], max_flow: float | None = 5.0) -> Bronkhorst:
    """Return a controller that is known to be there, and knows these exchanges besides."""
    return Bronkhorst("", max_flow, transport=exchanging({SERIAL_REQUEST: SERIAL_REPLY, **exchanges}))


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def faults() -> FaultySimulator:
    return FaultySimulator(device(flow=1.25, setpoint=2.5, time_constant_s=1e9))


@pytest.fixture
def controller(faults: FaultySimulator, clock: VirtualClock) -> Bronkhorst:
    return Bronkhorst("", 5.0, transport=in_memory(faults, clock=clock))


# ----------------------------------------------------------------------------------------------- the manual's exchanges

EXCHANGES = [
    pytest.param("06800401210120", "06800201211F40", id="measure"),
    pytest.param("06800401210121", "06800201213E80", id="setpoint"),
    pytest.param("06800101213E80", "0480000005", id="set-2.5-of-5.0"),
    pytest.param("058001010412", "0480000004", id="control-mode-rs232"),
    pytest.param("06800421402140", "08800221403FA00000", id="fmeasure"),
    pytest.param(
        "1A8004F1EC7163006D71660001AE0120CF014DF0017F077101710A",
        "388002F1EC004D313233343536373841006D00555345525441470001AE1F40CF40A00000"
        "F0076D6C6E2F6D696E710A4E322020202020202020",
        id="identification-chained",
    ),
]


@pytest.mark.parametrize(("request_digits", "reply_digits"), EXCHANGES)
def test_driver_makes_the_exchanges_of_the_manual(request_digits: str, reply_digits: str) -> None:
    request, reply = f":{request_digits}\r\n", f":{reply_digits}\r\n"
    assert controller_with({request.encode(): reply.encode()}).comm(request) == reply


@pytest.mark.parametrize(("request_digits", "reply_digits"), EXCHANGES)
def test_simulator_answers_as_the_manual_says(request_digits: str, reply_digits: str, clock: VirtualClock) -> None:
    controller = Bronkhorst("", transport=simulate(flow=1.25, setpoint=2.5, time_constant_s=1e9, clock=clock))
    assert controller.comm(f":{request_digits}\r\n") == f":{reply_digits}\r\n"


@pytest.mark.parametrize("request_digits", ["06800401210122", "06800401200120"], ids=["not-there", "there"])
def test_unknown_parameter_is_an_error(request_digits: str) -> None:
    request = f":{request_digits}\r\n"
    with pytest.raises(CommandRejectedError, match="parameter unknown"):
        controller_with({request.encode(): b":0480000406\r\n"}).comm(request)


def test_simulator_refuses_an_unknown_parameter_as_the_manual_says(clock: VirtualClock) -> None:
    line = simulate(clock=clock)
    assert line.exchange(b":06800401210122\r\n", until(b"\n")) == b":0480000406\r\n"


def test_methods_return_what_the_exchanges_say() -> None:
    controller = controller_with(
        {
            b":06800401200120\r\n": b":06800201201F40\r\n",
            b":06800401210121\r\n": b":06800201213E80\r\n",
            b":06800101213E80\r\n": b":0480000005\r\n",
            b":058001010412\r\n": b":0480000004\r\n",
            b":06800421402140\r\n": b":08800221403FA00000\r\n",
            b":06800421472147\r\n": b":088002214741BE0000\r\n",
            b":068004014D014D\r\n": b":088002014D40A00000\r\n",
            b":078004017F017F07\r\n": b":0C8002017F076D6C6E2F6D696E\r\n",
            b":06800468416841\r\n": b":0880026841447A0000\r\n",
        }
    )
    assert controller.max_setting == 5.0
    assert controller.read_flow() == 1.25
    assert controller.read_setpoint() == 2.5
    assert controller.set_flow(2.5) == "ok"
    assert controller.set_flow("2.5") == "ok"
    assert controller.set_control_mode() == ":0480000004\r\n"
    assert controller.read_fmeasure() == 1.25
    assert controller.read_temperature() == 23.75
    assert controller.read_capacity() == 5.0
    assert controller.read_unit() == "mln/min"
    assert controller.read_serial() == "M12345678A"
    assert controller.read_counter_value() == 1000.0


def test_comm_sends_what_gets_no_answer_and_does_not_wait(controller: Bronkhorst, clock: VirtualClock) -> None:
    assert controller.comm(":06800201213E80\r\n") == ""
    assert clock.monotonic() == 0.0
    assert controller.read_setpoint() == 2.5


@pytest.mark.parametrize("command", [":06800401210120", "hello\r\n", ":\r\n"])
def test_comm_refuses_what_is_no_frame_before_a_byte_is_sent(command: str) -> None:
    with pytest.raises(ValueError, match="no frame"):
        controller_with({}).comm(command)


# ---------------------------------------------------------------------------------------------------------- simulator


def test_flow_follows_the_setpoint(clock: VirtualClock) -> None:
    controller = Bronkhorst("", 5.0, transport=simulate(clock=clock, time_constant_s=2.0))
    controller.set_control_mode()
    controller.set_flow(5.0)
    assert controller.read_flow() == 0.0
    clock.sleep(2.0)
    assert controller.read_flow() == pytest.approx(5.0 * (1 - 1 / 2.718281828), abs=0.001)
    assert controller.read_fmeasure() == pytest.approx(controller.read_flow(), abs=0.001)
    clock.sleep(60.0)
    assert controller.read_flow() == 5.0
    # 62 s of 5 mln/min, less what the slow valve kept back: 2 s of it.
    assert controller.read_counter_value() == pytest.approx(5.0)
    controller.set_control_mode(3)  # valve closed
    clock.sleep(60.0)
    assert controller.read_flow() == 0.0
    assert controller.read_setpoint() == 5.0


@pytest.mark.parametrize(
    ("request_digits", "status", "meaning"),
    [
        ("06800501210120", "02", "command unknown"),
        ("06800409200920", "03", "process unknown"),
        ("06800401220122", "04", "parameter unknown"),
        ("06800401000100", "05", "type wrong"),
        ("06800101217D01", "06", "value not allowed"),
        ("058001010415", "06", "value not allowed"),
        ("06800101201F40", "0D", "only be read"),
        ("05800101213E", "22", "protocol"),
        ("058001812120", "03", "process unknown"),
        ("05800401A00120", "22", "protocol"),
        ("06800481200120", "22", "protocol"),
        ("07800401200120", "22", "protocol"),
        ("0480010121", "22", "protocol"),
        ("028004", "22", "protocol"),
    ],
)
def test_simulator_refuses(request_digits: str, status: str, meaning: str, clock: VirtualClock) -> None:
    controller = Bronkhorst("", transport=simulate(clock=clock))
    with pytest.raises(CommandRejectedError, match=f"status {status}, .*{meaning}"):
        controller.comm(f":{request_digits}\r\n")


def test_simulator_answers_noise_with_an_error(clock: VirtualClock) -> None:
    line = simulate(clock=clock)
    assert line.exchange(b":06X\r\n", until(b"\n")) == b":0104\r\n"


# ------------------------------------------------------------------------------------------------- faults of the wire


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
    controller: Bronkhorst, faults: FaultySimulator, fault: Fault, error: type[Exception]
) -> None:
    faults.inject(fault, late_s=1.5)
    with pytest.raises(error):
        controller.read_flow()
    assert controller.read_flow() == 1.25


@pytest.mark.parametrize("late_s", [0.5, 0.7, 0.9, 1.2, 1.55])
def test_late_answer_is_not_taken_for_that_to_the_next_question(late_s: float, clock: VirtualClock) -> None:
    """The same question each time, to a slow instrument: only the time tells which answer belongs to which."""
    instrument = SimulatedBronkhorst(setpoint=2.5)
    faults = FaultySimulator(MessageSimulator(instrument.handle, until(b"\r\n"), delay_s=0.4))
    controller = Bronkhorst("", 5.0, transport=in_memory(faults, clock=clock))
    faults.inject(Fault.LATE, late_s=late_s)
    try:
        assert controller.read_setpoint() == 2.5
    except TransportTimeoutError:
        assert 0.4 + late_s > controller.TIMEOUT_S
    instrument.raw_setpoint = 3200
    assert [controller.read_setpoint() for _ in range(4)] == [0.5, 0.5, 0.5, 0.5]


def test_answer_to_another_question_is_noticed_even_if_it_comes_in_time() -> None:
    controller = controller_with({b":06800401200120\r\n": b":06800201213E80\r\n"})
    with pytest.raises(ProtocolError, match="another request"):
        controller.read_flow()


def test_rest_of_a_torn_reply_is_not_taken_for_the_next(clock: VirtualClock) -> None:
    class Torn:
        """A disturbance on the wire looks like a line end, so that one answer becomes two."""

        def __init__(self) -> None:
            self.inner = device(flow=1.25, time_constant_s=1e9)
            self.asked = 0

        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            self.asked += 1
            answers = list(self.inner.feed(data, now_s))
            if self.asked != 2:
                return answers
            return [Answer(0.0, b"#\r\n"), Answer(0.1, b":06800201200001\r\n")]

    controller = Bronkhorst("", 5.0, transport=in_memory(Torn(), clock=clock))
    with pytest.raises(ProtocolError):
        controller.read_flow()
    assert controller.read_flow() == 1.25


def test_unplugged_in_the_middle_of_a_reply_and_plugged_in_again(faults: FaultySimulator, clock: VirtualClock) -> None:
    channel = SimulatedChannel(faults, clock=clock)
    controller = Bronkhorst("", 5.0, transport=ByteTransport(channel, clock=clock))
    faults.inject(Fault.UNPLUGGED)
    for _ in range(2):
        with pytest.raises(TransportError, match="unplugged"):
            controller.read_flow()
    channel.plug()
    assert controller.read_flow() == 1.25


def test_wrong_digit_of_a_value_cannot_be_noticed(controller: Bronkhorst, faults: FaultySimulator) -> None:
    """The protocol has no checksum in ASCII: this documents what the driver cannot do, whatever it does."""
    faults.inject(Fault.WRONG_CHECKSUM)
    assert controller.read_flow() == pytest.approx(1.25, abs=5.0 / 32000)
    assert controller.read_flow() == 1.25


def test_error_status_of_a_write_is_an_error(clock: VirtualClock) -> None:
    controller = Bronkhorst("", transport=simulate(clock=clock))
    with pytest.raises(CommandRejectedError, match="only be read"):
        controller.write_parameter(MEASURE, 1)
    with pytest.raises(CommandRejectedError, match="value not allowed"):
        controller.set_control_mode(21)
    controller.write_parameter(USER_TAG, "OVEN 3")
    assert controller.read_identification().user_tag == "OVEN 3"


# ---------------------------------------------------------------------------------------------------------- real wires


def test_over_real_wires(wire: Wire) -> None:
    with Bronkhorst("", 5.0, transport=wire(device(flow=1.25, time_constant_s=1e9))) as controller:
        assert controller.read_flow() == 1.25
        assert controller.set_flow(0.1) == "ok"
        assert controller.read_setpoint() == 0.1
        assert controller.read_identification() == Identification(
            serial_number="M12345678A", user_tag="USERTAG", capacity=5.0, unit="mln/min", fluid="N2"
        )
        with pytest.raises(CommandRejectedError):
            controller.read_parameters(Parameter(1, 2, Kind.INT))


def test_faults_over_real_wires(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bronkhorst, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(Bronkhorst, "LATE_S", 0.4)
    faults = FaultySimulator(device(flow=1.25, setpoint=2.5, time_constant_s=1e9))
    controller = Bronkhorst("", 5.0, transport=wire(faults))
    for fault in (Fault.SILENCE, Fault.GARBAGE, Fault.WRONG_ECHO, Fault.HALF_A_REPLY, Fault.LATE):
        faults.inject(fault, late_s=0.3)
        with pytest.raises(InstrumentError):
            controller.read_flow()
        assert controller.read_setpoint() == 2.5
    faults.inject(Fault.UNPLUGGED)
    with pytest.raises(TransportError):
        controller.read_flow()


def test_documented_constructor_opens_a_port_and_with_closes_it(serial_port: SerialPort) -> None:
    port = serial_port(device(flow=1.25, time_constant_s=1e9))
    for _ in range(3):
        with Bronkhorst(port, 10) as controller:
            assert controller.read_flow() == 2.5
        with pytest.raises(TransportError, match="closed"):
            controller.read_flow()
        controller.close()


def test_port_is_set_as_the_instrument_wants_it(serial_port: SerialPort) -> None:
    with Bronkhorst(serial_port(device())) as controller:
        channel = controller._transport._channel
        settings = channel._port.get_settings()  # type: ignore[attr-defined]
    assert {key: settings[key] for key in ("baudrate", "bytesize", "parity", "stopbits", "rtscts", "xonxoff")} == {
        "baudrate": 38400,
        "bytesize": 8,
        "parity": "N",
        "stopbits": 1,
        "rtscts": False,
        "xonxoff": False,
    }


def test_several_nodes_on_one_line(wire: Wire) -> None:
    line = wire(
        SharedLine(
            *(
                device(
                    node=node, local=False, capacity=10.0 * node, flow=node, time_constant_s=1e9, user_tag=f"N{node}"
                )
                for node in (3, 4, 127)
            )
        )
    )
    controllers = {node: Bronkhorst("", node=node, transport=line) for node in (3, 4, 127)}
    for node, controller in controllers.items():
        assert controller.max_setting == 10.0 * node
        assert controller.read_flow() == pytest.approx(node, abs=10.0 * node / 32000)
        assert controller.read_identification().user_tag == f"N{node}"
    controllers[4].set_flow(20.0)
    assert [controller.read_setpoint() for controller in controllers.values()] == [0.0, 20.0, 0.0]


def test_missing_node_does_not_disturb_its_neighbours(clock: VirtualClock) -> None:
    line = in_memory(SharedLine(device(node=3, local=False), device(node=4, local=False)), clock=clock)
    controller = Bronkhorst("", 5.0, node=4, transport=line)
    for node in (5, 0x80):
        with pytest.raises(TransportTimeoutError, match="MfcNotFound"):
            Bronkhorst("", 5.0, node=node, transport=line)
    assert controller.read_serial() == "M12345678A"


def test_answer_of_another_node_is_noticed() -> None:
    transport = exchanging({b":0703047163716300\r\n": SERIAL_REPLY})
    with pytest.raises(ProtocolError, match="answer of node 128, not of 3"):
        Bronkhorst("", 5.0, node=3, transport=transport)


def test_attributes_that_scripts_know(clock: VirtualClock) -> None:
    transport = simulate(clock=clock)
    controller = Bronkhorst("", 5.0, transport=transport)
    assert controller.ser is transport
    assert controller.max_setting == 5.0


def test_given_transport_stays_open(clock: VirtualClock) -> None:
    transport = simulate(clock=clock)
    with Bronkhorst("", transport=transport):
        pass
    assert not transport.closed


def test_identify(clock: VirtualClock) -> None:
    assert Bronkhorst.identify(simulate(clock=clock)) == "Bronkhorst M12345678A, 5 mln/min N2"


def test_identify_knows_strangers(clock: VirtualClock) -> None:
    assert Bronkhorst.identify(simulate(clock=clock, local=False)) is None
    assert Bronkhorst.identify(exchanging({SERIAL_REQUEST: b"hello\r\n"})) is None


@pytest.mark.parametrize("node", [0, 129, -1])
def test_node_that_does_not_exist(node: int) -> None:
    with pytest.raises(ValueError, match="node"):
        Bronkhorst("", node=node, transport=exchanging({}))


@pytest.mark.parametrize("max_flow", [0.0, -1.0, float("nan")])
def test_full_scale_that_makes_no_sense(max_flow: float) -> None:
    with pytest.raises(ValueError, match="max_flow"):
        Bronkhorst("", max_flow, transport=exchanging({}))


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"", TransportTimeoutError),
        (b":0480000406\r\n", CommandRejectedError),
        (b":088002716300414200\r\n", ProtocolError),
    ],
    ids=["silent", "refuses", "serial-number-too-short"],
)
def test_not_found(reply: bytes, error: type[Exception], serial_port: SerialPort) -> None:
    """Scripts look for their controller by trying one port after another."""
    with pytest.raises(error, match=r"^MfcNotFound: "):
        Bronkhorst("", 5.0, transport=exchanging({SERIAL_REQUEST: reply}))


def test_port_of_a_controller_that_was_not_found_is_closed(
    serial_port: SerialPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def open_and_remember(port: str, *, baudrate: int) -> ByteTransport:
        opened.append(open_serial(port, baudrate=baudrate))
        return opened[0]

    monkeypatch.setattr("PyExpLabSys.drivers.bronkhorst.open_serial", open_and_remember)
    monkeypatch.setattr(Bronkhorst, "TIMEOUT_S", 0.1)
    faults = FaultySimulator(device())
    faults.inject(Fault.SILENCE)
    with pytest.raises(TransportTimeoutError):
        Bronkhorst(serial_port(faults), 5.0)
    assert [transport.closed for transport in opened] == [True]


def test_full_scale_of_nothing_is_refused(clock: VirtualClock) -> None:
    controller = controller_with({b":068004014D014D\r\n": b":088002014D00000000\r\n"}, max_flow=5.0)
    assert controller.max_setting == 5.0
    with pytest.raises(ProtocolError, match="full scale is 0"):
        controller_with({b":068004014D014D\r\n": b":088002014D00000000\r\n"}, max_flow=None)


# -------------------------------------------------------------------------------------------- faults of earlier drivers


@pytest.mark.parametrize(
    ("serial_number", "user_tag"),
    [("M12345678A", "USERTAG"), ("SNM1", "A"), ("M1234567890123456A", ""), ("M12345678A", "A long tag, with commas")],
)
def test_identification_of_any_length(serial_number: str, user_tag: str, clock: VirtualClock) -> None:
    """Earlier: the answer was cut at places that fit one length of serial number and tag."""
    line = simulate(serial_number=serial_number, user_tag=user_tag, capacity=0.5, fluid="Ar", clock=clock)
    controller = Bronkhorst("", transport=line)
    assert controller.read_identification() == Identification(
        serial_number=serial_number, user_tag=user_tag, capacity=0.5, unit="mln/min", fluid="Ar"
    )
    assert controller.read_serial() == serial_number
    assert controller.read_unit() == "mln/min"


@pytest.mark.parametrize(
    ("flow", "digits"),
    [(0.0, "0000"), (0.00015625, "0001"), (0.01, "0040"), (0.0375, "00F0"), (0.05, "0140"), (5.0, "7D00")],
)
def test_small_setpoints_have_four_digits(flow: float, digits: str) -> None:
    """Earlier: below 0.8 % of the full scale the frame was too short."""
    controller = controller_with({f":0680010121{digits}\r\n".encode(): b":0480000005\r\n"})
    assert controller.set_flow(flow) == "ok"


@pytest.mark.parametrize("flow", [5.001, -0.001, float("nan"), float("inf"), "6", "much"])
def test_setpoints_beyond_the_full_scale_are_refused_before_a_byte_is_sent(flow: float | str) -> None:
    """Earlier: they were sent."""
    with pytest.raises(ValueError, match=r"outside 0 to 5\.0|could not convert"):
        controller_with({}).set_flow(flow)
    if isinstance(flow, float):
        with pytest.raises(ValueError, match="outside"):
            encode_setpoint(flow, 5.0)


def test_error_is_no_flow() -> None:
    """Earlier: the status and position of an error, 0406, were taken for 3.2 % of the full scale."""
    controller = controller_with({b":06800401200120\r\n": b":0480000406\r\n"})
    with pytest.raises(CommandRejectedError, match="parameter unknown"):
        controller.read_flow()


@pytest.mark.parametrize(
    ("raw", "share"),
    [
        (0, 0.0),
        (8000, 0.25),
        (32000, 1.0),
        (41942, 1.3106875),
        (41943, -0.73728125),
        (65504, -0.001),
        (65535, -0.00003125),
    ],
)
def test_negative_flows(raw: int, share: float) -> None:
    """Earlier: -0.1 % came out as 204 %."""
    assert decode_measure(raw) == share
    controller = controller_with({b":06800401200120\r\n": f":0680020120{raw:04X}\r\n".encode()})
    assert controller.read_flow() == share * 5.0


def test_negative_flow_of_the_simulator(clock: VirtualClock) -> None:
    controller = Bronkhorst("", transport=simulate(flow=-0.005, time_constant_s=1e9, clock=clock))
    assert controller.read_flow() == -0.005
    assert controller.read_fmeasure() == pytest.approx(-0.005)


def test_counter_is_that_of_this_node(clock: VirtualClock) -> None:
    """Earlier: node 3 was asked, whoever was meant, and for a setpoint."""
    line = in_memory(
        SharedLine(device(node=3, local=False), device(node=4, local=False, flow=6.0, setpoint=5.0)), clock=clock
    )
    controller = Bronkhorst("", node=4, transport=line)
    clock.sleep(60.0)
    assert controller.read_counter_value() == pytest.approx(5.0, abs=0.1)
    assert Bronkhorst("", node=3, transport=line).read_counter_value() == 0.0


def test_full_scale_comes_from_the_instrument(clock: VirtualClock) -> None:
    """Earlier: it could only be read as eight digits, and had to be told the driver."""
    controller = Bronkhorst("", transport=simulate(capacity=20.0, flow=5.0, time_constant_s=1e9, clock=clock))
    assert controller.read_capacity() == controller.max_setting == 20.0
    assert controller.read_flow() == 5.0


@pytest.mark.parametrize("gap_s", [0.0, 0.001, 0.02])
def test_reply_is_read_to_its_end_and_not_longer(gap_s: float, clock: VirtualClock) -> None:
    """Earlier: 0.1 s were waited, whether the reply was there at once, or not yet whole."""

    class Slow:
        def __init__(self) -> None:
            self.inner = device(flow=1.25, time_constant_s=1e9)

        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            (answer,) = self.inner.feed(data, now_s)
            assert answer.data is not None
            return [Answer(gap_s * place, bytes([byte])) for place, byte in enumerate(answer.data)]

    controller = Bronkhorst("", 5.0, transport=in_memory(Slow(), clock=clock))
    began_s = clock.monotonic()
    assert controller.read_flow() == 1.25
    assert clock.monotonic() - began_s == pytest.approx(gap_s * 16)


def test_several_values_of_the_same_moment(controller: Bronkhorst) -> None:
    assert controller.read_parameters(MEASURE, SETPOINT, CONTROL_MODE, TEMPERATURE) == [8000, 16000, 0, 25.25]
