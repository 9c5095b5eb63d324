"""One thread a line: what hangs is abandoned, what fails is a gap, and the others go on."""

import logging
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from PyExpLabSys.drivers.omega_cni import ISeries
from PyExpLabSys.errors import InstrumentError, ProtocolError
from PyExpLabSys.setups import Always, Gap, Reading, Setup
from PyExpLabSys.setups.measurements import Measurement, Part
from PyExpLabSys.setups.polling import Poller, pollers
from PyExpLabSys.simulators import omega_cni
from PyExpLabSys.simulators.serving.tcp import TcpServer
from tests.setups.instruments import Bench
from tests.setups.waiting import wait_for


class KeptOutlet:
    """Keeps what comes."""

    def __init__(self) -> None:
        self.points: list[tuple[str, float, float]] = []
        self.readings: list[Reading] = []
        self.gaps: list[Gap] = []

    def store(self, codename: str, time_s: float, value: float) -> None:
        self.points.append((codename, time_s, value))

    def publish(self, what: Reading | Gap) -> None:
        if isinstance(what, Reading):
            self.readings.append(what)
        else:
            self.gaps.append(what)

    def values(self, codename: str) -> list[float]:
        return [value for name, _, value in list(self.points) if name == codename]


@pytest.fixture
def outlet() -> KeptOutlet:
    return KeptOutlet()


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.release.set()


def measure(outlet: KeptOutlet, codename: str, read: Any, *, every_s: float = 0.02, hung_after_s: float = 60.0) -> Any:
    parts: dict[str, Part] = {codename: None}
    return Measurement(
        read, parts, every_s=every_s, criterion=Always(), stale_after_s=None, hung_after_s=hung_after_s, outlet=outlet
    )


class Running:
    """A poller that is supervised while inside ``with``."""

    def __init__(self, measurements: Sequence[Measurement], **options: Any) -> None:
        self.poller = Poller("line", measurements, **options)

    def __enter__(self) -> Poller:
        self.poller.start()
        return self.poller

    def __exit__(self, *_: object) -> None:
        self.poller.stop(5.0)


def test_a_call_that_hangs_is_abandoned_and_the_others_on_the_line_go_on(
    outlet: KeptOutlet, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    hangs = measure(outlet, "hangs", bench.hang, hung_after_s=0.2)
    threads = threading.active_count()
    with Running([hangs, measure(outlet, "other", lambda: 1.0)]) as poller:
        assert bench.hanging.wait(10.0)
        before = len(outlet.values("other"))

        def goes_on() -> bool:
            poller.supervise()
            return len(outlet.values("other")) > before + 10

        wait_for(goes_on, "reading the other one")
        # One thread for the line and one that is abandoned, however often that instrument's turn comes.
        assert threading.active_count() == threads + 2
        assert poller.status().stuck == "a call for hangs hangs"
        assert poller.status().details["hung"] == ["hangs"]
        assert any("not come back" in gap.cause for gap in outlet.gaps)
        bench.release.set()
        wait_for(lambda: poller.status().stuck is None, "the call that hung to come back")
        assert "what it brought is discarded" in caplog.text


def test_the_late_value_of_an_abandoned_call_is_no_point(outlet: KeptOutlet, bench: Bench) -> None:
    bench.read = bench.hang
    hangs = measure(outlet, "hangs", bench.answer, hung_after_s=0.1)
    with Running([hangs]) as poller:
        assert bench.hanging.wait(10.0)

        def abandoned() -> bool:
            poller.supervise()
            return poller.status().stuck is not None

        wait_for(abandoned)
        bench.read = lambda: 5.0
        bench.release.set()
        wait_for(lambda: len(outlet.values("hangs")) > 3)
    assert set(outlet.values("hangs")) == {5.0}


def test_a_call_that_takes_its_time_is_not_abandoned(outlet: KeptOutlet, bench: Bench) -> None:
    with Running([measure(outlet, "slow", bench.hang, hung_after_s=60.0)]) as poller:
        assert bench.hanging.wait(10.0)
        poller.supervise()
        assert poller.status().stuck is None
        bench.release.set()
        wait_for(lambda: outlet.values("slow")[:1] == [-1.0])


@pytest.mark.parametrize("error", [ProtocolError("garbled"), ZeroDivisionError("a bug of a driver")])
def test_whatever_is_raised_is_a_gap_with_its_cause_and_reading_goes_on(
    outlet: KeptOutlet, bench: Bench, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench.fail(error)
    with Running([measure(outlet, "a", bench.answer)]):
        wait_for(lambda: len(outlet.gaps) > 20)
        bench.read = lambda: 3.0
        wait_for(lambda: len(outlet.values("a")) > 3)
    assert {gap.cause.rpartition(": ")[2] for gap in outlet.gaps} == {str(error)}
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert said[0] == f"no reading of a: {error}"
    assert said[1].startswith("no longer: no reading of a (")
    # Where a bug is, its traceback tells; an instrument's error is one line.
    assert (caplog.records[0].exc_info is not None) == isinstance(error, ZeroDivisionError)


def test_stop_waits_for_the_call_that_goes_on_and_no_longer(outlet: KeptOutlet, bench: Bench) -> None:
    poller = Poller("line", [measure(outlet, "a", bench.hang)])
    poller.start()
    assert bench.hanging.wait(10.0)
    poller.stop(0.05)
    bench.release.set()
    wait_for(lambda: poller.ended)
    assert outlet.points == []


def test_stop_does_not_wait_for_the_next_slot(outlet: KeptOutlet) -> None:
    poller = Poller("line", [measure(outlet, "a", lambda: 1.0, every_s=1e6)])
    poller.start()
    wait_for(lambda: len(outlet.points) == 1)
    poller.stop(60.0)
    assert poller.ended


def test_everything_is_read_once(outlet: KeptOutlet) -> None:
    with Running([measure(outlet, name, lambda: 1.0, every_s=1e6) for name in "abc"], once=True) as poller:
        wait_for(lambda: poller.ended)
    assert [name for name, _, _ in outlet.points] == ["a", "b", "c"]
    assert poller.status().stuck is None


def test_what_fails_once_is_tried_again(outlet: KeptOutlet, bench: Bench) -> None:
    answers: list[object] = [None, 2.0]
    bench.fail(InstrumentError("silent"))
    measurements = [measure(outlet, "a", lambda: answers.pop(0)), measure(outlet, "b", bench.answer)]
    with Running(measurements, once=True) as poller:
        wait_for(lambda: poller.ended)
    assert outlet.values("a") == [2.0]
    assert outlet.values("b") == []
    assert [gap.codename for gap in outlet.gaps].count("b") == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_is_no_progress(outlet: KeptOutlet) -> None:
    def end() -> None:
        raise SystemExit

    with Running([measure(outlet, "a", end)]) as poller:
        wait_for(lambda: poller.ended)
        assert poller.status().stuck == "its thread has ended"


def test_each_function_has_a_thread_of_its_own(outlet: KeptOutlet) -> None:
    measurements = [measure(outlet, name, lambda: 1.0) for name in "ab"]
    assert len(pollers(measurements)) == 2


class HangingSeries(ISeries):
    """One whose exchange hangs in the middle, with the line locked."""

    def hang(self, bench: Bench) -> float:
        """Do not come back before the test says so."""
        with self._transport.locked():
            return bench.hang()


def test_a_call_that_hangs_with_the_line_locked_does_not_hold_up_its_neighbours(
    outlet: KeptOutlet, bench: Bench
) -> None:
    setup = Setup("dummy")
    with TcpServer(omega_cni.device()) as server:
        line = setup.line(server.url)
        hanging, neighbour = (setup.instrument(HangingSeries, line=line) for _ in range(2))
        setup.inventory.enable(simulated=False)
        measurements = [
            measure(outlet, "hangs", partial(hanging.hang, bench), hung_after_s=0.2),
            measure(outlet, "neighbour", neighbour.read_temperature),
        ]
        (poller,) = pollers(measurements)
        poller.start()
        assert bench.hanging.wait(10.0)

        def goes_on() -> bool:
            poller.supervise()
            return len(outlet.values("neighbour")) > 5

        wait_for(goes_on, "reading the neighbour")
        assert poller.status().details["hung"] == ["hangs"]
        assert {gap.codename for gap in outlet.gaps} == {"hangs"}
        bench.release.set()
        poller.stop(5.0)
        setup.inventory.close()
