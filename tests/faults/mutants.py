"""Runs the fault tests against each weakened build and shows that they fail: ``python -m tests.faults.mutants``.

Each weakening is put in, and every test that names it must fail; that they pass without is what ``make test`` shows.
Prints a table, and ends with status 1 if a test does not see the weakening that it names.
"""

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.faults.weakened import WEAKENINGS

HERE = Path(__file__).parent
RUN_TIMEOUT_S = 600.0
RUNS_AT_ONCE = 2


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the tests that name a weakening did; a test breaks when its fixtures fail, or nothing could be tested."""

    passed: list[str]
    failed: list[str]
    broken: list[str]
    seconds: float

    @property
    def is_detected(self) -> bool:
        """Whether all tests that are to see the weakening did."""
        return bool(self.failed) and not self.passed and not self.broken


def run(weakening: str) -> Outcome:
    """Run the tests that are to detect a weakening, in a process that has it."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        began = time.monotonic()
        result = subprocess.run(
            [sys.executable, "-m", "pytest", str(HERE), "-q", "-p", "no:cacheprovider", f"--junit-xml={report}"],
            env=os.environ | {"PYEXPLABSYS_TEST_MUTANT": weakening},
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
        )
        if result.returncode not in (0, 1) or not report.exists():
            raise SystemExit(f"{weakening}: pytest ended with {result.returncode}:\n{result.stdout}\n{result.stderr}")
        return outcome(report, time.monotonic() - began)


def outcome(report: Path, seconds: float) -> Outcome:
    """Read pytest's report. A test that failed may be listed twice, when cleaning up after it failed as well."""
    cases = list(ET.parse(report).iter("testcase"))
    failed = {_name(case) for case in cases if case.find("failure") is not None}
    broken = {_name(case) for case in cases if case.find("error") is not None} - failed
    passed = {_name(case) for case in cases} - failed - broken
    return Outcome(passed=sorted(passed), failed=sorted(failed), broken=sorted(broken), seconds=seconds)


def main() -> int:
    """Run all, print the table, and return the exit status."""
    print(f"{'weakened build':<22} {'tests':>5} {'failed':>6} {'s':>5}", flush=True)
    # Most of the time a test waits for a time-out.
    with ThreadPoolExecutor(RUNS_AT_ONCE) as pool:
        results = pool.map(run, WEAKENINGS)
        wrong = [text for name, result in zip(WEAKENINGS, results, strict=True) for text in reported(name, result)]
    print("\n".join(wrong))
    return 1 if wrong else 0


def reported(weakening: str, result: Outcome) -> list[str]:
    """Print a line of the table, and return what is wrong with it."""
    n_tests = len(result.passed) + len(result.failed) + len(result.broken)
    verdict = "detected" if result.is_detected else "SURVIVED"
    print(f"{weakening:<22} {n_tests:>5} {len(result.failed):>6} {result.seconds:>5.0f}  {verdict}", flush=True)
    return [
        *(f"{weakening}: passed all the same: {name}" for name in result.passed),
        *(f"{weakening}: could not be tested: {name}" for name in result.broken),
        *[f"{weakening}: no test names it"] * (n_tests == 0),
    ]


def _name(case: ET.Element) -> str:
    return f"{case.get('classname')}::{case.get('name')}"


if __name__ == "__main__":
    sys.exit(main())
