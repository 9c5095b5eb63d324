"""MKS 925: the exchanges of the manual, each fault of the wire, real wires, and each fault of earlier drivers."""

from pathlib import Path

import pytest

from PyExpLabSys.drivers.mks_925_pirani import Mks925, decode, decode_number, encode
from PyExpLabSys.errors import (
    CommandRejectedError,
    InstrumentError,
    ProtocolError,
    TransportError,
    TransportTimeoutError,
)
from PyExpLabSys.simulators.mks_925_pirani import SimulatedMks925, device, simulate
from PyExpLabSys.simulators.serving.base import Answer, ByteSimulator, MessageSimulator, SharedLine
from PyExpLabSys.simulators.serving.faults import Fault, FaultySimulator
from PyExpLabSys.simulators.serving.memory import SimulatedChannel, VirtualClock, in_memory
from PyExpLabSys.simulators.serving.pty import PtyServer
from PyExpLabSys.transport.byte_transport import ByteTransport
from PyExpLabSys.transport.framing import until
from tests.drivers.conftest import SerialPort, Wire
from tests.drivers.exchanges import exchanging

# ----------------------------------------------------------------------------------------------- the manual's exchanges

EXCHANGES = [
    pytest.param("PR1?", b"@254PR1?;FF", b"@253ACK1.23E-3;FF", "1.23E-3", id="pressure"),
    pytest.param("PR4?", b"@254PR4?;FF", b"@253ACK1.234E-3;FF", "1.234E-3", id="pressure-4-digits"),
    pytest.param("U!MBAR", b"@254U!MBAR;FF", b"@253ACKMBAR;FF", "MBAR", id="set-unit"),
    pytest.param("U?", b"@254U?;FF", b"@253ACKTORR;FF", "TORR", id="unit"),
    pytest.param("SN?", b"@254SN?;FF", b"@253ACK0720012345;FF", "0720012345", id="serial-number"),
    pytest.param("BR!19200", b"@254BR!19200;FF", b"@253ACK19200;FF", "19200", id="set-speed"),
    pytest.param("BR?", b"@254BR?;FF", b"@253ACK19200;FF", "19200", id="speed"),
    pytest.param("AD?", b"@254AD?;FF", b"@253ACK253;FF", "253", id="address"),
    pytest.param("MD?", b"@254MD?;FF", b"@253ACK925;FF", "925", id="model"),
    pytest.param("DT?", b"@254DT?;FF", b"@253ACKMICROPIRANI;FF", "MICROPIRANI", id="device-type"),
    pytest.param("MF?", b"@254MF?;FF", b"@253ACKMKS;FF", "MKS", id="maker"),
    pytest.param("HV?", b"@254HV?;FF", b"@253ACKA;FF", "A", id="hardware"),
    pytest.param("FV?", b"@254FV?;FF", b"@253ACK1.12;FF", "1.12", id="firmware"),
    pytest.param("TIM?", b"@254TIM?;FF", b"@253ACK12345;FF", "12345", id="hours"),
    pytest.param("TEM?", b"@254TEM?;FF", b"@253ACK2.50E+1;FF", "2.50E+1", id="temperature"),
    pytest.param("T?", b"@254T?;FF", b"@253ACKO;FF", "O", id="health"),
    pytest.param("SS1?", b"@254SS1?;FF", b"@253ACKCLEAR;FF", "CLEAR", id="relay"),
    pytest.param("RSD?", b"@254RSD?;FF", b"@253ACKON;FF", "ON", id="turnaround-delay"),
]


@pytest.mark.parametrize(("command", "request_bytes", "reply", "data"), EXCHANGES)
def test_exchanges_of_the_manual(command: str, request_bytes: bytes, reply: bytes, data: str) -> None:
    assert encode(command) == request_bytes
    assert decode(reply, command) == data


@pytest.mark.parametrize(("command", "request_bytes", "reply", "data"), EXCHANGES)
def test_driver_makes_these_exchanges(command: str, request_bytes: bytes, reply: bytes, data: str) -> None:
    gauge = Mks925("", transport=exchanging({request_bytes: reply}))
    assert gauge.comm(command) == reply.decode()


@pytest.mark.parametrize(("command", "request_bytes", "reply", "data"), EXCHANGES)
def test_simulator_makes_these_exchanges(command: str, request_bytes: bytes, reply: bytes, data: str) -> None:
    options = {"pressure_torr": 1.234e-3, "base_torr": 1.234e-3}
    instrument = SimulatedMks925(**options)  # type: ignore[arg-type]
    if command == "BR?":
        instrument.handle(b"@254BR!19200;FF", 0.0)
    assert instrument.handle(request_bytes, 0.0) == reply
    assert instrument.handle(request_bytes.lower().replace(b";ff", b";FF"), 0.0) == reply


def test_documented_methods() -> None:
    gauge = Mks925(
        "",
        transport=exchanging(
            {
                b"@254PR1?;FF": b"@253ACK1.23E-3;FF",
                b"@254U!MBAR;FF": b"@253ACKMBAR;FF",
                b"@254U?;FF": b"@253ACKTORR;FF",
                b"@254SN?;FF": b"@253ACK0720012345;FF",
            }
        ),
    )
    assert gauge.read_pressure() == 1.23e-3
    assert gauge.change_unit("MBAR") == "@253ACKMBAR;FF"
    assert gauge.read_unit() == "TORR"
    assert gauge.read_serial() == "0720012345"


@pytest.mark.parametrize(
    ("address", "request_bytes"),
    [(1, b"@001PR1?;FF"), (42, b"@042PR1?;FF"), (253, b"@253PR1?;FF"), (254, b"@254PR1?;FF")],
)
def test_address_has_three_digits(address: int, request_bytes: bytes) -> None:
    assert encode("PR1?", address) == request_bytes
    reply = b"@%03dACK1.23E-3;FF" % (7 if address == 254 else address)
    assert Mks925("", address=address, transport=exchanging({request_bytes: reply})).read_pressure() == 1.23e-3


@pytest.mark.parametrize("address", [-1, 0, 255, 1000])
def test_address_that_answers_nothing_is_refused_before_a_port_is_opened(address: int) -> None:
    with pytest.raises(ValueError, match="address"):
        Mks925("/dev/there/is/none", address=address)


@pytest.mark.parametrize("command", ["", "PR1", "?", "PR1?;FF", "U!MB;AR", "@PR1?", "PR1?PR1?", "UT!\u00b5", "UT!a\n"])
def test_what_is_no_command_is_not_sent(command: str) -> None:
    with pytest.raises(ValueError, match="is no command"):
        Mks925("", transport=exchanging({})).comm(command)


@pytest.mark.parametrize(
    ("data", "value"), [("1.23E-3", 1.23e-3), ("7.60E+2", 760.0), ("1.234E-03", 1.234e-3), ("12345", 12345.0)]
)
def test_numbers(data: str, value: float) -> None:
    assert decode_number(data) == value


@pytest.mark.parametrize("data", ["", "nan", "inf", "1.23E", "1.2.3", "MICROPIRANI", "1_0", " 1.0"])
def test_no_number_is_made_up(data: str) -> None:
    with pytest.raises(ProtocolError):
        decode_number(data)


@pytest.mark.parametrize(
    "reply",
    [
        b";FF",
        b"@25ACK1.23E-3;FF",
        b"253ACK1.23E-3;FF",
        b"@253AKC1.23E-3;FF",
        b"@253ACK1.2\xffE-3;FF",
        b"@253ACK1.23E-3\r;FF",
        b"@253ACK1.23E-3",
        b"@254PR1?;FF",
        b"\x00@253ACK1.23E-3;FF",
    ],
    ids=[
        "empty",
        "two-digits",
        "no-at",
        "neither-ack-nor-nak",
        "no-ascii",
        "control",
        "no-end",
        "echo",
        "noise-before",
    ],
)
def test_invalid_replies(reply: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(reply, "PR1?")


def test_answer_of_another_instrument_is_none() -> None:
    gauge = Mks925("", address=1, transport=exchanging({b"@001PR1?;FF": b"@002ACK1.23E-3;FF"}))
    with pytest.raises(ProtocolError, match="for address 001 answered by 002"):
        gauge.read_pressure()


@pytest.mark.parametrize(
    ("request_bytes", "reply", "ask"),
    [
        (b"@254U!MBAR;FF", b"@253ACKTORR;FF", lambda gauge: gauge.change_unit("MBAR")),
        (b"@254U?;FF", b"@253ACKPSI;FF", lambda gauge: gauge.read_unit()),
        (b"@254SN?;FF", b"@253ACK1.23E-3;FF", lambda gauge: gauge.read_serial()),
        (b"@254PR1?;FF", b"@253ACKTORR;FF", lambda gauge: gauge.read_pressure()),
    ],
    ids=["set-unit", "unit", "serial-number", "pressure"],
)
def test_valid_reply_with_data_of_another_kind(request_bytes: bytes, reply: bytes, ask) -> None:
    with pytest.raises(ProtocolError):
        ask(Mks925("", transport=exchanging({request_bytes: reply})))


# ----------------------------------------------------------------------------------------------- the simulated chamber


def test_pump_pulls_the_pressure_down() -> None:
    clock = VirtualClock()
    gauge = Mks925("", transport=simulate(clock=clock, pressure_torr=760.0, base_torr=1e-4, time_constant_s=20.0))
    assert gauge.read_pressure() == 760.0
    clock.sleep(20.0)
    assert gauge.read_pressure() == pytest.approx(760.0 * 0.36788, rel=0.01)
    clock.sleep(600.0)
    assert gauge.read_pressure() == 1.0e-4


@pytest.mark.parametrize(("unit", "pressure"), [("TORR", 1.0), ("MBAR", 1.33), ("PASCAL", 133.0)])
def test_unit_round_trip(unit: str, pressure: float) -> None:
    gauge = Mks925("", transport=simulate(clock=VirtualClock(), pressure_torr=1.0, base_torr=1.0))
    assert gauge.change_unit(unit) == f"@253ACK{unit};FF"
    assert gauge.read_unit() == unit
    assert gauge.read_pressure() == pressure


@pytest.mark.parametrize("unit", ["mbar", "PSI", ""])
def test_unit_that_does_not_exist(unit: str) -> None:
    with pytest.raises(ValueError, match="TORR, MBAR, PASCAL"):
        Mks925("", transport=exchanging({})).change_unit(unit)


def test_relay_closes_below_its_set_point_and_opens_above_the_hysteresis() -> None:
    clock = VirtualClock()
    instrument = SimulatedMks925(pressure_torr=100.0, base_torr=0.1, time_constant_s=1.0)
    transport = in_memory(MessageSimulator(instrument.handle, until(b";FF")), clock=clock)
    gauge = Mks925("", transport=transport)
    gauge.comm("SP1!1.00E+0")
    gauge.comm("SH1!2.00E+0")
    assert gauge.comm("SP1?") == "@253ACK1.00E+0;FF"
    assert gauge.comm("SS1?") == "@253ACKCLEAR;FF"
    gauge.comm("EN1!ON")
    clock.sleep(10.0)
    assert gauge.comm("SS1?") == "@253ACKSET;FF"
    instrument.base_torr = 1.5  # between the two: it stays
    clock.sleep(10.0)
    assert gauge.comm("SS1?") == "@253ACKSET;FF"
    instrument.base_torr = 3.0
    clock.sleep(10.0)
    assert gauge.comm("SS1?") == "@253ACKCLEAR;FF"
    gauge.comm("SD1!ABOVE")
    assert gauge.comm("SS1?") == "@253ACKSET;FF"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("PX1?", 160),
        ("SN!1", 160),
        ("U!PSI", 169),
        ("AD!abc", 169),
        ("SP1!x", 169),
        ("AD!254", 172),
        ("SP1!-1", 172),
        ("SP1!1E9", 172),
    ],
)
def test_simulator_refuses_as_the_manual_says(command: str, code: int) -> None:
    with pytest.raises(CommandRejectedError, match=f"NAK{code}"):
        Mks925("", transport=simulate(clock=VirtualClock())).comm(command)


def test_simulator_refuses_what_neither_asks_nor_sets_and_hears_only_its_own_address() -> None:
    instrument = SimulatedMks925(address=7)
    assert instrument.handle(b"@007PR1;FF", 0.0) == b"@007NAK175;FF"
    assert instrument.handle(b"@008PR1?;FF", 0.0) == b""
    assert instrument.handle(b"@255U!MBAR;FF", 0.0) == b""
    assert instrument.handle(b"@254U?;FF", 0.0) == b"@007ACKMBAR;FF"


def test_new_address() -> None:
    transport = simulate(clock=VirtualClock())
    Mks925("", transport=transport).comm("AD!012")
    assert Mks925("", address=12, transport=transport).comm("AD?") == "@012ACK012;FF"


# --------------------------------------------------------------------------------------------------- faults of the wire


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def faults() -> FaultySimulator:
    return FaultySimulator(device(pressure_torr=1.23e-3, base_torr=1.23e-3))


@pytest.fixture
def gauge(faults: FaultySimulator, clock: VirtualClock) -> Mks925:
    return Mks925("", transport=in_memory(faults, clock=clock))


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
    gauge: Mks925, faults: FaultySimulator, fault: Fault, error: type[Exception]
) -> None:
    gauge.read_pressure()
    faults.inject(fault, late_s=3.0)
    with pytest.raises(error):
        gauge.read_pressure()
    assert gauge.read_pressure() == 1.23e-3


@pytest.mark.parametrize("late_s", [1.9, 2.1, 3.0, 3.95])
def test_late_answer_is_not_taken_for_that_to_the_next_question(clock: VirtualClock, late_s: float) -> None:
    # It always takes long, so that a late answer comes before the right one if the driver does not wait.
    faults = FaultySimulator(device(delay_s=1.8, pressure_torr=1.23e-3, base_torr=1.23e-3))
    gauge = Mks925("", transport=in_memory(faults, clock=clock))
    faults.inject(Fault.LATE, late_s=late_s - 1.8)
    try:
        assert gauge.comm("PR4?") == "@253ACK1.230E-3;FF"
    except TransportTimeoutError:
        assert late_s > Mks925.TIMEOUT_S
    assert gauge.comm("PR1?") == "@253ACK1.23E-3;FF"
    assert gauge.comm("TIM?") == "@253ACK12345;FF"


def test_rest_of_a_torn_reply_is_not_taken_for_the_next(clock: VirtualClock) -> None:
    class Torn:
        """What is left of an answer whose beginning was lost, and then another one that nobody asked for."""

        def __init__(self) -> None:
            self.gauge = device(pressure_torr=1.23e-3, base_torr=1.23e-3)
            self.torn = False

        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            if self.torn:
                return list(self.gauge.feed(data, now_s))
            self.torn = True
            return [Answer(0.0, b"CK9.99E-9;FF"), Answer(0.1, b"@253ACK9.99E-9;FF")]

    gauge = Mks925("", transport=in_memory(Torn(), clock=clock))
    with pytest.raises(ProtocolError):
        gauge.read_pressure()
    assert gauge.read_pressure() == 1.23e-3


def test_unplugged_in_the_middle_of_a_reply_and_plugged_in_again(faults: FaultySimulator, clock: VirtualClock) -> None:
    channel = SimulatedChannel(faults, clock=clock)
    gauge = Mks925("", transport=ByteTransport(channel, clock=clock))
    faults.inject(Fault.UNPLUGGED)
    for _ in range(2):
        with pytest.raises(TransportError, match="unplugged"):
            gauge.read_pressure()
    channel.plug()
    assert gauge.read_pressure() == 1.23e-3


def test_wrong_digit_of_a_reading_cannot_be_noticed(gauge: Mks925, faults: FaultySimulator) -> None:
    """The protocol has no checksum: this documents what the driver cannot do, whatever it does."""
    faults.inject(Fault.WRONG_CHECKSUM)
    assert gauge.read_pressure() == 1.23e-2


# ---------------------------------------------------------------------------------------------------------- real wires


def test_over_real_wires(wire: Wire) -> None:
    with Mks925("", transport=wire(device(pressure_torr=1.23e-3, base_torr=1.23e-3))) as gauge:
        assert gauge.read_pressure() == 1.23e-3
        assert gauge.change_unit("PASCAL") == "@253ACKPASCAL;FF"
        assert gauge.read_pressure() == 0.164
        assert gauge.read_serial() == "0720012345"
        with pytest.raises(CommandRejectedError, match="160"):
            gauge.comm("PX1?")


def test_faults_over_real_wires(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mks925, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(Mks925, "LATE_S", 0.4)
    faults = FaultySimulator(device(pressure_torr=1.23e-3, base_torr=1.23e-3))
    gauge = Mks925("", transport=wire(faults))
    for fault in (Fault.SILENCE, Fault.GARBAGE, Fault.WRONG_ECHO, Fault.HALF_A_REPLY, Fault.LATE):
        faults.inject(fault, late_s=0.3)
        with pytest.raises(InstrumentError):
            gauge.read_pressure()
        assert gauge.read_unit() == "TORR"
    faults.inject(Fault.UNPLUGGED)
    with pytest.raises(TransportError):
        gauge.read_pressure()


def test_documented_constructor_opens_a_port_and_with_closes_it(serial_port: SerialPort) -> None:
    port = serial_port(device())
    for _ in range(3):
        with Mks925(port) as gauge:
            gauge.read_pressure()
        with pytest.raises(TransportError, match="closed"):
            gauge.read_pressure()
        gauge.close()


def test_given_transport_stays_open(clock: VirtualClock) -> None:
    transport = simulate(clock=clock)
    with Mks925("", transport=transport):
        pass
    assert not transport.closed


def line_of_three(*faulty: FaultySimulator) -> SharedLine:
    members: list[ByteSimulator] = [
        device(address=address, pressure_torr=address, base_torr=address, serial_number=f"{address:010d}")
        for address in (1, 2, 3)[len(faulty) :]
    ]
    return SharedLine(*faulty, *members)


def test_several_on_one_line(wire: Wire) -> None:
    line = wire(line_of_three())
    gauges = [Mks925("", address=address, transport=line) for address in (1, 2, 3)]
    assert [gauge.read_pressure() for gauge in gauges] == [1.0, 2.0, 3.0]
    gauges[1].change_unit("MBAR")
    assert [gauge.read_unit() for gauge in gauges] == ["TORR", "MBAR", "TORR"]
    assert [gauge.read_serial() for gauge in gauges] == ["0000000001", "0000000002", "0000000003"]


def test_absent_one_on_a_line_disturbs_no_other(clock: VirtualClock) -> None:
    line = in_memory(line_of_three(), clock=clock)
    with pytest.raises(TransportTimeoutError):
        Mks925("", address=9, transport=line).read_pressure()
    assert Mks925("", address=2, transport=line).read_pressure() == 2.0


@pytest.mark.parametrize("late_s", [2.1, 3.95])
def test_late_answer_is_not_taken_for_that_of_a_neighbour(clock: VirtualClock, late_s: float) -> None:
    faults = FaultySimulator(device(address=1, pressure_torr=1.0, base_torr=1.0))
    line = in_memory(line_of_three(faults), clock=clock)
    faults.inject(Fault.LATE, late_s=late_s)
    with pytest.raises(TransportTimeoutError):
        Mks925("", address=1, transport=line).read_pressure()
    assert Mks925("", address=2, transport=line).read_pressure() == 2.0
    assert Mks925("", address=1, transport=line).read_pressure() == 1.0


def test_identify(clock: VirtualClock) -> None:
    assert Mks925.identify(simulate(clock=clock, address=7)) == "MKS 925, serial number 0720012345"


@pytest.mark.parametrize("reply", [b"", b"hello\r", b"@253ACK937B;FF", b"@253NAK160;FF"])
def test_identify_knows_strangers(reply: bytes) -> None:
    assert Mks925.identify(exchanging({b"@254MD?;FF": reply})) is None


# -------------------------------------------------------------------------------------------- faults of earlier drivers


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("8", "too high"),
        ("9", "too low"),
        ("160", "unknown"),
        ("169", "argument"),
        ("172", "range"),
        ("175", "missing or wrong"),
        ("180", "locked"),
        ("999", "a code that the manual does not have"),
        ("", "no reason"),
    ],
)
def test_refusal_is_no_pressure(code: str, reason: str) -> None:
    """Earlier: the reply was cut at fixed places, and NAK160 became a pressure of 160."""
    gauge = Mks925("", transport=exchanging({b"@254PR1?;FF": f"@253NAK{code};FF".encode()}))
    with pytest.raises(CommandRejectedError, match=f"NAK{code}: .*{reason}"):
        gauge.read_pressure()


def test_vector_of_the_unknown_command() -> None:
    gauge = Mks925("", transport=exchanging({b"@254PX1?;FF": b"@253NAK160;FF"}))
    with pytest.raises(CommandRejectedError, match=r"PX1\? refused by address 253 with NAK160: command unknown"):
        gauge.comm("PX1?")


def test_no_reading_is_no_number(clock: VirtualClock) -> None:
    """Earlier: -1.0 after nine attempts."""
    asked = []

    def handle(request: bytes, now_s: float) -> bytes:
        asked.append(request)
        return b"@253ACKTORR;FF"

    gauge = Mks925("", transport=in_memory(MessageSimulator(handle, until(b";FF")), clock=clock))
    with pytest.raises(ProtocolError):
        gauge.read_pressure()
    assert asked == [b"@254PR1?;FF"]


@pytest.mark.parametrize("dribble", [False, True], ids=["silent", "babbling"])
def test_waiting_ends(clock: VirtualClock, dribble: bool) -> None:
    class Endless:
        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            return [Answer(0.01 * n, b"x") for n in range(1000)] if dribble else []

    gauge = Mks925("", transport=in_memory(Endless(), clock=clock))
    with pytest.raises(TransportTimeoutError):
        gauge.read_pressure()
    assert clock.monotonic() == pytest.approx(2.0, abs=0.05)


class OneSpeed:
    """An instrument that hears only what is sent at the speed that it is set to."""

    def __init__(self) -> None:
        self.instrument = SimulatedMks925(pressure_torr=1.23e-3, base_torr=1.23e-3)
        self.server: PtyServer | None = None
        self._messages = MessageSimulator(self.instrument.handle, until(b";FF"))

    def feed(self, data: bytes, now_s: float) -> list[Answer]:
        answers = self._messages.feed(data, now_s)
        assert self.server is not None
        self.server._baudrate = self.instrument.baudrate
        return answers


def test_port_follows_the_speed_of_the_instrument(served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Earlier: the port stayed at the old speed, and the instrument was silent from then on."""
    monkeypatch.setattr(Mks925, "TIMEOUT_S", 0.5)
    instrument = OneSpeed()
    instrument.server = PtyServer(instrument, tmp_path / "tty", baudrate=9600)
    port = str(served.enter_context(instrument.server).link)
    with Mks925(port) as gauge:
        assert gauge.set_comm_speed(19200) == "@253ACK19200;FF"
        assert gauge.read_pressure() == 1.23e-3
    with pytest.raises(TransportTimeoutError), Mks925(port) as gauge:
        gauge.read_pressure()
    with Mks925(port, baudrate=19200) as gauge:
        assert gauge.read_pressure() == 1.23e-3


def test_refused_speed_leaves_the_port_open(serial_port: SerialPort) -> None:
    def refuse(request: bytes, now_s: float) -> bytes:
        return b"@253NAK180;FF"

    with Mks925(serial_port(MessageSimulator(refuse, until(b";FF")))) as gauge:
        with pytest.raises(CommandRejectedError, match="locked"):
            gauge.set_comm_speed(19200)
        with pytest.raises(CommandRejectedError, match="locked"):
            gauge.read_pressure()


def test_speed_that_cannot_be_set_is_refused_before_a_byte_is_sent() -> None:
    gauge = Mks925("", transport=exchanging({}))
    with pytest.raises(ValueError, match="12345 baud"):
        gauge.set_comm_speed(12345)
    with pytest.raises(ValueError, match="opened elsewhere"):
        gauge.set_comm_speed(19200)
