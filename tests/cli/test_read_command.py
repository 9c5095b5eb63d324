"""``pyexplabsys read``: readings over real serial and TCP ports, and from simulators in the same process."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from PyExpLabSys import cli
from PyExpLabSys.cli import _driver_catalog, _named_arguments, read
from PyExpLabSys.simulators import agilent_34972A, omega_cn7800, omega_cni, pfeiffer, scpi
from PyExpLabSys.simulators.serving.faults import Fault, FaultySimulator

STILL: dict[str, Any] = {"temperature_degc": 75.4, "time_constant_s": 1e9}
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"


def output(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert cli.main(["read", *arguments]) == status
    captured = capsys.readouterr()
    assert status or captured.err == ""
    return captured.out if status == 0 else captured.err


# -- ports -------------------------------------------------------------------------------------------------------------


def test_a_serial_port(serial_port: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    port = serial_port(omega_cni.device(**STILL), 9600)
    assert output(capsys, "omega_cni", port, "read_temperature", "--option", "baudrate=9600") == "75.4 degC\n"


def test_options_are_converted_as_the_constructor_wants_them(
    serial_port: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    port = serial_port(omega_cni.device(**STILL, address=0x1A, echo=False))
    options = ["--option", "comm_stnd=rs485", "--option", "echo=no", "--option", "address=1A"]
    assert output(capsys, "omega_cni", port, "read_temperature", *options) == "75.4 degC\n"


def test_modbus_over_a_serial_port(serial_port: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    port = serial_port(omega_cn7800.device(**STILL, address=3))
    assert output(capsys, "omega_cn7800", port, "read_temperature", "--option", "address=3") == "75.4 degC\n"


@pytest.mark.parametrize("form", ["socket://127.0.0.1:{}", "127.0.0.1:{}", "TCPIP::127.0.0.1::{}::SOCKET"])
def test_the_network_in_all_its_forms(
    form: str, tcp_port: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    port = form.format(tcp_port(omega_cni.device(**STILL)))
    assert output(capsys, "omega_cni", port, "read_temperature") == "75.4 degC\n"


@pytest.mark.parametrize("form", ["socket://127.0.0.1:{}", "127.0.0.1:{}", "TCPIP::127.0.0.1::{}::SOCKET"])
def test_a_driver_for_several_kinds_of_wires_is_told_which_one_it_is(
    form: str, tcp_port: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    port = form.format(tcp_port(agilent_34972A.device()))
    assert output(capsys, "agilent_34972A", port, "read_software_version").startswith("Agilent Technologies,34972A")


def test_such_a_driver_on_a_serial_port(serial_port: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    port = serial_port(scpi.device(reply_ending="\r"))
    assert "KEITHLEY" in output(capsys, "scpi", port, "read_software_version")


def test_the_computer_itself_has_no_port(capsys: pytest.CaptureFixture[str]) -> None:
    assert re.fullmatch(r"\d+\.\d+ %\n", output(capsys, "host_sensors", "read_memory_used"))


def test_several_values_with_names_stand_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = output(capsys, "bosch_bme280", "read_all_values", "--simulate")
    assert re.fullmatch(r"temperature \S+, humidity \S+, air_pressure \S+ \(degC, %, hPa\)\n", line)


# -- simulators --------------------------------------------------------------------------------------------------------


def test_every_driver_can_be_tried_without_its_instrument(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["drivers", "--json"]) == 0
    for entry in json.loads(capsys.readouterr().out):
        # A scan wants a list of channels first, and the computer is not simulated: tests and demo read the real one.
        if entry["driver"] not in {"agilent_34972A", "host_sensors"}:
            method = _driver_catalog.method_to_try(_driver_catalog.find_driver(entry["driver"]))
            unit = entry["quantities"].get(method, "")
            assert unit in output(capsys, entry["driver"], method, "--simulate"), entry


def test_a_simulated_instrument_gets_the_options_that_it_knows(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--option", "address=7", "--simulate"]
    assert output(capsys, "omega_cn7800", "read_temperature", *options) == "25.3 degC\n"
    assert output(capsys, "omega_cn7800", "/dev/nothing", "read_temperature", *options) == "25.3 degC\n"


def test_arguments_of_the_method(capsys: pytest.CaptureFixture[str]) -> None:
    assert output(capsys, "omega_cni", "read_setpoint", "--option", "number=2", "--simulate") == "0.0 degC\n"
    assert output(capsys, "omega_cni", "set_setpoint", "--option", "temperature_degc=50", "--simulate") == "done\n"
    assert "set_setpoint needs temperature_degc: give --option temperature_degc=VALUE" in output(
        capsys, "omega_cni", "set_setpoint", "--simulate", status=2
    )


def test_several_values_stand_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert output(capsys, "omega_cni", "read_alarms", "--simulate") == "False, False\n"


# -- series ------------------------------------------------------------------------------------------------------------


def test_a_series_has_times_on_its_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "omega_cni", "read_temperature", "--simulate", "--every", "0.05", "--count", "3")
    assert re.fullmatch(rf"({TIME} 75\.4 degC\n){{3}}", text)


def test_a_bad_reading_does_not_end_a_series_but_shows_in_the_status(
    serial_port: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    faults = FaultySimulator(omega_cni.device(**STILL))
    faults.inject(Fault.GARBAGE, times=1)
    port = serial_port(faults)
    assert cli.main(["read", "omega_cni", port, "read_temperature", "--every", "0", "--count", "3"]) == 1
    captured = capsys.readouterr()
    assert re.fullmatch(rf"({TIME} 75\.4 degC\n){{2}}", captured.out)
    assert re.match(rf"{TIME} no reading: X01 answered with", captured.err)


@pytest.mark.parametrize(
    ("every_s", "now_s", "due_s"),
    [(1.0, 100.2, 101.0), (1.0, 101.0, 102.0), (0.25, 103.6, 103.75), (0.0, 107.1, 107.1)],
)
def test_times_missed_during_a_slow_reading_are_left_out(every_s: float, now_s: float, due_s: float) -> None:
    assert read._next_due_s(100.0, every_s, now_s) == due_s


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["omega_cnj", "p", "m"], "there is no driver 'omega_cnj'; did you mean omega_cni"),
        (["omega_cni", "p", "read_temperatur"], "has no method 'read_temperatur'; did you mean read_temperature?"),
        (["omega_cni", "p", "zzz"], "It has: read_temperature, read_setpoint, command"),
        (["omega_cni", "p", "close"], "has no method 'close'"),
        (["omega_cni", "read_temperature"], "after the driver come PORT and METHOD"),
        (["omega_cni", "--simulate"], "after the driver come METHOD. Methods: read_temperature"),
        (["omega_cni", "p", "m", "too", "many"], "after the driver come PORT and METHOD"),
        (["omega_cni", "p", "read_alarms", "--option", "baud=1"], "takes no 'baud', only: port, baudrate, comm_stnd"),
        (["omega_cni", "p", "read_alarms", "--option", "baudrate=fast"], "baudrate=fast: 'fast' is no int"),
        (["omega_cni", "p", "read_alarms", "--option", "baudrate"], "is not of the form name=value"),
        (["omega_cni", "p", "read_alarms", "--option", "echo=1", "--option", "echo=0"], "'echo' is given twice"),
    ],
)
def test_a_wrong_call_says_what_would_be_right(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    errors = output(capsys, *arguments, status=2)
    assert told in errors
    assert len(errors.splitlines()) == 1


def test_a_port_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    errors = output(capsys, "omega_cni", "/dev/nothing", "read_temperature", status=1)
    assert errors.startswith("error: /dev/nothing cannot be opened")
    assert len(errors.splitlines()) == 1


def test_an_instrument_that_does_not_answer_is_one_line(
    serial_port: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    port = serial_port(pfeiffer.device(), 9600)
    errors = output(capsys, "pfeiffer", port, "read_pressure", "--option", "baudrate=19200", status=1)
    assert "no complete reply" in errors
    assert len(errors.splitlines()) == 1


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(output(capsys, "--help").split())
    assert "Example: pyexplabsys read omega_cni /dev/ttyUSB0 read_temperature --option baudrate=9600" in text


# -- arguments ---------------------------------------------------------------------------------------------------------


def _taking(
    whole: int = 1,
    real: float = 1.0,
    yes: bool = False,
    either: int | str = "a",
    absent: float | None = None,
    several: tuple[int, ...] = (),
    bare=(1, 2),
) -> None:
    """A function with parameters of all kinds."""


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("whole", "0x1A", 26),
        ("whole", "-3", -3),
        ("real", "3", 3.0),
        ("yes", "True", True),
        ("yes", "off", False),
        ("either", "12", 12),
        ("either", "0A", "0A"),
        ("absent", "none", None),
        ("absent", "2.5", 2.5),
        ("several", "1, 2,3", (1, 2, 3)),
        ("bare", "(3, 4)", (3, 4)),
    ],
)
def test_values_are_converted_by_their_annotations(name: str, text: str, value: object) -> None:
    converted = _named_arguments.convert(name, text, _named_arguments.parameters_of(_taking)[name])
    assert converted == value
    assert type(converted) is type(value)
