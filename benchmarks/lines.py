"""Setups at work: eight instruments on one RS-485 line, and as many lines as fifty setups have in one process.

The simulated instruments answer on pseudo-terminals as fast as 9600 Bd allow. They run in a process of their own, so
that the processor time is that of logging alone.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.measuring import ROOT, Result, run_python
from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.schema import create_tables, quote
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.drivers.omega_cn7800 import CN7800
from PyExpLabSys.setups import Gap, Reading, Setup
from PyExpLabSys.setups.polling import Schedule
from PyExpLabSys.simulators.omega_cn7800 import device
from PyExpLabSys.simulators.serving.base import SharedLine
from PyExpLabSys.simulators.serving.pty import PtyServer
from PyExpLabSys.transport.modbus import ModbusTransport

BAUDRATE = 9600
PERIOD_S = 1.0
#: In which everything is opened, and the first points are stored.
WARM_UP_S = 4.0
MEASURED_S = 20.0
ENDS_WITHIN_S = 30.0

SERVE_CODE = "import sys; from benchmarks.lines import serve; serve(*sys.argv[1:])"
LOG_CODE = "import sys; from benchmarks.lines import log; log(*sys.argv[1:])"


@dataclass
class Calls:
    """The calls of one instrument: when each began, in s of the monotonic clock, and how long it took, in s."""

    began_s: list[float] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)


class TimedController(CN7800):
    """A controller that notes when it is read.

    Args:
        port, address, transport: As of :class:`CN7800`.
        calls: Where it is noted.
    """

    def __init__(self, port: str, *, calls: Calls, address: int = 1, transport: ModbusTransport | None = None) -> None:
        super().__init__(port, address=address, transport=transport)
        self._calls = calls

    def read_temperature(self) -> float:
        """Return the temperature in degC."""
        began_s = time.monotonic()
        try:
            return super().read_temperature()
        finally:
            self._calls.began_s.append(began_s)
            self._calls.took_s.append(time.monotonic() - began_s)


def serve(folder: str, lines: str, instruments: str) -> None:
    """Serve so many lines, each with so many instruments, until the input ends."""
    with ExitStack() as stack:
        for number in range(int(lines)):
            members = [device(address=1 + k, baudrate=BAUDRATE) for k in range(int(instruments))]
            stack.enter_context(PtyServer(SharedLine(*members), Path(folder, f"line{number}"), baudrate=BAUDRATE))
        print("ready", flush=True)
        sys.stdin.read()


class TimedSetup:
    """A setup with one line, its own SQLite file, and notes of all that happens.

    Args:
        folder: Where the line is, and where the file goes.
        number: Of the line.
        instruments: How many there are on it.
    """

    def __init__(self, folder: Path, number: int, instruments: int) -> None:
        self.setup = Setup(f"bench_{number}")
        self.target = DatabaseTarget(sqlite_path=folder / f"bench{number}.db")
        with connect(self.target) as connection:
            create_tables(connection, self.setup.name)
        line = self.setup.line(str(folder / f"line{number}"), baudrate=BAUDRATE)
        self.calls = [Calls() for _ in range(instruments)]
        for k, calls in enumerate(self.calls):
            controller = self.setup.instrument(TimedController, line=line, address=1 + k, calls=calls)
            self.setup.log(f"bench_{number}_{k}", controller.read_temperature, every=PERIOD_S)
        self.readings = self.gaps = 0
        self.setup.subscribe(self._note)

    def _note(self, what: Reading | Gap) -> None:
        # In the one thread that the line has.
        self.readings += isinstance(what, Reading)
        self.gaps += isinstance(what, Gap)

    def delays_s(self, calls: Calls, since_s: float) -> list[float]:
        """Return for each call since a monotonic time how long after its slot it began, in s."""
        start_s = self._schedule._start_s
        # A call that begins a period after its slot belongs to the next one, and its own is skipped.
        return [(began_s - start_s) % PERIOD_S for began_s in calls.began_s if began_s >= since_s]

    def steps_s(self, since_s: float) -> Iterator[float]:
        """Yield for each instrument the times from one call since a monotonic time to the next, in s."""
        for calls in self.calls:
            began_s = [each for each in calls.began_s if each >= since_s]
            yield from np.diff(began_s).tolist()

    @property
    def skipped(self) -> int:
        """How many slots went by without a call."""
        return sum(self._schedule.skipped)

    @property
    def slots(self) -> int:
        """How many slots there were."""
        return sum(self._schedule._slots)

    @property
    def _schedule(self) -> Schedule:
        (poller,) = self.setup._pollers
        return poller._schedule

    def stored(self) -> int:
        """Return how many points are in the file."""
        with connect(self.target) as connection:
            ((count,),) = connection.query(f"SELECT COUNT(*) FROM {quote(self.setup.table)}")
        return int(count)


def log(folder: str, lines: str, instruments: str) -> None:
    """Log so many lines for a while, and print the figures."""
    timed = [TimedSetup(Path(folder), number, int(instruments)) for number in range(int(lines))]
    for each in timed:
        each.setup.start(target=each.target)
    time.sleep(WARM_UP_S)
    since_s, used_s = time.monotonic(), _used_s()
    end_s = since_s + MEASURED_S
    while (left_s := end_s - time.monotonic()) > 0.0:
        # As often as a running setup does.
        time.sleep(min(0.5, left_s))
        for each in timed:
            each.setup.supervise()
    share = (_used_s() - used_s) / (time.monotonic() - since_s)
    left = sum(each.setup.stop() for each in timed)
    print(
        json.dumps(
            {
                "core_share": share,
                # The first on its line waits for no other one.
                "first_delays_ms": [1000 * s for each in timed for s in each.delays_s(each.calls[0], since_s)],
                "delays_ms": [
                    1000 * s for each in timed for calls in each.calls for s in each.delays_s(calls, since_s)
                ],
                "took_ms": [1000 * s for each in timed for calls in each.calls for s in calls.took_s],
                "step_errors_ms": [1000 * abs(s - PERIOD_S) for each in timed for s in each.steps_s(since_s)],
                "slots": sum(each.slots for each in timed),
                "skipped": sum(each.skipped for each in timed),
                "readings": sum(each.readings for each in timed),
                "gaps": sum(each.gaps for each in timed),
                "stored": sum(each.stored() for each in timed),
                "left": left,
            }
        )
    )


def _used_s() -> float:
    """Return the processor time of this process in s."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@contextmanager
def served(folder: Path, lines: int, instruments: int) -> Iterator[None]:
    """Let another process serve simulated lines meanwhile."""
    command = [sys.executable, "-c", SERVE_CODE, str(folder), str(lines), str(instruments)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None or process.stdout.readline() != "ready\n":
            raise RuntimeError("the simulated instruments did not start")
        yield
        process.stdin.close()
        process.wait(ENDS_WITHIN_S)


def measure(what: str, lines: int, instruments: int) -> Result:
    """Log so many lines with so many instruments, each once in a second, and return the figures."""
    with tempfile.TemporaryDirectory() as name, served(Path(name), lines, instruments):
        figures = json.loads(run_python(LOG_CODE, name, str(lines), str(instruments)))
    expected = figures["slots"] - figures["skipped"]
    if figures["left"] or figures["gaps"] or not expected == figures["readings"] == figures["stored"]:
        counts = {key: figures[key] for key in ("slots", "skipped", "readings", "gaps", "stored", "left")}
        raise RuntimeError(f"not all was read and stored: {counts}")
    first_p50, first_p99, first_longest = _spread(figures["first_delays_ms"])
    p50, p99, longest = _spread(figures["delays_ms"])
    step_p50, step_p99, step_longest = _spread(figures["step_errors_ms"])
    return Result(
        what=what,
        figure=f"{figures['core_share'] * 100:.1f} % of one core, p99 {first_p99:.0f} ms late",
        details={
            "first_on_its_line_late_p50_ms": first_p50,
            "first_on_its_line_late_p99_ms": first_p99,
            "first_on_its_line_late_longest_ms": first_longest,
            "any_late_p50_ms": p50,
            "any_late_p99_ms": p99,
            "any_late_longest_ms": longest,
            "step_error_p50_ms": step_p50,
            "step_error_p99_ms": step_p99,
            "step_error_longest_ms": step_longest,
            "exchange_p50_ms": _spread(figures["took_ms"])[0],
            "slots": figures["slots"],
            "slots_skipped": figures["skipped"],
            "points_stored": figures["stored"],
        },
    )


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Return median, 99th percentile and maximum."""
    p50, p99 = np.percentile(values, [50, 99])
    return float(p50), float(p99), float(max(values))


def one_line(_pairs: int) -> list[Result]:
    """Eight instruments on one line: they wait for each other."""
    return [measure("eight instruments at 1 Hz on one RS-485 line at 9600 Bd, into SQLite", 1, 8)]


def fifty_setups(_pairs: int) -> list[Result]:
    """Fifty setups in one process, each with four instruments on a line of its own."""
    return [measure("fifty setups in one process, each a line with four instruments at 1 Hz, into SQLite", 50, 4)]
