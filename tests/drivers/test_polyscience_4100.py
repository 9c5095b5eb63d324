"""PolyScience 4100: the exchanges of the manual, faults of the wire, real wires, and each fault of earlier drivers."""

import logging

import pytest

from PyExpLabSys.drivers.polyscience_4100 import (
    Polyscience4100,
    decode,
    decode_number,
    encode,
    encode_setpoint,
    reply_to,
)
from PyExpLabSys.errors import CommandRejectedError, InstrumentError, ProtocolError, TransportTimeoutError
from PyExpLabSys.simulators.polyscience_4100 import device, simulate
from PyExpLabSys.simulators.serving.base import Answer, MessageSimulator
from PyExpLabSys.simulators.serving.faults import Fault, FaultySimulator
from PyExpLabSys.simulators.serving.memory import VirtualClock, in_memory
from PyExpLabSys.transport.framing import until
from tests.drivers.conftest import SerialPort, Wire
from tests.drivers.exchanges import exchanging

# ----------------------------------------------------------------------------------------------- the manual's exchanges


@pytest.mark.parametrize(
    ("method", "request_", "reply", "value"),
    [
        ("read_temperature", "52 54 0D", "2B 30 31 39 2E 38 0D", 19.8),
        ("read_temperature", "52 54 0D", "2D 30 30 33 2E 35 0D", -3.5),
        ("read_setpoint", "52 53 0D", "2B 30 32 30 2E 30 0D", 20.0),
        ("read_pressure", "52 4B 0D", "2B 33 34 35 2E 30 0D", 3.45),
        ("read_flow_rate", "52 4C 0D", "2B 30 31 32 2E 34 0D", 12.4),
        ("read_ambient_temperature", "52 41 0D", "2B 30 32 34 2E 31 0D", 24.1),
        ("read_status", "52 57 0D", "31 0D", "On"),
        ("read_status", "52 57 0D", "30 0D", "Off"),
        ("read_unit", "52 55 0D", "43 0D", "C"),
        ("read_unit", "52 55 0D", "46 0D", "F"),
        ("read_fault_status", "52 46 0D", "30 30 0D", "00"),
    ],
)
def test_readings(method: str, request_: str, reply: str, value: object) -> None:
    chiller = Polyscience4100(transport=exchanging({bytes.fromhex(request_): bytes.fromhex(reply)}))
    assert getattr(chiller, method)() == value


def test_settings() -> None:
    chiller = Polyscience4100(transport=exchanging({b"SS020\r": b"!\r", b"SO1\r": b"!\r", b"SO0\r": b"!\r"}))
    assert chiller.set_setpoint(20) is True
    assert chiller.set_setpoint(20.4) is True
    assert chiller.turn_unit_on(True) == "!"
    assert chiller.turn_unit_on(False) == "!"


def test_what_the_unit_refuses() -> None:
    chiller = Polyscience4100(transport=exchanging({b"SS099\r": b"?\r", b"XX\r": b"?\r"}))
    chiller.max_setpoint = 99.0
    with pytest.raises(CommandRejectedError, match="SS099 refused"):
        chiller.set_setpoint(99)
    with pytest.raises(CommandRejectedError, match="XX refused"):
        chiller.comm("XX")


@pytest.mark.parametrize(("value", "sent"), [(5.0, b"SS010\r"), (45.0, b"SS030\r"), (float("inf"), b"SS030\r")])
def test_setpoint_stays_within_the_limits_of_the_script(
    value: float, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        Polyscience4100(transport=exchanging({sent: b"!\r"})).set_setpoint(value)
    assert f"setpoint {value} is outside 10.0 to 30.0" in caplog.text


@pytest.mark.parametrize("value", [-1.0, 1000.0, float("nan")])
def test_setpoint_that_has_no_three_digits_is_refused_before_a_byte_is_sent(value: float) -> None:
    chiller = Polyscience4100(transport=exchanging({}))
    chiller.min_setpoint, chiller.max_setpoint = -2000.0, 2000.0
    with pytest.raises(ValueError, match="setpoint"):
        chiller.set_setpoint(value)


def test_digits() -> None:
    assert encode(encode_setpoint(7)) == b"SS007\r"


@pytest.mark.parametrize("data", ["", "19.8", "+19.8", "+019.8 ", "+0198", "C", "+nan.0"])
def test_no_reading_is_made_up(data: str) -> None:
    with pytest.raises(ProtocolError):
        decode_number(data)


@pytest.mark.parametrize("reply", [b"\r", b"+0\xff9.8\r", b"+0\x009.8\r", b"RT\r\r"])
def test_garbled_replies(reply: bytes) -> None:
    with pytest.raises(ProtocolError, match="garbled"):
        decode(reply, "RT")


@pytest.mark.parametrize(("method", "reply"), [("read_unit", b"K\r"), ("read_status", b"2\r")])
def test_answers_that_are_none(method: str, reply: bytes) -> None:
    chiller = Polyscience4100(transport=exchanging({b"RU\r": reply, b"RW\r": reply}))
    with pytest.raises(ProtocolError, match="expected"):
        getattr(chiller, method)()


def test_setting_wants_to_hear_that_it_is_done() -> None:
    with pytest.raises(ProtocolError, match="expected"):
        Polyscience4100(transport=exchanging({b"SS020\r": b"+019.8\r"})).set_setpoint(20)


# ---------------------------------------------------------------------------------------------- the simulated chiller


def test_setpoint_reaches_the_fluid_in_time() -> None:
    clock = VirtualClock()
    with Polyscience4100(transport=simulate(clock=clock, temperature_degc=20.0)) as chiller:
        chiller.set_setpoint(30)
        assert chiller.read_setpoint() == 30.0
        assert chiller.read_temperature() == pytest.approx(20.0, abs=0.1)
        clock.sleep(120.0)
        assert chiller.read_temperature() == pytest.approx(30.0 - 10.0 * 0.3679, abs=0.1)


def test_standby_stops_the_pump_and_the_fluid_warms_up() -> None:
    clock = VirtualClock()
    chiller = Polyscience4100(transport=simulate(clock=clock))
    assert (chiller.read_flow_rate(), chiller.read_pressure()) == (12.4, 3.45)
    chiller.turn_unit_on(False)
    assert chiller.read_status() == "Off"
    assert (chiller.read_flow_rate(), chiller.read_pressure()) == (0.0, 0.0)
    clock.sleep(10000.0)
    assert chiller.read_temperature() == 24.0
    assert chiller.read_ambient_temperature() == 29.0


def test_simulated_unit_has_limits_of_its_own() -> None:
    chiller = Polyscience4100(transport=simulate(clock=VirtualClock()))
    for command in ("SS099", "SS20", "SSabc", "SO2", "RX", ""):
        with pytest.raises(CommandRejectedError):
            chiller.comm(command)
    assert chiller.read_setpoint() == 20.0


def test_identify() -> None:
    assert Polyscience4100.identify(simulate(clock=VirtualClock())) == "PolyScience 4100 or alike, 19.8 degC, On"
    assert Polyscience4100.identify(exchanging({b"RT\r": b"hello\r"})) is None
    assert Polyscience4100.identify(exchanging({b"RT\r": b""})) is None


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
def test_fault_costs_one_reading_and_no_more(fault: Fault, error: type[Exception]) -> None:
    faults = FaultySimulator(device(temperature_degc=20.0))
    chiller = Polyscience4100(transport=in_memory(faults, clock=VirtualClock()))
    faults.inject(fault, late_s=0.8)
    with pytest.raises(error):
        chiller.read_temperature()
    assert chiller.read_temperature() == 20.0


@pytest.mark.parametrize("late_s", [0.45, 0.55, 0.8, 0.95])
def test_late_answer_is_not_taken_for_that_to_the_next_question(late_s: float) -> None:
    """Nothing in an answer tells whose it is: a temperature would pass for a flow."""
    # It always takes long, so that a late answer comes before the right one if the driver does not wait for it.
    faults = FaultySimulator(device(time_constant_s=1e9, delay_s=0.4))
    chiller = Polyscience4100(transport=in_memory(faults, clock=VirtualClock()))
    faults.inject(Fault.LATE, late_s=late_s - 0.4)
    try:
        assert chiller.read_temperature() == 19.8
    except TransportTimeoutError:
        assert late_s > chiller.TIMEOUT_S
    assert chiller.read_flow_rate() == 12.4


# ---------------------------------------------------------------------------------------------------------- real wires


def test_over_real_wires(wire: Wire) -> None:
    with Polyscience4100(transport=wire(device(temperature_degc=20.0))) as chiller:
        assert chiller.read_temperature() == 20.0
        chiller.turn_unit_on(False)
        assert chiller.read_status() == "Off"


def test_documented_constructor_opens_a_port_and_with_closes_it(serial_port: SerialPort) -> None:
    with Polyscience4100(port=serial_port(device(temperature_degc=20.0))) as chiller:
        assert chiller.read_temperature() == 20.0
    with pytest.raises(InstrumentError, match="closed"):
        chiller.read_temperature()


# -------------------------------------------------------------------------------------------- faults of earlier drivers


def test_waiting_ends_with_the_reply_and_each_reading_is_one_question() -> None:
    """Earlier: it waited for a line feed that never came, 0.5 s for each exchange, and asked RW before each reading."""
    clock = VirtualClock()
    asked = []

    def handle(request: bytes, now_s: float) -> bytes:
        asked.append(request)
        return b"+019.8\r"

    chiller = Polyscience4100(transport=in_memory(MessageSimulator(handle, until(b"\r")), clock=clock))
    for _ in range(10):
        assert chiller.read_temperature() == 19.8
    assert asked == [b"RT\r"] * 10
    assert clock.monotonic() == 0.0


@pytest.mark.parametrize("turn_on", [1, "on", None])
def test_what_neither_turns_on_nor_off_is_a_bad_argument(turn_on: object) -> None:
    """Earlier: an UnboundLocalError."""
    with pytest.raises(ValueError, match="neither"):
        Polyscience4100(transport=exchanging({})).turn_unit_on(turn_on)  # type: ignore[arg-type]


def test_unit_that_repeats_commands_is_understood() -> None:
    """Earlier: the repeated command was taken for the reply."""
    chiller = Polyscience4100(transport=simulate(clock=VirtualClock(), echo=True))
    assert chiller.read_temperature() == 19.8
    assert chiller.read_status() == "On"
    assert chiller.set_setpoint(25) is True
    chiller.comm("SE0")
    assert chiller.read_setpoint() == 25.0


def test_unit_that_repeats_the_command_in_the_same_line_is_understood() -> None:
    assert Polyscience4100(transport=exchanging({b"RT\r": b"RT+019.8\r"})).read_temperature() == 19.8


def test_reply_ends_behind_the_repeated_command() -> None:
    framing = reply_to(b"RT\r")
    assert [framing(b"RT\r+019.8\r"[:count]) for count in range(11)] == [*[None] * 10, 10]


def test_waiting_ends_if_nothing_but_the_repeated_command_comes() -> None:
    class OnlyEcho:
        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            return [Answer(0.0, data)]

    with pytest.raises(TransportTimeoutError):
        Polyscience4100(transport=in_memory(OnlyEcho(), clock=VirtualClock())).read_temperature()
