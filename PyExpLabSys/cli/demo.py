"""Log this computer's own readings into a new SQLite file, and watch it."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    seconds: Annotated[
        float | None,
        typer.Option(envvar="DEMO_SECONDS", min=1.0, help="How long to log, in s. Without it until Ctrl-C."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Where the new file goes. Without it the folder for the user's data."),
    ] = None,
) -> None:
    """Log this computer's own readings (load, memory, disk, network, temperature) into a new SQLite file.

    A live table shows them on their way, and at the end every point in the file is counted. No server, no instrument
    and no settings are needed, and a database that the settings name is not touched.
    """
    from PyExpLabSys.apps.demo import run_demo

    raise typer.Exit(run_demo(seconds, folder))
