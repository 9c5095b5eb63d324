"""Write points from the database into a CSV or Parquet file."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from PyExpLabSys.cli._database_options import Database, Host, Port, SetupName, Username, open_database


class FileFormat(StrEnum):
    """What can be written."""

    CSV = "csv"
    PARQUET = "parquet"


Bound = Annotated[str | None, typer.Option(help="ISO 8601 with a time zone, or unix seconds. Default: no bound.")]


def command(
    codenames: Annotated[list[str], typer.Argument(metavar="CODENAME", help="What to export.")],
    setup: SetupName,
    output: Annotated[Path, typer.Option(help="The file to write.", dir_okay=False)],
    format: Annotated[  # noqa: A002 (the option's name)
        FileFormat | None, typer.Option(help="Default: by the ending of the file's name.")
    ] = None,
    start: Bound = None,
    end: Bound = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    host: Host = None,
    port: Port = None,
    database: Database = None,
    username: Username = None,
) -> None:
    """Write the points of one or more codenames, from --start until before --end, into a file.

    The file appears when it is complete. Memory stays the same however long the span.

    Example: pyexplabsys export --setup reactor_3 reactor_3_pressure --start 2026-03-01T00:00:00+01:00 --output p.csv
    """
    from PyExpLabSys.database.export import export_points
    from PyExpLabSys.database.reading import Reader, to_unixtime_s
    from PyExpLabSys.database.schema import dateplots_table

    chosen = format or _format_of(output)
    if output.exists() and not overwrite:
        raise typer.BadParameter(f"{output} exists; choose another name, or give --overwrite")
    first, last = (None if text is None else to_unixtime_s(text) for text in (start, end))
    with open_database(host, port, database, username, reading=True) as connection, _progress_bar() as progress:
        reader = Reader(connection, dateplots_table(setup))
        written = export_points(reader, codenames, output, chosen.value, start=first, end=last, progress=progress)
    print(f"{written} points in {output}")


def _format_of(path: Path) -> FileFormat:
    try:
        return FileFormat(path.suffix.lower().removeprefix("."))
    except ValueError:
        raise typer.BadParameter(f"{path.name} ends in neither .csv nor .parquet: give --format") from None


@contextmanager
def _progress_bar() -> Iterator[Callable[[float, int], None] | None]:
    """Give what shows progress, on a terminal; on standard error, so that a pipe gets nothing of it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # only when there is someone to see it
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TextColumn("{task.percentage:3.0f} %"), TextColumn("{task.description}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("0 points", total=1.0)
        yield lambda share, points: bar.update(task, completed=share, description=f"{points} points")
