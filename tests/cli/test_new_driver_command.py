"""``pyexplabsys new-driver``: what it writes works, keeps to the rules of the house, and replaces nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import PyExpLabSys
from PyExpLabSys import cli

ROOT = Path(__file__).parents[2]
WITHIN_S = 300.0
#: A name that comes last in the alphabet, and a long one: order and lengths of lines must fit whatever the name.
NAMES = {"serial": "zyx_9", "tcp": "aaa_1", "modbus": "international_instruments_4100B", "i2c": "middle_i2c_sensor"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is needed of the checkout, with a new driver for each bus in it."""
    copy = tmp_path_factory.mktemp("new") / "checkout"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(PyExpLabSys.__file__).parent, copy / "PyExpLabSys", ignore=ignore)
    shutil.copytree(ROOT / "tests", copy / "tests", ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", copy)
    (copy / "docs" / "instruments").mkdir(parents=True)
    for bus, name in NAMES.items():
        assert cli.main(["new-driver", name, "--bus", bus, "--folder", str(copy / "tests")]) == 0
    return copy


def in_checkout(checkout: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def written(checkout: Path) -> list[str]:
    folders = ("PyExpLabSys/drivers", "PyExpLabSys/simulators", "tests/drivers")
    paths = [path for folder in folders for name in NAMES.values() for path in (checkout / folder).glob(f"*{name}.py")]
    assert len(paths) == 3 * len(NAMES)
    return [str(path.relative_to(checkout)) for path in paths]


def test_what_is_written_passes_its_tests_and_the_rules_of_the_house(checkout: Path) -> None:
    tests = [f"tests/drivers/test_{name}.py" for name in NAMES.values()]
    chosen = " or ".join(NAMES.values())
    arguments = ["-q", "-p", "no:cacheprovider", *tests, "tests/drivers/test_house_rules.py", "-k", chosen]
    assert " passed" in in_checkout(checkout, "pytest", *arguments)


def test_what_is_written_has_the_style_of_the_house(checkout: Path) -> None:
    in_checkout(checkout, "ruff", "check", "--no-cache", *written(checkout))
    in_checkout(checkout, "ruff", "format", "--no-cache", "--check", *written(checkout))


def test_the_types_of_what_is_written_are_right(checkout: Path) -> None:
    # Only of that: what it imports is looked at by `make lint`, with the type information of other packages.
    in_checkout(checkout, "mypy", "--follow-imports=silent", *written(checkout))


@pytest.mark.parametrize("name", NAMES.values())
def test_a_new_driver_is_listed_and_can_be_read_at_once(checkout: Path, name: str) -> None:
    assert f"{name}\t" in in_checkout(checkout, "PyExpLabSys", "drivers")
    assert in_checkout(checkout, "PyExpLabSys", "read", name, "read_temperature", "--simulate") == "21.5 degC\n"


def test_the_names_of_module_and_class_are_put_in_everywhere(checkout: Path) -> None:
    for path in [*written(checkout), *(f"docs/instruments/{name}.md" for name in NAMES.values())]:
        text = (checkout / path).read_text()
        assert not [word for word in ("maker_model", "MakerModel", "Maker", "Model") if word in text.split()]
    driver = (checkout / "PyExpLabSys/drivers/international_instruments_4100B.py").read_text()
    assert "class InternationalInstruments4100B(" in driver
    assert 'maker="International"' in driver


def test_nothing_is_replaced_and_nothing_is_written_if_one_of_the_files_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("PyExpLabSys/drivers", "PyExpLabSys/simulators", "tests/drivers", "docs/instruments"):
        (tmp_path / folder).mkdir(parents=True)
    page = tmp_path / "docs/instruments/acme_1.md"
    page.write_text("mine")
    assert cli.main(["new-driver", "acme_1", "--bus", "serial", "--folder", str(tmp_path)]) == 2
    assert "docs/instruments/acme_1.md exists already; nothing was written" in capsys.readouterr().err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [page]
    assert page.read_text() == "mine"


@pytest.mark.parametrize("name", ["acme", "Acme_1", "acme-1", "1_acme", "acme_", "acme_1.py", "../acme_1"])
def test_a_name_that_is_none(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["new-driver", name, "--bus", "serial"]) == 2
    assert "is no name of the form maker_model" in capsys.readouterr().err


def test_outside_of_a_checkout_it_is_said_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["new-driver", "acme_1", "--bus", "serial", "--folder", str(tmp_path)]) == 2
    assert "is in no checkout of PyExpLabSys: clone the repository" in capsys.readouterr().err


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["new-driver", "--help"]) == 0
    assert "Example: pyexplabsys new-driver polyscience_4100 --bus serial" in " ".join(capsys.readouterr().out.split())
