"""What the demo shows while it runs: a plot and a live table in a terminal, plain lines elsewhere."""

import logging
import math
import shlex
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.logging import RichHandler
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from PyExpLabSys.apps.demo_plots import ASCII_BLOCKS, BLOCKS, LINEAR, Scale, curves, sparkline
from PyExpLabSys.setups import Gap, Reading

PLOTTED_READINGS = 60
NARROWEST_PLOT = 8
#: The curves: the last one is in front.
CURVES = {"demo_furnace_setpoint": "yellow", "demo_furnace_temperature": "red"}
CURVES_TITLE = "Furnace, simulated: temperature and set point in degC"
LOWEST_CURVES, HIGHEST_CURVES, WIDEST_CURVES = 3, 16, 112
#: What stands left of the curves: the scale.
LABEL_WIDTH = 6
#: Lines of the view beside rows and curves: title of the curves, two of the table's head, two below the table.
OTHER_LINES = 5
PLAIN_LINE_EVERY_S = 5.0


@dataclass
class Channel:
    """One codename of the demo, and what became of its points.

    Attributes:
        codename: Its name in the database.
        unit: Unit of its values.
        scale: How its values are plotted and written.
        readings: The last values, newest last; NaN where there was none.
        enqueued: Points handed on to be stored.
        stored: Points seen in the database.
    """

    codename: str
    unit: str
    scale: Scale = LINEAR
    readings: deque[float] = field(default_factory=lambda: deque(maxlen=PLOTTED_READINGS))
    enqueued: int = 0
    stored: int = 0

    def note(self, what: Reading | Gap) -> None:
        """Take what was read, or that there is no reading."""
        self.readings.append(math.nan if isinstance(what, Gap) else what.value)
        self.enqueued += isinstance(what, Reading) and what.stored

    @property
    def latest(self) -> str:
        """The last value with its unit."""
        return self.scale.text(self.readings[-1], self.unit) if self.readings else "-"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands.

    Attributes:
        channels: The codenames.
        elapsed_s: Time since the start in s.
        left_s: Time to the end in s; None when only Ctrl-C ends it.
        database: The file, for people.
    """

    channels: Sequence[Channel]
    elapsed_s: float
    left_s: float | None
    database: str

    @property
    def enqueued(self) -> int:
        """Points handed on to be stored."""
        return sum(channel.enqueued for channel in self.channels)

    @property
    def stored(self) -> int:
        """Points seen in the database."""
        return sum(channel.stored for channel in self.channels)


def format_duration(seconds: int) -> str:
    """Return a time as minutes and seconds, with hours when there are any: ``0:07``, ``2:00:31``."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


@dataclass(frozen=True)
class _Plot:
    """A channel's plot in a table: takes the width that is left, and fills it from the right with the last values."""

    channel: Channel

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        readings = list(self.channel.readings)[-options.max_width :]
        line = sparkline(readings, self.channel.scale, ASCII_BLOCKS if options.ascii_only else BLOCKS)
        yield Segment(line.rjust(min(options.max_width, PLOTTED_READINGS)), console.get_style("cyan"))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(NARROWEST_PLOT, options.max_width), min(PLOTTED_READINGS, options.max_width))


@dataclass(frozen=True)
class _Curves:
    """The curves with a scale at their left, as high as a view has room for; nothing if that is too little."""

    channels: Sequence[Channel]
    height: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.height < LOWEST_CURVES or options.ascii_only or not self.channels:
            return
        yield Text(CURVES_TITLE, style="bold", no_wrap=True, overflow="ellipsis")
        series = [channel.readings for channel in self.channels]
        low, high = LINEAR.span(value for values in series for value in values)
        labels = {0: f"{high:.0f}", self.height - 1: f"{low:.0f}"}
        width = max(min(options.max_width, WIDEST_CURVES) - LABEL_WIDTH - 1, 1)
        for number, row in enumerate(curves(series, width=width, height=self.height, slots=PLOTTED_READINGS)):
            yield Segment(f"{labels.get(number, ''):>{LABEL_WIDTH}}│")
            for cell in row:
                style = "" if cell.series is None else CURVES[self.channels[cell.series].codename]
                yield Segment(cell.character, console.get_style(style))
            yield Segment.line()


def live_view(progress: Progress, *, lines: int) -> RenderableType:
    """Return curves, table and the lines below it, for a terminal; colours are those of the terminal's own palette.

    Args:
        progress: What is shown.
        lines: So many lines the terminal has.
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("codename", no_wrap=True, overflow="ellipsis")
    table.add_column("latest", justify="right", no_wrap=True, min_width=10)
    table.add_column("stored", justify="right", no_wrap=True)
    # The one column that may shrink: rich first narrows those that may wrap.
    table.add_column(Text("last readings", no_wrap=True, overflow="crop"))
    for channel in progress.channels:
        # What was read a moment ago is still on its way.
        style = "green" if channel.enqueued - channel.stored <= 1 else "bold"
        table.add_row(channel.codename, channel.latest, Text(str(channel.stored), style=style), _Plot(channel))
    end = "Ctrl-C ends it" if progress.left_s is None else f"{format_duration(math.ceil(progress.left_s))} left"
    state = Text(
        f"{progress.stored} points stored, {progress.enqueued - progress.stored} on their way, "
        f"{format_duration(int(progress.elapsed_s))} running, {end}",
        no_wrap=True,
        overflow="ellipsis",
    )
    file = Text(progress.database, style="dim", no_wrap=True, overflow="ellipsis")
    by_name = {channel.codename: channel for channel in progress.channels}
    plotted = [by_name[codename] for codename in CURVES if codename in by_name]
    # One line stays free: the cursor stands there.
    height = min(lines - 1 - OTHER_LINES - len(progress.channels), HIGHEST_CURVES)
    return Group(_Curves(plotted, height), table, state, file)


def plain_line(progress: Progress) -> str:
    """Return where the run stands, for a file or a pipe."""
    values = ", ".join(f"{channel.codename} {channel.latest}" for channel in progress.channels)
    counts = f"{progress.enqueued} points enqueued, {progress.stored} in the database"
    return f"{progress.elapsed_s:.0f} s: {counts}; {values}"


@contextmanager
def view(console: Console, path: Path) -> Iterator[Callable[[Progress], None]]:
    """Give the function that shows the progress: as a live table in a terminal, as a line now and then elsewhere.

    What is logged meanwhile appears above the table, or on the error output.
    """
    if sys.stdout.isatty() and console.is_terminal and not console.is_dumb_terminal:
        # Refreshed with each reading and at no other time: no thread of its own, nothing drawn twice.
        with Live(console=console, auto_refresh=False) as live, _log_to(RichHandler(console=console, show_path=False)):
            yield lambda progress: live.update(live_view(progress, lines=console.height), refresh=True)
    else:
        print(f"Logging three simulated instruments and this computer into {path}; Ctrl-C ends it", flush=True)
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
        f"PYEXPLABSYS_SQL_URL={url} pyexplabsys export --setup demo demo_furnace_temperature --output demo.csv",
        f'sqlite3 {shlex.quote(str(path))} "SELECT * FROM dateplots_demo LIMIT 5"',
    ]
