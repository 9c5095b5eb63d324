"""Measure the figures of docs/performance.md and print them as a table.

Each figure is the median of alternating pairs in one run. Exit status 1 when a target is missed.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from benchmarks import delivering, enqueueing, lines, running
from benchmarks.measuring import Result

MEASUREMENTS: dict[str, Callable[[int], list[Result]]] = {
    "mariadb": delivering.mariadb,
    "odbc": delivering.odbc,
    "sqlite": delivering.sqlite,
    "enqueue-point": enqueueing.enqueue_point,
    "enqueue-points": enqueueing.enqueue_points,
    "memory": enqueueing.memory,
    "latency": running.latency,
    "catching-up": running.catching_up,
    "small-computer": running.small_computer,
    "one-line": lines.one_line,
    "fifty-setups": lines.fifty_setups,
}


def main() -> int:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(MEASUREMENTS)} (default: all)")
    parser.add_argument("--pairs", type=int, default=9, help="alternating pairs for each figure (default: 9)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, with all they are made of")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(MEASUREMENTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}")
    results: list[Result] = []
    for name in arguments.names or MEASUREMENTS:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        for result in MEASUREMENTS[name](arguments.pairs):
            results.append(result)
            print(_row(result), flush=True)
    if arguments.json:
        document = {"machine": _machine(), "pairs": arguments.pairs, "results": [asdict(result) for result in results]}
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 1 if any(result.reached is False for result in results) else 0


def _row(result: Result) -> str:
    verdict = {True: "reached", False: "MISSED", None: ""}[result.reached]
    details = ", ".join(
        f"{name} {value:,.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in result.details.items()
    )
    return f"{result.what:<80} {result.figure:<28} {result.target:<26} {verdict:<8} {details}".rstrip()


def _machine() -> dict[str, object]:
    return {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}


if __name__ == "__main__":
    sys.exit(main())
