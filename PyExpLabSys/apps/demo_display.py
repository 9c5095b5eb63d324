"""What the demo shows while it runs: a live table in a terminal, plain lines elsewhere."""

import logging
import math
import shlex
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.logging import RichHandler
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

PLOTTED_READINGS = 60
NARROWEST_PLOT = 8
BLOCKS = "▁▂▃▄▅▆▇█"
#: For terminals that show no more than ASCII.
ASCII_BLOCKS = "_.-~=+*#"
PLAIN_LINE_EVERY_S = 5.0
SI_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass
class Channel:
    """One codename of the demo, and what became of its points.

    Attributes:
        codename: Its name in the database.
        unit: Unit of its values.
        smallest_span: Smallest difference that fills the plot's height, for a rate in decades; noise below looks flat.
        rate: The values range over decades from zero: logarithmic plot, prefixes for the unit.
        readings: The last values, newest last.
        enqueued: Points handed to the logger.
        stored: Points seen in the database.
    """

    codename: str
    unit: str
    smallest_span: float = 1.0
    rate: bool = False
    readings: deque[float] = field(default_factory=lambda: deque(maxlen=PLOTTED_READINGS))
    enqueued: int = 0
    stored: int = 0

    @property
    def latest(self) -> str:
        """The last value with its unit."""
        return format_value(self.readings[-1], self.unit, prefixes=self.rate) if self.readings else "-"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands.

    Attributes:
        channels: The codenames.
        waiting: Points in the queue.
        elapsed_s: Time since the start in s.
        left_s: Time to the end in s; None when only Ctrl-C ends it.
        database: The file, for people.
    """

    channels: Sequence[Channel]
    waiting: int
    elapsed_s: float
    left_s: float | None
    database: str


def format_value(value: float, unit: str, *, prefixes: bool = False) -> str:
    """Return a value with its unit, in ten characters or so: ``12.3 kB/s``."""
    if prefixes:
        for factor, prefix in SI_PREFIXES:
            # 999.95 would be shown as 1000.0.
            if abs(value) >= 0.99995 * factor:
                return f"{value / factor:.1f} {prefix}{unit}"
        return f"{value:.0f} {unit}"
    return f"{value:.1f} {unit}"


def format_duration(seconds: int) -> str:
    """Return a time as minutes and seconds, with hours when there are any: ``0:07``, ``2:00:31``."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def sparkline(
    values: Iterable[float], *, smallest_span: float = 0.0, decades: bool = False, blocks: str = BLOCKS
) -> str:
    """Return a plot one character high, one character for each value; a blank where a value is no number.

    Args:
        values: What to plot.
        smallest_span: Smallest difference that fills the height; values that differ less lie around the middle.
        decades: Plot the decades above 1, from the bottom up; zero and negative values lie there too.
        blocks: The characters, lowest first.
    """
    heights = [math.log10(max(value, 1.0)) if decades and math.isfinite(value) else value for value in values]
    finite = [height for height in heights if math.isfinite(height)]
    if not finite:
        return " " * len(heights)
    lowest = 0.0 if decades else min(finite)
    span = max(max(finite) - lowest, smallest_span)
    if not decades:
        lowest -= (span - (max(finite) - lowest)) / 2
    return "".join(_block((height - lowest) / span if span else 0.5, blocks) for height in heights)


def _block(height: float, blocks: str) -> str:
    return blocks[min(int(height * len(blocks)), len(blocks) - 1)] if math.isfinite(height) else " "


@dataclass(frozen=True)
class _Plot:
    """A channel's plot in a table: takes the width that is left, and fills it from the right with the last values."""

    channel: Channel

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        readings = list(self.channel.readings)[-options.max_width :]
        line = sparkline(
            readings,
            smallest_span=self.channel.smallest_span,
            decades=self.channel.rate,
            blocks=ASCII_BLOCKS if options.ascii_only else BLOCKS,
        )
        yield Segment(line.rjust(min(options.max_width, PLOTTED_READINGS)), console.get_style("cyan"))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(NARROWEST_PLOT, options.max_width), min(PLOTTED_READINGS, options.max_width))


def live_view(progress: Progress) -> Group:
    """Return the table and the line below it, for a terminal; colours are those of the terminal's own palette."""
    table = Table(title="This computer, logged by PyExpLabSys", title_style="bold", title_justify="left")
    table.add_column("codename", no_wrap=True, overflow="ellipsis")
    table.add_column("latest", justify="right", no_wrap=True, min_width=10)
    table.add_column("enqueued", justify="right", no_wrap=True)
    table.add_column("stored", justify="right", no_wrap=True)
    # The one column that may shrink: rich first narrows those that may wrap.
    table.add_column(Text(f"last {PLOTTED_READINGS} readings", no_wrap=True, overflow="crop"))
    for channel in progress.channels:
        # What was enqueued a moment ago is still on its way.
        style = "green" if channel.enqueued - channel.stored <= 1 else "bold"
        stored = Text(str(channel.stored), style=style)
        table.add_row(channel.codename, channel.latest, str(channel.enqueued), stored, _Plot(channel))
    end = "Ctrl-C ends it" if progress.left_s is None else f"{format_duration(math.ceil(progress.left_s))} left"
    state = Text(
        f"{progress.waiting} in the queue, {format_duration(int(progress.elapsed_s))} running, {end}",
        no_wrap=True,
        overflow="ellipsis",
    )
    file = Text(progress.database, style="dim", no_wrap=True, overflow="ellipsis")
    return Group(table, state, file)


def plain_line(progress: Progress) -> str:
    """Return where the run stands, for a file or a pipe."""
    values = ", ".join(f"{channel.codename} {channel.latest}" for channel in progress.channels)
    enqueued = sum(channel.enqueued for channel in progress.channels)
    stored = sum(channel.stored for channel in progress.channels)
    counts = f"{enqueued} points enqueued, {stored} in the database, {progress.waiting} waiting"
    return f"{progress.elapsed_s:.0f} s: {counts}; {values}"


@contextmanager
def view(console: Console, path: Path) -> Iterator[Callable[[Progress], None]]:
    """Give the function that shows the progress: as a live table in a terminal, as a line now and then elsewhere.

    What is logged meanwhile appears above the table, or on the error output.
    """
    if sys.stdout.isatty() and console.is_terminal and not console.is_dumb_terminal:
        # Refreshed with each reading and at no other time: no thread of its own, nothing drawn twice.
        with Live(console=console, auto_refresh=False) as live, _log_to(RichHandler(console=console, show_path=False)):
            yield lambda progress: live.update(live_view(progress), refresh=True)
    else:
        print(f"Logging this computer into {path}; Ctrl-C ends it", flush=True)
        yield _PlainLines()


class _PlainLines:
    """Prints a line for the progress when the last one is old enough."""

    def __init__(self) -> None:
        self._next_s = PLAIN_LINE_EVERY_S

    def __call__(self, progress: Progress) -> None:
        if progress.elapsed_s >= self._next_s:
            print(plain_line(progress), flush=True)
            self._next_s += PLAIN_LINE_EVERY_S


@contextmanager
def _log_to(handler: logging.Handler) -> Iterator[None]:
    """Let this handler stand in for those that would write across the table."""
    root = logging.getLogger()
    previous, root.handlers = root.handlers, [handler]
    try:
        yield
    finally:
        root.handlers = previous


def format_summary(
    channels: Sequence[Channel], stored: Mapping[str, int], left: int, path: Path
) -> tuple[list[str], int]:
    """Return the lines at the end, and the exit status: 0 when everything that was enqueued is in the database.

    Args:
        channels: The codenames, with what was enqueued.
        stored: Points of each codename in the database.
        left: Points that are still in the queue.
        path: The file.
    """
    width = max(len(channel.codename) for channel in channels)
    lines = ["", f"{'codename':{width}}  enqueued  in the database"]
    wrong = []
    for channel in channels:
        count = stored.get(channel.codename, 0)
        lines.append(f"{channel.codename:{width}}  {channel.enqueued:8}  {count:15}")
        if count != channel.enqueued:
            wrong.append(f"{channel.codename}: {channel.enqueued} points enqueued, {count} in the database")
    lines.append("")
    if wrong or left:
        lines.extend(["error: not everything arrived once", *wrong, f"{left} points are left in the queue"])
    else:
        lines.append(f"Queue empty, nothing lost, nothing twice: {sum(stored.values())} points in")
    lines.extend([f"  {path}", "", "What to try next:", *(f"  {command}" for command in next_commands(path))])
    return lines, 1 if wrong or left else 0


def next_commands(path: Path) -> list[str]:
    """Return commands that look into the file."""
    url = shlex.quote(f"sqlite:///{path}")
    return [
        f"PYEXPLABSYS_SQL_URL={url} pyexplabsys export --setup demo demo_cpu_load --output demo.csv",
        f'sqlite3 {shlex.quote(str(path))} "SELECT * FROM dateplots_demo LIMIT 5"',
    ]
