"""``pyexplabsys simulate``: a simulated instrument that other programs open, until the program is asked to end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from PyExpLabSys import cli
from PyExpLabSys.cli import simulate
from PyExpLabSys.drivers.omega_cni import ISeries
from PyExpLabSys.errors import InstrumentError, TransportError

WITHIN_S = 30.0


@contextmanager
def simulating(*arguments: str, ending: int = signal.SIGINT, folder: Path | None = None) -> Iterator[list[str]]:
    """Run the command, yield the three lines that it prints at first, and end it."""
    program = subprocess.Popen(
        [sys.executable, "-m", "PyExpLabSys", "simulate", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | ({} if folder is None else {"TMPDIR": str(folder)}),
    )
    assert program.stdout is not None
    try:
        yield [program.stdout.readline().rstrip("\n") for _ in range(3)]
    finally:
        program.send_signal(ending)
        _, errors = program.communicate(timeout=WITHIN_S)
    assert (program.returncode, errors) == (0, "")


def try_out(line: str) -> "subprocess.CompletedProcess[str]":
    """Do what the second line says, as a person would."""
    words = line.removeprefix("Try:").split()
    assert words[0] == "pyexplabsys"
    command = [sys.executable, "-m", "PyExpLabSys", *words[1:]]
    return subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_the_port_is_told_can_be_read_and_vanishes_with_the_program(tmp_path: Path, ending: int) -> None:
    with simulating("omega_cni", folder=tmp_path, ending=ending) as (where, to_try, _):
        link = tmp_path / "pyexplabsys-omega_cni"
        assert where == f"omega_cni is at {link}"
        assert to_try == f"Try:  pyexplabsys read omega_cni {link} read_temperature"
        for _ in range(2):  # each opening of the same name gets it anew
            assert try_out(to_try).stdout == "75.4 degC\n"
    assert not os.path.lexists(link)


def test_a_second_one_gets_a_port_of_its_own_and_what_a_killed_one_left_is_taken_away(tmp_path: Path) -> None:
    link = tmp_path / "pyexplabsys-omega_cni"
    link.symlink_to(tmp_path / "terminal-that-is-gone")
    with simulating("omega_cni", folder=tmp_path) as first, simulating("omega_cni", folder=tmp_path) as second:
        assert first[0] == f"omega_cni is at {link}"
        assert second[0] == f"omega_cni is at {link}-2"


def test_a_link_by_name_and_a_speed(tmp_path: Path) -> None:
    link = tmp_path / "oven"
    with simulating("omega_cni", "--link", str(link), "--speed", "9600", "--option", "temperature_degc=20"):
        with ISeries(str(link), baudrate=9600) as controller:
            # It comes up to its setpoint; it was just started.
            assert 20.0 <= controller.read_temperature() < 75.4
        with ISeries(str(link), baudrate=19200) as controller, pytest.raises(TransportError):
            controller.read_temperature()


def test_a_link_that_is_there_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "precious").write_text("data")
    with pytest.raises(FileExistsError):
        simulate._serve(simulate._device("omega_cni", []), "omega_cni", None, tmp_path / "precious", None).__enter__()
    assert (tmp_path / "precious").read_text() == "data"


@pytest.mark.parametrize("driver", ["omega_cni", "omega_cn7800", "agilent_34972A", "mks_925_pirani", "bronkhorst"])
def test_tcp(driver: str) -> None:
    with simulating(driver, "--tcp", "0") as (where, to_try, _):
        assert where.startswith(f"{driver} is at socket://127.0.0.1:")
        done = try_out(to_try)
    if driver == "agilent_34972A":  # a fresh one has no channel to scan
        assert "no channel to scan" in done.stderr
    else:
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("fault", ["silence", "garbage", "wrong-echo", "half-a-reply", "late", "unplugged"])
def test_faults(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ISeries, "TIMEOUT_S", 0.2)
    link = tmp_path / "oven"
    with (
        simulating("omega_cni", "--link", str(link), "--fault", fault, "--chance", "1"),
        ISeries(str(link)) as controller,
        pytest.raises(InstrumentError),
    ):
        controller.read_temperature()


def test_each_fault_has_its_own_chance() -> None:
    faulty = simulate._with_faults(simulate._device("omega_cni", []), ["silence", "garbage"], 0.3, 0.0)
    replies = ["".join(str(answer.data) for answer in faulty.feed(b"*X01\r", 0.0)) for _ in range(400)]
    silent = replies.count("")
    good = replies.count(str(b"X01075.4\r"))
    assert 80 < silent < 160  # 0.3 of them
    assert 150 < good < 245  # 0.7 * 0.7
    assert silent + good < 400


def test_an_instrument_that_was_unplugged_comes_back(tmp_path: Path) -> None:
    link = tmp_path / "oven"
    with simulating("omega_cni", "--link", str(link), "--fault", "unplugged", "--chance", "1"):
        with ISeries(str(link)) as controller, pytest.raises(InstrumentError):
            controller.read_temperature()
        deadline = time.monotonic() + WITHIN_S
        while not os.path.lexists(link):
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["omega_cnj"], "did you mean omega_cni"),
        (["host_sensors"], "host_sensors has no simulator"),
        (["bosch_bme280"], "bosch_bme280 is not on a serial or TCP wire"),
        (["omega_cni", "--fault", "fire"], "there is no fault 'fire', only silence, garbage"),
        (
            ["omega_cni", "--option", "colour=red"],
            "the simulator omega_cni takes no 'colour', only: delay_s, address, echo",
        ),
        (["omega_cni", "--tcp", "0", "--speed", "9600"], "--link and --speed are for a serial port"),
    ],
)
def test_a_wrong_call_says_what_would_be_right(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["simulate", *arguments]) == 2
    errors = capsys.readouterr().err
    assert told in errors
    assert len(errors.splitlines()) == 1


def test_help_has_an_example_and_every_fault(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    from PyExpLabSys.simulators.serving.faults import Fault

    assert cli.main(["simulate", "--help"]) == 0
    text = "".join(capsys.readouterr().out.replace("│", "").split())
    assert "Example:pyexplabsyssimulateomega_cni" in text
    assert all(fault.value in text for fault in Fault)
