"""Setups as programs of their own, as a lab starts them."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.servers.lab import LabDatabase
from tests.setups.waiting import wait_for

ROOT = Path(__file__).parents[2]
END_WITHIN_S = 60.0


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a program with these settings."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **{f"PYEXPLABSYS_{key.upper()}": text for key, text in settings.items()}}


def settings_of(lab: LabDatabase) -> dict[str, str]:
    """Return the settings that lead to a lab's database."""
    return {
        "sql_server_host": f"{lab.host}:{lab.port}",
        "sql_database": lab.name,
        "sql_username": lab.username,
        "sql_password": lab.password,
    }


class Program:
    """A script that runs while inside ``with``, and what it says in its log."""

    def __init__(
        self,
        script: Path,
        *arguments: str,
        settings: Mapping[str, str],
        more: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._folder = script.parent if folder is None else folder
        self._log = self._folder / f"{script.stem}.log"
        self._command = [sys.executable, str(script), *arguments]
        self._environment = environment(settings) | dict(more or {})

    def __enter__(self) -> Self:
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                self._command, env=self._environment, cwd=self._folder, stdout=log, stderr=subprocess.STDOUT
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    @property
    def log(self) -> str:
        """All that it said so far."""
        return self._log.read_text()

    def says(self, text: str) -> None:
        """Wait until it says something."""
        wait_for(lambda: text in self.log or self.process.poll() is not None, f"{text!r}")
        assert text in self.log

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and return the exit status."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Return the exit status when it ends by itself."""
        return self.process.wait(END_WITHIN_S)
