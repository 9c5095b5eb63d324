"""What adding a point costs the measuring thread, and what a waiting point costs in memory."""

import gc
import json
import queue
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.laboratory import NAMES, TABLE, points, sqlite_target, use_sqlite
from benchmarks.measuring import Result, alternate, median_ratio, run_python, seconds
from PyExpLabSys.common.loggers import ContinuousLogger

COUNT = 500_000
MANY_COUNT = 10_000_000
WAITING = 5_000_000


@contextmanager
def idle_logger() -> Iterator[ContinuousLogger]:
    """A logger that was not started, so that nothing takes points out; what was added is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "points.db"
        sqlite_target(path)
        use_sqlite(path)
        logger = ContinuousLogger(TABLE, "", "", NAMES[:1])
        yield logger
        # Started now and stopped at once it would deliver all of it; this only lets go of the file.
        logger._sink.close(delivered=False)


def call_cost(call: Callable[[str, tuple[float, float]], object]) -> float:
    """Return the seconds of so many calls with a fresh point each."""
    name = NAMES[0]

    def loop() -> None:
        for number in range(COUNT):
            call(name, (1_700_000_000.25, number * 0.5))

    gc.collect()
    return seconds(loop)


def queue_cost() -> float:
    """Return the seconds of as many ``queue.Queue.put`` of the same points."""
    put = queue.Queue[tuple[str, tuple[float, float]]]().put
    name = NAMES[0]

    def loop() -> None:
        for number in range(COUNT):
            put((name, (1_700_000_000.25, number * 0.5)))

    gc.collect()
    return seconds(loop)


def enqueue_point(pairs: int) -> list[Result]:
    """``enqueue_point`` against ``queue.Queue.put`` of the same point."""

    def ours() -> float:
        with idle_logger() as logger:
            return call_cost(logger.enqueue_point)

    our_s, queue_s = alternate(ours, queue_cost, pairs)
    ratio = median_ratio(our_s, queue_s)
    return [
        Result(
            what="enqueue_point against queue.Queue.put, in memory",
            figure=f"{ratio:.2f} ×",
            target="≤ 1.0 ×",
            reached=ratio <= 1.0,
            details={
                "enqueue_point_ns": statistics.median(our_s) / COUNT * 1e9,
                "queue_put_ns": statistics.median(queue_s) / COUNT * 1e9,
            },
        )
    ]


def enqueue_points(pairs: int) -> list[Result]:
    """``enqueue_points`` in arrays of a thousand."""
    times, values = points(1000)

    def once() -> float:
        with idle_logger() as logger:

            def loop() -> None:
                for _ in range(MANY_COUNT // 1000):
                    logger.enqueue_points(NAMES[0], times, values)

            return seconds(loop)

    rate = MANY_COUNT / statistics.median(once() for _ in range(pairs))
    return [
        Result(
            what="enqueue_points, arrays of 1,000",
            figure=f"{rate / 1e6:.1f} million points/s",
            target="≥ 5 million points/s",
            reached=rate >= 5_000_000,
        )
    ]


MEMORY_CODE = """
import json, sys
from pathlib import Path
from benchmarks.enqueueing import WAITING, idle_logger
from benchmarks.laboratory import NAMES, points

def resident():
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return sum(int(fields[name].split()[0]) for name in ("RssAnon", "RssFile")) * 1024

with idle_logger() as logger:
    times, values = points(1000)
    logger.enqueue_points(NAMES[0], times, values)
    before = resident()
    for _ in range(WAITING // 1000):
        logger.enqueue_points(NAMES[0], times, values)
    print(json.dumps((resident() - before) / WAITING))
"""


def memory(_pairs: int) -> list[Result]:
    """RssAnon + RssFile of a waiting point, in a process of its own."""
    bytes_each = float(json.loads(run_python(MEMORY_CODE)))
    return [
        Result(
            what=f"memory of a waiting point, {WAITING:,} waiting",
            figure=f"{bytes_each:.1f} B",
            target="≤ 26 B",
            reached=bytes_each <= 26.0,
        )
    ]
