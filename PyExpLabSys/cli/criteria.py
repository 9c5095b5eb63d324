"""Try criteria on readings that are there: what would be stored, and how well that gives them back."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from PyExpLabSys.cli._database_options import Database, Host, Port, Username, open_database

if TYPE_CHECKING:
    from PyExpLabSys.database.reading import Points
    from PyExpLabSys.setups.trial import Trial

app = typer.Typer(no_args_is_help=True)

Bound = Annotated[str | None, typer.Option(help="ISO 8601 with a time zone, or unix seconds. Default: no bound.")]


@app.callback()
def _group() -> None:
    """Try criteria on readings that are there."""


@app.command("try")
def try_(
    codename: Annotated[str | None, typer.Argument(help="Whose readings. Not needed for a file with one.")] = None,
    criterion: Annotated[
        list[str] | None,
        typer.Option(help="As in a script: 'Deviation(absolute=0.5)'. As often as there are some to compare."),
    ] = None,
    setup: Annotated[
        str | None, typer.Option(help="Take the readings from the table dateplots_NAME.", metavar="NAME")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Take them from a CSV file with times and values.", exists=True, dir_okay=False)
    ] = None,
    start: Bound = None,
    end: Bound = None,
    relative: Annotated[bool, typer.Option("--relative", help="Errors as a part of the reading.")] = False,
    steps: Annotated[bool, typer.Option("--steps", help="Each point holds until the next; no lines.")] = False,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw readings, lines and errors.")] = True,
    host: Host = None,
    port: Port = None,
    database: Database = None,
    username: Username = None,
) -> None:
    """Say which share of old readings criteria would have stored, and how far lines between these points miss them.

    Example: pyexplabsys criteria try reactor_3_pressure --setup reactor_3 --start 2026-03-01T00:00:00+01:00
    --criterion 'Deviation(logarithmic=0.1)' --criterion 'ErrorBound(relative=0.05)'
    """
    from PyExpLabSys.cli._criterion_text import parse_criterion
    from PyExpLabSys.cli._readings_file import read_file
    from PyExpLabSys.database.reading import Reader
    from PyExpLabSys.database.schema import dateplots_table
    from PyExpLabSys.setups.trial import try_selector

    if not criterion:
        raise typer.BadParameter("say which criterion to try: --criterion 'Deviation(absolute=0.5)'")
    selectors = {text: parse_criterion(text) for text in criterion}
    if file is not None and setup is None:
        readings = read_file(file, codename, start, end)
    elif setup is not None and file is None and codename is not None:
        with open_database(host, port, database, username, reading=True) as connection:
            readings = Reader(connection, dateplots_table(setup)).read_points(codename, start, end)
    else:
        raise typer.BadParameter("say where the readings are: a codename with --setup, or --file")
    if not len(readings):
        raise ValueError(f"there are no readings of {codename or file} in this span")
    trials = {
        text: try_selector(selector, readings.times, readings.values, steps=steps)
        for text, selector in selectors.items()
    }
    _show_table(readings, trials, relative=relative)
    if plot:
        _show_plots(trials, relative=relative)


def _show_table(readings: "Points", trials: "dict[str, Trial]", *, relative: bool) -> None:
    unit = "" if relative or not readings.unit else f" ({readings.unit})"
    heads = ("criterion", "points", "share", f"largest error{unit}", f"rms error{unit}")
    rows = [heads] + [
        (
            text,
            str(len(trial.stored)),
            f"{100.0 * trial.share:.3g} %",
            f"{trial.largest_error(relative=relative):.3g}",
            f"{trial.rms_error(relative=relative):.3g}",
        )
        for text, trial in trials.items()
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    print(f"{len(readings)} readings of {readings.codename}\n")
    for first, *others in rows:
        cells = (f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
        print("  ".join((f"{first:<{widths[0]}}", *cells)))
    for text, trial in trials.items():
        if trial.missed:
            print(f"{text}: {trial.missed} readings are a number where the points say none, or the contrary")


def _show_plots(trials: "dict[str, Trial]", *, relative: bool) -> None:
    from rich.console import Console

    from PyExpLabSys.cli._trial_plot import SAMPLE, plot

    try:
        SAMPLE.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        print("\nNo plot: this terminal shows no such characters.")
        return
    console = Console(soft_wrap=True)
    for text, trial in trials.items():
        print(f"\n{text}")
        console.print(plot(trial, relative=relative))
