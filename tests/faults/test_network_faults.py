"""Networks that cut, stall, hold and forget, under load: a relay stands between logger and server."""

import random
from collections.abc import Callable
from functools import partial

import pytest

from PyExpLabSys.settings import Settings
from tests.faults.site import MYISAM, NEW, OLD, TABLE, Site, under_load
from tests.faults.waiting import PATIENCE_S, wait_until
from tests.servers.links import DIRECTIONS, Direction
from tests.servers.relay import Relay, is_query

pytestmark = pytest.mark.server
INNODB = pytest.mark.parametrize("site", [NEW, OLD], indirect=True)
ONE_OF_EACH = pytest.mark.parametrize("site", [NEW, MYISAM], indirect=True)
ONLY_NEW = pytest.mark.parametrize("site", [NEW], indirect=True)
ONLY_MYISAM = pytest.mark.parametrize("site", [MYISAM], indirect=True)
OpenRelay = Callable[[], Relay]
# The server looks anew only when nobody has asked for a tenth of a second.
LOCK_WAITS_POLL_S = 0.15
LOCK_WAITS = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"


def address(relay: Relay) -> tuple[str, int]:
    return relay.host, relay.port


def is_insert(chunk: bytes) -> bool:
    return f"INSERT INTO `{TABLE}`".encode() in chunk and b"VALUES" in chunk


def has_connected_again(relay: Relay, n_before: int) -> bool:
    return relay.connections > n_before


@pytest.mark.detects("settles first")
def test_the_connection_is_cut_and_new_ones_are_refused(site: Site, open_relay: OpenRelay) -> None:
    relay = open_relay()
    with under_load(site, address(relay)) as run:
        relay.cut()
        run.sees_outage("connect")
        relay.mend()
        run.delivers()


@ONE_OF_EACH
@pytest.mark.parametrize("directions", [(), ("to_client",)], ids=["both", "replies"])
@pytest.mark.detects("settles first", "waits for the sink")
def test_the_network_stalls_beyond_the_time_out(
    site: Site, open_relay: OpenRelay, directions: tuple[Direction, ...]
) -> None:
    relay = open_relay()
    with under_load(site, address(relay)) as run:
        relay.stall(*directions)
        run.accepts_while_storing()
        run.sees_outage("timed out")
        relay.resume()
        run.delivers()


@ONE_OF_EACH
@pytest.mark.detects("settles first")
def test_the_server_does_not_see_clients_leave(site: Site, open_relay: OpenRelay) -> None:
    relay = open_relay()
    with under_load(site, address(relay)) as run:
        (forgotten,) = site.connections()
        relay.half_open()
        relay.stall("to_client")
        run.sees_outage("timed out")
        assert forgotten in site.connections(), "the server is not to know that the logger has given it up"
        relay.resume()
        run.delivers()
        relay.mend()


@ONE_OF_EACH
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.detects("settles first")
def test_the_connection_breaks_after_any_number_of_bytes(site: Site, open_relay: OpenRelay, seed: int) -> None:
    relay = open_relay()
    numbers = random.Random(seed)
    with under_load(site, address(relay), seed=seed) as run:
        for _ in range(10):
            n_before = relay.connections
            direction = numbers.choice(DIRECTIONS)
            relay.drop_after(numbers.randint(1, 12_000 if direction == "to_server" else 200), direction)
            run.load.more(20)
            wait_until(partial(has_connected_again, relay, n_before), "the logger connects again")
        run.delivers()


@INNODB
@pytest.mark.detects("read, then send", "waits for the sink")
def test_a_commit_is_held_beyond_the_time_out_and_arrives_after_the_resend_began(
    site: Site, open_relay: OpenRelay
) -> None:
    Settings().sql_statement_timeout = 4.0
    relay = open_relay()
    with under_load(site, address(relay)) as run:
        relay.hold_when(is_query("COMMIT"))
        relay.wait_held(PATIENCE_S)
        run.accepts_while_storing()
        run.sees_outage("timed out")
        # The resend waits for the ledger's row, which the forgotten transaction holds.
        wait_until(lambda: site.is_running("UPDATE logger_progress"), "the resend has begun")
        wait_until(lambda: site.lab.sql(LOCK_WAITS) == [(1,)], "the resend waits for a lock", poll_s=LOCK_WAITS_POLL_S)
        run.load.more(100)
        assert relay.held.is_set()
        relay.release()
        run.delivers()
        assert "timed out" in str(run.status().last_error), "the resend is to have waited, not to have given up"


@ONE_OF_EACH
@pytest.mark.detects("blind resend", "never compares")
def test_points_are_stored_but_the_answer_is_lost(site: Site, open_relay: OpenRelay) -> None:
    relay = open_relay()
    is_last = is_insert if site.layout == MYISAM else is_query("COMMIT")
    # A COMMIT of a transaction with points: there are others when a connection is made.
    asked: list[bytes] = []

    def ask(chunk: bytes) -> bool:
        asked.extend([chunk] * is_last(chunk))
        return False

    with under_load(site, address(relay)) as run:
        for _ in range(2):
            asked.clear()
            relay.hold_when(ask)
            relay.hold_when(lambda _answer: bool(asked), "to_client")
            relay.wait_held(PATIENCE_S)
            run.accepts_while_storing()
            wait_until(lambda: "timed out" in str(run.status().last_error), "the status tells of the fault")
            run.delivers()
            assert relay.held.is_set(), "the answer is to be missing still"
            relay.reset()
            relay.release()


@INNODB
@pytest.mark.detects("settles first", "waits for the sink")
def test_a_commit_is_held_and_never_arrives(site: Site, open_relay: OpenRelay) -> None:
    relay = open_relay()
    with under_load(site, address(relay)) as run:
        for _ in range(3):
            relay.hold_when(is_query("COMMIT"))
            relay.wait_held(PATIENCE_S)
            run.accepts_while_storing()
            assert relay.held.is_set()
            failure = run.status().last_error
            relay.reset()
            run.delivers()
            assert run.status().last_error is not None
            assert failure is None or "timed out" not in failure


@INNODB
@pytest.mark.detects("never ends forgotten", "waits for the sink")
def test_a_lock_of_a_forgotten_connection_is_ended_on_the_server(site: Site, open_relay: OpenRelay) -> None:
    relay = open_relay()
    with under_load(site, address(relay)) as run:
        relay.half_open()
        relay.hold_when(is_query("COMMIT"))
        relay.wait_held(PATIENCE_S)
        run.accepts_while_storing()
        (forgotten,) = site.connections()
        run.sees_outage("timed out")
        # Asked now, while the resend waits for the lock: soon after that wait is over the connection is ended.
        assert forgotten in site.connections()
        run.sees_outage("Lock wait timeout")
        run.delivers()
        assert forgotten not in site.connections()
        assert relay.held.is_set(), "it healed by itself, while the COMMIT was still held"
        relay.release()
        relay.mend()


@ONLY_NEW
@pytest.mark.detects("settles first")
def test_the_first_commit_of_the_ledger_is_held_and_arrives_after_the_resend_began(
    site: Site, open_relay: OpenRelay
) -> None:
    Settings().sql_statement_timeout = 4.0
    relay = open_relay()
    began = []

    def commits_first_row(chunk: bytes) -> bool:
        began.extend([chunk] * (b"INSERT INTO logger_progress (logger, seq, destination)" in chunk))
        return bool(began) and is_query("COMMIT")(chunk)

    relay.hold_when(commits_first_row)
    with under_load(site, address(relay), delivering=False) as run:
        relay.wait_held(PATIENCE_S)
        run.sees_outage("timed out")
        wait_until(lambda: site.lab.sql(LOCK_WAITS) == [(1,)], "the resend waits for a lock", poll_s=LOCK_WAITS_POLL_S)
        relay.release()
        run.delivers()


@ONLY_MYISAM
@pytest.mark.detects("no kill")
def test_an_insert_is_held_beyond_the_time_out_and_arrives_after_the_resend(site: Site, open_relay: OpenRelay) -> None:
    relay = open_relay()
    with under_load(site, address(relay)) as run:
        relay.hold_when(is_insert)
        relay.wait_held(PATIENCE_S)
        run.accepts_while_storing()
        wait_until(lambda: run.status().connected is False, "the status tells of the fault")
        run.load.more(100)
        assert "timed out" in str(run.status().last_error)
        run.delivers()
        assert relay.held.is_set(), "what is held is to arrive after the resend"
        relay.release()
        run.delivers()
