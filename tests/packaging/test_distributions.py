"""What is built and what an installation brings."""

import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from email.parser import Parser
from pathlib import Path

import pytest

import PyExpLabSys
from tests.packaging.conftest import NOT_COPIED, ROOT, run

Install = Callable[..., Path]


def modules_of_the_package() -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / "PyExpLabSys").rglob("*.py")}


def templates_of_new_drivers() -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / "PyExpLabSys/cli/_new_driver").rglob("*.txt")}


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    wanted = modules_of_the_package() | templates_of_new_drivers() | {"PyExpLabSys/py.typed"}
    assert sorted(names) == sorted(wanted)


def test_the_wheel_says_who_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        (entry_points,) = (name for name in archive.namelist() if name.endswith("/entry_points.txt"))
        headers = Parser().parsestr(archive.read(metadata).decode("utf-8"))
        commands = archive.read(entry_points).decode("utf-8")
    assert (headers["Name"], headers["Version"]) == ("PyExpLabSys", PyExpLabSys.__version__)
    assert headers["Requires-Python"] == ">=3.11"
    assert "pyexplabsys = PyExpLabSys.cli:main" in commands


def test_a_logger_needs_five_packages_and_everything_else_is_an_extra(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        requirements = Parser().parsestr(archive.read(metadata).decode("utf-8")).get_all("Requires-Dist", [])
    core = {requirement.split(">")[0].strip() for requirement in requirements if "extra ==" not in requirement}
    assert core == {"PyYAML", "numpy", "platformdirs", "pymysql", "pyserial"}


def test_the_source_distribution_holds_what_is_needed_to_test_and_document_it(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    grafted = {
        path.relative_to(ROOT).as_posix()
        for folder in ("tests", "machine_config", "docs", ".ci")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not {"__pycache__", "_build"} & set(path.parts)
    }
    root = {"LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "setup.cfg", "pyproject.toml"}
    assert names >= modules_of_the_package() | templates_of_new_drivers() | grafted | root
    assert not {name for name in names if name.startswith(("drivers", "apps"))}


@pytest.mark.parametrize("way", ["wheel", "folder", "editable"])
def test_every_way_to_install_brings_a_working_package(
    way: str, install: Install, wheel: Path, checkout: Path, tmp_path: Path
) -> None:
    ways: dict[str, list[str | Path]] = {"wheel": [wheel], "folder": [checkout], "editable": ["--editable", checkout]}
    programs = install(*ways[way])

    def python(statement: str) -> list[str]:
        return run(programs / "python", "-c", statement, cwd=tmp_path).stdout.split()

    (file,) = python("import PyExpLabSys; print(PyExpLabSys.__file__)")
    assert Path(file).is_relative_to(checkout if way == "editable" else programs.parent)
    assert Path(file).with_name("py.typed").is_file()
    assert python("from importlib.util import find_spec as f; print(f('drivers'), f('apps'))") == ["None", "None"]
    assert "demo" in run(programs / "pyexplabsys", "--help", cwd=tmp_path).stdout


def test_the_tests_without_servers_pass_against_the_wheel(install: Install, wheel: Path, tmp_path: Path) -> None:
    python = install(wheel) / "python"
    for folder in ("tests", "machine_config"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=NOT_COPIED)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    # These two look at the checkout: how it is packed, and whether each driver has its files in it.
    elsewhere = ["--ignore", "tests/packaging", "--ignore", "tests/drivers/test_house_rules.py"]
    options = ["-m", "not server", *elsewhere, "-p", "no:cacheprovider", "-q", "--no-header"]
    done = run(python, "-m", "pytest", *options, cwd=tmp_path, within_s=900.0)
    assert re.search(r"[1-9][0-9]* passed", done.stdout)
