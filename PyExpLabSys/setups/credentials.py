"""Finds the account of a setup: arguments, else a file beside the script, else the settings."""

import logging
import runpy
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PyExpLabSys.database.target import DatabaseTarget, target_from_settings
from PyExpLabSys.errors import SettingsError

LOGGER = logging.getLogger(__name__)

USERNAMES = ("username", "user")
PASSWORDS = ("password", "passwd")


@dataclass(frozen=True)
class Credentials:
    """An account of the database; None: the settings have it."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)


def choose_database(
    username: str | None,
    password: str | None,
    folder: Path,
    *,
    host: str | Sequence[str] | None = None,
    port: int | None = None,
    database: str | None = None,
) -> DatabaseTarget:
    """Return the database that arguments, credentials in the script's folder, and settings name, in this order.

    Raises:
        SettingsError: Something is missing or wrong.
    """
    account = find_credentials(username, password, folder)
    return target_from_settings(
        username=account.username, password=account.password, host=host, port=port, database=database
    )


def find_credentials(username: str | None, password: str | None, folder: Path) -> Credentials:
    """Return the account of a setup.

    Args:
        username: As the script gives it; then no file counts.
        password: Its password.
        folder: The script's: ``credentials.py`` there defines ``username`` and ``password``, or ``user`` and
            ``passwd``; ``credentials.toml`` does the same.

    Raises:
        SettingsError: A file is there and does not say what it should.
    """
    if username is not None:
        return Credentials(username, password)
    for name, read in (("credentials.py", _read_python), ("credentials.toml", _read_toml)):
        path = folder / name
        if path.is_file():
            values = read(path)
            _warn_of_readers(path)
            return Credentials(_one_of(values, USERNAMES, path), password or _one_of(values, PASSWORDS, path))
    return Credentials(None, password)


def _read_python(path: Path) -> dict[str, Any]:
    try:
        return runpy.run_path(str(path))
    except Exception as error:  # noqa: BLE001 - it is somebody else's program
        # Its text is not shown: it may hold the password.
        raise SettingsError(f"{path} is no Python that runs: {type(error).__name__}") from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is no TOML: {type(error).__name__}") from None


def _one_of(values: dict[str, Any], names: tuple[str, ...], path: Path) -> str:
    value = next((values[name] for name in names if name in values), None)
    if not isinstance(value, str):
        raise SettingsError(f"{path} does not say {names[0]} = '...' (or {names[1]}) as a text")
    return value


def _warn_of_readers(path: Path) -> None:
    if sys.platform != "win32" and path.stat().st_mode & 0o077:
        LOGGER.warning("%s holds a password and others may read it: chmod 600 it", path)
