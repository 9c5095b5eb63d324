"""What all commands that talk to the database ask for, and how they get a connection from it."""

import os
import sys
from typing import Annotated

import typer

from PyExpLabSys.database.connection import Connection
from PyExpLabSys.database.target import DatabaseTarget, target_from_settings
from PyExpLabSys.errors import SettingsError
from PyExpLabSys.settings import Settings
from PyExpLabSys.settings.keys import BY_NAME

Host = Annotated[str | None, typer.Option(help="Database server, name or name:port. Default: sql_server_host.")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Its port. Default: sql_server_port.")]
Database = Annotated[str | None, typer.Option(help="Name of the database. Default: sql_database.")]
Username = Annotated[
    str | None,
    typer.Option(
        help="Account. Its password is asked for, or comes from PYEXPLABSYS_SQL_PASSWORD. Default: sql_username."
    ),
]
SetupName = Annotated[
    str, typer.Option("--setup", help="Name of the setup: its table is dateplots_NAME.", metavar="NAME")
]


def open_database(
    host: str | None, port: int | None, database: str | None, username: str | None, *, reading: bool = False
) -> Connection:
    """Return a connection to the database of the options, else of the settings.

    With ``reading`` the lab's common account for reading is used, if the settings have one and no other was asked for.
    """
    from PyExpLabSys.database.opening import connect

    return connect(_target(host, port, database, username, reading=reading))


def _target(
    host: str | None, port: int | None, database: str | None, username: str | None, *, reading: bool
) -> DatabaseTarget:
    settings = Settings()
    if settings.get("sql_url") and host is None:
        return target_from_settings(settings=settings)
    if reading and username is None and settings.get("common_sql_reader_user"):
        username, password = settings.common_sql_reader_user, settings.get("common_sql_reader_password", "")
    else:
        password = _password(username or settings.get("sql_username"), settings)
    return target_from_settings(
        host=host, port=port, database=database, username=username, password=password, settings=settings
    )


def _password(username: str | None, settings: Settings) -> str | None:
    """Return the password of an account: from the settings if it is theirs, else from the environment or a person."""
    variable = BY_NAME["sql_password"].variable
    if username == settings.get("sql_username") and settings.get("sql_password") is not None:
        return str(settings.sql_password)
    if variable in os.environ:
        return os.environ[variable]
    if username is None:
        return None  # what is missing then is the account, and that is said elsewhere
    if sys.stdin.isatty():
        return str(typer.prompt(f"Password of {username}", default="", hide_input=True, show_default=False))
    raise SettingsError(f"the password of {username} is missing: set sql_password, or {variable} in the environment")
