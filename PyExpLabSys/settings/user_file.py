"""The user's file: YAML, one ``key: value`` on each line."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PyExpLabSys.errors import SettingsError
from PyExpLabSys.settings.keys import BY_NAME, TYPES, Key, unknown

if TYPE_CHECKING:
    import yaml

_KEY = re.compile("[A-Za-z0-9_]+")
_NULL = "tag:yaml.org,2002:null"


def parse_user_settings(text: str, path: Path) -> dict[str, Any]:
    """Return the settings in the text of a user's file.

    Args:
        text: The file's content.
        path: Where it came from, for messages.

    Raises:
        SettingsError: It is not YAML, not a mapping, or has an unknown, repeated or wrong key. Names file, line, key.
    """
    node, line = _compose(text)
    if line:
        slip = _KEY.match((text.splitlines()[line - 1 : line] or [""])[0].lstrip())
        at = f" at {slip[0]}" if slip and slip[0] in BY_NAME else ""
        raise SettingsError(
            f"{path}, line {line}: not valid YAML{at}. Write one 'key: value' on each line, "
            "and quotes around a value with any of : # & * ! % @ ` ' \" [ ] { } , > |"
        )
    if node is None or node.tag == _NULL:
        return {}
    if not _is(node, "mapping"):
        raise SettingsError(f"{path}, line {_line(node)}: expected 'key: value' on each line")
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        where = f"{path}, line {_line(key_node)}"
        if (
            not _is(key_node, "scalar") or _KEY.fullmatch(key_node.value) is None
        ):  # not shown: it may be a slip of a value
            raise SettingsError(f"{where}: expected 'key: value'")
        if key_node.value not in BY_NAME:
            raise SettingsError(f"{where}: {unknown(key_node.value)}")
        key = BY_NAME[key_node.value]
        if key.name in values:
            raise SettingsError(f"{where}: {key.name} is set a second time; keep one of the lines")
        values[key.name] = key.convert(_plain(value_node, key, path), f"{path}, line {_line(value_node)}")
    return values


def _compose(text: str) -> tuple["yaml.Node | None", int]:
    """Return the root of a text, and 0 or the line of its first error.

    The parser's own errors quote the text, so they end here: there may be a password in it.
    """
    import yaml

    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            # A value that begins with & * or ! without quotes would silently be another one, or none.
            if event.start_mark and (getattr(event, "anchor", None) or getattr(event, "tag", None)):
                return None, event.start_mark.line + 1
        return yaml.compose(text, Loader=yaml.SafeLoader), 0
    except yaml.reader.ReaderError as error:
        return None, text.count("\n", 0, error.position) + 1
    except yaml.MarkedYAMLError as error:
        return None, error.problem_mark.line + 1 if error.problem_mark else 1


def _line(node: "yaml.Node") -> int:
    return int(node.start_mark.line) + 1


def _is(node: "yaml.Node", kind: str) -> bool:
    return getattr(node, "id", None) == kind


def _plain(node: "yaml.Node", key: Key, path: Path) -> str | list[str] | None:
    """Return a value as it is written (``0123`` and ``yes`` stay texts), a list of them as list, None for no value."""
    if node.tag == _NULL:
        return None
    if _is(node, "scalar"):
        return str(node.value)
    if _is(node, "sequence") and all(_is(item, "scalar") for item in node.value):
        return [str(item.value) for item in node.value]
    expected = TYPES[key.type][0]
    raise SettingsError(f"{path}, line {_line(node)}: {key.name} is a mapping or a nested list, expected {expected}")


def read_user_settings(path: Path) -> tuple[dict[str, Any], bool]:
    """Return the settings in a file, and whether others than its owner may read it; without a file there are none.

    Raises:
        SettingsError: It cannot be read, or :func:`parse_user_settings` refuses it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read().decode("utf-8-sig", errors="replace")
    except FileNotFoundError:
        return {}, False
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    if "\N{REPLACEMENT CHARACTER}" in text:
        line = text.count("\n", 0, text.index("\N{REPLACEMENT CHARACTER}")) + 1
        raise SettingsError(f"{path}, line {line}: not UTF-8 text; save the file with that encoding")
    return parse_user_settings(text, path), os.name == "posix" and bool(mode & 0o077)
