"""From a reading to points, or to a gap with its cause."""

import logging
import math
from collections import namedtuple
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from PyExpLabSys.errors import InstrumentError
from PyExpLabSys.setups import (
    Always,
    Criterion,
    Deviation,
    ErrorBound,
    Interval,
    LateCriterion,
    Reading,
    measurements,
)
from PyExpLabSys.setups.measurements import Measurement, Part, part_of, to_number
from PyExpLabSys.simulators.serving.memory import VirtualClock
from tests.setups.test_polling import KeptOutlet


@dataclass
class Air:
    temperature: float
    humidity: float | None


Pair = namedtuple("Pair", "temperature humidity")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def outlet() -> KeptOutlet:
    return KeptOutlet()


@pytest.fixture
def make(outlet: KeptOutlet, clock: VirtualClock) -> Any:
    def make(
        parts: dict[str, Part] | None = None, criterion: Criterion | LateCriterion | None = None, **options: Any
    ) -> Measurement:
        options = {"every_s": 1.0, "stale_after_s": None, "hung_after_s": 60.0} | options
        return Measurement(
            lambda: 1.0,
            {"a": None} if parts is None else parts,
            criterion=criterion or Always(),
            outlet=outlet,
            monotonic=clock.monotonic,
            **options,
        )

    return make


@pytest.mark.parametrize(
    ("reading", "parts"),
    [
        ({"temperature": 20.0, "humidity": 40.0}, ("temperature", "humidity")),
        (Air(20.0, 40.0), ("temperature", "humidity")),
        (Pair(20.0, 40.0), ("temperature", "humidity")),
        (Pair(20.0, 40.0), (0, 1)),
        ((20.0, 40.0, "text"), (0, 1)),
        (np.array([20.0, 40.0]), (0, 1)),
        ({0: 20.0, 1: 40.0}, (0, 1)),
    ],
)
def test_one_reading_feeds_several_codenames_at_one_time(
    make: Any, outlet: KeptOutlet, reading: Any, parts: tuple[Part, Part]
) -> None:
    make(dict(zip(("t", "h"), parts, strict=True))).take(reading)
    (first, time_s, t), (second, same_time_s, h) = outlet.points
    assert (first, t, second, h) == ("t", 20.0, "h", 40.0)
    assert time_s == same_time_s


@pytest.mark.parametrize("part", ["pressure", 5])
@pytest.mark.parametrize("reading", [{"temperature": 20.0}, Air(20.0, 40.0), (20.0,), 20.0, None])
def test_a_part_that_is_not_there_is_a_gap_of_that_codename_only(
    make: Any, outlet: KeptOutlet, reading: Any, part: Part
) -> None:
    make({"a": part}).take(reading)
    (gap,) = outlet.gaps
    assert f"the reading has no {part!r}" in gap.cause
    assert outlet.points == []


def test_the_other_codenames_of_a_reading_get_their_points(make: Any, outlet: KeptOutlet) -> None:
    assert not make({"t": "temperature", "h": "humidity"}).take(Air(20.0, None))
    assert outlet.values("t") == [20.0]
    assert [(gap.codename, gap.cause) for gap in outlet.gaps] == [("h", "what was read for h is not a number: None")]


@pytest.mark.parametrize("value", [1, True, 1.0, np.float32(1.0), np.int64(1), Decimal(1), np.array(1.0)])
def test_all_sorts_of_numbers_are_numbers(value: Any) -> None:
    assert to_number(value, "a") == 1.0


@pytest.mark.parametrize(
    "value", ["1.0", b"2.0", None, "OPEN", [1.0], (1.0,), {}, 1j, object(), pytest.param(10**400, id="huge")]
)
def test_what_is_no_number_is_never_made_one(value: Any) -> None:
    with pytest.raises(InstrumentError, match="what was read for a is not a number"):
        to_number(value, "a")


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_an_overload_is_a_gap_and_no_point(make: Any, outlet: KeptOutlet, value: float) -> None:
    assert not make({"a": 0, "b": 1}).take([value, 1.5])
    assert outlet.values("a") == []
    assert outlet.values("b") == [1.5]
    ((codename, cause),) = [(gap.codename, gap.cause) for gap in outlet.gaps]
    assert (codename, cause) == ("a", f"what was read for a is {value}: beyond the range of the instrument")


def test_all_of_a_reading() -> None:
    assert part_of(20.0, None) == 20.0


def test_no_value_is_stored_as_such(make: Any, outlet: KeptOutlet) -> None:
    make(criterion=Deviation(absolute=1.0)).take(math.nan)
    assert math.isnan(outlet.points[0][2])


def test_the_stamp_is_taken_when_the_reading_is_complete(
    make: Any, outlet: KeptOutlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([100.0, 200.0])
    monkeypatch.setattr(measurements, "wall_clock", lambda: next(times))
    measurement = make()
    reading = measurement.read()
    monkeypatch.setattr(measurements, "wall_clock", lambda: 300.0)
    measurement.take(reading)
    assert [time_s for _, time_s, _ in outlet.points] == [300.0]


def test_what_the_criterion_leaves_out_is_still_seen(make: Any, outlet: KeptOutlet, clock: VirtualClock) -> None:
    measurement = make(criterion=Deviation(absolute=1.0, max_silence_s=10.0))
    for value in (20.0, 20.5, 21.0, 21.5, 20.2):
        measurement.take(value)
        clock.sleep(1.0)
    clock.sleep(10.0)
    measurement.take(20.3)
    assert outlet.values("a") == [20.0, 21.0, 20.3]
    assert [each.value for each in outlet.readings] == [20.0, 20.5, 21.0, 21.5, 20.2, 20.3]
    assert [each.stored for each in outlet.readings] == [True, False, True, False, False, True]
    assert all(isinstance(each, Reading) for each in outlet.readings)


def test_a_slow_drift_is_not_missed(make: Any, outlet: KeptOutlet) -> None:
    measurement = make(criterion=Deviation(absolute=1.0))
    for step in range(101):
        measurement.take(20.0 + 0.1 * step)
    assert len(outlet.points) == pytest.approx(11, abs=1)


def test_the_first_reading_after_a_gap_is_stored(make: Any, outlet: KeptOutlet) -> None:
    measurement = make(criterion=Deviation(absolute=1.0))
    measurement.take(20.0)
    measurement.fail(InstrumentError("silent"))
    measurement.take(20.0)
    measurement.take(20.0)
    assert outlet.values("a") == [20.0, 20.0]
    assert [gap.cause for gap in outlet.gaps] == ["silent"]


def test_codenames_decide_each_for_itself(make: Any, outlet: KeptOutlet) -> None:
    measurement = make({"t": 0, "h": 1}, Deviation(absolute=1.0))
    measurement.take((20.0, 40.0))
    measurement.take((20.0, 50.0))
    assert (outlet.values("t"), outlet.values("h")) == ([20.0], [40.0, 50.0])


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The computer's clock goes on by one second at each look."""
    monkeypatch.setattr(measurements, "wall_clock", iter(range(1000)).__next__)


@pytest.mark.usefixtures("seconds")
def test_a_late_criterion_stores_earlier_readings_with_their_own_times(make: Any, outlet: KeptOutlet) -> None:
    measurement = make({"t": 0, "h": 1}, ErrorBound(absolute=0.5))
    for t in range(10):
        measurement.take((20.0, 40.0 + 10.0 * (t >= 5)))
    assert outlet.points == [("t", 0, 20.0), ("h", 0, 40.0), ("h", 4, 40.0), ("h", 5, 50.0)]
    measurement.finish()
    assert outlet.points[4:] == [("t", 9, 20.0), ("h", 9, 50.0)]
    assert [channel.points for channel in measurement.channels] == [2, 4]
    assert [each.time_s for each in outlet.readings if each.stored] == [0, 0]  # the others were not certain yet


@pytest.mark.usefixtures("seconds")
def test_before_a_gap_the_last_reading_is_stored_and_after_it_the_first(make: Any, outlet: KeptOutlet) -> None:
    measurement = make(criterion=ErrorBound(absolute=0.5))
    for value in (20.0, 20.0, 20.0, None, 20.0, 20.0):
        measurement.take(value)
    measurement.fail(InstrumentError("silent"))
    assert [time_s for _, time_s, _ in outlet.points] == [0, 2, 4, 5]


def test_a_late_criterion_keeps_the_alarm_for_old_data_quiet(
    make: Any, outlet: KeptOutlet, clock: VirtualClock
) -> None:
    (channel,) = make(criterion=ErrorBound(absolute=0.5, max_silence_s=60.0)).channels
    assert channel.stale_after_s == 180.0
    for t in range(1000):
        channel.take(20.0, float(t), outlet)
        assert channel.alarm() is None
        clock.sleep(1.0)
    assert [time_s for _, time_s, _ in outlet.points] == list(range(0, 1000, 60))


@pytest.mark.parametrize(
    ("criterion", "every_s", "stale_after_s", "expected_s"),
    [
        (Always(), 10.0, None, 30.0),
        (Deviation(absolute=1.0, max_silence_s=600.0), 10.0, None, 1800.0),
        (Interval(60.0), 100.0, None, 300.0),
        (Always(), 10.0, 7.0, 7.0),
    ],
)
def test_old_data_are_an_alarm(
    make: Any,
    clock: VirtualClock,
    caplog: pytest.LogCaptureFixture,
    criterion: Criterion,
    every_s: float,
    stale_after_s: float | None,
    expected_s: float,
) -> None:
    caplog.set_level(logging.INFO)
    measurement = make(criterion=criterion, every_s=every_s, stale_after_s=stale_after_s)
    (channel,) = measurement.channels
    clock.sleep(expected_s)
    channel.check()
    assert channel.alarm() is None
    clock.sleep(1.0)
    for _ in range(10):
        channel.check()
    assert channel.alarm() == f"no point of a for {expected_s + 1:.0f} s, more than {expected_s:g} s"
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    measurement.take(1.0)
    assert channel.alarm() is None
    assert caplog.records[-1].getMessage().startswith("no longer: old data of a")


@pytest.mark.parametrize("name", ["every_s", "stale_after_s", "hung_after_s"])
@pytest.mark.parametrize("seconds", [0.0, -1.0, math.inf, math.nan])
def test_times_that_are_none_are_refused(make: Any, name: str, seconds: float) -> None:
    with pytest.raises(ValueError, match="must be a time in s"):
        make(**{name: seconds})
