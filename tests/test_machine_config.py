"""Every script of every machine runs: a slip shows here before the night shift."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from PyExpLabSys.database.codenames import add
from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.schema import create_tables
from PyExpLabSys.simulators import bronkhorst, mks_925_pirani, omega_cn7800, pfeiffer, xgs600
from PyExpLabSys.simulators.serving.base import ByteSimulator, SharedLine
from PyExpLabSys.simulators.serving.pty import PtyServer
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


def test_every_machine_has_a_script_and_a_line_in_the_readme() -> None:
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders == {path.relative_to(FOLDER).parts[0] for path in SCRIPTS} == {"demo", *CODENAMES}
    readme = (FOLDER / "README.md").read_text()
    assert [folder for folder in folders if f"| `{folder}` |" not in readme] == []


def test_the_demo_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(FOLDER / "demo" / "logger.py")],
        env={**environment({}), "DEMO_SECONDS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60.0,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


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


@pytest.mark.parametrize("machine", INSTRUMENTS)
def test_a_machine_logs_from_its_ports_and_goes_on_after_a_plug_was_pulled(
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
            port, server = next(iter(servers.items()))
            server.unplug()
            program.says(f"no reading of {next(iter(CODENAMES[machine]))}: {port}")
            before = len(rows_of(lab, machine))
            server.plug()
            program.says(f"no longer: no reading of {next(iter(CODENAMES[machine]))}")
            # The first reading after a gap is a point, whatever the criterion says.
            wait_for(lambda: len(rows_of(lab, machine)) > before, "points again")
            assert program.end() == 0, program.log
    check_values(machine, rows_of(lab, machine))


def test_no_setting_of_this_computer_gets_into_these_tests() -> None:
    assert [name for name in os.environ if name.startswith("PYEXPLABSYS_")] == []
