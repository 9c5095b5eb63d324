"""A criterion that stores readings late, in a setup that runs: what it holds is stored when the setup ends."""

import itertools
import math
from pathlib import Path

import numpy as np

from PyExpLabSys.database.opening import connect
from PyExpLabSys.database.reading import Reader
from PyExpLabSys.database.schema import create_tables
from PyExpLabSys.database.target import DatabaseTarget
from PyExpLabSys.setups import ErrorBound, Gap, Reading, Setup
from tests.setups.waiting import wait_for

TOLERANCE = 0.2


def test_lines_between_the_points_in_the_database_pass_all_readings(tmp_path: Path) -> None:
    target = DatabaseTarget(sqlite_path=tmp_path / "lab.db")
    with connect(target) as connection:
        create_tables(connection, "oven")
    count = itertools.count()
    readings: list[Reading] = []

    def keep(what: Reading | Gap) -> None:
        assert isinstance(what, Reading), what
        readings.append(what)

    setup = Setup("oven", store_within=0.05)
    setup.log(
        "oven_temperature",
        lambda: math.sin(0.05 * next(count)),
        every=0.01,
        criterion=ErrorBound(absolute=TOLERANCE),
    )
    setup.subscribe(keep)
    setup.start(target=target)
    try:
        wait_for(lambda: len(readings) >= 150, "150 readings")
    finally:
        assert setup.stop() == 0
    with connect(target) as connection:
        points = Reader(connection, "dateplots_oven").read_points("oven_temperature")
    # The database has whole microseconds.
    ends = [readings[0].time_s, readings[-1].time_s]
    np.testing.assert_allclose(points.times[[0, -1]], ends, rtol=0.0, atol=1e-6)
    lines = np.interp([each.time_s for each in readings], points.times, points.values)
    errors = np.abs(lines - [each.value for each in readings])
    assert errors.max() <= TOLERANCE + 1e-4
    assert len(points) < len(readings) / 4
