"""Every script of every machine runs: a slip shows here before the night shift."""

import json
import os
import runpy
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from PyExpLabSys.apps.demo_setup import COMPUTER, DESCRIPTIONS
from PyExpLabSys.database.codenames import add
from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.schema import create_tables
from PyExpLabSys.drivers import bosch_bme280
from PyExpLabSys.errors import InstrumentError
from PyExpLabSys.setups import Setup
from PyExpLabSys.simulators import bronkhorst, mks_925_pirani, omega_cn7800, pfeiffer, xgs600
from PyExpLabSys.simulators.bosch_bme280 import SimulatedBME280
from PyExpLabSys.simulators.serving.base import ByteSimulator, SharedLine
from PyExpLabSys.simulators.serving.i2c import SimulatedBus
from PyExpLabSys.simulators.serving.pty import PtyServer
from PyExpLabSys.transport.i2c import I2CTransport
from tests.common.lab_tables import target_of
from tests.servers.lab import LabDatabase
from tests.setups.programs import ROOT, Program, environment, settings_of
from tests.setups.waiting import wait_for

FOLDER = ROOT / "machine_config"
SCRIPTS = sorted(FOLDER.glob("**/*.py"))
CODENAMES = {
    "furnace": {
        "furnace_inlet_temperature": (0.0, 1000.0),
        "furnace_middle_temperature": (0.0, 1000.0),
        "furnace_outlet_temperature": (0.0, 1000.0),
        "furnace_argon_flow": (-1.0, 100.0),
        "furnace_hydrogen_flow": (-1.0, 100.0),
    },
    "vacuum_chamber": {
        "vacuum_chamber_roughing_pressure": (1e-6, 1100.0),
        "vacuum_chamber_load_lock_pressure": (1e-10, 1100.0),
        "vacuum_chamber_pressure": (1e-12, 1100.0),
        "vacuum_chamber_foreline_pressure": (1e-6, 1100.0),
    },
    "weather_station": {
        "weather_station_temperature": (-40.0, 85.0),
        "weather_station_humidity": (0.0, 100.0),
        "weather_station_air_pressure": (300.0, 1100.0),
        "weather_station_cpu_load": (0.0, 100.0),
    },
}
"""What each machine logs, and between which values that is."""

INSTRUMENTS: dict[str, dict[str, Callable[[], ByteSimulator]]] = {
    "furnace": {
        "usb-furnace-heaters": lambda: SharedLine(*(omega_cn7800.device(address=each) for each in (1, 2, 3))),
        "usb-furnace-gases": lambda: SharedLine(*(bronkhorst.device(node=each, local=False) for each in (3, 4))),
    },
    "vacuum_chamber": {
        "usb-chamber-roughing": mks_925_pirani.device,
        "usb-chamber-load-lock": pfeiffer.device,
        "usb-chamber-gauges": xgs600.device,
    },
}
"""What is connected to the ports of each machine that has serial ports, by the name in /dev/serial/by-id."""

READ_FIRST = {
    "usb-furnace-heaters": "furnace_inlet_temperature",
    "usb-furnace-gases": "furnace_argon_flow",
    "usb-chamber-roughing": "vacuum_chamber_roughing_pressure",
    "usb-chamber-load-lock": "vacuum_chamber_load_lock_pressure",
    "usb-chamber-gauges": "vacuum_chamber_pressure, vacuum_chamber_foreline_pressure",
}
"""What is read first from each of these ports."""

BME280_ADDRESS = 0x77


def test_every_machine_has_a_script_and_a_line_in_the_readme() -> None:
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders == {path.relative_to(FOLDER).parts[0] for path in SCRIPTS} == {"demo", *CODENAMES}
    readme = (FOLDER / "README.md").read_text()
    assert [folder for folder in folders if f"| `{folder}` |" not in readme] == []


def test_the_demo_runs(tmp_path: Path) -> None:
    """Without a server: the demo never uses the lab's database, but makes an SQLite file, in the user's data folder."""
    done = subprocess.run(
        [sys.executable, str(FOLDER / "demo" / "logger.py")],
        env={**environment({}), "DEMO_SECONDS": "1", "XDG_DATA_HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60.0,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    (path,) = tmp_path.rglob("pyexplabsys-demo-*.db")
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT codename, count(*) FROM dateplots_demo AS p JOIN dateplots_descriptions AS d ON d.id = p.type "
            "GROUP BY codename"
        ).fetchall()
    assert {*DESCRIPTIONS} - {*COMPUTER} <= {codename for codename, _ in rows} <= {*DESCRIPTIONS}


def script_of(machine: str) -> Path:
    return FOLDER / machine / "logger.py"


@pytest.mark.parametrize("machine", CODENAMES)
def test_every_instrument_of_a_machine_can_be_simulated(machine: str, tmp_path: Path) -> None:
    with Program(script_of(machine), "--simulate", "--once", settings={}, folder=tmp_path) as program:
        assert program.wait() == 0, program.log
    (path,) = tmp_path.rglob(f"{machine}.db")
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            f"SELECT codename, value FROM dateplots_{machine} AS p JOIN dateplots_descriptions AS d ON d.id = p.type"
        ).fetchall()
    check_values(machine, rows)


@pytest.fixture
def prepared(lab_database: LabDatabase) -> Callable[[str], LabDatabase]:
    """Make the tables and codenames of a machine."""

    def prepare(machine: str) -> LabDatabase:
        with connect(target_of(lab_database)) as connection:
            create_tables(connection, machine)
            for codename in CODENAMES[machine]:
                add(connection, codename)
        return lab_database

    return prepare


def rows_of(lab: LabDatabase, machine: str) -> list[tuple[str, float]]:
    """Return codename and value of each point in the database, in their order."""
    return [
        (codename, value)
        for codename, value in lab.sql(
            f"SELECT d.codename, p.value FROM dateplots_{machine} AS p "
            "JOIN dateplots_descriptions AS d ON d.id = p.type ORDER BY p.id"
        )
    ]


def check_values(machine: str, rows: list[tuple[str, float]]) -> None:
    assert {codename for codename, _ in rows} == set(CODENAMES[machine])
    wrong = [row for row in rows if not CODENAMES[machine][row[0]][0] <= row[1] <= CODENAMES[machine][row[0]][1]]
    assert wrong == []


@pytest.mark.parametrize("machine", CODENAMES)
def test_a_machine_logs_into_the_labs_database_until_it_is_stopped(
    machine: str, prepared: Callable[[str], LabDatabase], tmp_path: Path
) -> None:
    lab = prepared(machine)
    options = ("--simulate", "--into-database")
    with Program(script_of(machine), *options, settings=settings_of(lab), folder=tmp_path) as program:
        wait_for(lambda: {codename for codename, _ in rows_of(lab, machine)} == set(CODENAMES[machine]), "points")
        assert program.end() == 0, program.log
    check_values(machine, rows_of(lab, machine))


def pull_plug(program: Program, lab: LabDatabase, machine: str, port: str, server: PtyServer) -> None:
    """Pull the plug of a port and put it back: the program says both, and points come again."""
    reading = READ_FIRST[Path(port).name]

    def points() -> int:
        return sum(codename in reading.split(", ") for codename, _ in rows_of(lab, machine))

    server.unplug()
    program.says(f"no reading of {reading}: {port}")
    before = points()
    server.plug()
    program.says(f"no longer: no reading of {reading}")
    # The first reading after a gap is a point, whatever the criterion says.
    wait_for(lambda: points() > before, "points again")


@pytest.mark.parametrize("machine", INSTRUMENTS)
def test_a_machine_logs_from_its_ports_and_goes_on_after_each_plug_was_pulled(
    machine: str, prepared: Callable[[str], LabDatabase], tmp_path: Path
) -> None:
    lab = prepared(machine)
    with ExitStack() as stack:
        servers = {
            f"/dev/serial/by-id/{name}": stack.enter_context(PtyServer(make(), tmp_path / name))
            for name, make in INSTRUMENTS[machine].items()
        }
        ports = json.dumps({port: str(server.link) for port, server in servers.items()})
        elsewhere = ROOT / "tests" / "setups" / "elsewhere.py"
        program = Program(elsewhere, ports, str(script_of(machine)), settings=settings_of(lab), folder=tmp_path)
        with program:
            wait_for(lambda: {codename for codename, _ in rows_of(lab, machine)} == set(CODENAMES[machine]), "points")
            for port, server in servers.items():
                pull_plug(program, lab, machine, port, server)
            assert program.end() == 0, program.log
    check_values(machine, rows_of(lab, machine))


def test_the_weather_station_goes_on_after_its_sensor_was_unplugged(monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads too seldom for a test to wait for it: here its sensor is read whenever the test wants it."""
    bus = SimulatedBus({BME280_ADDRESS: SimulatedBME280()})
    monkeypatch.setattr(bosch_bme280, "open_i2c", lambda _bus, address: I2CTransport(bus, address))
    setups: list[Setup] = []

    def keep(setup: Setup) -> None:
        setups.append(setup)

    monkeypatch.setattr(Setup, "run", keep)
    runpy.run_path(str(script_of("weather_station")), run_name="__main__")
    (setup,) = setups
    setup.inventory.enable(simulated=False)
    air = setup.inventory.measurements[0]

    def answers() -> bool:
        try:
            air.read()
        except InstrumentError:
            return False
        return True

    assert answers()
    bus.unplug(BME280_ADDRESS)
    assert not answers()
    bus.plug(BME280_ADDRESS)
    wait_for(answers, "reading")
    setup.inventory.close()


def test_no_setting_of_this_computer_gets_into_these_tests() -> None:
    assert [name for name in os.environ if name.startswith("PYEXPLABSYS_")] == []
