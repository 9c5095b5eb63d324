"""The command ``pyexplabsys``.

Each module of this folder whose name does not begin with an underscore is a command of that name (``_`` becomes ``-``).
It defines either ``app``, a ``typer.Typer`` with commands of its own, or ``command``, a function that is the command;
the first line of the module is its line in the list of commands. It imports what takes time (numpy, database drivers)
inside its functions: ``pyexplabsys --help`` imports all of these modules, any other call only the one that it needs.

Exit status: 0; 1 for an error, told in one line; 2 for a wrong call; 130 after Ctrl-C.
"""

import importlib
import logging
import os
import pkgutil
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, cast

from PyExpLabSys import __version__
from PyExpLabSys.errors import PyExpLabSysError

if TYPE_CHECKING:
    import typer

EXIT_ERROR, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``pyexplabsys`` with these arguments, or those of the process, and return the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        import typer
    except ModuleNotFoundError:
        return _fail("the command line needs the extra 'cli': pip install 'PyExpLabSys[cli]'", EXIT_USAGE)
    logging.basicConfig(format="%(levelname)s: %(message)s")
    try:
        return _told(arguments, typer)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away, as `head` does; what is still buffered must not fail at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR


def _told(arguments: Sequence[str], typer: ModuleType) -> int:
    """Run the command and tell its errors in one line each."""
    # Not public under its own name: everything that typer has to say to the user.
    call_error = cast("type[Exception]", typer.BadParameter.__mro__[2])
    try:
        return _run(arguments)
    except BrokenPipeError:
        raise
    except call_error as error:
        return _fail_call(error)
    except typer.Abort as error:
        if isinstance(error.__context__, KeyboardInterrupt):  # Ctrl-C at a question
            raise KeyboardInterrupt from None
        return _fail("stopped; nothing more was done", EXIT_ERROR)
    except ModuleNotFoundError as error:
        return _fail_with(error, f"this needs the Python package {error.name}: pip install 'PyExpLabSys[all]'")
    except (PyExpLabSysError, ValueError, OSError) as error:
        return _fail_with(error, str(error))


def command_names() -> list[str]:
    """Return the names of the modules in this folder that are commands."""
    return [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]


def _run(arguments: Sequence[str]) -> int:
    called = next((argument for argument in arguments if not argument.startswith("-")), "").replace("-", "_")
    names = command_names()
    app = _build([called] if called in names else names)
    status = app(args=list(arguments), prog_name="pyexplabsys", standalone_mode=False)
    sys.stdout.flush()
    return status if isinstance(status, int) else 0


def _build(names: Sequence[str]) -> "typer.Typer":
    import typer

    app = typer.Typer(
        help="From laboratory instruments to the lab's database.", no_args_is_help=True, pretty_exceptions_enable=False
    )

    @app.callback()
    def _options(
        *,
        debug: Annotated[bool, typer.Option("--debug", help="Log everything, and show where an error arose.")] = False,
        _version: Annotated[
            bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
        ] = False,
    ) -> None:
        logging.getLogger("PyExpLabSys").setLevel(logging.DEBUG if debug else logging.NOTSET)

    for name in names:
        module = importlib.import_module(f"{__name__}.{name}")
        command, summary = name.replace("_", "-"), (module.__doc__ or "").strip().partition("\n")[0]
        if hasattr(module, "app"):
            app.add_typer(module.app, name=command, help=summary)
        else:
            app.command(command, short_help=summary)(module.command)
    return app


def _show_version(wanted: bool) -> None:
    import typer

    if wanted:
        print(f"PyExpLabSys {__version__}")
        raise typer.Exit


def _fail(message: str, status: int) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return status


def _fail_with(error: Exception, message: str) -> int:
    if logging.getLogger("PyExpLabSys").level == logging.DEBUG:
        traceback.print_exception(error)
    return _fail(message or type(error).__name__, EXIT_ERROR)


def _fail_call(error: Any) -> int:
    message = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":  # a group without a command: its help, which rich has shown already
        print(message, end="", file=sys.stderr)
        return EXIT_USAGE
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "pyexplabsys"
    return _fail(f"{message}{'' if message.endswith(('.', '?')) else '.'} See: {command} --help", int(error.exit_code))
