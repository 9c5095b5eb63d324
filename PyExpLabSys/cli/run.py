"""Run a setup's script."""

import logging
import runpy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer


def command(
    script: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Such as machine_config/furnace/logger.py.")
    ],
    simulate: Annotated[
        bool,
        typer.Option("--simulate", help="Simulators instead of instruments; the points go into a file of their own."),
    ] = False,
    into_database: Annotated[
        bool, typer.Option("--into-database", help="With --simulate: into the database of the settings all the same.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Read everything once, print and deliver it, and end.")] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Try settings, database, codenames and instruments, and report; store nothing."),
    ] = False,
) -> None:
    """Run the script of a setup until Ctrl-C; what is queued then is delivered.

    Example: pyexplabsys run machine_config/furnace/logger.py --simulate --once
    """
    options = {"--simulate": simulate, "--into-database": into_database, "--once": once, "--check": check}
    options["--debug"] = logging.getLogger("PyExpLabSys").level == logging.DEBUG
    with _as_if_started([str(script.absolute()), *(name for name, wanted in options.items() if wanted)]):
        try:
            runpy.run_path(str(script.absolute()), run_name="__main__")
        except SystemExit as error:
            raise typer.Exit(_status(error)) from error


def _status(error: SystemExit) -> int:
    """Return the exit status of a script that ended itself, as the interpreter would."""
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    print(error.code, file=sys.stderr)
    return 1


@contextmanager
def _as_if_started(arguments: Sequence[str]) -> Iterator[None]:
    """Let a script see what it would if it were the program: its arguments, its folder, and no logging set up."""
    root = logging.getLogger()
    before = sys.argv, sys.path[:], root.handlers[:]
    sys.argv = list(arguments)
    sys.path.insert(0, str(Path(arguments[0]).parent))
    root.handlers = []
    try:
        yield
    finally:
        sys.argv, sys.path[:], root.handlers = before
