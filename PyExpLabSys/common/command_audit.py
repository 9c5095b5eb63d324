"""The record of all commands that came over the network: who, when, what, and what became of it.

Each command is one line of JSON at level INFO of the logger ``PyExpLabSys.audit``, a refused one at WARNING. Where the
setting ``command_audit_file`` names a file, the lines go there instead of to the handlers of the program's log.
"""

import json
import logging
import logging.handlers
import threading
from datetime import UTC, datetime
from pathlib import Path

from PyExpLabSys.settings import Settings

AUDIT = logging.getLogger("PyExpLabSys.audit")

#: A command or outcome that is longer is cut, its length is told.
MOST_CHARACTERS = 1000
FILE_BYTES, FILES = 10_000_000, 10

_lock = threading.Lock()


def record(*, server: str, sender: str, command: str, outcome: str, is_signed: bool, is_refused: bool = False) -> None:
    """Write down one command.

    Args:
        server: What received it, such as ``furnace:8500``.
        sender: The address that it came from.
        command: Its text.
        outcome: What was replied.
        is_signed: Whether a valid signature came with it.
        is_refused: Whether it was refused because of who sent it.
    """
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "server": server,
        "sender": sender,
        "signed": is_signed,
        "refused": is_refused,
        "command": _cut(command),
        "outcome": _cut(outcome),
    }
    # JSON escapes line feeds: no command can forge a line.
    AUDIT.log(logging.WARNING if is_refused else logging.INFO, "%s", json.dumps(line))


def use_configured_file() -> None:
    """Let the lines go to the file of the setting ``command_audit_file``, if there is one.

    Raises:
        OSError: The file cannot be opened; a lab that wants a record must not go on without.
    """
    path: Path | None = Settings().get("command_audit_file")
    if path is None:
        return
    with _lock:
        handlers = [handler for handler in AUDIT.handlers if isinstance(handler, _AuditFile)]
        if any(handler.path == path for handler in handlers):
            return
        handler = _AuditFile(path)
        for old in handlers:
            AUDIT.removeHandler(old)
            old.close()
        AUDIT.addHandler(handler)
        AUDIT.setLevel(logging.INFO)
        AUDIT.propagate = False


class _AuditFile(logging.handlers.RotatingFileHandler):
    """Ten files of 10 MB at most."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(path, maxBytes=FILE_BYTES, backupCount=FILES - 1, encoding="utf-8")
        self.setFormatter(logging.Formatter("%(message)s"))


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}... ({len(text)} characters)"
