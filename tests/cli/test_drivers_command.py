"""``pyexplabsys drivers``: the list of drivers, and what one of them can do."""

import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from PyExpLabSys import cli, drivers
from PyExpLabSys.cli import _driver_catalog

MODULES = sorted(path.stem for path in Path(drivers.__file__).parent.glob("[!_]*.py"))


def test_every_driver_is_listed_with_instrument_buses_and_quantities(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["drivers"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [name for name, *_ in rows] == MODULES
    assert all(len(row) == 4 and row[1] and row[2] for row in rows)
    assert ["omega_cni", "Omega iSeries CNi16, CNi32, CNi8, DPi", "RS-232, RS-485"] in [row[:3] for row in rows]
    assert "cannot be loaded" not in str(rows)


def test_the_list_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["drivers", "--json"]) == 0
    listed = {entry["driver"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert sorted(listed) == MODULES
    assert listed["omega_cni"]["maker"] == "Omega"
    assert listed["omega_cni"]["buses"] == ["RS-232", "RS-485"]
    assert listed["omega_cni"]["quantities"]["read_temperature"] == "degC"


def test_on_a_terminal_the_list_is_a_table() -> None:
    master, slave = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "PyExpLabSys", "drivers"],
        stdout=slave,
        env=os.environ | {"COLUMNS": "160", "TERM": "xterm"},
    ) as program:
        os.close(slave)
        shown = b""
        try:
            while data := os.read(master, 4096):
                shown += data
        except OSError:  # EIO: the program has ended
            pass
    os.close(master)
    assert program.returncode == 0
    text = shown.decode()
    assert "Instrument" in text
    assert "┃" in text
    assert "read_temperature [degC]" in text


@pytest.mark.parametrize("error", [SyntaxError("a comma is missing"), ImportError("no library"), RuntimeError("oops")])
def test_a_driver_that_cannot_be_loaded_hides_no_other(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = _driver_catalog._module

    def load(name: str) -> types.ModuleType:
        if name == "omega_cni":
            raise error
        return real(name)

    monkeypatch.setattr(_driver_catalog, "_module", load)
    assert cli.main(["drivers"]) == 0
    rows = {line.split("\t")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert sorted(rows) == MODULES
    assert f"cannot be loaded: {type(error).__name__}: {error}" in rows["omega_cni"]
    assert cli.main(["drivers", "--json"]) == 0
    assert {entry["driver"] for entry in json.loads(capsys.readouterr().out) if "error" in entry} == {"omega_cni"}


def test_one_driver_is_shown_with_constructor_quantities_and_methods(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["drivers", "omega_cni"]) == 0
    page = capsys.readouterr().out
    assert "from PyExpLabSys.drivers.omega_cni import ISeries" in page
    assert "ISeries(port, baudrate=19200, comm_stnd='rs232', " in page
    assert "    read_temperature  [degC]\n" in page
    assert "    set_setpoint(temperature_degc, number=1" in page
    assert "Store setpoint 1 or 2" in page


def test_one_class_of_a_driver(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["drivers", "omega_cni.CNi3244_C24", "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["class"] == "CNi3244_C24"
    assert described["constructor"] == ["port", "transport=None"]
    assert next(iter(described["methods"])).startswith("read_temperature(")


@pytest.mark.parametrize("name", MODULES)
def test_every_driver_can_be_shown(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["drivers", name]) == 0
    assert f"from PyExpLabSys.drivers.{name} import" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("omega_cnj", "there is no driver 'omega_cnj'; did you mean omega_cni"),
        ("OMEGA_CNI", "did you mean omega_cni"),
        ("mks", "did you mean mks_925_pirani?"),
        ("qqqq", "there is no driver 'qqqq'. All: pyexplabsys drivers"),
        ("omega_cni.CNi", "the driver omega_cni has no class 'CNi', only ISeries, CNi3244_C24"),
    ],
)
def test_a_driver_that_is_not_there(name: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["drivers", name]) == 2
    assert told in capsys.readouterr().err


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["drivers", "--help"]) == 0
    assert "Example: pyexplabsys drivers omega_cni" in " ".join(capsys.readouterr().out.split())
