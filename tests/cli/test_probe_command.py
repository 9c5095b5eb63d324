"""``pyexplabsys probe``: which instrument answers on a real port, and at which speed."""

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from PyExpLabSys import cli
from PyExpLabSys.cli import _driver_catalog, _probing
from PyExpLabSys.simulators import omega_cni
from PyExpLabSys.simulators.serving.base import Answer
from PyExpLabSys.transport.serial_channel import SerialSettings

ASKING, SILENT = _probing.drivers_that_ask()


def device(name: str) -> Any:
    return importlib.import_module(f"PyExpLabSys.simulators.{name}").device()


class Noting:
    """An instrument, and what was sent to it."""

    def __init__(self, inner: Any = None, answer: bytes = b"") -> None:
        self.inner, self.answer = inner, answer
        self.heard: list[bytes] = []

    def feed(self, data: bytes, now_s: float) -> list[Answer]:
        self.heard.append(data)
        if self.inner is not None:
            return list(self.inner.feed(data, now_s))
        return [Answer(0.0, self.answer)] if self.answer else []


@pytest.mark.parametrize("name", ASKING)
def test_every_driver_with_a_question_finds_its_instrument_among_all(
    name: str, tcp_port: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    port = f"127.0.0.1:{tcp_port(device(name))}"
    assert cli.main(["probe", port, "--wait", "0.1"]) == 0
    found, to_try = capsys.readouterr().out.splitlines()
    assert found.startswith(f"{name}, in the network: ")
    assert to_try.startswith(f"Try:  pyexplabsys read {name} socket://{port} ")


def test_the_speed_is_found_and_the_answer_can_be_tried(
    serial_port: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    port = serial_port(omega_cni.device(), 19200)
    assert cli.main(["probe", port, "--wait", "0.1"]) == 0
    captured = capsys.readouterr()
    found, to_try = captured.out.splitlines()
    assert found == "omega_cni, 19200 baud 7O1: Omega iSeries (rs232), it shows 075.4"
    # What it tried before that is told, with the settings.
    assert "9600 baud 7O1: omega_cni -" in captured.err
    assert "19200 baud 7O1: omega_cni: there it is" in captured.err
    words = to_try.removeprefix("Try:").split()[1:]
    assert cli.main(words) == 0
    assert capsys.readouterr().out == "75.4 degC\n"


def test_only_these_speeds_and_drivers(serial_port: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    instrument = Noting(omega_cni.device())
    port = serial_port(instrument, 19200)
    arguments = ["--speed", "4800", "--speed", "19200", "--driver", "omega_cni", "--wait", "0.1"]
    assert cli.main(["probe", port, *arguments]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "4800 baud 7O1: omega_cni -",
        "19200 baud 7O1: omega_cni: there it is",
    ]
    assert instrument.heard == [b"*X01\r"]


def test_an_instrument_with_the_question_to_another_one_in_its_buffer_is_found(
    serial_port: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    instrument = omega_cni.device()
    instrument.feed(b"@254MD?;FF", 0.0)
    arguments = ["--speed", "19200", "--driver", "omega_cni", "--wait", "0.1"]
    assert cli.main(["probe", serial_port(instrument), *arguments]) == 0
    assert "it shows 075.4" in capsys.readouterr().out


def test_when_nothing_answers_it_is_said_what_was_tried_and_what_not(
    serial_port: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    port = serial_port(Noting())
    assert cli.main(["probe", port, "--speed", "9600", "--wait", "0.05"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert all(name in captured.err for name in ASKING)
    assert f"Nothing that a driver knows answered on {port}" in captured.err
    assert "Nothing came at all" in captured.err
    assert f"no harmless question: {', '.join(SILENT)}" in captured.err


def test_an_answer_that_nobody_understands_is_shown(
    serial_port: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    port = serial_port(Noting(answer=b"hello\r\n"))
    assert cli.main(["probe", port, "--speed", "9600", "--driver", "omega_cni", "--wait", "0.05"]) == 1
    errors = capsys.readouterr().err
    assert "9600 baud 7O1: omega_cni (?) -" in errors
    assert r"9600 baud 7O1, asked by omega_cni: b'hello\r\n" in errors


def test_a_port_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["probe", "/dev/nothing"]) == 1
    errors = capsys.readouterr().err
    assert errors.startswith("error: /dev/nothing cannot be opened")
    assert len(errors.splitlines()) == 1


def test_a_plug_that_is_pulled_ends_it(tcp_port: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    class Pulled:
        def feed(self, data: bytes, now_s: float) -> list[Answer]:
            return [Answer(0.0, None)]

    assert cli.main(["probe", f"127.0.0.1:{tcp_port(Pulled())}", "--wait", "0.2"]) == 1
    assert "closed the connection" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--driver", "omega_cnj"], "did you mean omega_cni"),
        (["--driver", "host_sensors"], "host_sensors: no identification question"),
    ],
)
def test_a_wrong_call(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["probe", "/dev/nothing", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_first_come_the_settings_of_the_factories_then_the_usual_speeds_and_nothing_twice() -> None:
    asked = [(name, each.settings) for each in _probing.rounds(ASKING, [], network=False) for name in each.drivers]
    assert len(asked) == len(set(asked))
    for name in ASKING:
        info = _driver_catalog.info_of(_driver_catalog.find_driver(name))
        settings = [each for driver, each in asked if driver == name]
        assert settings[0] == info.serial
        assert {each.baudrate for each in settings if each is not None} >= set(_probing.COMMON_SPEEDS)


def test_what_is_for_one_model_is_asked_before_what_is_for_all() -> None:
    (asked,) = _probing.rounds(["scpi", "agilent_34972A"], [], network=True)
    assert asked.drivers == ["agilent_34972A", "scpi"]


def test_settings_are_told_as_people_write_them() -> None:
    assert _probing.told(SerialSettings(baudrate=1200, bytesize=7, parity="E", stopbits=2)) == "1200 baud 7E2"
    assert _probing.told(SerialSettings(xonxoff=True)) == "9600 baud 8N1 XON/XOFF"


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["probe", "--help"]) == 0
    assert "Example: pyexplabsys probe /dev/ttyUSB0 --speed 9600" in " ".join(capsys.readouterr().out.split())
