"""Changes to the user's settings file that leave the rest of it, comments included, as it was."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

from PyExpLabSys.errors import SettingsError

Value = str | int | list[str]


def changed(text: str, changes: Mapping[str, Value | None], path: Path) -> str:
    """Return the text of a settings file with some keys set, those with None taken out.

    Args:
        text: The file as it is, without faults; may be empty.
        changes: New values.
        path: Where it came from, for messages.

    Raises:
        SettingsError: The file is written in a way that only a person can change.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if isinstance(root, yaml.MappingNode) and root.flow_style:
        raise SettingsError(f"{path} is one {{...}}, which this program does not change: write one key on each line")
    return _with_changes(text, root, changes)


def write_private(path: Path, text: str) -> None:
    """Put a text in the place of a file, whole or not at all, readable by its owner only."""
    path = path.resolve()  # a link into a folder of dot files stays one
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            Path(temporary).chmod(0o600)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _with_changes(text: str, root: yaml.Node | None, changes: Mapping[str, Value | None]) -> str:
    places: dict[str, tuple[int, int]] = {}
    if isinstance(root, yaml.MappingNode):
        places = {key.value: (key.start_mark.index, _end(text, value)) for key, value in root.value}
    for key, (start, end) in sorted(places.items(), key=lambda item: item[1], reverse=True):
        value = changes.get(key)
        if value is not None:
            text = text[:start] + _dump({key: value}).rstrip("\n") + text[end:]
        elif key in changes:
            after = text.find("\n", end)
            text = text[:start] + (text[after + 1 :] if after >= 0 else "")
    added = {key: value for key, value in changes.items() if value is not None and key not in places}
    separator = "" if not text or text.endswith("\n") else "\n"
    return text + separator + _dump(added)


def _end(text: str, node: yaml.Node) -> int:
    """Return where a value ends; the parser's own mark of a list or block stands behind the next comments."""
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        node = node.value[-1]
    end = node.end_mark.index
    while end > node.start_mark.index and text[end - 1].isspace():
        end -= 1
    return end


def _dump(values: Mapping[str, Value]) -> str:
    """Return one line for each key, lists included; texts that YAML would take for something else get quotes."""
    return "".join(
        yaml.safe_dump(
            {key: value},
            default_flow_style=None if isinstance(value, list) else False,
            allow_unicode=True,
            width=float("inf"),
        )
        for key, value in values.items()
    )
