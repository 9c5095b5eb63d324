"""What goes away and comes back while a setup runs: the database, and instruments on real wires."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from PyExpLabSys.drivers.omega_cni import ISeries
from PyExpLabSys.errors import SettingsError
from PyExpLabSys.settings import Settings
from PyExpLabSys.setups import ComponentStatus, Gap, Reading, Setup, instruments
from PyExpLabSys.simulators import omega_cni
from PyExpLabSys.simulators.serving.faults import Fault, FaultySimulator
from PyExpLabSys.simulators.serving.pty import PtyServer
from PyExpLabSys.simulators.serving.tcp import TcpServer
from tests.common.lab_tables import make_tables, points_in, target_of
from tests.servers.lab import LabDatabase, create_lab_database
from tests.servers.mariadb import MariaDB
from tests.setups.waiting import wait_for


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch) -> Iterator[Setup]:
    monkeypatch.setattr(instruments, "FIRST_RETRY_S", 0.1)
    setup = Setup("dummy", store_within=0.05)
    yield setup
    setup.stop(timeout_s=10.0)


def values(lab: LabDatabase) -> list[float | None]:
    return [value for _, _, value in points_in(lab)]


def test_points_from_before_the_database_came_arrive(
    setup: Setup, start_mariadb: Callable[..., MariaDB], caplog: pytest.LogCaptureFixture
) -> None:
    server = start_mariadb()
    lab = create_lab_database(server)
    make_tables(lab, "new")
    server.stop()
    numbers = iter(range(10**6))
    setup.log("dummy_sine_one", lambda: next(numbers), every=0.02)
    setup.start(target=target_of(lab))
    delivery = setup.status()["delivery"]
    wait_for(lambda: any("takes no points" in alarm for alarm in setup.status()["delivery"].alarms), "a failure")
    assert delivery.stuck is None
    server.start()
    wait_for(lambda: len(values(lab)) > 50, "points in the database")
    assert setup.stop() == 0
    stored = values(lab)
    assert stored == [float(number) for number in range(len(stored))]
    assert len(stored) == next(numbers)


def test_a_codename_that_is_added_later_gets_all_its_points(setup: Setup, lab_database: LabDatabase) -> None:
    make_tables(lab_database, "new", codenames=[])
    setup.log("dummy_sine_one", lambda: 1.0, every=0.02)
    setup.start(target=target_of(lab_database))
    wait_for(lambda: bool(setup.status()["delivery"].alarms), "an alarm")
    (alarm,) = setup.status()["delivery"].alarms
    assert "does not have exactly one entry in dateplots_descriptions" in alarm
    lab_database.sql("INSERT INTO dateplots_descriptions (codename) VALUES ('dummy_sine_one')")
    wait_for(lambda: len(values(lab_database)) > 10, "points in the database")
    assert setup.stop() == 0
    assert setup.status()["delivery"].alarms == ()


def serve(kind: str, simulator: Any, tmp_path: Path) -> AbstractContextManager[Any]:
    return PtyServer(simulator, tmp_path / "port") if kind == "pty" else TcpServer(simulator)


@pytest.mark.parametrize("kind", ["pty", "tcp"])
def test_an_instrument_that_is_unplugged_leaves_a_gap_with_its_cause_and_comes_back(
    setup: Setup, lab_database: LabDatabase, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    make_tables(lab_database, "new")
    seen: list[Reading | Gap] = []
    with serve(kind, omega_cni.device(), tmp_path) as server:
        oven = setup.instrument(ISeries, str(server.link) if kind == "pty" else server.url)
        setup.log("dummy_sine_one", oven.read_temperature, every=0.05)
        setup.subscribe(seen.append)
        setup.start(target=target_of(lab_database))
        wait_for(lambda: len(values(lab_database)) > 5, "points in the database")
        server.unplug()
        wait_for(lambda: any(isinstance(each, Gap) for each in seen), "a gap")
        before = len([each for each in seen if isinstance(each, Reading)])
        time_of_gap_s = time.time()
        server.plug()
        wait_for(lambda: len([each for each in seen if isinstance(each, Reading)]) > before + 5, "readings again")
        assert setup.stop() == 0
    gaps = [each for each in seen if isinstance(each, Gap)]
    readings = [each for each in seen if isinstance(each, Reading)]
    said = [record.getMessage() for record in caplog.records]
    causes = [each for each in said if each.startswith("no reading of dummy_sine_one")]
    assert 1 <= len(causes) <= 3
    assert any(gap.cause in causes[0] for gap in gaps)
    assert any(each.startswith("no longer: no reading of dummy_sine_one") for each in said)
    # Nothing was invented while it was away, and all that was read is there, once.
    away = [each for each in readings if gaps[0].time_s < each.time_s < time_of_gap_s]
    assert away == []
    assert values(lab_database) == [each.value for each in readings]


def test_what_an_instrument_answers_wrong_is_a_gap_and_no_point(setup: Setup, lab_database: LabDatabase) -> None:
    make_tables(lab_database, "new")
    faulty = FaultySimulator(omega_cni.device(temperature_degc=25.0))
    seen: list[Reading | Gap] = []
    with TcpServer(faulty) as server:
        oven = setup.instrument(ISeries, server.url)
        setup.log("dummy_sine_one", oven.read_temperature, every=0.05)
        setup.subscribe(seen.append)
        setup.start(target=target_of(lab_database))
        wait_for(lambda: len(seen) > 3)
        faulty.inject(Fault.GARBAGE, times=3)
        wait_for(lambda: len([each for each in seen if isinstance(each, Gap)]) >= 3, "gaps")
        gaps = len(seen)
        wait_for(lambda: any(isinstance(each, Reading) for each in seen[gaps:]), "readings again")
        assert setup.stop() == 0
    assert all(0.0 < value < 150.0 for value in values(lab_database) if value is not None)


class Recorder:
    """A component that notes what happens to it."""

    name = "recorder"

    def __init__(self, happened: list[str], *, fails: bool = False) -> None:
        self._happened, self._fails = happened, fails

    def start(self) -> None:
        self._happened.append("started")

    def stop(self, timeout_s: float) -> None:
        self._happened.append("stopped")
        if self._fails:
            raise RuntimeError("a bug")

    def status(self) -> ComponentStatus:
        return ComponentStatus(details={"events": len(self._happened)})


@pytest.mark.parametrize("fails", [False, True])
def test_a_component_is_started_before_the_first_reading_and_stopped_after_the_last(
    setup: Setup, lab_database: LabDatabase, fails: bool
) -> None:
    make_tables(lab_database, "new")
    happened: list[str] = []
    setup.add(Recorder(happened, fails=fails))

    def read() -> float:
        happened.append("read")
        return 1.0

    setup.log("dummy_sine_one", read, every=0.02)
    setup.start(target=target_of(lab_database))
    wait_for(lambda: len(happened) > 10)
    assert setup.status()["recorder"].details["events"] != 0
    assert setup.stop() == 0
    assert (happened[0], happened[-1]) == ("started", "stopped")
    assert len(values(lab_database)) == happened.count("read")


def test_an_observer_that_fails_holds_up_nobody(
    setup: Setup, lab_database: LabDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    make_tables(lab_database, "new")
    seen: list[Reading | Gap] = []

    def broken(_: Reading | Gap) -> None:
        raise ZeroDivisionError("a bug of an observer")

    setup.subscribe(broken)
    setup.subscribe(seen.append)
    setup.log("dummy_sine_one", lambda: 1.0, every=0.02)
    setup.start(target=target_of(lab_database))
    wait_for(lambda: len(seen) > 20)
    assert setup.stop() == 0
    assert len(values(lab_database)) == len(seen)
    assert len([record for record in caplog.records if "a bug of an observer" in record.getMessage()]) == 1


def test_a_started_setup_takes_nothing_more(setup: Setup, lab_database: LabDatabase) -> None:
    make_tables(lab_database, "new")
    setup.log("dummy_sine_one", lambda: 1.0, every=1.0)
    setup.start(target=target_of(lab_database))
    for late in (
        lambda: setup.log("b", lambda: 1.0, every=1.0),
        lambda: setup.add(Recorder([])),
        lambda: setup.subscribe(print),
        setup.start,
    ):
        with pytest.raises(ValueError, match="runs already"):
            late()


@pytest.mark.parametrize(
    ("codenames", "read", "message"),
    [
        ({}, float, "at least one codename"),
        ({"a": "x"}, 1.0, "must be a function"),
        ({"taken": "x"}, float, "taken: each codename of a setup is logged once"),
    ],
)
def test_what_cannot_be_logged_is_refused(setup: Setup, codenames: Any, read: Any, message: str) -> None:
    setup.log("taken", float, every=1.0)
    with pytest.raises(ValueError, match=message):
        setup.log_many(codenames, read, every=1.0)


def test_a_setup_that_logs_nothing_is_refused(setup: Setup) -> None:
    with pytest.raises(ValueError, match="logs nothing"):
        setup.start()


def test_a_setup_without_a_database_in_the_settings_does_not_start(setup: Setup) -> None:
    setup.log("a", lambda: 1.0, every=1.0)
    with pytest.raises(SettingsError, match="sql_server_host"):
        setup.start()
    assert setup.stop() == 0


def test_the_settings_name_the_database(setup: Setup, lab_database: LabDatabase) -> None:
    make_tables(lab_database, "new")
    settings = Settings()
    settings.sql_server_host, settings.sql_database = f"{lab_database.host}:{lab_database.port}", lab_database.name
    settings.sql_username, settings.sql_password = lab_database.username, lab_database.password
    setup.log("dummy_sine_one", lambda: 1.0, every=0.02)
    setup.start()
    wait_for(lambda: len(values(lab_database)) > 3)
    assert setup.stop() == 0
