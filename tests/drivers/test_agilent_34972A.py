"""Agilent 34972A: exchanges of the manual, long scans, each fault of the wire, and each fault of earlier drivers."""

import math
from collections.abc import Callable

import pytest

from PyExpLabSys.drivers.agilent_34972A import (
    Agilent34972ADriver,
    ChannelConfiguration,
    decode_channels,
    decode_configurations,
    decode_readings,
    encode_channels,
)
from PyExpLabSys.errors import (
    CommandRejectedError,
    InstrumentError,
    ProtocolError,
    TransportError,
    TransportTimeoutError,
)
from PyExpLabSys.simulators.agilent_34972A import Simulated34972A, device, simulate
from PyExpLabSys.simulators.scpi import serve
from PyExpLabSys.simulators.serving.base import Answer
from PyExpLabSys.simulators.serving.faults import Fault, FaultySimulator
from PyExpLabSys.simulators.serving.memory import SimulatedChannel, VirtualClock, in_memory
from PyExpLabSys.simulators.serving.pty import PtyServer
from PyExpLabSys.simulators.serving.tcp import TcpServer
from PyExpLabSys.transport.byte_transport import ByteTransport
from tests.drivers.conftest import SerialPort, Wire
from tests.drivers.exchanges import exchanging

INPUTS = {101: 4.2715e-3, 102: 1.3213e-3, 103: -2.615e-2}
READINGS = [0.0042715, 0.0013213, -0.02615]
QUEUE_EMPTY = {b"SYST:ERR?\n": b'+0,"No error"\n'}
SCAN = b"+4.27150000E-03,+1.32130000E-03,-2.61500000E-02\n"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def unit(clock: VirtualClock, **options) -> Agilent34972ADriver:
    return Agilent34972ADriver(transport=simulate(clock=clock, **options))


# ----------------------------------------------------------------------------------------------- the manual's exchanges


@pytest.mark.parametrize(
    ("exchanges", "ask", "value"),
    [
        pytest.param(
            {b"ROUT:SCAN (@101,102,103)\n": b""} | QUEUE_EMPTY,
            lambda unit: unit.set_scan_list(["101", "102", "103"]),
            True,
            id="set-scan-list",
        ),
        pytest.param(
            {b"ROUT:SCAN?\n": b"#214(@101,102,103)\n"},
            Agilent34972ADriver.read_scan_list,
            ["101", "102", "103"],
            id="scan-list",
        ),
        pytest.param({b"ROUT:SCAN?\n": b"#13(@)\n"}, Agilent34972ADriver.read_scan_list, [], id="empty-scan-list"),
        pytest.param(
            {b"VOLT:DC:NPLC 10,(@102)\n": b""} | QUEUE_EMPTY,
            lambda unit: unit.set_integration_time(102, 10),
            None,
            id="set-integration-time",
        ),
        pytest.param(
            {b"TRIG:TIMER 10\n": b""} | QUEUE_EMPTY, lambda unit: unit.set_scan_interval(10), None, id="set-interval"
        ),
        pytest.param(
            {b"TRIG:TIMER?\n": b"+1.00000000E+01\n"}, Agilent34972ADriver.read_scan_interval, 10.0, id="interval"
        ),
        pytest.param({b"ABORT\n": b""}, Agilent34972ADriver.abort_scan, None, id="abort"),
        pytest.param(
            {b"FETCH?\n": SCAN}, lambda unit: decode_readings(unit.scpi_comm("FETCH?"), 3), READINGS, id="fetch"
        ),
    ],
)
def test_exchanges_of_the_manual(
    exchanges: dict[bytes, bytes], ask: Callable[[Agilent34972ADriver], object], value: object
) -> None:
    assert ask(Agilent34972ADriver(transport=exchanging(exchanges))) == value


def test_single_scan_makes_these_exchanges_in_this_order() -> None:
    conditions = iter([b"+16\n", b"+16\n", b"+0\n"])
    sent = []

    class Unit:
        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            sent.append(data)
            replies = QUEUE_EMPTY | {b"ROUT:SCAN:SIZE?\n": b"+3\n", b"FETCH?\n": SCAN}
            reply = next(conditions) if data.startswith(b"STAT") else replies.get(data)
            return [Answer(0.0, reply)] if reply else []

    clock = VirtualClock()
    assert Agilent34972ADriver(transport=in_memory(Unit(), clock=clock)).read_single_scan() == READINGS
    assert sent == [
        b"ROUT:SCAN:SIZE?\n",
        b"SYST:ERR?\n",
        *[b"TRIG:SOURCE TIMER\n", b"TRIG:COUNT 1\n", b"INIT\n"],
        b"SYST:ERR?\n",
        *[b"STATUS:OPERATION:CONDITION?\n"] * 3,
        b"FETCH?\n",
    ]
    assert clock.monotonic() == pytest.approx(0.075)


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        ([b"ROUT:SCAN (@101,102,103)\n", b"ROUT:SCAN?\n"], b"#214(@101,102,103)\n"),
        ([b"ROUT:SCAN (@101:103)\r\n", b"route:scan?\n"], b"#214(@101,102,103)\n"),
        ([b"ROUT:SCAN (@)\n", b":ROUT:SCAN?\n"], b"#13(@)\n"),
        ([b"ROUT:SCAN (@103, 101:102,101)\n", b"SCAN?;SCAN:SIZE?\n"], b"#214(@101,102,103);+3\n"),
        (
            [b"ROUT:SCAN (@101:103)\n", b"VOLT:DC:NPLC  10,(@102)\n", b"VOLT:DC:NPLC?\n"],
            b"+1.00000000E+00,+1.00000000E+01,+1.00000000E+00\n",
        ),
        ([b"TRIG:TIMER  10\n", b"TRIG:TIMER?\n"], b"+1.00000000E+01\n"),
        ([b"TRIG:SOUR TIMER;COUN INF\n", b"TRIG:SOUR?;COUN?\n"], b"TIM;+9.90000000E+37\n"),
        ([b"STATUS:OPERATION:CONDITION?\n"], b"+0\n"),
        ([b"ROUT:SCAN (@101)\n", b"INIT\n", b"STAT:OPER:COND?\n"], b"+16\n"),
        (
            [b"CONF:VOLT:DC 10,3e-6,(@101:102)\n", b"CONF?\n"],
            b'"VOLT +1.000000E+01,+3.000000E-06","VOLT +1.000000E+01,+3.000000E-06"\n',
        ),
        ([b"CONF:TEMP TC,K,(@103)\n", b"CONF?\n"], b'"TEMP TC,K,+1.000000E+00,+3.000000E-06"\n'),
        ([b"VOLT:DC:NPLC?\n", b"SYST:ERR?\n"], b'-221,"Settings conflict"\n'),
        ([b"*IDN?\xff\n", b"SYST:ERR?\n"], b'-101,"Invalid character"\n'),
        ([b"TRIG:TIM ten\n", b"SYST:ERR?\n"], b'-121,"Invalid character in number"\n'),
        ([b"TRIG:TIM 1,2\n", b"SYST:ERR?\n"], b'-108,"Parameter not allowed"\n'),
        ([b"TRIG:SOUR MOON\n", b"SYST:ERR?\n"], b'-224,"Illegal parameter value"\n'),
        ([b"ROUT:SCAN 101\n", b"SYST:ERR?\n"], b'-102,"Syntax error"\n'),
        ([b"*ESE 32;NONSENSE;*ESE 1\n", b"*ESE?;*STB?;*OPC?\n"], b"32;36;1\n"),
        ([b"FETC?\n", b"SYST:ERR?\n"], b'-230,"Data stale"\n'),
        ([b"ROUT:SCAN (@101:123)\n", b"SYST:ERR?\n"], b'-222,"Data out of range"\n'),
        ([b"ROUT:SCAN\n", b"SYST:ERR?\n"], b'-109,"Missing parameter"\n'),
    ],
)
def test_simulator_answers_as_the_manual_says(lines: list[bytes], reply: bytes) -> None:
    simulated = Simulated34972A()
    for line in lines[:-1]:
        assert simulated.handle(line, 0.0) == b""
    assert simulated.handle(lines[-1], 0.0) == reply


@pytest.mark.parametrize(
    ("block", "channels"),
    [(b"(@)", []), (b"(@101)", [101]), (b"(@101,102)", [101, 102]), (b"(@101:103,305)", [101, 102, 103, 305])],
)
def test_channel_lists(block: bytes, channels: list[int]) -> None:
    assert decode_channels(block) == channels
    assert decode_channels(encode_channels(channels).encode()) == channels


@pytest.mark.parametrize("block", [b"", b"(@", b"101,102", b"(@1)", b"(@101,)", b"(@101:)", b"(@10\xb2)", b"(@101)x"])
def test_what_is_no_channel_list(block: bytes) -> None:
    with pytest.raises(ProtocolError, match="no list of channels"):
        decode_channels(block)


@pytest.mark.parametrize("channel", [0, 1, 100, 200, 400, 1001, -101, "x"])
def test_channel_that_cannot_be_is_refused_before_a_byte_is_sent(channel: int | str) -> None:
    instrument = Agilent34972ADriver(transport=exchanging({}))
    with pytest.raises(ValueError, match=r"channel|invalid literal"):
        instrument.set_scan_list([101, channel])
    with pytest.raises(ValueError, match=r"channel|invalid literal"):
        instrument.set_integration_time(channel, 1)


@pytest.mark.parametrize("seconds", [-1.0, 360000.0, math.nan, math.inf])
def test_interval_that_cannot_be(seconds: float) -> None:
    with pytest.raises(ValueError, match="interval"):
        Agilent34972ADriver(transport=exchanging({})).set_scan_interval(seconds)


def test_integration_time_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="integration time"):
        Agilent34972ADriver(transport=exchanging({})).set_integration_time(101, 5)


@pytest.mark.parametrize("text", ["", "+1.0", "+1.0,+2.0,", "+1.0,,+2.0", "+1.0,+2.0,x", "+1.0,+2.0,+3.0,+4.0"])
def test_what_is_no_scan_of_three_channels(text: str) -> None:
    with pytest.raises(ProtocolError):
        decode_readings(text, 3)


# ----------------------------------------------------------------------------------------------------------- the driver


def test_single_scan(clock: VirtualClock) -> None:
    instrument = unit(clock, inputs=INPUTS)
    assert instrument.set_scan_list([103, "101", 102]) is True
    assert instrument.read_scan_list() == ["101", "102", "103"]
    assert instrument.read_single_scan() == READINGS
    assert instrument.read_errors() == []


def test_values_change_with_time(clock: VirtualClock) -> None:
    instrument = unit(clock)
    instrument.set_scan_list(range(101, 121))
    first = instrument.read_single_scan()
    clock.sleep(10.0)
    second = instrument.read_single_scan()
    assert len(first) == len(second) == 20
    assert all(one != other and abs(one - other) < 0.05 for one, other in zip(first, second, strict=True))


def test_scan_takes_as_long_as_its_integration_times(clock: VirtualClock) -> None:
    instrument = unit(clock)
    instrument.set_scan_list([101, 102])
    instrument.set_integration_time("101", 100)
    instrument.read_single_scan()
    assert 4.0 < clock.monotonic() < 5.0


def test_long_scan_of_all_channels(clock: VirtualClock) -> None:
    channels = [100 * slot + channel for slot in (1, 2, 3) for channel in range(1, 23)]
    instrument = unit(clock, inputs={channel: float(channel) / 1000 for channel in channels})
    instrument.set_scan_list(channels)
    assert instrument.read_scan_list() == [str(channel) for channel in channels]
    assert instrument.read_single_scan() == [float(channel) / 1000 for channel in channels]


def test_memory_of_many_scans_is_one_long_reply(clock: VirtualClock) -> None:
    instrument = unit(clock, inputs=INPUTS)
    instrument.set_scan_list(INPUTS)
    instrument.set_scan_interval(0.5)
    instrument.scpi_set("TRIG:SOUR TIM;COUN 10000", "INIT")
    clock.sleep(10000 * 0.5)
    assert decode_readings(instrument.scpi_comm("FETC?", timeout_s=20.0), 30000) == READINGS * 10000


def test_abort_keeps_what_was_read(clock: VirtualClock) -> None:
    instrument = unit(clock, inputs=INPUTS)
    instrument.set_scan_list(INPUTS)
    instrument.scpi_set("TRIG:SOUR TIM;TIM 10;COUN INF", "INIT")
    clock.sleep(15.0)
    assert instrument.scpi_comm("STAT:OPER:COND?") == "+16"
    instrument.abort_scan()
    assert instrument.scpi_comm("STAT:OPER:COND?") == "+0"
    assert decode_readings(instrument.scpi_comm("FETC?"), 6) == READINGS * 2


def test_configurations(clock: VirtualClock) -> None:
    instrument = unit(clock)
    instrument.scpi_set("CONF:TEMP TC,K,(@103)", "CONF:VOLT:AC (@202)", "CONF:FRES 1000,0.1,(@301)")
    instrument.set_scan_list([101, 103, 202, 301])
    instrument.set_integration_time(101, 0.02)
    assert instrument.read_channel_configurations() == [
        ChannelConfiguration(channel=101, function="VOLT", range=10.0, resolution=3e-6, nplc=0.02),
        ChannelConfiguration(channel=103, function="TEMP", sensor=("TC", "K"), range=1.0, resolution=3e-6, nplc=1.0),
        ChannelConfiguration(channel=202, function="VOLT:AC", range=10.0, resolution=3e-6),
        ChannelConfiguration(channel=301, function="FRES", range=1000.0, resolution=0.1, nplc=1.0),
    ]
    text = instrument.read_configuration()
    assert text.startswith(
        "Channel: 101\nMeasurement type: VOLT\nRange: 10\nResolution: 3e-06\nNPLC: 0.02\n\nChannel: 103"
    )
    assert "NPLC: -" in text
    instrument.set_scan_list([])
    assert instrument.read_configuration() == ""


def test_overloaded_channel_is_infinite_and_the_others_are_there(clock: VirtualClock) -> None:
    instrument = unit(clock, inputs={101: 1.0, 102: None, 103: 3.0})
    instrument.set_scan_list([101, 102, 103])
    assert instrument.read_single_scan() == [1.0, math.inf, 3.0]


def test_reset(clock: VirtualClock) -> None:
    instrument = unit(clock)
    instrument.set_scan_list([101])
    instrument.set_scan_interval(77.125)
    assert instrument.read_scan_interval() == 77.125
    assert instrument.reset_device() is True
    assert instrument.read_scan_list() == []
    assert instrument.read_scan_interval() == 10.0


# ------------------------------------------------------------------------------------------ the error queue, refusals


def test_channel_that_the_unit_does_not_have(clock: VirtualClock) -> None:
    instrument = unit(clock)
    instrument.set_scan_list([101])
    with pytest.raises(CommandRejectedError, match=r"refuses ROUT:SCAN \(@101,199\): -222, Data out of range"):
        instrument.set_scan_list([101, 199])
    assert instrument.read_scan_list() == ["101"]
    with pytest.raises(CommandRejectedError, match="-221"):
        instrument.scpi_set("CONF:TEMP TC,K,(@102)", "VOLT:DC:NPLC 10,(@102)")


def test_scan_of_nothing(clock: VirtualClock) -> None:
    with pytest.raises(CommandRejectedError, match="set_scan_list"):
        unit(clock).read_single_scan()


def test_scan_while_another_is_running(clock: VirtualClock) -> None:
    instrument = unit(clock, inputs=INPUTS)
    instrument.set_scan_list(INPUTS)
    instrument.scpi_set("TRIG:COUN INF", "INIT")
    with pytest.raises(CommandRejectedError, match="-213, Init ignored"):
        instrument.read_single_scan()
    instrument.abort_scan()
    assert instrument.read_single_scan() == READINGS


def test_error_from_before_does_not_spoil_a_scan(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    simulated = Simulated34972A(inputs=INPUTS)
    instrument = Agilent34972ADriver(transport=in_memory(serve(simulated), clock=clock))
    instrument.set_scan_list(INPUTS)
    simulated.note_error(-330)
    assert instrument.read_single_scan() == READINGS
    assert "-330" in caplog.text


# --------------------------------------------------------------------------------------------------- faults of the wire


@pytest.mark.parametrize(
    ("fault", "errors"),
    [
        (Fault.SILENCE, (TransportTimeoutError,)),
        (Fault.GARBAGE, (ProtocolError,)),
        (Fault.HALF_A_REPLY, (TransportTimeoutError,)),
        (Fault.LATE, (TransportTimeoutError,)),
    ],
)
@pytest.mark.parametrize("after", range(5), ids=["size", "queue", "queue-again", "condition", "readings"])
def test_fault_costs_one_scan_and_no_more(
    clock: VirtualClock, fault: Fault, errors: tuple[type[Exception], ...], after: int
) -> None:
    class Later(FaultySimulator):
        """Fails at the answer with this number."""

        answers = 0

        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            if data.rstrip().endswith(b"?"):
                self.answers += 1
                if self.answers == after + 1:
                    self.inject(fault, late_s=3.0)
            return super().feed(data, now_s)

    simulated = Simulated34972A(inputs=INPUTS)
    simulated.scan_list = list(INPUTS)
    instrument = Agilent34972ADriver(transport=in_memory(Later(serve(simulated)), clock=clock))
    with pytest.raises(errors):
        instrument.read_single_scan()
    clock.sleep(1.0)
    assert instrument.read_single_scan() == READINGS


def test_half_a_scan_that_looks_whole(clock: VirtualClock) -> None:
    """One comma and what follows is lost; the line end is there."""
    replies = QUEUE_EMPTY | {
        b"ROUT:SCAN:SIZE?\n": b"+3\n",
        b"STATUS:OPERATION:CONDITION?\n": b"+0\n",
        b"FETCH?\n": b"+4.27150000E-03,+1.32130000E-03\n",
        **dict.fromkeys([b"TRIG:SOURCE TIMER\n", b"TRIG:COUNT 1\n", b"INIT\n"], b""),
    }
    with pytest.raises(ProtocolError, match="2 values of 3 channels"):
        Agilent34972ADriver(transport=exchanging(replies)).read_single_scan()


def test_unplugged_and_plugged_in_again(clock: VirtualClock) -> None:
    simulated = Simulated34972A(inputs=INPUTS)
    simulated.scan_list = list(INPUTS)
    faults = FaultySimulator(serve(simulated))
    channel = SimulatedChannel(faults, clock=clock)
    instrument = Agilent34972ADriver(transport=ByteTransport(channel, clock=clock))
    faults.inject(Fault.UNPLUGGED)
    for _ in range(2):
        with pytest.raises(TransportError, match="unplugged"):
            instrument.read_single_scan()
    channel.plug()
    assert instrument.read_single_scan() == READINGS


# ----------------------------------------------------------------------------------------------------------- real wires


def test_over_real_wires(wire: Wire) -> None:
    with Agilent34972ADriver(transport=wire(device(inputs=INPUTS))) as instrument:
        assert instrument.set_scan_list(INPUTS) is True
        assert instrument.read_scan_list() == ["101", "102", "103"]
        instrument.set_integration_time(101, 0.02)
        assert instrument.read_single_scan() == READINGS
        with pytest.raises(CommandRejectedError, match="-222"):
            instrument.set_scan_list([399])


@pytest.mark.parametrize("kind", ["serial", "socket"])
def test_over_visa(kind: str, served, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PyExpLabSys.simulators.agilent_34972A.SWITCHING_S", 0.0)
    simulated = device(inputs=INPUTS)
    if kind == "serial":
        resource = f"ASRL{served.enter_context(PtyServer(simulated, tmp_path / 'tty')).link}::INSTR"
    else:
        server = served.enter_context(TcpServer(simulated))
        resource = f"TCPIP::{server.host}::{server.port}::SOCKET"
    with Agilent34972ADriver("visa", connection_string=resource) as instrument:
        instrument.set_scan_list(INPUTS)
        assert instrument.read_scan_list() == ["101", "102", "103"]
        assert instrument.read_single_scan() == READINGS
        instrument.set_scan_interval(0.0)
        instrument.scpi_set("TRIG:SOUR TIM;COUN 400;TIM 0", "VOLT:NPLC 0.02,(@101:103)", "INIT")
        assert decode_readings(instrument.scpi_comm("FETC?", timeout_s=20.0), 1200) == READINGS * 400
    with pytest.raises(TransportError, match="closed"):
        instrument.read_scan_list()


def test_documented_constructors(serial_port: SerialPort, served, monkeypatch: pytest.MonkeyPatch) -> None:
    port = serial_port(device(reply_ending="\r\n", model="34970A"))
    with Agilent34972ADriver("serial", connection_string=port) as instrument:
        assert instrument.read_identity().model == "34970A"
    server = served.enter_context(TcpServer(device()))
    resource = f"TCPIP::{server.host}::{server.port}::SOCKET"
    with Agilent34972ADriver("usbtmc", "", resource) as instrument:
        assert instrument.read_identity().model == "34972A"
    opened: list[object] = []

    def open_nothing(*address: object) -> ByteTransport:
        opened.append(address)
        return exchanging({})

    monkeypatch.setattr("PyExpLabSys.drivers.scpi.open_tcp", open_nothing)
    monkeypatch.setattr("PyExpLabSys.drivers.scpi.open_usbtmc", open_nothing)
    Agilent34972ADriver(hostname="10.0.0.7")
    Agilent34972ADriver("lan", "10.0.0.7", "")
    Agilent34972ADriver("file")
    Agilent34972ADriver("file", connection_string="/dev/usbtmc1")
    assert opened == [("10.0.0.7", 5025), ("10.0.0.7", 5025), ("/dev/usbtmc0",), ("/dev/usbtmc1",)]


@pytest.mark.parametrize("model", ["34972A", "34970A"])
def test_identify(model: str, clock: VirtualClock) -> None:
    assert model in str(Agilent34972ADriver.identify(simulate(clock=clock, model=model)))


def test_identify_knows_strangers(clock: VirtualClock) -> None:
    assert Agilent34972ADriver.identify(simulate(clock=clock, model="34401A")) is None


def test_given_transport_stays_open(clock: VirtualClock) -> None:
    transport = simulate(clock=clock)
    with Agilent34972ADriver(transport=transport):
        pass
    assert not transport.closed


# ---------------------------------------------------------------------------------------- faults of earlier drivers


@pytest.mark.parametrize(
    ("part", "configuration"),
    [
        (
            "VOLT +1.000000E+01,+3.000000E-06",
            ChannelConfiguration(channel=101, function="VOLT", range=10.0, resolution=3e-6),
        ),
        (
            "TEMP TC,K,+1.000000E+00,+3.000000E-06",
            ChannelConfiguration(channel=101, function="TEMP", sensor=("TC", "K"), range=1.0, resolution=3e-6),
        ),
        ("CONT", ChannelConfiguration(channel=101, function="CONT")),
        ("PER +1.0E+01", ChannelConfiguration(channel=101, function="PER", range=10.0)),
    ],
)
def test_configuration_of_any_number_of_fields(part: str, configuration: ChannelConfiguration) -> None:
    """Earlier: exactly three were expected, which a thermocouple does not have."""
    assert decode_configurations(f'"{part}"', [101]) == [configuration]
    assert len(decode_configurations(f'"{part}","{part}"', [101, 102])) == 2


@pytest.mark.parametrize(
    "text", ["", "VOLT +1.0E+01,+3.0E-06", '"VOLT +1.0E+01', '"VOLT","VOLT"', '"VOLT +9.9E+37,+1.0"x']
)
def test_what_is_no_configuration_of_one_channel(text: str) -> None:
    with pytest.raises(ProtocolError):
        decode_configurations(text, [101])


def test_scan_interval_is_returned(clock: VirtualClock, capsys: pytest.CaptureFixture[str]) -> None:
    """Earlier: it was printed, and None came back."""
    instrument = unit(clock)
    instrument.set_scan_interval(12.5)
    assert instrument.read_scan_interval() == 12.5
    assert capsys.readouterr().out == ""


def test_empty_scan_list_is_an_empty_list(clock: VirtualClock) -> None:
    """Earlier: a list with one empty text."""
    instrument = unit(clock)
    instrument.set_scan_list([])
    assert instrument.read_scan_list() == []


def test_scan_without_end_is_stopped(clock: VirtualClock) -> None:
    """Earlier: the loop that waited for the end of the scan had none itself."""
    simulated = Simulated34972A(inputs=INPUTS)
    instrument = Agilent34972ADriver(transport=in_memory(serve(simulated), clock=clock))
    instrument.set_scan_list(INPUTS)
    for channel in INPUTS:
        instrument.set_integration_time(channel, 200)
    with pytest.raises(InstrumentError, match="not over after 5"):
        instrument.read_single_scan(timeout_s=5.0)
    assert clock.monotonic() < 6.0
    assert instrument.scpi_comm("STAT:OPER:COND?") == "+0"
    assert instrument.read_single_scan() == READINGS


@pytest.mark.parametrize("reply", [b"#214(@101,102,10\n", b"#3014(@101)\n", b"(@101,102,103)\n", b"#16(@10\n)\n"])
def test_scan_list_that_is_no_whole_block(reply: bytes) -> None:
    """Earlier: the @ was looked for and the last character dropped, and channel 103 could become 10."""
    with pytest.raises(InstrumentError):
        Agilent34972ADriver(transport=exchanging({b"ROUT:SCAN?\n": reply})).read_scan_list()


@pytest.mark.parametrize("field", ["TIME", "CHANnel", "ALARm", "UNIT"])
def test_extra_fields_are_not_taken_for_readings(clock: VirtualClock, field: str) -> None:
    instrument = unit(clock, inputs=INPUTS)
    instrument.set_scan_list(INPUTS)
    instrument.scpi_set(f"FORM:READ:{field} ON")
    with pytest.raises(ProtocolError):
        instrument.read_single_scan()
    instrument.scpi_set(f"FORM:READ:{field} OFF")
    assert instrument.read_single_scan() == READINGS
