"""Log simulated instruments and this computer into a new SQLite file, and watch it."""

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
    """Log a simulated furnace, vacuum gauge and air sensor, and this computer's own readings, into a new SQLite file.

    A plot and a live table show them on their way, and at the end every point in the file is counted. No server, no
    instrument and no settings are needed, and a database that the settings name is not touched.
    """
    from PyExpLabSys.apps.demo import run_demo

    raise typer.Exit(run_demo(seconds, folder))
