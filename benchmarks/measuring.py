"""Measuring in pairs: both sides in one run, alternating, so that what the machine does meanwhile hits both."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class Result:
    """One row of the table.

    Attributes:
        what: What was measured.
        figure: The figure that counts, mostly a ratio.
        target: What it must reach, as text; empty where it is only reported.
        reached: Whether it does; None where it is only reported.
        details: What it was made from, by name, in the units that the names tell.
    """

    what: str
    figure: str
    target: str = ""
    reached: bool | None = None
    details: dict[str, float | str] = field(default_factory=dict)


def seconds(action: Callable[[], object]) -> float:
    """Return how long an action takes, in s."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def alternate(ours: Callable[[], float], theirs: Callable[[], float], pairs: int) -> tuple[list[float], list[float]]:
    """Call both in turn, so many times, and return what they returned."""
    measured = [(ours(), theirs()) for _ in range(pairs)]
    return [pair[0] for pair in measured], [pair[1] for pair in measured]


def median_ratio(numerators: list[float], denominators: list[float]) -> float:
    """Return the median of the ratios of the pairs."""
    return statistics.median(a / b for a, b in zip(numerators, denominators, strict=True))


def run_python(code: str, *arguments: str, environment: dict[str, str] | None = None) -> str:
    """Run code in a fresh interpreter and return what it printed."""
    command = [sys.executable, "-c", code, *arguments]
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=600, env=environment, check=False
    )
    if result.returncode != 0:
        raise RuntimeError(f"a measuring process ended with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout
