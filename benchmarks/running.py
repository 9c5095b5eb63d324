"""A running logger: from a point to its row, catching up after an outage, and on a small computer."""

import json
import statistics
import threading
import time
from dataclasses import dataclass

import numpy as np
import pymysql

from benchmarks.delivering import COUNT, deliver, raw_connection
from benchmarks.laboratory import NAMES, TABLE, empty_table, enqueue_all, laboratory, new_logger
from benchmarks.measuring import Result, run_python, seconds
from PyExpLabSys.common.loggers import ContinuousLogger
from tests.servers.lab import LabDatabase

LATENCY_RATE_HZ = 1_000
LATENCY_SECONDS = 20.0
DAY_POINTS = 8_640_000
LIVE_RATE_HZ = 100
SMALL_SECONDS = 60


class Watcher(threading.Thread):
    """Another connection that looks for new rows as fast as it can, and notes when it first saw each."""

    def __init__(self, lab: LabDatabase) -> None:
        super().__init__(name="watcher")
        self._connection: pymysql.Connection[pymysql.cursors.Cursor] = raw_connection(lab)
        self._connection.autocommit(True)
        self.enough = threading.Event()
        self.seen: list[tuple[float, float]] = []

    def run(self) -> None:
        """Look until told that it is enough; the value of a row is the monotonic time at which it was enqueued."""
        cursor = self._connection.cursor()
        last_id = 0
        while not self.enough.is_set():
            cursor.execute(f"SELECT id, value FROM {TABLE} WHERE id > %s ORDER BY id", (last_id,))
            rows = cursor.fetchall()
            now = time.monotonic()
            self.seen.extend((now, value) for _, value in rows)
            last_id = rows[-1][0] if rows else last_id
            # Leaves the processor to the two that are measured.
            self.enough.wait(0.001)
        self._connection.close()


def latency(_pairs: int) -> list[Result]:
    """From ``enqueue_point`` to a row that another connection sees, at 1,000 points/s."""
    with laboratory() as lab:
        logger = new_logger(lab, NAMES[:1], store_within=0.02)
        logger.start()
        watcher = Watcher(lab)
        watcher.start()
        begin = time.monotonic()
        for number in range(int(LATENCY_SECONDS * LATENCY_RATE_HZ)):
            logger.enqueue_point_now(NAMES[0], time.monotonic())
            time.sleep(max(0.0, begin + (number + 1) / LATENCY_RATE_HZ - time.monotonic()))
        logger.flush()
        time.sleep(0.2)
        watcher.enough.set()
        watcher.join()
        logger.stop()
    delays_ms = np.array([(seen - enqueued) * 1000.0 for seen, enqueued in watcher.seen])
    p50, p99 = np.percentile(delays_ms, [50, 99])
    return [
        Result(
            what=f"from enqueue to a visible row, {LATENCY_RATE_HZ:,} points/s, store_within=0.02",
            figure=f"p50 {p50:.0f} ms, p99 {p99:.0f} ms",
            target="p50 ≤ 30 ms, p99 ≤ 100 ms",
            reached=bool(p50 <= 30.0 and p99 <= 100.0),
            details={"points": len(delays_ms), "longest_ms": float(delays_ms.max())},
        )
    ]


@dataclass(frozen=True)
class LiveCalls:
    """How long calls of ``enqueue_point`` took, in s, while nothing else and while a backlog went on."""

    quiet: list[float]
    busy: list[float]


def catching_up(_pairs: int) -> list[Result]:
    """A day of 100 codenames at 1 Hz is delivered while live points go on."""
    with laboratory() as lab:
        empty_table(lab)
        plain_rate = COUNT / deliver(new_logger(lab, NAMES), NAMES, COUNT)
        empty_table(lab)
        logger = new_logger(lab, NAMES)
        enqueue_all(logger, NAMES, DAY_POINTS)
        # Paced as later: after a pause the caches are cold, and a call takes ten times as long as in a tight loop.
        quiet = [_paced_live_call(logger) for _ in range(500)]
        calls = LiveCalls(quiet, [])
        drained_to = logger.data_queue.qsize()
        estimates: list[float] = []
        began = time.monotonic()
        logger.start()
        while logger.status()[logger._sink.name].delivered < drained_to:
            calls.busy.append(_paced_live_call(logger))
            if len(calls.busy) % LIVE_RATE_HZ == 0 and (left := logger.status()[logger._sink.name].seconds_left):
                estimates.append(time.monotonic() - began + left)
        took = time.monotonic() - began
        if logger.stop() != 0:
            raise RuntimeError(f"not delivered: {logger.status()}")
    rate = drained_to / took
    middle = estimates[len(estimates) // 2] if estimates else float("nan")
    return [
        Result(
            what=f"catching up {DAY_POINTS:,} points with {LIVE_RATE_HZ} live points/s, against the first row",
            figure=f"{rate / plain_rate:.2f} ×",
            target="≥ 0.5 ×",
            reached=rate / plain_rate >= 0.5,
            details={
                "points_per_s": rate,
                "took_s": took,
                "took_as_estimated_half_way_s": middle,
                "enqueue_point_quiet_us": statistics.median(calls.quiet) * 1e6,
                "enqueue_point_busy_us": statistics.median(calls.busy) * 1e6,
                "enqueue_point_busy_p99_us": float(np.percentile(calls.busy, 99)) * 1e6,
                "enqueue_point_busy_longest_ms": max(calls.busy) * 1e3,
            },
        )
    ]


def _paced_live_call(logger: ContinuousLogger) -> float:
    time.sleep(1.0 / LIVE_RATE_HZ)
    return seconds(lambda: logger.enqueue_point_now(NAMES[0], 1.0))


IMPORT_CODE = """
import time
began = time.perf_counter()
import PyExpLabSys.common.loggers
print(time.perf_counter() - began)
"""

SMALL_CODE = """
import json, resource, sys, time
from pathlib import Path
from PyExpLabSys.common.loggers import ContinuousLogger

host, database, table, seconds, *names = sys.argv[1:]
logger = ContinuousLogger(table, "dummy", "dummy", names, host=host, database=database)
logger.start()
def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
def second():
    for name in names:
        logger.enqueue_point_now(name, 1.0)
    time.sleep(1.0)
for _ in range(5):
    second()
before, began = used(), time.monotonic()
for _ in range(int(seconds)):
    second()
share = (used() - before) / (time.monotonic() - began)
fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps({"rss_mib": int(fields["VmRSS"].split()[0]) / 1024, "core_share": share}))
logger.stop()
"""


def small_computer(pairs: int) -> list[Result]:
    """What importing and running a logger costs."""
    import_s = statistics.median(float(run_python(IMPORT_CODE)) for _ in range(pairs))
    with laboratory() as lab:
        output = run_python(SMALL_CODE, f"{lab.host}:{lab.port}", lab.name, TABLE, str(SMALL_SECONDS), *NAMES[:10])
    figures = json.loads(output)
    return [
        Result(
            what="import PyExpLabSys.common.loggers",
            figure=f"{import_s:.3f} s",
            target="≤ 0.12 s",
            reached=import_s <= 0.12,
        ),
        Result(
            what="a running logger, 10 codenames at 1 Hz",
            figure=f"{figures['rss_mib']:.0f} MiB, {figures['core_share'] * 100:.2f} % of one core",
            target="≤ 45 MiB, ≤ 1 %",
            reached=figures["rss_mib"] <= 45.0 and figures["core_share"] <= 0.01,
        ),
    ]
