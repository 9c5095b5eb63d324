"""Every script of every machine runs: a slip shows here before the night shift."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "machine_config").glob("**/*.py"))
#: What bounds a script, by the folder of its machine: variables of the environment.
BOUNDS = {"demo": {"DEMO_SECONDS": "1"}}


def test_every_machine_has_a_script_and_a_bound() -> None:
    folders = {path.name for path in (ROOT / "machine_config").iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders == {path.relative_to(ROOT / "machine_config").parts[0] for path in SCRIPTS} == set(BOUNDS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT / "machine_config")))
def test_script_runs(script: Path, tmp_path: Path) -> None:
    variables = BOUNDS[script.relative_to(ROOT / "machine_config").parts[0]]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": path, **variables},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
