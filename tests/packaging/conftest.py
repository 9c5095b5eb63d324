"""A copy of the checkout, what is built from it, and environments into which that is installed."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv*", ".*_cache", "__pycache__", "_build", "build", "dist", "*.egg-info"
)


def run(
    *command: str | Path, cwd: Path, env: dict[str, str] | None = None, within_s: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """Run a command that must succeed; its output stands in the failure."""
    # Python's own view of the environment: readline, which pytest imports, sets COLUMNS behind its back.
    env = dict(os.environ) if env is None else env
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=within_s)
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the checkout, so that building leaves nothing in the real one."""
    copy = tmp_path_factory.mktemp("packaging") / "checkout"
    shutil.copytree(ROOT, copy, symlinks=True, ignore=NOT_COPIED)
    return copy


@pytest.fixture(scope="session")
def dist(checkout: Path) -> Path:
    """Return a folder with the source distribution, and the wheel that was built from just that."""
    folder = checkout.with_name("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, checkout, cwd=checkout)
    return folder


@pytest.fixture(scope="session")
def sdist(dist: Path) -> Path:
    (path,) = dist.glob("*.tar.gz")
    return path


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def install(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that installs into a new environment and returns the folder of its programs.

    The environment sees the packages of the running one through a path file, so nothing is downloaded. The running
    one's own link to the checkout does not count there: path files are read in an environment's own folder only.
    """

    def install(*what: str | Path) -> Path:
        folder = tmp_path_factory.mktemp("environment")
        run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
        programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
        paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
        Path(paths["purelib"], "running.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", programs / "python", "install", "--quiet"]
        run(*pip, "--no-deps", "--no-index", "--no-build-isolation", *what, cwd=folder)
        return programs

    return install
