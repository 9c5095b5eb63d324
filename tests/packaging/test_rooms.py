"""The rooms of the repository: what stands at its root, and who may import whom."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.conftest import NOT_COPIED, ROOT, run

AT_THE_ROOT = {
    *(".ci", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "Makefile", "README.md"),
    *("pyproject.toml", "setup.cfg"),
    *("PyExpLabSys", "apps", "benchmarks", "docs", "drivers", "machine_config", "tests"),
}


def test_the_root_shows_the_rooms_and_nothing_else() -> None:
    committed = run("git", "ls-files", "-z", cwd=ROOT).stdout.split("\0")
    assert {path.partition("/")[0] for path in committed if path} == AT_THE_ROOT


@pytest.mark.parametrize("link", ["drivers", "apps"])
def test_a_link_at_the_root_leads_into_the_package(link: str) -> None:
    mode, _, _, path = run("git", "ls-files", "--stage", link, cwd=ROOT).stdout.split()
    assert (mode, path) == ("120000", link)
    assert (ROOT / link).readlink() == Path("PyExpLabSys", link)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a copy of the package beside the rules that are checked."""
    shutil.copytree(ROOT / "PyExpLabSys", tmp_path / "PyExpLabSys", ignore=NOT_COPIED)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path / "PyExpLabSys"


def lint_imports(package: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    return subprocess.run([*command, "--no-cache"], cwd=package.parent, capture_output=True, text=True, timeout=120)


def test_the_package_keeps_its_layers(package: Path) -> None:
    done = lint_imports(package)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("stray.py", "", "PyExpLabSys.stray"),
        (
            "database/upward.py",
            "import PyExpLabSys.cli",
            "PyExpLabSys.database is not allowed to import PyExpLabSys.cli",
        ),
        (
            "common/sideways.py",
            "import PyExpLabSys.drivers",
            "PyExpLabSys.common is not allowed to import PyExpLabSys.drivers",
        ),
        ("common/link.py", "import drivers.host_sensors", "PyExpLabSys is not allowed to import drivers"),
        ("drivers/greedy.py", "import PyExpLabSys.settings", "PyExpLabSys.drivers is not allowed to import"),
    ],
    ids=["module-without-a-room", "upward", "sideways", "through-the-link", "driver-that-reads-settings"],
)
def test_the_contracts_refuse(package: Path, module: str, source: str, complaint: str) -> None:
    (package / module).write_text(source + "\n")
    done = lint_imports(package)
    assert done.returncode != 0
    assert complaint in " ".join(done.stdout.split())
