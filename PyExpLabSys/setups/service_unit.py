"""The text of the systemd unit that runs a setup's script from boot on, for years."""

import re
from pathlib import Path

from PyExpLabSys.errors import SettingsError

WATCHDOG_S = 120
RESTART_S = 10
STOP_S = 300

_UNIT = """\
# Save this as /etc/systemd/system/{name}.service, then:
#   sudo systemctl daemon-reload && sudo systemctl enable --now {name}
# What it does:  systemctl status {name}       Its log:  journalctl -u {name}

[Unit]
Description={description}
Wants=network-online.target
After=network-online.target time-sync.target
# Never give up: an instrument or a server may be away for weeks.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
User={user}
WorkingDirectory={folder}
ExecStart={python} {script}
Environment=PYTHONUNBUFFERED=1
Restart=always
RestartSec={restart_s}
# Not a sign of life for so long, because a call hangs: start anew.
WatchdogSec={watchdog_s}
# Time to deliver what is queued.
TimeoutStopSec={stop_s}

[Install]
WantedBy=multi-user.target
"""


def service_name(script: Path) -> str:
    """Return a name for the service of a script: ``furnace`` for ``machine_config/furnace/logger.py``."""
    name = script.parent.name if script.stem in {"logger", "main"} else script.stem
    return re.sub(r"[^0-9A-Za-z_.-]+", "-", f"pyexplabsys-{name}")


def service_unit(script: Path, *, python: Path, user: str, folder: Path | None = None) -> str:
    """Return the text of a unit.

    Args:
        script: The setup's script.
        python: The interpreter that runs it, that of the environment with PyExpLabSys.
        user: The account that runs it: one that may open the ports, and needs no other right.
        folder: The working folder; None: the script's.

    Raises:
        SettingsError: There is no such script, or a name cannot stand in a unit.
    """
    script = script.absolute()
    if not script.is_file():
        raise SettingsError(f"there is no script {script}")
    if not re.fullmatch(r"[A-Za-z_][0-9A-Za-z_.-]*\$?", user):
        raise SettingsError(f"{user!r} is no name of an account")
    folder = script.parent if folder is None else folder.absolute()
    for path in (script, python, folder):
        if re.search(r"[\x00-\x1f\x7f]", str(path)):
            raise SettingsError(f"{str(path)!r} holds a control character and cannot stand in a unit")
    return _UNIT.format(
        name=service_name(script),
        description=f"Logger of {script.parent.name}".replace("%", "%%"),
        user=user,
        folder=_unspecified(str(folder)),
        python=_quoted(str(python.absolute())),
        script=_quoted(str(script)),
        restart_s=RESTART_S,
        watchdog_s=WATCHDOG_S,
        stop_s=STOP_S,
    )


def _unspecified(text: str) -> str:
    """Return text in which % stands for itself."""
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """Return one word of a command line of systemd."""
    text = _unspecified(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{text}"' if re.search(r"[\s'\";]", text) else text
