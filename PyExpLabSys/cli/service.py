"""Print a systemd unit that runs a setup's script from boot on."""

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer


def command(
    script: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Such as machine_config/furnace/logger.py.")
    ],
    user: Annotated[str | None, typer.Option(help="Account that runs it. Default: yours.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Its working folder. Default: the script's.")] = None,
    python: Annotated[Path | None, typer.Option(help="Its Python. Default: the one that runs this.")] = None,
) -> None:
    """Print the text of a systemd unit, which starts the script at boot, and anew when it ends or hangs.

    Nothing is installed; the first lines of the unit say how that is done.

    Example: pyexplabsys service machine_config/furnace/logger.py --user pi
    """
    from PyExpLabSys.setups.service_unit import service_unit

    interpreter = Path(sys.executable) if python is None else python
    print(service_unit(script, python=interpreter, user=user or getpass.getuser(), folder=folder), end="")
