"""``pyexplabsys demo``."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from PyExpLabSys.cli import main


def test_it_logs_into_the_folder_that_was_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--seconds", "1", "--folder", str(tmp_path / "here")]) == 0
    (path,) = (tmp_path / "here").glob("pyexplabsys-demo-*.db")
    with closing(sqlite3.connect(path)) as connection:
        ((count,),) = connection.execute("SELECT COUNT(*) FROM dateplots_demo")
    assert count >= 4
    assert f"nothing twice: {count} points in\n  {path}\n" in capsys.readouterr().out


def test_help_names_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--help"]) == 0
    output = capsys.readouterr().out
    assert "--seconds" in output
    assert "--folder" in output


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--seconds", "soon"], 2, "--seconds"),
        (["--seconds", "0"], 2, "--seconds"),
        (["--seconds", "nan"], 2, "--seconds"),
        (["--seconds", "inf"], 1, "inf s is no length"),
        (["--folder", "FILE"], 2, "--folder"),
        (["--folder", "FILE/below"], 1, "choose a folder with --folder"),
    ],
)
def test_wrong_arguments_are_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, message: str
) -> None:
    (tmp_path / "file").touch()
    arguments = [argument.replace("FILE", str(tmp_path / "file")) for argument in arguments]
    assert main(["demo", *arguments]) == status
    errors = capsys.readouterr().err
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert message in errors
