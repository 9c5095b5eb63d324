"""Omega iSeries: the exchanges of the manual, each fault of the wire, real wires, and each fault of earlier drivers."""

import pytest

from PyExpLabSys.drivers.omega_cni import (
    CNi3244_C24,
    ISeries,
    decode,
    decode_alarms,
    decode_number,
    decode_setpoint,
    encode,
    encode_address,
    encode_setpoint,
)
from PyExpLabSys.errors import (
    CommandRejectedError,
    InstrumentError,
    ProtocolError,
    TransportError,
    TransportTimeoutError,
)
from PyExpLabSys.simulators.omega_cni import device, simulate
from PyExpLabSys.simulators.serving.base import Answer, MessageSimulator, SharedLine
from PyExpLabSys.simulators.serving.faults import Fault, FaultySimulator
from PyExpLabSys.simulators.serving.memory import SimulatedChannel, VirtualClock, in_memory
from PyExpLabSys.simulators.serving.pty import PtyServer
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.framing import until
from tests.drivers.conftest import SerialPort, Wire
from tests.drivers.exchanges import exchanging

# ----------------------------------------------------------------------------------------------- the manual's exchanges

EXCHANGES = [
    pytest.param("X01", "", b"\x2a\x58\x30\x31\x0d", b"\x58\x30\x31\x30\x37\x35\x2e\x34\x0d", "075.4", id="reading"),
    pytest.param("X01", "01", b"*01X01\r", b"01X01075.4\r", "075.4", id="reading-at-address-1"),
    pytest.param("R01", "", b"*R01\r", b"R012003E8\r", "2003E8", id="setpoint"),
    pytest.param("W012003E8", "", b"*W012003E8\r", b"W01\r", "", id="set-setpoint"),
    pytest.param("E02", "", b"*E02\r", b"E02\r", "", id="enable"),
]


@pytest.mark.parametrize(("command", "address", "request_bytes", "reply", "data"), EXCHANGES)
def test_exchanges_of_the_manual(command: str, address: str, request_bytes: bytes, reply: bytes, data: str) -> None:
    assert encode(command, address) == request_bytes
    assert decode(reply, command, address) == data


@pytest.mark.parametrize(("command", "address", "request_bytes", "reply", "data"), EXCHANGES)
def test_driver_makes_these_exchanges(
    command: str, address: str, request_bytes: bytes, reply: bytes, data: str
) -> None:
    transport = exchanging({request_bytes: reply})
    controller = ISeries("", comm_stnd="rs485" if address else "rs232", transport=transport)
    assert controller.command(command) == data


def test_unknown_command_is_refused() -> None:
    assert encode("Q99") == b"*Q99\r"
    with pytest.raises(CommandRejectedError, match=r"Q99 refused with \?43: command unknown"):
        decode(b"?43\r", "Q99")


def test_without_echo_the_reply_is_the_data() -> None:
    controller = ISeries("", echo=False, transport=exchanging({b"*X01\r": b"075.4\r", b"*W012003E8\r": b""}))
    assert controller.read_temperature() == 75.4
    controller.set_setpoint(100.0)  # gets no reply, so waits for none
    assert controller.read_temperature() == 75.4


def test_refusal_without_echo_is_not_taken_for_the_next_answer() -> None:
    slow = device(delay_s=0.03, temperature_degc=75.4, time_constant_s=1e9, echo=False)
    controller = ISeries("", echo=False, transport=in_memory(slow, clock=VirtualClock()))
    controller.command("W01XYZ")  # refused, but only after the next question, if that came at once
    assert controller.read_temperature() == 75.4
    assert controller.read_alarms() == (False, False)


def test_recognition_character_of_an_instrument_that_is_set_otherwise() -> None:
    assert (ISeries.pre_string, ISeries.end_string) == ("*", "\r")

    class Other(ISeries):
        pre_string = "#"

    assert Other("", transport=exchanging({b"#X01\r": b"X01075.4\r"})).read_temperature() == 75.4


@pytest.mark.parametrize(
    ("value", "decimals", "data"),
    [(100.0, 1, "2003E8"), (-12.5, 1, "A0007D"), (75.0, 0, "10004B"), (1.234, 3, "4004D2"), (0.0, 1, "200000")],
)
def test_setpoint_digits(value: float, decimals: int, data: str) -> None:
    assert encode_setpoint(value, decimals) == data
    assert decode_setpoint(data) == value


@pytest.mark.parametrize(("value", "decimals"), [(200000.0, 1), (1.0, 4), (1.0, -1)])
def test_setpoint_that_cannot_be_sent_is_refused_before_a_byte_is_sent(value: float, decimals: int) -> None:
    with pytest.raises(ValueError, match=r"setpoint|too large"):
        ISeries("", transport=exchanging({})).set_setpoint(value, decimals=decimals)


@pytest.mark.parametrize("data", ["2003E", "2003e8", "0003E8", "2003E8 ", ""])
def test_digits_that_are_no_setpoint(data: str) -> None:
    with pytest.raises(ProtocolError):
        decode_setpoint(data)


@pytest.mark.parametrize(
    ("data", "alarms"), [("@", (False, False)), ("A", (True, False)), ("B", (False, True)), ("C", (True, True))]
)
def test_alarms(data: str, alarms: tuple[bool, bool]) -> None:
    assert decode_alarms(data) == alarms
    with pytest.raises(ProtocolError):
        decode_alarms(data + "@")


@pytest.mark.parametrize(("data", "value"), [("075.4", 75.4), ("-012.5", -12.5), ("+1234.", 1234.0), ("0750", 750.0)])
def test_readings(data: str, value: float) -> None:
    assert decode_number(data) == value


@pytest.mark.parametrize(
    ("data", "error"),
    [("?+999.9", CommandRejectedError), ("07.5.4", ProtocolError), ("", ProtocolError), ("nan", ProtocolError)],
    ids=["beyond-the-range", "two-points", "empty", "nan"],
)
def test_no_number_is_made_up(data: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        decode_number(data)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"?46\r", CommandRejectedError),
        (b"?99\r", CommandRejectedError),
        (b"X02075.4\r", ProtocolError),
        (b"075.4\r", ProtocolError),
        (b"X01\xff75.4\r", ProtocolError),
        (b"X01075.4", ProtocolError),
        (b"X01\x0075.4\r", ProtocolError),
        (b"\r", ProtocolError),
    ],
    ids=["refused", "unknown-code", "other-echo", "no-echo", "no-ascii", "no-end", "control-character", "empty"],
)
def test_invalid_replies(reply: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        decode(reply, "X01")


@pytest.mark.parametrize("reply", [b"?56\r", b"01?56\r"])
def test_refusal_on_rs485_with_and_without_address(reply: bytes) -> None:
    with pytest.raises(CommandRejectedError, match="address"):
        decode(reply, "X01", "01")


@pytest.mark.parametrize("command", ["", "X1", "x01", "X0G", "01X01"])
def test_what_is_no_command_is_not_sent(command: str) -> None:
    with pytest.raises(ValueError, match="does not begin with"):
        encode(command)


# -------------------------------------------------------------------------------------------------- the simulated oven


def test_setpoint_reaches_the_oven_in_time() -> None:
    clock = VirtualClock()
    with ISeries("", transport=simulate(clock=clock, temperature_degc=20.0, time_constant_s=30.0)) as controller:
        controller.set_setpoint(250.0)
        assert controller.read_setpoint() == 250.0
        assert controller.read_temperature() == pytest.approx(20.0, abs=0.1)
        clock.sleep(30.0)
        assert controller.read_temperature() == pytest.approx(250.0 - 230.0 * 0.3679, abs=0.1)
        assert controller.read_alarms() == (False, False)
        clock.sleep(300.0)
        assert controller.read_temperature() == pytest.approx(250.0, abs=0.1)
        assert controller.read_alarms() == (True, False)


def test_oven_below_zero() -> None:
    clock = VirtualClock()
    controller = ISeries("", transport=simulate(clock=clock))
    controller.set_setpoint(-40.5)
    clock.sleep(1000.0)
    assert controller.read_temperature() == -40.5


def test_reset_forgets_what_was_not_stored() -> None:
    controller = ISeries("", transport=simulate(clock=VirtualClock()))
    controller.set_setpoint(30.0)
    controller.command("P012001F4")
    assert decode_setpoint(controller.command("G01")) == 50.0
    assert controller.reset_device() == ""
    assert decode_setpoint(controller.command("G01")) == 30.0


def test_sensor_beyond_its_range_is_no_value() -> None:
    controller = ISeries("", transport=simulate(clock=VirtualClock(), temperature_degc=5000.0))
    with pytest.raises(CommandRejectedError, match="no reading"):
        controller.read_temperature()


def test_refused_data() -> None:
    controller = ISeries("", transport=simulate(clock=VirtualClock()))
    with pytest.raises(CommandRejectedError, match="format wrong"):
        controller.command("W01XYZ")


# ------------------------------------------------------------------------------------------------- faults of the wire


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def faults() -> FaultySimulator:
    return FaultySimulator(device(temperature_degc=75.4, time_constant_s=1e9))


@pytest.fixture
def controller(faults: FaultySimulator, clock: VirtualClock) -> ISeries:
    return ISeries("", transport=in_memory(faults, clock=clock))


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
    controller: ISeries, faults: FaultySimulator, fault: Fault, error: type[Exception]
) -> None:
    controller.read_temperature()
    faults.inject(fault, late_s=3.0)
    with pytest.raises(error):
        controller.read_temperature()
    assert controller.read_temperature() == 75.4


@pytest.mark.parametrize("late_s", [1.9, 2.1, 3.0, 3.95])
def test_late_answer_is_not_taken_for_that_to_the_next_question(late_s: float) -> None:
    # Without echo nothing in an answer tells whose it is; and it always takes long, so that a late answer comes before
    # the right one if the driver does not wait.
    faults = FaultySimulator(device(delay_s=1.8, temperature_degc=75.4, time_constant_s=1e9, echo=False))
    controller = ISeries("", echo=False, transport=in_memory(faults, clock=VirtualClock()))
    faults.inject(Fault.LATE, late_s=late_s - 1.8)
    try:
        assert controller.read_temperature() == 75.4
    except TransportTimeoutError:
        assert late_s > controller.TIMEOUT_S
    assert controller.read_setpoint() == 75.4
    assert controller.read_alarms() == (False, False)


def test_rest_of_a_torn_reply_is_not_taken_for_the_next(clock: VirtualClock) -> None:
    class Torn:
        """A disturbance on the wire looks like a carriage return, so that one answer becomes two."""

        def __init__(self) -> None:
            self.oven = device(echo=False, time_constant_s=1e9)
            self.torn = False

        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            answers = list(self.oven.feed(data, now_s))
            if self.torn:
                return answers
            self.torn = True
            return [answers[0]._replace(data=b"#\r"), answers[0]._replace(delay_s=0.1, data=b"012.3\r")]

    controller = ISeries("", echo=False, transport=in_memory(Torn(), clock=clock))
    with pytest.raises(ProtocolError):
        controller.read_temperature()
    assert controller.read_temperature() == 75.4


def test_unplugged_in_the_middle_of_a_reply_and_plugged_in_again(faults: FaultySimulator, clock: VirtualClock) -> None:
    channel = SimulatedChannel(faults, clock=clock)
    controller = ISeries("", transport=ByteTransport(channel, clock=clock))
    faults.inject(Fault.UNPLUGGED)
    for _ in range(2):
        with pytest.raises(TransportError, match="unplugged"):
            controller.read_temperature()
    channel.plug()
    assert controller.read_temperature() == 75.4


def test_wrong_digit_of_a_reading_cannot_be_noticed(controller: ISeries, faults: FaultySimulator) -> None:
    """The protocol has no checksum: this documents what the driver cannot do, whatever it does."""
    faults.inject(Fault.WRONG_CHECKSUM)
    assert controller.read_temperature() == 75.5


# ---------------------------------------------------------------------------------------------------------- real wires


def test_over_real_wires(wire: Wire) -> None:
    with ISeries("", transport=wire(device(temperature_degc=75.4, time_constant_s=1e9))) as controller:
        assert controller.read_temperature() == 75.4
        controller.set_setpoint(-100.0)
        assert controller.read_setpoint() == -100.0
        with pytest.raises(CommandRejectedError):
            controller.command("Q99")


def test_faults_over_real_wires(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ISeries, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(ISeries, "LATE_S", 0.4)
    faults = FaultySimulator(device(temperature_degc=75.4, time_constant_s=1e9, echo=False))
    controller = ISeries("", echo=False, transport=wire(faults))
    for fault in (Fault.SILENCE, Fault.GARBAGE, Fault.HALF_A_REPLY, Fault.LATE):
        faults.inject(fault, late_s=0.3)
        with pytest.raises(InstrumentError):
            controller.read_temperature()
        assert controller.read_alarms() == (False, False)
    faults.inject(Fault.UNPLUGGED)
    with pytest.raises(TransportError):
        controller.read_temperature()


def test_documented_constructors_open_a_port_and_with_closes_it(serial_port: SerialPort) -> None:
    port = serial_port(device())
    # Each opening of the same port must work, odd parity included.
    for _ in range(3):
        with ISeries(port) as controller:
            controller.read_temperature()
        with pytest.raises(TransportError, match="closed"):
            controller.read_temperature()
    with ISeries(port, 9600, "rs232") as controller:
        controller.read_temperature()
    with CNi3244_C24(port) as controller:
        controller.read_temperature()
    controller.close()


def test_port_is_set_as_the_instrument_wants_it(served, tmp_path) -> None:
    server = served.enter_context(PtyServer(device(), tmp_path / "tty", baudrate=19200))
    with CNi3244_C24(str(server.link)) as controller:
        controller.read_temperature()
        channel = controller._transport._channel
        settings = channel._port.get_settings()  # type: ignore[attr-defined]
    assert {key: settings[key] for key in ("baudrate", "bytesize", "parity", "stopbits")} == {
        "baudrate": 19200,
        "bytesize": 7,
        "parity": "O",
        "stopbits": 1,
    }


def test_two_on_one_line() -> None:
    line = in_memory(
        SharedLine(
            device(address=1, temperature_degc=10.0, time_constant_s=1e9),
            device(address=0x1A, temperature_degc=26.0, time_constant_s=1e9),
        ),
        clock=VirtualClock(),
    )
    controller = ISeries("", comm_stnd="rs485", transport=line)
    assert controller.read_temperature() == 10.0
    assert controller.read_temperature(1) == controller.read_temperature("1") == 10.0
    assert controller.read_temperature(0x1A) == controller.read_temperature("1A") == 26.0
    with pytest.raises(TransportTimeoutError):
        controller.read_temperature(2)
    assert controller.read_temperature(0x1A) == 26.0


def test_given_transport_stays_open(clock: VirtualClock) -> None:
    transport = simulate(clock=clock)
    with ISeries("", transport=transport):
        pass
    assert not transport.closed


@pytest.mark.parametrize(
    ("options", "answer"),
    [({}, "Omega iSeries (rs232), it shows 075.4"), ({"address": 1}, "Omega iSeries (rs485), it shows 075.4")],
)
def test_identify(options: dict, answer: str, clock: VirtualClock) -> None:
    assert ISeries.identify(simulate(clock=clock, **options)) == answer


def test_identify_knows_strangers(clock: VirtualClock) -> None:
    assert ISeries.identify(simulate(clock=clock, address=2)) is None
    assert ISeries.identify(exchanging({b"*X01\r": b"hello\r", b"*01X01\r": b"hello\r"})) is None


def test_arguments_that_make_no_sense() -> None:
    transport = exchanging({})
    with pytest.raises(ValueError, match="comm_stnd"):
        ISeries("", comm_stnd="rs422", transport=transport)
    controller = ISeries("", transport=transport)
    with pytest.raises(ValueError, match="RS-232"):
        controller.read_temperature(address=1)
    with pytest.raises(ValueError, match="setpoint 3"):
        controller.read_setpoint(3)


# -------------------------------------------------------------------------------------------- faults of earlier drivers


@pytest.mark.parametrize(
    ("address", "digits"),
    [(0, "00"), (1, "01"), ("1", "01"), (10, "0A"), ("0A", "0A"), ("10", "10"), (16, "10"), (0xC7, "C7"), ("c7", "C7")],
    ids=repr,
)
def test_address_has_two_digits(address: int | str, digits: str) -> None:
    """Earlier: a 0 was put in front of any address, and 10 became 010."""
    assert encode_address(address) == digits
    transport = exchanging({f"*{digits}X01\r".encode(): f"{digits}X01075.4\r".encode()})
    controller = ISeries("", comm_stnd="rs485", transport=transport)
    assert controller.read_temperature(address) == 75.4


@pytest.mark.parametrize("address", [-1, 0xC8, 256, "C8", "G1", ""])
def test_address_that_does_not_exist(address: int | str) -> None:
    with pytest.raises(ValueError, match=r"address|invalid literal"):
        encode_address(address)


@pytest.mark.parametrize("dribble", [False, True], ids=["silent", "babbling"])
def test_waiting_ends(clock: VirtualClock, dribble: bool) -> None:
    """Earlier: the loop that waited for the reply had no end."""

    class Endless:
        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            return [Answer(0.01 * n, b"x") for n in range(1000)] if dribble else []

    controller = ISeries("", transport=in_memory(Endless(), clock=clock))
    with pytest.raises(TransportTimeoutError):
        controller.read_temperature()
    assert clock.monotonic() == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("code", ["43", "46", "48", "50", "56"])
def test_error_codes_are_errors_and_no_reason_to_ask_again(code: str) -> None:
    """Earlier: they were taken for disturbances, asked again nine times, and became None."""
    asked = []

    def handle(request: bytes, now_s: float) -> bytes:
        asked.append(request)
        return f"?{code}\r".encode()

    controller = ISeries("", transport=in_memory(MessageSimulator(handle, until(b"\r")), clock=VirtualClock()))
    with pytest.raises(CommandRejectedError, match=code):
        controller.read_temperature()
    assert asked == [b"*X01\r"]
