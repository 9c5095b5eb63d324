"""The demo: this computer's own readings go the whole way into a new SQLite file, and a live table shows it.

It is the main job of the framework in small: instrument, ``ContinuousLogger``, database, and at the end a count
of what arrived. It needs no server, no instrument and no settings, and never uses what the user's settings name.
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
from PyExpLabSys.common.loggers import ContinuousLogger
from PyExpLabSys.database import codenames
from PyExpLabSys.database.connection import Connection
from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.schema import DESCRIPTIONS, create_tables, dateplots_table, quote
from PyExpLabSys.database.target import SQLITE_PREFIX, DatabaseTarget
from PyExpLabSys.drivers.host_sensors import HostSensors
from PyExpLabSys.errors import PyExpLabSysError, SettingsError
from PyExpLabSys.settings import KEYS, Settings

SETUP = "demo"
TABLE = dateplots_table(SETUP)
PERIOD_S = 0.5
SHORTEST_RUN_S = 1.0
#: The file is on this computer: what is not stored after this long does not come any more.
DELIVERY_TIMEOUT_S = 10.0

#: Codename, unit and description of each quantity that a computer may have.
QUANTITIES = {
    "cpu_load_percent": ("demo_cpu_load", "%", "Busy share of all processors"),
    "memory_used_percent": ("demo_memory_used", "%", "Share of the memory in use"),
    "disk_read_bytes_per_s": ("demo_disk_read", "B/s", "Read from all disks"),
    "disk_written_bytes_per_s": ("demo_disk_written", "B/s", "Written to all disks"),
    "network_received_bytes_per_s": ("demo_network_received", "B/s", "Received by all network interfaces"),
    "network_sent_bytes_per_s": ("demo_network_sent", "B/s", "Sent by all network interfaces"),
    "temperature_degc": ("demo_temperature", "degC", "Temperature of the processor"),
}


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
    """Log this computer's readings into a new SQLite file, show them, and print what arrived.

    Args:
        seconds: How long, in s, 1 at least; None: until Ctrl-C or SIGTERM, which end it in good order in any case.
        folder: Where the new file goes; None: the folder for the user's data.

    Returns:
        Exit status: 0 when all points arrived, 1 when not.

    Raises:
        ValueError: So many seconds are none.
        SettingsError: The file cannot be made in this folder.
    """
    if seconds is not None and not SHORTEST_RUN_S <= seconds < math.inf:
        raise ValueError(f"{seconds} s is no length for the demo; it must be {SHORTEST_RUN_S:.0f} s or more")
    path = new_database(folder)
    console = Console(highlight=False)
    with _own_settings(path), _stop_signals() as stop, connect(DatabaseTarget(sqlite_path=path)) as reader:
        run = DemoRun(HostSensors(), reader, path, seconds)
        with view(console, path) as show:
            left = run.log(stop, show)
    with connect(DatabaseTarget(sqlite_path=path)) as fresh:
        stored = _stored_points(fresh)
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
    """One run of the demo: reads, hands on, and watches what arrives.

    Args:
        sensors: The instrument.
        reader: A connection to the file, which gets its tables and codenames here.
        path: The file.
        seconds: How long to log, in s; None: until stopped.
    """

    def __init__(self, sensors: HostSensors, reader: Connection, path: Path, seconds: float | None) -> None:
        self._sensors, self._reader, self._path, self._seconds = sensors, reader, path, seconds
        create_tables(reader, SETUP)
        self._by_quantity = {name: _channel(name) for name in sensors.quantities()}
        self._by_id = {}
        for name, channel in self._by_quantity.items():
            self._by_id[codenames.add(reader, *QUANTITIES[name])] = channel
        self._logger = ContinuousLogger(
            TABLE,
            username="",
            password="",
            measurement_codenames=[channel.codename for channel in self.channels],
            startup_timeout=DELIVERY_TIMEOUT_S,
        )
        self._last_id = 0
        self._began_s = time.monotonic()

    @property
    def channels(self) -> Sequence[Channel]:
        """The codenames of this run."""
        return list(self._by_quantity.values())

    def log(self, stop: "queue.SimpleQueue[int]", show: Callable[[Progress], None]) -> int:
        """Log until the time is over or something stands in ``stop``; return how many points were left over."""
        self._logger.start()
        try:
            self._began_s = next_s = time.monotonic()
            while self._seconds is None or next_s + PERIOD_S <= self._began_s + self._seconds:
                # A computer that slept or was busy leaves readings out, and does not hurry through them.
                next_s = max(next_s + PERIOD_S, time.monotonic())
                if _wait(stop, next_s - time.monotonic()):
                    break
                self._take_reading()
                show(self._progress())
            self._logger.flush(DELIVERY_TIMEOUT_S)
            show(self._progress())
        finally:
            left = self._logger.stop()
        return left

    def _take_reading(self) -> None:
        unixtime_s, values = time.time(), self._sensors.read_all_values()
        for name, value in values.items():
            channel = self._by_quantity[name]
            self._logger.enqueue_point(channel.codename, (unixtime_s, value))
            channel.enqueued += 1
            channel.readings.append(value)

    def _progress(self) -> Progress:
        # Only what is new is counted: the file may have grown for days.
        sql = f"SELECT type, COUNT(*), MAX(id) FROM {quote(TABLE)} WHERE id > ? GROUP BY type"
        for type_id, count, highest_id in self._reader.query(sql, (self._last_id,)):
            self._by_id[type_id].stored += count
            self._last_id = max(self._last_id, highest_id)
        elapsed_s = time.monotonic() - self._began_s
        return Progress(
            channels=self.channels,
            waiting=self._logger.data_queue.qsize(),
            elapsed_s=elapsed_s,
            left_s=None if self._seconds is None else max(0.0, self._seconds - elapsed_s),
            database=str(self._path),
        )


def _channel(quantity: str) -> Channel:
    codename, unit, _description = QUANTITIES[quantity]
    is_rate = unit == "B/s"
    return Channel(codename=codename, unit=unit, rate=is_rate, smallest_span=3.0 if is_rate else 1.0)


def _stored_points(connection: Connection) -> dict[str, int]:
    """Return the number of points of each codename in the file."""
    return dict(
        connection.query(
            f"SELECT d.codename, COUNT(*) FROM {quote(TABLE)} AS p JOIN {DESCRIPTIONS} AS d ON d.id = p.type "
            "GROUP BY d.codename"
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
def _own_settings(path: Path) -> Iterator[None]:
    """Let this file be the database and every other setting have its default; the user's file is not even read."""
    settings = Settings()
    try:
        for key in KEYS:
            setattr(settings, key.name, key.default)
        settings.sql_url = f"{SQLITE_PREFIX}{path}"
        settings.rejected_directory = path.parent
        yield
    finally:
        for key in KEYS:
            delattr(settings, key.name)
