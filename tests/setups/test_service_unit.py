"""The unit that ``pyexplabsys service`` prints, judged by systemd itself."""

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from PyExpLabSys.cli import main
from PyExpLabSys.errors import SettingsError
from PyExpLabSys.setups.service_unit import service_name, service_unit

USER = pwd.getpwuid(os.geteuid()).pw_name


def verify(unit: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "pyexplabsys-test.service"
    path.write_text(unit)
    command = shutil.which("systemd-analyze")
    assert command is not None, "systemd-analyze not found: install systemd (apt-get install systemd)"
    return subprocess.run([command, "verify", "--man=no", str(path)], capture_output=True, text=True, timeout=60)


@pytest.fixture(params=["furnace", "100 % \"gas\" 'n' $HOME; é"])
def script(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param / "logger.py"
    path.parent.mkdir()
    path.write_text("")
    return path


def test_systemd_accepts_the_unit(script: Path, tmp_path: Path) -> None:
    done = verify(service_unit(script, python=Path(sys.executable), user=USER), tmp_path)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_does_not_accept_everything(script: Path, tmp_path: Path) -> None:
    unit = service_unit(script, python=Path(sys.executable), user=USER)
    done = verify(unit.replace("Type=notify", "Type=whatever"), tmp_path)
    assert "service type" in done.stderr


def test_the_unit_runs_the_script_with_the_python_of_the_environment(tmp_path: Path) -> None:
    script = tmp_path / "logger.py"
    script.touch()
    lines = service_unit(script, python=Path("/opt/lab/bin/python"), user="pi", folder=Path("/var/lab")).splitlines()
    assert f"ExecStart=/opt/lab/bin/python {script}" in lines
    assert {"Type=notify", "User=pi", "WorkingDirectory=/var/lab", "Restart=always", "StartLimitIntervalSec=0"} <= {
        *lines
    }
    assert any(line.startswith("WatchdogSec=") for line in lines)


@pytest.mark.parametrize("user", ["", "two words", "root\nExecStartPre=/bin/rm", "-pi"])
def test_what_is_no_account_does_not_get_into_the_unit(script: Path, user: str) -> None:
    with pytest.raises(SettingsError, match="no name of an account"):
        service_unit(script, python=Path(sys.executable), user=user)


def test_a_line_break_in_a_path_does_not_get_into_the_unit(tmp_path: Path) -> None:
    script = tmp_path / "a\nExecStartPre=b" / "logger.py"
    script.parent.mkdir()
    script.touch()
    with pytest.raises(SettingsError, match="control character"):
        service_unit(script, python=Path(sys.executable), user=USER)


def test_a_script_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no script .*missing\.py"):
        service_unit(tmp_path / "missing.py", python=Path(sys.executable), user=USER)


def test_the_service_is_named_after_the_machine(tmp_path: Path) -> None:
    assert service_name(Path("machine_config/furnace/logger.py")) == "pyexplabsys-furnace"
    assert service_name(Path("/home/pi/my oven.py")) == "pyexplabsys-my-oven"


def test_the_command_prints_the_unit(script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["service", str(script), "--user", USER]) == 0
    done = verify(capsys.readouterr().out, tmp_path)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
