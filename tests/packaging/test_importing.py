"""Importing a module does nothing: no file, no connection, no thread, no set-up of logging."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT

GUARD = Path(__file__).with_name("import_guard.py")


def modules() -> list[str]:
    """Return the names of all modules of the package."""
    paths = (path.relative_to(ROOT).with_suffix("") for path in (ROOT / "PyExpLabSys").rglob("*.py"))
    return sorted(".".join(path.parts).removesuffix(".__init__") for path in paths)


def guarded_import(module: str, home: Path, where: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Import a module, with a home in which every settings file is a trap."""
    settings = home / ".config" / "PyExpLabSys" / "user_settings.yaml"
    settings.parent.mkdir(parents=True)
    settings.write_text("}: this is read by nobody\n")
    env = os.environ | {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(where)}
    env.pop("XDG_CONFIG_HOME", None)
    return subprocess.run(
        [sys.executable, GUARD, module], cwd=home, env=env, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("module", modules())
def test_importing_a_module_does_nothing(module: str, tmp_path: Path) -> None:
    done = guarded_import(module, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("open('/etc/hostname').close()", "open ('/etc/hostname'"),
        (
            "import pathlib; pathlib.Path.home().joinpath('.config/PyExpLabSys/user_settings.yaml').read_text()",
            "open (",
        ),
        ("import socket; socket.socket().connect_ex(('127.0.0.1', 9))", "socket.connect "),
        ("import sqlite3; sqlite3.connect(':memory:').close()", "sqlite3.connect "),
        ("import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()", "thread Thread-1"),
        ("import logging; logging.basicConfig()", "handler of root"),
    ],
    ids=["file", "settings", "connection", "database", "thread", "logging"],
)
def test_the_guard_sees(source: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "suspect.py").write_text(source + "\n")
    done = guarded_import("suspect", tmp_path, tmp_path / "modules")
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith(complaint)
