"""``pyexplabsys database``: tables, codenames and checks from the command line."""

import json
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from PyExpLabSys import cli
from PyExpLabSys.cli import _database_options
from PyExpLabSys.database import codenames
from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.target import DatabaseTarget
from tests.servers.lab import LabDatabase

COMMANDS = (["create"], ["check"], ["codename", "add"], ["codename", "list"])


@pytest.fixture
def server(lab_database: LabDatabase, monkeypatch: pytest.MonkeyPatch) -> LabDatabase:
    """A server that the settings describe."""
    monkeypatch.setenv("PYEXPLABSYS_SQL_SERVER_HOST", f"{lab_database.host}:{lab_database.port}")
    monkeypatch.setenv("PYEXPLABSYS_SQL_DATABASE", lab_database.name)
    monkeypatch.setenv("PYEXPLABSYS_SQL_USERNAME", lab_database.username)
    monkeypatch.setenv("PYEXPLABSYS_SQL_PASSWORD", lab_database.password)
    return lab_database


def run(*arguments: object, answers: str | None = None) -> Result:
    return CliRunner().invoke(cli._build(["database"]), ["database", *map(str, arguments)], input=answers)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert f"Example: pyexplabsys database {' '.join(command)}" in " ".join(result.output.split())
    assert "--password" not in result.output


def test_from_nothing_to_a_registered_codename(server: LabDatabase) -> None:
    made = run("create", "--setup", "dummy")
    assert made.exit_code == 0, made.output
    assert "CREATE TABLE IF NOT EXISTS `dateplots_dummy`" in made.output
    assert "all tables are there" in run("create", "--setup", "dummy").output
    added = run("codename", "add", "dummy_pressure", "--unit", "mbar", "--description", "Inlet")
    assert added.exit_code == 0, added.output
    assert "dummy_pressure has id 1" in added.output
    assert run("codename", "list").output == "1\tdummy_pressure\tmbar\tInlet\n"
    assert server.sql("SELECT codename, unit, description FROM dateplots_descriptions") == [
        ("dummy_pressure", "mbar", "Inlet")
    ]
    checked = run("check", "--setup", "dummy")
    assert checked.exit_code == 0, checked.output


def test_the_same_on_the_embedded_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYEXPLABSYS_SQL_URL", f"sqlite:///{tmp_path / 'lab.db'}")
    assert run("create", "--setup", "dummy").exit_code == 0
    assert run("codename", "add", "dummy_pressure", "--unit", "mbar").exit_code == 0
    assert run("check", "--setup", "dummy").output == "nothing to mend\n"
    with connect(DatabaseTarget(sqlite_path=tmp_path / "lab.db")) as connection:
        assert codenames.find(connection, "dummy_pressure").unit == "mbar"


def test_a_severe_finding_is_exit_status_1_and_names_its_statement(server: LabDatabase) -> None:
    server.create_old_layout()
    assert run("check", "--setup", "dummy").exit_code == 0
    server.sql("INSERT INTO dateplots_descriptions (id, codename) VALUES (9, 'dummy_sine_one')")
    result = run("check", "--setup", "dummy")
    assert result.exit_code == 1
    assert result.output.startswith("severe: dateplots_descriptions: codename 'dummy_sine_one' has 2 rows")
    assert "ALTER TABLE `dateplots_dummy` ENGINE=InnoDB;" in result.output


def test_findings_as_json(server: LabDatabase) -> None:
    result = run("check", "--setup", "dummy", "--json")
    assert result.exit_code == 1
    findings = json.loads(result.output)
    assert {"severity", "where", "what", "mend"} == set(findings[0])
    assert {finding["where"] for finding in findings if finding["severity"] == "severe"} == {
        "dateplots_descriptions",
        "dateplots_dummy",
    }


def test_options_win_over_the_settings(server: LabDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in {"SERVER_HOST": "nowhere.invalid", "DATABASE": "other", "USERNAME": "other"}.items():
        monkeypatch.setenv(f"PYEXPLABSYS_SQL_{key}", value)
    options = ["--host", server.host, "--port", server.port, "--database", server.name, "--username", server.username]
    assert run("create", "--setup", "dummy", *options).exit_code == 0
    assert server.sql("SELECT COUNT(*) FROM dateplots_dummy") == [(0,)]


def test_a_person_is_asked_for_the_password_of_another_account(
    server: LabDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYEXPLABSYS_SQL_PASSWORD")
    monkeypatch.setenv("PYEXPLABSYS_SQL_USERNAME", "other")
    asked: list[str] = []

    def answer(question: str, **options: object) -> str:
        assert options["hide_input"]
        asked.append(question)
        return server.password

    monkeypatch.setattr(typer, "prompt", answer)
    monkeypatch.setattr(sys, "stdin", _Terminal())
    with _database_options.open_database(None, None, None, server.username) as connection:
        assert connection.query("SELECT 1") == [(1,)]
    assert asked == [f"Password of {server.username}"]


class _Terminal:
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_a_missing_password_is_said_in_one_line(
    server: LabDatabase, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PYEXPLABSYS_SQL_PASSWORD")
    assert cli.main(["database", "codename", "list"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "PYEXPLABSYS_SQL_PASSWORD" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create", "--setup", "my oven"], "invalid name 'dateplots_my oven'"),
        (["create", "--setup", "descriptions"], "table of codenames"),
        (["codename", "add", "dummy_sine_one"], "already, with id 1"),
        (["codename", "add", " x"], "space"),
    ],
)
def test_errors_are_one_line(
    server: LabDatabase, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    server.create_old_layout()
    assert cli.main(["database", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error


def test_a_wrong_password_is_one_line_that_does_not_show_it(
    server: LabDatabase, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYEXPLABSYS_SQL_PASSWORD", "hunter2hunter2")
    assert cli.main(["database", "check", "--setup", "dummy"]) == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "hunter2" not in captured.out + captured.err
