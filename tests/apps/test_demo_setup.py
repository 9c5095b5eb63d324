"""The demo's setup: a furnace that heats and settles, a chamber that is pumped, air, and this computer."""

from collections.abc import Callable

import pytest

from PyExpLabSys.apps.demo_setup import COMPUTER, DESCRIPTIONS, PROGRAM_DEGC, STEP_S, FurnaceProgram, demo_setup
from PyExpLabSys.drivers.host_sensors import HostSensors
from PyExpLabSys.drivers.omega_cn7800 import CN7800
from PyExpLabSys.errors import InstrumentError, SettingsError
from PyExpLabSys.setups.check import check
from PyExpLabSys.simulators import omega_cn7800
from PyExpLabSys.simulators.serving.memory import VirtualClock
from PyExpLabSys.transport import modbus
from tests.setups.waiting import wait_for


def test_furnace_heats_settles_and_cools_as_the_program_says() -> None:
    clock = VirtualClock()
    with CN7800("", transport=omega_cn7800.simulate(clock=clock, time_constant_s=2.5)) as furnace:
        furnace.allow_writing()
        program = FurnaceProgram(furnace, clock.monotonic)
        began_s = clock.monotonic()
        for step, setpoint_degc in enumerate((*PROGRAM_DEGC, PROGRAM_DEGC[0])):
            assert program.follow() == setpoint_degc
            before_degc = furnace.read_temperature()
            clock.sleep(began_s + (step + 0.99) * STEP_S - clock.monotonic())
            assert program.follow() == setpoint_degc
            after_degc = furnace.read_temperature()
            assert abs(after_degc - setpoint_degc) < 0.03 * abs(before_degc - setpoint_degc)
            clock.sleep(began_s + (step + 1) * STEP_S - clock.monotonic())


def counting() -> Callable[[], bool]:
    """Return a condition that holds when the computer has counted processor time since now."""
    since_now = HostSensors()

    def has_counted() -> bool:
        try:
            since_now.read_cpu_load()
        except InstrumentError:
            return False
        return True

    return has_counted


def test_every_codename_has_a_unit_and_every_instrument_answers(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    computer = HostSensors()
    setup = demo_setup(computer)
    assert set(setup.inventory.codenames) <= set(DESCRIPTIONS)
    of_computer = {codename for codename, key in COMPUTER.items() if key in computer.quantities()}
    assert set(setup.inventory.codenames) == {*DESCRIPTIONS} - {*COMPUTER} | of_computer
    wait_for(counting(), "processor time")
    lines: list[str] = []
    check(setup, say=lines.append)
    readings = [line for line in lines if "reading" in line]
    assert len(readings) == len(setup.inventory.codenames)
    assert all(line.startswith("ok ") for line in readings), lines


def test_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise SettingsError("pip install PyExpLabSys[modbus]")

    monkeypatch.setattr(modbus, "_require_pymodbus", missing)
    with pytest.raises(SettingsError, match="modbus"):
        demo_setup(HostSensors())
