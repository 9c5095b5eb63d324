"""Servers that die, stop, hang and lock, under load."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from PyExpLabSys.common.loggers import StartupException
from PyExpLabSys.settings import Settings
from tests.faults.oracle import stream
from tests.faults.site import MYISAM, NEW, OLD, SETUP, TABLE, Site, under_load
from tests.faults.waiting import wait_until

pytestmark = pytest.mark.server
INNODB = pytest.mark.parametrize("site", [NEW, OLD], indirect=True)
ONE_OF_EACH = pytest.mark.parametrize("site", [NEW, MYISAM], indirect=True)
ONLY_NEW = pytest.mark.parametrize("site", [NEW], indirect=True)


@contextmanager
def held(site: Site, *statements: str) -> Iterator[None]:
    """Hold what these statements of another session lock."""
    with site.session() as session:
        for statement in statements:
            session.cursor().execute(statement)
        yield


@pytest.mark.detects("no commit", "local time")
def test_points_arrive_at_their_time_right_across_the_end_of_summer_time(site: Site) -> None:
    ((hours,),) = site.lab.sql("SELECT UNIX_TIMESTAMP('2025-10-26 03:00:00') - UNIX_TIMESTAMP('2025-10-26 01:59:59')")
    assert hours == 7201, "the server's zone is to have a summer time that ends on that day"
    with under_load(site) as run:
        run.load.more(2_000)
        assert run.load.accepted[0].time < 1_761_440_400.0 < run.load.accepted[-1].time


@pytest.mark.detects("settles first", "no commit")
def test_a_server_is_killed_and_restarted(site: Site) -> None:
    with under_load(site) as run:
        site.server.kill()
        run.sees_outage()
        site.server.start()
        run.delivers()


@ONE_OF_EACH
@pytest.mark.detects("settles first")
def test_a_server_is_stopped_and_restarted(site: Site) -> None:
    with under_load(site) as run:
        site.server.stop()
        run.sees_outage("connect")
        site.server.start()
        run.delivers()


@ONE_OF_EACH
@pytest.mark.detects("settles first")
def test_a_server_is_frozen_beyond_the_time_out(site: Site) -> None:
    with under_load(site) as run:
        site.server.pause()
        try:
            run.accepts_while_storing()
            run.sees_outage("timed out")
        finally:
            site.server.resume()
        run.delivers()


@ONE_OF_EACH
@pytest.mark.detects("settles first", "waits for the sink")
def test_the_table_is_locked_beyond_the_time_out(site: Site) -> None:
    with under_load(site) as run:
        with held(site, f"LOCK TABLES {TABLE} WRITE"):
            run.accepts_while_storing()
            run.sees_outage("Lock wait timeout")
        run.delivers()


@ONE_OF_EACH
@pytest.mark.detects("waits for the sink")
def test_the_table_is_locked_for_ten_seconds_with_the_usual_time_outs(site: Site) -> None:
    Settings().reset()
    with under_load(site) as run:
        with held(site, f"LOCK TABLES {TABLE} WRITE"):
            wait_until(lambda: run.status().store_seconds >= 10.0, "the lock was held for 10 s")
            delivered = run.status().delivered
            run.load.more(300)
            status = run.status()
            assert status.delivered == delivered
            assert status.queued > 5_000
            # It waits, as it should; nothing has failed.
            assert (status.connected, status.last_error) == (True, None)
            assert site.is_running(TABLE)
        run.delivers()


@ONE_OF_EACH
@pytest.mark.detects("settles first", "waits for the sink")
def test_a_backup_locks_the_whole_server(site: Site) -> None:
    with under_load(site) as run:
        with held(site, "FLUSH TABLES WITH READ LOCK"):
            run.accepts_while_storing()
            run.sees_outage("Lock wait timeout")
        run.delivers()


@ONE_OF_EACH
@pytest.mark.detects("settles first")
def test_the_server_ends_the_connection_in_the_middle_of_a_statement(site: Site) -> None:
    with under_load(site) as run:
        for _ in range(3):
            # Others may read: a comparing logger does so before it inserts.
            with held(site, f"LOCK TABLES {TABLE} READ"):
                wait_until(lambda: site.is_running("INSERT INTO"), "an INSERT waits for the lock")
                run.accepts_while_storing()
                for connection in site.connections():
                    site.lab.sql(f"KILL {connection}")
                run.sees_outage()
            run.delivers()


@ONE_OF_EACH
@pytest.mark.detects("settles first")
def test_the_server_ends_an_idle_connection(site: Site) -> None:
    with under_load(site) as run:
        run.settle()
        (connection,) = site.connections()
        site.lab.sql(f"KILL {connection}")
        wait_until(lambda: connection not in site.connections(), "the connection has ended")
        assert run.status().connected, "nobody can know yet"
        with run.reload(stream(2)):
            run.delivers()
            assert run.status().last_error is not None


@ONE_OF_EACH
@pytest.mark.detects("settles first")
def test_wait_timeout_ends_an_idle_connection(site: Site) -> None:
    site.lab.sql("SET GLOBAL wait_timeout = 1")
    try:
        with under_load(site) as run:
            run.settle()
            wait_until(lambda: site.connections() == [], "the server has ended the connection")
            with run.reload(stream(2)):
                run.delivers()
                assert run.status().last_error is not None
    finally:
        site.lab.sql("SET GLOBAL wait_timeout = DEFAULT")


@ONLY_NEW
@pytest.mark.detects("settles first", "lying status")
def test_the_password_is_changed_and_changed_back(site: Site) -> None:
    account = f"`{site.lab.username}`@`{site.lab.host}`"
    with under_load(site) as run:
        site.lab.sql(f"ALTER USER {account} IDENTIFIED BY 'another'")
        site.lab.sql(f"KILL USER {account}")
        status = run.sees_outage("DestinationMisconfigured", "password")
        assert "another" not in str(status)
        site.lab.sql(f"ALTER USER {account} IDENTIFIED BY '{site.lab.password}'")
        run.delivers()


@ONE_OF_EACH
@pytest.mark.detects("settles first")
def test_a_column_is_renamed_and_renamed_back(site: Site) -> None:
    with under_load(site) as run:
        site.lab.sql(f"ALTER TABLE {TABLE} CHANGE value reading double NULL")
        run.sees_outage("DestinationMisconfigured", "value")
        site.lab.sql(f"ALTER TABLE {TABLE} CHANGE reading value double NULL")
        run.delivers()


@ONE_OF_EACH
@pytest.mark.detects("settles first")
def test_the_table_is_dropped_and_created(site: Site) -> None:
    ((_, definition),) = site.lab.sql(f"SHOW CREATE TABLE {TABLE}")
    with under_load(site) as run:
        run.settle()
        site.check(run.accepted)
        site.lab.sql(f"DROP TABLE {TABLE}")
        run.gone = len(run.accepted)
        with run.reload(stream(2)):
            run.sees_outage("DestinationMisconfigured", f"pyexplabsys database create --setup {SETUP}")
            site.lab.sql(definition)
            run.delivers()


@ONLY_NEW
@pytest.mark.detects("unchecked start")
def test_a_host_name_that_does_not_resolve_ends_the_constructor(site: Site) -> None:
    with pytest.raises(StartupException, match=r"Could not connect to database: .*no-such-host\.invalid"):
        site.logger("no-such-host.invalid", startup_timeout=0.1)


@ONLY_NEW
@pytest.mark.detects("settles first")
def test_of_several_hosts_one_that_answers_is_enough(site: Site) -> None:
    hosts = ["no-such-host.invalid", f"{site.lab.host}:{site.lab.port}"]
    with under_load(site, (hosts, None)) as run:
        site.server.kill()
        run.sees_outage("no-such-host.invalid", str(site.lab.port))
        site.server.start()
        run.delivers()
