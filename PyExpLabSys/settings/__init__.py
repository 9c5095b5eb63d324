"""What a lab configures once: servers, accounts, addresses.

A value is looked for in this order: assigned at run time, the environment variable ``PYEXPLABSYS_<KEY>``, the user's
file (:func:`user_settings_path`), the default. An empty environment variable counts as not set, and so does a key
without a value in the file. The file is read when it is first needed, never at import.
"""

import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any, ClassVar

from PyExpLabSys.settings.keys import BY_NAME, KEYS, Key, MissingSettingError, UnknownSettingError, find, parse_hosts
from PyExpLabSys.settings.user_file import parse_user_settings, read_user_settings

__all__ = [
    "KEYS",
    "USERSETTINGS_PATH",
    "Key",
    "MissingSettingError",
    "Settings",
    "UnknownSettingError",
    "parse_hosts",
    "parse_user_settings",
    "user_settings_path",
]

LOGGER = logging.getLogger(__name__)


def _platform_path() -> Path:
    if sys.platform == "win32":
        from platformdirs import user_config_path

        folder = user_config_path("PyExpLabSys", appauthor=False)
    else:
        configured = os.environ.get("XDG_CONFIG_HOME", "") if sys.platform != "darwin" else ""
        # os.path.expanduser, not Path.home(): an account without home must not make the import fail.
        home = os.path.expanduser("~/.config")  # noqa: PTH111
        folder = Path(configured if Path(configured).is_absolute() else home, "PyExpLabSys")
    return folder / "user_settings.yaml"


#: Path of the user's file. A script may assign another one.
USERSETTINGS_PATH = _PATH_AT_IMPORT = _platform_path()


def user_settings_path() -> Path:
    """Return the path of the user's file: an assigned ``USERSETTINGS_PATH``, else the platform's place as of now."""
    return _platform_path() if USERSETTINGS_PATH is _PATH_AT_IMPORT else Path(USERSETTINGS_PATH)


class Settings:
    """The settings as attributes; all instances share one state, and every thread may use them.

    Reading a required key that has no value raises :class:`MissingSettingError`, an unknown key
    :class:`UnknownSettingError`; both are also an :class:`AttributeError`. Assigning None means "no value".
    """

    settings_names: ClassVar[list[str]] = list(BY_NAME)
    _lock: ClassVar[threading.RLock] = threading.RLock()
    _assigned: ClassVar[dict[str, Any]] = {}
    _file: ClassVar[tuple[Path, dict[str, Any]] | None] = None
    _warned: ClassVar[set[Path]] = set()

    def __getattr__(self, name: str) -> Any:
        value, _ = self._look_up(find(name))
        if value is None:
            raise MissingSettingError(
                f"the setting {name} has no value: add '{name}: ...' to {user_settings_path()}, set the environment "
                f"variable {BY_NAME[name].variable}, or run pyexplabsys init"
            )
        return value

    def __setattr__(self, name: str, value: object) -> None:
        converted = find(name).convert(value, "assigned setting")
        with self._lock:
            self._assigned[name] = converted

    def __delattr__(self, name: str) -> None:
        """Take back an assignment; other sources count again."""
        with self._lock:
            self._assigned.pop(find(name).name, None)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *BY_NAME]

    def __repr__(self) -> str:
        return f"<Settings, user file {str(user_settings_path())!r}>"

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, ``default`` when it has none."""
        value, _ = self._look_up(find(key))
        return default if value is None else value

    def reset(self) -> None:
        """Forget all assignments and what was read from the user's file."""
        with self._lock:
            self._assigned.clear()
            Settings._file = None

    def print_settings(self) -> None:
        """Print each key with its default, the value that replaces it, and where that comes from; no secrets."""
        rows = [("Key", "Default", "User", "From")]
        for key in KEYS:
            value, source = self._look_up(key)
            user = "" if source == "default" else key.shown(value)
            rows.append((key.name, "" if key.default is None else repr(key.default), user, source))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        lines.insert(1, "=" * (sum(widths) + 6))
        sys.stdout.write("\n".join(lines) + "\n")

    def _look_up(self, key: Key) -> tuple[Any, str]:
        """Return the value of a key, and where it stands."""
        with self._lock:
            if key.name in self._assigned:
                return self._assigned[key.name], "assigned"
            if text := os.environ.get(key.variable):
                return key.convert(text, f"environment variable {key.variable}"), "environment"
            in_file = self._read_once().get(key.name)
            return (key.default, "default") if in_file is None else (in_file, "user file")

    def _read_once(self) -> dict[str, Any]:
        path = user_settings_path()
        if Settings._file is None or Settings._file[0] != path:
            values, open_to_others = read_user_settings(path)
            secrets = [key.name for key in KEYS if key.secret and values.get(key.name) is not None]
            if secrets and open_to_others and path not in self._warned:
                LOGGER.warning("%s holds %s and others may read it: chmod 600 it", path, " and ".join(secrets))
                self._warned.add(path)
            Settings._file = (path, values)
        return Settings._file[1]
