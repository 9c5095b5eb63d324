"""Two sinks, one of which hangs: the other does not notice, and each pays for its own lag only."""

import threading
from collections.abc import Callable

import pytest

from PyExpLabSys.common.batch import Batch
from PyExpLabSys.common.cinfdata_sink import CinfdataSink
from PyExpLabSys.common.sink import Sink
from PyExpLabSys.database.target import DatabaseTarget
from tests.faults.site import NEW, TABLE, Site, under_load
from tests.faults.waiting import PATIENCE_S, wait_until
from tests.servers.relay import Relay

pytestmark = pytest.mark.server
ONLY_NEW = pytest.mark.parametrize("site", [NEW], indirect=True)
SECOND_TABLE = "dateplots_second"


class HangingSink(Sink):
    """Accepts a batch and never answers, until let go."""

    name = "a sink that hangs"
    batch_points = 100

    def __init__(self) -> None:
        self.hangs = threading.Event()
        self.let_go = threading.Event()
        self.values: list[float] = []

    def store(self, batch: Batch) -> None:
        self.hangs.set()
        assert self.let_go.wait(4 * PATIENCE_S)
        self.values.extend(batch.values.tolist())

    def interrupt(self) -> None:
        self.let_go.set()


@ONLY_NEW
@pytest.mark.detects("common bound", "waits for the sink")
def test_a_sink_that_hangs_loses_its_own_points_and_no_others(site: Site) -> None:
    hanging = HangingSink()
    bound = 3_000
    with under_load(site, forward_to=[hanging], max_points=bound) as run:
        assert hanging.hangs.wait(PATIENCE_S)
        run.load.more(2 * bound)
        run.settle()
        assert not hanging.let_go.is_set(), "the database is to have finished while the other hangs"
        status = run.logger.status()[hanging.name]
        assert status.delivered == 0
        assert status.store_seconds > 0.0
        assert 0 < status.refused < len(run.accepted)
        assert status.queued == len(run.accepted) - status.refused
        assert status.queued <= bound + hanging.batch_points
        assert run.status().refused == 0
        hanging.let_go.set()
        assert run.logger.flush(PATIENCE_S)
        status = run.logger.status()[hanging.name]
        assert (status.queued, status.delivered) == (0, len(run.accepted) - status.refused)
        # It has the batch that it had in hand, and the youngest that its bound had room for.
        values = [repr(point.value) for point in run.accepted]
        n_in_hand = _common(values, hanging.values)
        n_last = len(hanging.values) - n_in_hand
        assert 0 < n_in_hand <= hanging.batch_points
        assert list(map(repr, hanging.values[n_in_hand:])) == values[-n_last:]


def _common(values: list[str], others: list[float]) -> int:
    """Return how many of the first are equal."""
    pairs = zip(values, map(repr, others), strict=False)
    return next((i for i, (value, other) in enumerate(pairs) if value != other), len(others))


@ONLY_NEW
@pytest.mark.detects("settles first")
def test_a_second_database_that_hangs_holds_up_nobody_and_gets_all_in_the_end(
    site: Site, open_relay: Callable[[], Relay]
) -> None:
    site.lab.sql(f"CREATE TABLE {SECOND_TABLE} LIKE {TABLE}")
    relay = open_relay()
    target = DatabaseTarget(
        hosts=((relay.host, relay.port),),
        database=site.lab.name,
        username=site.lab.username,
        password=site.lab.password,
        connect_timeout_s=1.0,
        statement_timeout_s=2.0,
    )
    second = CinfdataSink(target, SECOND_TABLE, logger_id="second")
    with under_load(site, forward_to=[second]) as run:
        wait_until(lambda: run.logger.status()[second.name].delivered > 0, "the second sink is delivered to")
        relay.stall()
        wait_until(lambda: run.logger.status()[second.name].connected is False, "the status tells that it hangs")
        delivered = run.logger.status()[second.name].delivered
        run.delivers(1_000)
        run.settle()
        status = run.logger.status()[second.name]
        assert status.delivered == delivered, "the database is to have finished while the other hangs"
        assert status.queued > 1_000
        assert "timed out" in str(status.last_error)
        assert (run.status().connected, run.status().last_error) == (True, None)
        relay.resume()
        assert run.logger.flush(PATIENCE_S)
        status = run.logger.status()[second.name]
        assert (status.connected, status.queued, status.refused) == (True, 0, 0)
        site.check(run.accepted, SECOND_TABLE)
