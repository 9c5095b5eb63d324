"""Points that no column can hold, in the middle of a stream: set aside, each once; all others arrive."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from PyExpLabSys.common.set_aside import SetAsidePoint, read_set_aside
from tests.faults.oracle import CODENAMES, Point
from tests.faults.site import TABLE, Site, under_load

pytestmark = pytest.mark.server
NOW_S = 1_761_440_000.0
BAD = (
    *((NOW_S, value) for value in (math.inf, -math.inf)),
    *((time_s, 1.0) for time_s in (0.0, -1.0, 2.0**31, 2.0**32, 1e300, math.inf, -math.inf, math.nan)),
)


def bad_points() -> Iterator[Point]:
    return (Point(CODENAMES[i % 3], time_s, value) for i, (time_s, value) in enumerate(BAD))


def text_of(point: Point | SetAsidePoint) -> str:
    return repr((point.codename, point.time, point.value))


@pytest.mark.detects("rejects batches", "no commit")
def test_nothing_but_the_points_that_cannot_be_stored_is_set_aside(site: Site) -> None:
    with under_load(site) as run:
        for _ in range(3):
            for point in bad_points():
                run.logger.enqueue_point(point.codename, (point.time, point.value))
            run.delivers()
        run.settle()
        status = run.status()
        assert status.rejected == 3 * len(BAD)
        assert status.connected, "a point at fault is no fault of the server"
        aside = list(read_set_aside(Path(status.set_aside)))
        # As text, since NaN does not equal itself.
        assert sorted(map(text_of, aside)) == sorted(3 * [text_of(point) for point in bad_points()])
        assert all(point.reason for point in aside)
        run.n_rejected = len(aside)


@pytest.mark.detects("rejects batches")
def test_a_server_that_is_killed_meanwhile_changes_nothing(site: Site) -> None:
    with under_load(site) as run:
        site.server.kill()
        for point in bad_points():
            run.logger.enqueue_point(point.codename, (point.time, point.value))
        run.sees_outage()
        site.server.start()
        run.delivers()
        run.settle()
        run.n_rejected = len(BAD)
        aside = list(read_set_aside(Path(run.status().set_aside)))
        assert len(aside) == len(BAD)


@pytest.mark.detects("no commit")
def test_values_at_the_edges_are_stored_as_they_are(site: Site) -> None:
    edges = (math.nan, 0.0, -0.0, 5e-324, -1.7976931348623157e308, 2.2250738585072014e-308, 0.1, 1e22)
    points = [Point(CODENAMES[0], NOW_S + i, value) for i, value in enumerate(edges)]
    points += [Point(CODENAMES[1], time_s, 1.0) for time_s in (1.0, 2.0**31 - 1, NOW_S + 0.9999994, NOW_S + 0.9999996)]
    logger = site.logger()
    logger.start()
    for point in points:
        logger.enqueue_point(point.codename, (point.time, point.value))
    assert logger.stop() == 0
    site.check(points)
    assert site.lab.sql(f"SELECT COUNT(*) FROM {TABLE} WHERE value IS NULL") == [(1,)]
