"""The demo: readings of simulated instruments and of this computer go the whole way into a new SQLite file.

It is the main job of the framework in small: instruments, a ``Setup``, a database, a plot meanwhile, and at the end a
count of what arrived. It needs no server, no instrument and no settings, and never uses what the user's settings name.
"""

import math
import os
import queue
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import platformdirs
from rich.console import Console

from PyExpLabSys.apps.demo_display import Channel, Progress, format_summary, view
from PyExpLabSys.apps.demo_plots import LINEAR, PRESSURE, RATE
from PyExpLabSys.apps.demo_setup import DESCRIPTIONS, PERIOD_S, demo_setup
from PyExpLabSys.database import codenames, schema
from PyExpLabSys.database.connection import Connection
from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.drivers.host_sensors import HostSensors
from PyExpLabSys.errors import PyExpLabSysError, SettingsError
from PyExpLabSys.settings import KEYS, Settings
from PyExpLabSys.setups import Gap, Reading, Setup

SHORTEST_RUN_S = 1.0
#: The file is on this computer: what is not stored after this long does not come any more.
DELIVERY_TIMEOUT_S = 10.0


def main() -> None:
    """Run the demo for DEMO_SECONDS, a variable of the environment; without it until Ctrl-C."""
    try:
        sys.exit(run_demo(seconds_from_environment()))
    except (PyExpLabSysError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")


def seconds_from_environment() -> float | None:
    """Return DEMO_SECONDS in s, None where it is not set.

    Raises:
        SettingsError: It is not a number.
    """
    text = os.environ.get("DEMO_SECONDS", "")
    try:
        return float(text) if text else None
    except ValueError as error:
        raise SettingsError(f"DEMO_SECONDS is {text!r}; it must be a number of seconds, such as 30") from error


def run_demo(seconds: float | None = None, folder: Path | None = None) -> int:
    """Log simulated instruments and this computer into a new SQLite file, show it, and print what arrived.

    Args:
        seconds: How long, in s, 1 at least; None: until Ctrl-C or SIGTERM, which end it in good order in any case.
        folder: Where the new file goes; None: the folder for the user's data.

    Returns:
        Exit status: 0 when all points arrived, 1 when not.

    Raises:
        ValueError: So many seconds are none.
        SettingsError: The file cannot be made in this folder, or a package is not installed.
    """
    if seconds is not None and not SHORTEST_RUN_S <= seconds < math.inf:
        raise ValueError(f"{seconds} s is no length for the demo; it must be {SHORTEST_RUN_S:.0f} s or more")
    setup = demo_setup(HostSensors())
    path = new_database(folder)
    console = Console(highlight=False)
    with _own_settings(path.parent), _stop_signals() as stop, connect(DatabaseTarget(sqlite_path=path)) as reader:
        run = DemoRun(setup, reader, path, seconds)
        with view(console, path) as show:
            left = run.log(stop, show)
    with connect(DatabaseTarget(sqlite_path=path)) as fresh:
        stored = _stored_points(fresh, setup.table)
    lines, status = format_summary(run.channels, stored, left, path)
    console.print("\n".join(lines), markup=False, soft_wrap=True)
    return status


def new_database(folder: Path | None = None) -> Path:
    """Make an empty file with a name of its own in a folder, by default that for the user's data; return its path.

    Raises:
        SettingsError: That is not possible.
    """
    if folder is None:
        folder = platformdirs.user_data_path("PyExpLabSys", appauthor=False) / "demo"
    name = f"pyexplabsys-demo-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    for suffix in ("", *(f"-{number}" for number in range(2, 100))):
        path = folder.absolute() / f"{name}{suffix}.db"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.touch(exist_ok=False)
        except FileExistsError as error:
            if not folder.is_dir():
                raise SettingsError(f"{folder} is no folder; choose another one with --folder") from error
        except OSError as error:
            raise SettingsError(f"{path} cannot be made: {error.strerror}; choose a folder with --folder") from error
        else:
            return path
    raise SettingsError(f"{folder} has a hundred files of this second; choose another folder with --folder")


class DemoRun:
    """One run of the demo: starts the setup, and watches what it reads and what arrives.

    Args:
        setup: What is read.
        reader: A connection to the file, which gets its tables and codenames here.
        path: The file.
        seconds: How long to log, in s; None: until stopped.
    """

    def __init__(self, setup: Setup, reader: Connection, path: Path, seconds: float | None) -> None:
        self._setup, self._reader, self._path, self._seconds = setup, reader, path, seconds
        schema.create_tables(reader, setup.name)
        self._channels = {codename: _channel(codename) for codename in setup.inventory.codenames}
        self._by_id = {
            codenames.add(reader, name, DESCRIPTIONS[name].unit, DESCRIPTIONS[name].text): channel
            for name, channel in self._channels.items()
        }
        # Filled by the threads that read the instruments.
        self._readings: queue.SimpleQueue[Reading | Gap] = queue.SimpleQueue()
        setup.subscribe(self._readings.put)
        self._last_id = 0
        self._began_s = time.monotonic()

    @property
    def channels(self) -> Sequence[Channel]:
        """The codenames of this run."""
        return list(self._channels.values())

    def log(self, stop: "queue.SimpleQueue[int]", show: Callable[[Progress], None]) -> int:
        """Log until the time is over or something stands in ``stop``; return how many points were left over."""
        self._began_s = time.monotonic()
        left = 0
        # The computer's rates are means over a period, so the first reading is due after one.
        if not _wait(stop, PERIOD_S):
            try:
                self._setup.start(target=DatabaseTarget(sqlite_path=self._path))
                self._watch(stop, show)
            finally:
                left = self._setup.stop(DELIVERY_TIMEOUT_S)
            show(self._progress())
        return left

    def _watch(self, stop: "queue.SimpleQueue[int]", show: Callable[[Progress], None]) -> None:
        while (left_s := self._left_s()) is None or left_s > 0.0:
            if _wait(stop, PERIOD_S if left_s is None else min(PERIOD_S, left_s)):
                return
            self._setup.supervise()
            show(self._progress())

    def _left_s(self) -> float | None:
        return None if self._seconds is None else max(0.0, self._began_s + self._seconds - time.monotonic())

    def _progress(self) -> Progress:
        # Only what is new is counted: the file may have grown for days.
        sql = f"SELECT type, COUNT(*), MAX(id) FROM {schema.quote(self._setup.table)} WHERE id > ? GROUP BY type"
        for type_id, count, highest_id in self._reader.query(sql, (self._last_id,)):
            self._by_id[type_id].stored += count
            self._last_id = max(self._last_id, highest_id)
        # After that: what is in the file was read before.
        while not self._readings.empty():
            self._channels[(reading := self._readings.get()).codename].note(reading)
        return Progress(
            channels=self.channels,
            elapsed_s=time.monotonic() - self._began_s,
            left_s=self._left_s(),
            database=str(self._path),
        )


def _channel(codename: str) -> Channel:
    unit = DESCRIPTIONS[codename].unit
    return Channel(codename=codename, unit=unit, scale={"B/s": RATE, "mbar": PRESSURE}.get(unit, LINEAR))


def _stored_points(connection: Connection, table: str) -> dict[str, int]:
    """Return the number of points of each codename in the file."""
    return dict(
        connection.query(
            f"SELECT d.codename, COUNT(*) FROM {schema.quote(table)} AS p "
            f"JOIN {schema.DESCRIPTIONS} AS d ON d.id = p.type GROUP BY d.codename"
        )
    )


def _wait(stop: "queue.SimpleQueue[int]", timeout_s: float) -> bool:
    try:
        stop.get(timeout=max(0.0, timeout_s))
    except queue.Empty:
        return False
    return True


@contextmanager
def _stop_signals() -> Iterator["queue.SimpleQueue[int]"]:
    """Turn Ctrl-C and SIGTERM into entries of a queue."""
    # Not an Event: its lock may be held by the very thread that a signal interrupts. This queue allows for that.
    stop: queue.SimpleQueue[int] = queue.SimpleQueue()
    previous = {
        number: signal.signal(number, lambda number, _frame: stop.put(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _own_settings(folder: Path) -> Iterator[None]:
    """Let every setting have its default, and this folder get what is set aside; the user's file is not even read."""
    settings = Settings()
    try:
        for key in KEYS:
            setattr(settings, key.name, key.default)
        settings.rejected_directory = folder
        yield
    finally:
        for key in KEYS:
            delattr(settings, key.name)
