"""The command ``pyexplabsys`` itself: help, exit status, errors in one line, and what it loads."""

import importlib
import os
import signal
import subprocess
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from PyExpLabSys import __version__, cli
from PyExpLabSys.errors import DatabaseUnavailable, SettingsError

SECRET = "hunter2hunter2"
HEAVY = {"numpy", "pandas", "pyarrow", "pymysql", "pyodbc", "plotext", "psutil", "serial"}


def run(*arguments: str, code: str | None = None, **options: Any) -> "subprocess.CompletedProcess[str]":
    start = ["-c", code] if code else ["-m", "PyExpLabSys"]
    return subprocess.run(
        [sys.executable, *start, *arguments], capture_output=True, text=True, check=False, timeout=60, **options
    )


@pytest.fixture
def only_command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Replace all commands by one, called ``task``."""

    def install(function: Callable[[], object]) -> None:
        module = types.ModuleType("PyExpLabSys.cli.task", "Does a task.\n\nAnd more.")
        module.__dict__["command"] = function
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(cli, "command_names", lambda: ["task"])

    return install


def raising(error: BaseException) -> Callable[[], None]:
    def function() -> None:
        raise error

    return function


# -- help --------------------------------------------------------------------------------------------------------------


def test_help_lists_every_command_with_the_first_line_of_its_module() -> None:
    result = run("--help", env=os.environ | {"COLUMNS": "200"})
    assert (result.returncode, result.stderr) == (0, "")
    names = cli.command_names()
    assert "init" in names
    for name in names:
        summary = (importlib.import_module(f"PyExpLabSys.cli.{name}").__doc__ or "").partition("\n")[0]
        assert summary
        assert any(name.replace("_", "-") in line and summary in line for line in result.stdout.splitlines())


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom PyExpLabSys.cli import main\nstatus = main(['--help'])\n"
        f"print('LOADED', sorted({HEAVY!r} & sys.modules.keys()))\nsys.exit(status)"
    )
    result = run(code=code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "LOADED []"


def test_a_command_loads_no_other_command(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import sys\nfrom PyExpLabSys import cli\nreal = cli.command_names()\n"
        "cli.command_names = lambda: [*real, 'broken_module_that_is_not_there']\n"
        "sys.exit(cli.main(['init', '--help']))"
    )
    result = run(code=code)
    assert (result.returncode, result.stderr) == (0, "")
    assert "--password-stdin" in result.stdout


def test_the_modules_of_the_folder_are_the_commands() -> None:
    folder = Path(cli.__file__).parent
    assert cli.command_names() == sorted(path.stem for path in folder.glob("[!_]*.py"))


def test_every_command_and_group_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    def visit(command: object, path: Sequence[str]) -> None:
        assert cli.main([*path, "--help"]) == 0
        assert "Usage: pyexplabsys" in capsys.readouterr().out
        for name, child in getattr(command, "commands", {}).items():
            visit(child, [*path, name])

    visit(typer.main.get_command(cli._build(cli.command_names())), [])


def test_without_a_command_the_help_is_shown_and_the_call_was_wrong() -> None:
    result = run()
    assert result.returncode == 2
    assert "init" in result.stdout + result.stderr


def test_version() -> None:
    result = run("--version")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"PyExpLabSys {__version__}\n", "")


def test_a_module_with_app_is_a_group_and_one_with_command_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    group = types.ModuleType("PyExpLabSys.cli.two_words", "Many things.")
    app = group.__dict__["app"] = typer.Typer()

    @app.command("first")
    def _first() -> None:
        print("first done")

    @app.command("second")
    def _second() -> None:
        print("second done")

    monkeypatch.setitem(sys.modules, group.__name__, group)
    monkeypatch.setattr(cli, "command_names", lambda: ["two_words"])
    assert cli.main(["two-words", "second"]) == 0
    assert capsys.readouterr().out == "second done\n"


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        SettingsError("user_settings.yaml, line 3: wrong"),
        DatabaseUnavailable("no answer", 2003),
        ValueError("5 is too many"),
        PermissionError(13, "Permission denied", "/folder"),
    ],
)
def test_an_error_is_one_line_and_status_1(
    error: Exception,
    only_command: Callable[[Callable[[], object]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    only_command(raising(error))
    assert cli.main(["task"]) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"error: {error}\n")


def test_an_error_of_many_lines_is_told_in_one(
    only_command: Callable[[Callable[[], object]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    only_command(raising(ValueError("one\n  two")))
    assert cli.main(["task"]) == 1
    assert capsys.readouterr().err == "error: one two\n"


def test_debug_shows_where_an_error_arose(
    only_command: Callable[[Callable[[], object]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    only_command(raising(SettingsError("wrong")))
    assert cli.main(["--debug", "task"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("Traceback")
    assert "in function" in error
    assert error.endswith("error: wrong\n")
    assert cli.main(["task"]) == 1
    assert capsys.readouterr().err == "error: wrong\n"


def test_a_bug_is_not_disguised(only_command: Callable[[Callable[[], object]], None]) -> None:
    only_command(raising(ZeroDivisionError("bug")))
    with pytest.raises(ZeroDivisionError):
        cli.main(["task"])


def test_a_missing_package_is_named(
    only_command: Callable[[Callable[[], object]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    only_command(lambda: importlib.import_module("package_that_is_not_there"))
    assert cli.main(["task"]) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: this needs the Python package package_that_is_not_there: pip install")
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--bogus"], ["--bogus", "See: pyexplabsys --help"]),
        (["initt"], ["'initt'", "Did you mean 'init'?"]),
        (["init", "--servr", "x"], ["--servr", "See: pyexplabsys init --help"]),
        (["init", "--port", "many"], ["--port", "integer. See: pyexplabsys init --help"]),
        (["init", "--port"], ["--port", "argument"]),
    ],
)
def test_a_wrong_call_is_one_line_and_status_2(
    arguments: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    for part in parts:
        assert part in captured.err


def test_the_status_a_command_asks_for_is_kept(only_command: Callable[[Callable[[], object]], None]) -> None:
    only_command(raising(typer.Exit(7)))
    assert cli.main(["task"]) == 7


def test_without_typer_one_line_names_the_extra() -> None:
    code = (
        "import sys\nsys.modules['typer'] = None\nfrom PyExpLabSys.cli import main\nsys.exit(main(['init', '--help']))"
    )
    result = run(code=code)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "error: the command line needs the extra 'cli': pip install 'PyExpLabSys[cli]'\n"


# -- interruptions -----------------------------------------------------------------------------------------------------


def test_ctrl_c_ends_quietly_with_130() -> None:
    code = (
        "import signal, sys, types\nfrom PyExpLabSys import cli\n"
        "task = types.ModuleType('PyExpLabSys.cli.task', 'Waits.')\n"
        "def command():\n    print('ready', flush=True)\n    signal.sigwait([signal.SIGUSR1])\n"
        "task.command = command\nsys.modules[task.__name__] = task\ncli.command_names = lambda: ['task']\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\nsys.exit(cli.main(['task']))"
    ).replace("signal.sigwait([signal.SIGUSR1])", "signal.pause()")
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=60)
    assert (process.returncode, output, error) == (130, "", "")


def test_ctrl_c_at_a_question_ends_with_130(
    only_command: Callable[[Callable[[], object]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_arguments: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", interrupted)
    monkeypatch.setattr(typer._click.termui, "visible_prompt_func", interrupted)
    only_command(lambda: typer.prompt("name"))
    assert cli.main(["task"]) == 130


def test_an_end_of_input_at_a_question_is_an_error(
    only_command: Callable[[Callable[[], object]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    result = run("init", stdin=subprocess.DEVNULL)
    assert result.returncode == 1
    assert result.stderr.strip().splitlines()[-1].startswith("error: ")


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = (
        "import sys, types\nfrom PyExpLabSys import cli\n"
        "task = types.ModuleType('PyExpLabSys.cli.task', 'Talks.')\n"
        "def command():\n    for number in range(100_000): print(number)\n"
        "task.command = command\nsys.modules[task.__name__] = task\ncli.command_names = lambda: ['task']\n"
        "sys.exit(cli.main(['task']))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "0\n"
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), error) == (1, "")


def test_output_that_nobody_reads_at_all_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "PyExpLabSys", "--version"], stdout=writer, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writer)
    assert (result.returncode, result.stderr) == (1, b"")
