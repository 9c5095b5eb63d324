"""The documentation tells the truth: its commands and examples are those that there are, and the tutorial works."""

import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import typer

from PyExpLabSys import cli
from tests.packaging.conftest import ROOT, run

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITHIN_S = 30.0


def blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of code in a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def commands(group: typer.core.TyperGroup, name: str) -> Iterator[tuple[str, set[str]]]:
    """Yield the name of each command with its options."""
    for word, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            yield from commands(command, f"{name} {word}")
        else:
            yield f"{name} {word}", {option for parameter in command.params for option in parameter.opts}


def test_the_reference_names_every_command_and_every_option() -> None:
    page = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    program = typer.main.get_command(cli._build(cli.command_names()))
    assert isinstance(program, typer.core.TyperGroup)
    there = dict(commands(program, "pyexplabsys"))
    assert set(re.findall(r"^## `(pyexplabsys .*)`$", page, re.MULTILINE)) == set(there)
    options = {option for options in there.values() for option in options if option.startswith("--")}
    assert set(re.findall(r"`(--[a-z-]+)`", page)) >= options - {"--help"}


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem)
def test_every_example_imports_what_there_is(page: Path) -> None:
    for block in blocks(page, "python"):
        imports = [line for line in block.splitlines() if line.startswith(("import ", "from "))]
        compile(block, page.name, "exec")
        exec("\n".join(imports), {})


def test_the_tutorial_works_as_it_is_written(tmp_path: Path) -> None:
    page = ROOT / "docs" / "tutorial.md"
    shell = [line.partition("     #")[0] for block in blocks(page, "sh") for line in block.splitlines()]
    for name, script in zip(("logger.py", "look.py", "measure.py"), blocks(page, "python"), strict=True):
        (tmp_path / name).write_text(script)
    (setting,) = (line.removeprefix("export ") for line in shell if line.startswith("export "))
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | dict([setting.split("=", 1)]) | {"PATH": programs}

    def execute(start: str) -> list[str]:
        lines = [shlex.split(line) for line in shell if line.startswith(start)]
        return [run(*line, cwd=tmp_path, env=env).stdout for line in lines]

    assert len(execute("pyexplabsys --help")) == 1
    assert "first_memory" in execute("pyexplabsys database")[-1]
    logger = subprocess.Popen([sys.executable, "logger.py"], cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True)
    try:
        wait_for_points(tmp_path / "first.db", "dateplots_first", count=4)
    finally:
        logger.send_signal(signal.SIGINT)
        _, errors = logger.communicate(timeout=WITHIN_S)
    assert logger.returncode == 0, errors
    assert errors.endswith("first has ended, everything is delivered\n")

    (exported,) = execute("pyexplabsys export")
    points, *_ = exported.split()
    assert int(points) >= 4
    assert "%" in run(sys.executable, "look.py", cwd=tmp_path, env=env).stdout

    run(sys.executable, "measure.py", cwd=tmp_path, env=env)
    wait_for_points(tmp_path / "first.db", "dateplots_first", count=int(points) + 5)


def test_the_page_about_criteria_shows_what_the_command_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = ROOT / "docs" / "howto" / "criteria.md"
    monkeypatch.chdir(tmp_path)
    for script in blocks(page, "python"):
        exec(script, {})
    (example,) = blocks(page, "console")
    command, _, output = example.partition("\n")
    assert cli.main(shlex.split(command.removeprefix("$ pyexplabsys "))) == 0
    assert capsys.readouterr().out == output


def wait_for_points(path: Path, table: str, count: int) -> None:
    """Return when a table holds so many points."""
    deadline = time.monotonic() + WITHIN_S
    with closing(sqlite3.connect(path)) as connection:
        while connection.execute(f"SELECT count(*) FROM {table}").fetchone() < (count,):
            assert time.monotonic() < deadline, f"{table} did not get {count} points in {WITHIN_S} s"
            time.sleep(0.05)
