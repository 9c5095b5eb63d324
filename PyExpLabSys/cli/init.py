"""Ask for database and setup, write the settings and a first logger script.

The password is asked for, or comes from the environment (PYEXPLABSYS_SQL_PASSWORD) or the standard input, never from
the command line, where others could read it.
"""

import os
import platform
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from PyExpLabSys.cli._first_logger import HOST_READINGS, write_logger_script
from PyExpLabSys.cli._user_file import changed, write_private
from PyExpLabSys.database import codenames, schema
from PyExpLabSys.database.connection import Connection
from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.target import SQLITE_PREFIX, DatabaseTarget, target_from_settings
from PyExpLabSys.errors import DatabaseError, SettingsError
from PyExpLabSys.settings import KEYS, Settings, parse_hosts, parse_user_settings, user_settings_path

_SETUP = re.compile("[0-9a-zA-Z_]+")
_SHOWN = {key.name: key.shown for key in KEYS}


@dataclass(frozen=True, kw_only=True)
class _Dialogue:
    """Asks a person; with ``yes`` takes the default instead and agrees to everything."""

    yes: bool

    def ask(
        self, question: str, option: str, default: str | None, check: Callable[[str], Any] = str, hide: bool = False
    ) -> str:
        if not self.yes:
            answer = typer.prompt(
                question, default, value_proc=_checked(check), hide_input=hide, show_default=bool(default) and not hide
            )
            return str(answer)
        if default is None:
            raise SettingsError(f"{question.lower()} is missing: {option}, or leave out --yes to be asked")
        check(default)
        return default

    def agree(self, question: str) -> bool:
        return self.yes or typer.confirm(question, default=True)


def command(
    *,
    server: Annotated[str | None, typer.Option(help="Database server: name or name:port, commas between more.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Its port.")] = None,
    database: Annotated[str | None, typer.Option(help="Name of the database.")] = None,
    username: Annotated[str | None, typer.Option(help="Account of the database.")] = None,
    setup: Annotated[str | None, typer.Option(help="Name of the setup, of letters, digits and _.")] = None,
    sqlite: Annotated[Path | None, typer.Option(help="Use this file as embedded database, without a server.")] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from the input.")] = False,
    no_check: Annotated[bool, typer.Option("--no-check", help="Do not connect to the database.")] = False,
    output: Annotated[Path, typer.Option(help="The script to write, or its folder.")] = Path("logger.py"),
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: take defaults, agree to changes.")] = False,
) -> None:
    """Ask for what is not given, test the connection, write user_settings.yaml and logger.py."""
    if server and sqlite:
        raise typer.BadParameter("--server and --sqlite exclude each other")
    dialogue = _Dialogue(yes=yes)
    if setup is not None:
        _check_setup(setup)
    hosts = "" if sqlite else server or _ask_server(dialogue)
    if hosts:
        changes = _ask_account(
            dialogue, hosts, port=port, database=database, username=username, password_stdin=password_stdin
        )
    else:
        changes = {"sql_url": _sqlite_url(dialogue, sqlite)}
    setup = setup or dialogue.ask("Name of the setup", "--setup", _default_setup(), _check_setup)
    target = _target(changes)
    reached = not no_check and _reached(dialogue, target)
    _write_settings(dialogue, changes)
    _write_script(output / "logger.py" if output.is_dir() else output, setup)
    _tell_tables(setup, done=reached and _prepare_tables(dialogue, target, setup))


def _checked(check: Callable[[str], Any]) -> Callable[[str], str]:
    def convert(answer: str) -> str:
        try:
            check(answer)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error  # asks again
        return answer

    return convert


def _check_setup(setup: str) -> None:
    if _SETUP.fullmatch(setup) is None:
        raise ValueError(f"{setup!r} is no name for a setup: only letters a-z, A-Z, digits and _ are allowed")
    for table in (schema.dateplots_table, schema.measurements_table, schema.xy_values_table):
        table(setup)


def _default_setup() -> str:
    return re.sub("[^0-9a-zA-Z_]", "_", platform.node().partition(".")[0])[:40] or "lab"


def _ask_server(dialogue: _Dialogue) -> str:
    known = Settings().get("sql_server_host", "")
    default = known if isinstance(known, str) else ",".join(known)
    question = "Database server" if default else "Database server (empty: a file on this computer, no server)"
    return dialogue.ask(question, "--server", default, lambda answer: answer and parse_hosts(answer))


def _ask_account(
    dialogue: _Dialogue,
    hosts: str,
    *,
    port: int | None,
    database: str | None,
    username: str | None,
    password_stdin: bool,
) -> dict[str, Any]:
    settings = Settings()
    names = [name.strip() for name in hosts.split(",")]
    parse_hosts(names)
    if port is None and all(":" in name for name in names):
        port = settings.sql_server_port
    elif port is None:
        port = int(dialogue.ask("Port", "--port", str(settings.sql_server_port), lambda text: parse_hosts("h:" + text)))
    database = database or dialogue.ask("Database", "--database", settings.get("sql_database", "cinfdata"))
    username = username or dialogue.ask("Account", "--username", settings.get("sql_username"))
    return {
        "sql_server_host": names[0] if len(names) == 1 else names,
        "sql_server_port": port,
        "sql_database": database,
        "sql_username": username,
        "sql_password": _password(dialogue, password_stdin),
        "sql_url": None,  # it would win over the server
    }


def _password(dialogue: _Dialogue, password_stdin: bool) -> str:
    if password_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if password := os.environ.get("PYEXPLABSYS_SQL_PASSWORD"):
        return password
    known = Settings().get("sql_password")
    question = "Password" if known is None else "Password (empty: as before)"
    return dialogue.ask(question, "--password-stdin or PYEXPLABSYS_SQL_PASSWORD", known, hide=True)


def _sqlite_url(dialogue: _Dialogue, path: Path | None) -> str:
    if path is None:
        from platformdirs import user_data_path

        default = user_data_path("PyExpLabSys", appauthor=False) / "cinfdata.db"
        path = Path(dialogue.ask("File of the database", "--sqlite", str(default)))
    path = path.expanduser().absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    return SQLITE_PREFIX + path.as_posix()


def _target(changes: Mapping[str, Any]) -> DatabaseTarget:
    """Return the database as the new settings will describe it."""
    if changes["sql_url"] is not None:
        return DatabaseTarget(sqlite_path=Path(changes["sql_url"].removeprefix(SQLITE_PREFIX)))
    return target_from_settings(
        host=changes["sql_server_host"],
        port=changes["sql_server_port"],
        database=changes["sql_database"],
        username=changes["sql_username"],
        password=changes["sql_password"],
    )


def _reached(dialogue: _Dialogue, target: DatabaseTarget) -> bool:
    try:
        with connect(target) as connection:
            print(f"connected to {connection.server}")
    except DatabaseError as error:
        if dialogue.yes:
            raise
        print(f"no connection: {error}", file=sys.stderr)
        typer.confirm("Write the settings anyway?", default=False, abort=True)
        return False
    return True


def _write_settings(dialogue: _Dialogue, changes: Mapping[str, Any]) -> None:
    path = user_settings_path()
    text = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    old = parse_user_settings(text, path)
    new = changed(text, changes, path)
    now = parse_user_settings(new, path)
    lost = [key for key in changes if old.get(key) is not None and old[key] != now.get(key)]
    if lost:
        for key in lost:
            print(f"{key} is {_SHOWN[key](old[key])} in {path}, and will be {_SHOWN[key](now.get(key))}")
        if not dialogue.agree("Change that?"):
            raise typer.Abort
    write_private(path, new)
    Settings().reset()
    print(f"settings: {path}")


def _write_script(path: Path, setup: str) -> None:
    if write_logger_script(path, setup):
        print(f"script:   {path.absolute()}; start it with: python {path}")
    else:
        print(f"script:   {path.absolute()} was there and is left as it is (--output NAME writes another one)")


def _prepare_tables(dialogue: _Dialogue, target: DatabaseTarget, setup: str) -> bool:
    """Make tables and codenames of the script if they are missing and the account may; return whether all is there."""
    try:
        with connect(target) as connection:
            table = schema.dateplots_table(setup)
            missing = _missing_codenames(connection, setup)
            if not missing and schema.exists(connection, table):
                return True
            if not dialogue.agree(f"Create the tables of {setup} and the codenames of the script now?"):
                return False
            schema.create_tables(connection, setup)
            for item in HOST_READINGS:
                if item.codename(setup) in missing:
                    codenames.add(connection, item.codename(setup), item.unit, item.description)
    except DatabaseError as error:
        print(f"the tables could not be made: {error}", file=sys.stderr)
        return False
    print(f"tables:   {table} and its codenames are ready")
    return True


def _missing_codenames(connection: Connection, setup: str) -> set[str]:
    wanted = {item.codename(setup) for item in HOST_READINGS}
    if not schema.exists(connection, schema.DESCRIPTIONS):
        return wanted
    return wanted - {entry.codename for entry in codenames.listing(connection)}


def _tell_tables(setup: str, *, done: bool) -> None:
    if done:
        return
    print("next, with an account that may create tables:")
    print(f"    pyexplabsys database create --setup {setup}")
    for item in HOST_READINGS:
        print(
            f"    pyexplabsys database codename add {item.codename(setup)} --unit {item.unit} "
            f"--description '{item.description}'"
        )
