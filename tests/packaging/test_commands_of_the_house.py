"""The Makefile and the scripts in .ci, as far as they can be seen without installing anything."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT, run


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return a folder that is looked at before the system's own programs."""
    folder = tmp_path / "programs"
    folder.mkdir()
    return folder


def put(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def call(programs: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


def test_make_help_names_every_target_and_says_what_it_does() -> None:
    lines = run("make", "--no-print-directory", "help", cwd=ROOT).stdout.splitlines()
    described = {target: what for target, _, what in (line.partition(" ") for line in lines)}
    assert set(described) == {"help", "demo", "test", "coverage", "mutants", "bench", "docs", "lint", "clean"}
    assert all(what.strip() for what in described.values())


def test_ci_runs_lint_docs_and_tests_and_says_how_long_each_took(programs: Path) -> None:
    put(programs, "make", 'echo "made $1"')
    done = call(programs, "bash", ".ci/run")
    assert done.returncode == 0
    assert [line for line in done.stdout.splitlines() if line.startswith("made")] == [
        "made lint",
        "made docs",
        "made test",
    ]
    assert done.stdout.count(" s\n") == 4


@pytest.mark.parametrize("broken", ["lint", "docs", "test"])
def test_ci_fails_when_one_of_them_does(programs: Path, broken: str) -> None:
    put(programs, "make", f'[ "$1" != {broken} ]')
    done = call(programs, "bash", ".ci/run")
    assert done.returncode != 0
    assert f"make {broken} FAILED" in done.stdout


def test_who_is_not_root_is_told_the_command_that_installs_what_is_missing(programs: Path) -> None:
    put(programs, "id", "echo 1000")
    put(programs, "apt-get", "exit 0")
    put(programs, "dpkg-query", "exit 1")
    done = call(programs, ".ci/install-system-packages", "one-package", "another")
    assert done.returncode != 0
    assert "    sudo apt-get install one-package another\n" in done.stderr


def test_root_gets_what_is_missing_installed_without_a_question(programs: Path, tmp_path: Path) -> None:
    put(programs, "id", "echo 0")
    put(programs, "apt-get", f'echo "$DEBIAN_FRONTEND $*" >> {tmp_path}/calls')
    put(
        programs,
        "dpkg-query",
        f'[ "$4" = there ] || grep -q " install " {tmp_path}/calls && echo "install ok installed"',
    )
    done = call(programs, ".ci/install-system-packages", "there", "not-there")
    assert done.returncode == 0, done.stderr
    update, install = (tmp_path / "calls").read_text().splitlines()
    assert update.startswith("noninteractive update")
    assert install.startswith("noninteractive install")
    assert install.endswith("--no-install-recommends not-there")


def test_an_old_python_is_refused_with_what_to_do(programs: Path, tmp_path: Path) -> None:
    put(programs, "python-old", "exit 1")
    done = call(programs, ".ci/make-venv", tmp_path / "environment", "python-old")
    assert done.returncode != 0
    assert "needs Python 3.11 or newer, and python-old is not" in done.stderr
    assert "make PYTHON=" in done.stderr
    assert not (tmp_path / "environment").exists()
