"""``ValueLogger``: its published behaviour, by its worked examples, and what is mended."""

import logging
import math
import re
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from PyExpLabSys.common import value_logger_thread
from PyExpLabSys.common.value_logger import ValueLogger
from tests.common.old_readings import LINEAR, LOGARITHMIC, Readings, logged, series

WITHIN_S = 10.0


def times(readings: Readings) -> list[float]:
    return [time_s for time_s, _ in readings]


# --- worked examples


def test_linear_example() -> None:
    sparse = logged(LINEAR, comp_val=5, model="sparse")
    assert sparse.get_data() == [(1000, 10), (1006, 16)]
    event = logged(LINEAR, comp_val=5, model="event")
    # Published without (1003, 11): the limit was squared, 2.5 instead of 0.5, a fault.
    assert event.get_data() == [(1000, 10), (1002, 10.1), (1003, 11), (1005, 12.7), (1006, 16)]


def test_linear_example_where_the_squared_limit_has_no_effect() -> None:
    readings = [(time_s, value / 5) for time_s, value in LINEAR]
    assert logged(readings, comp_val=1).get_data() == [
        (1000, 2.0),
        (1002, 10.1 / 5),
        (1003, 11 / 5),
        (1005, 12.7 / 5),
        (1006, 16 / 5),
    ]


def test_logarithmic_example() -> None:
    sparse = logged(LOGARITHMIC, comp_type="log", comp_val=0.25, model="sparse")
    assert sparse.get_data() == [(1000, 1.0), (1006, 1.26), (1008, 0.9)]
    event = logged(LOGARITHMIC, comp_type="log", comp_val=0.25)
    assert times(event.get_data()) == [1000, *range(1002, 1009)]


@pytest.mark.parametrize("model", ["sparse", "event"])
def test_maximumtime_and_lower_limit_example(model: str) -> None:
    moments = (1000, 1005, 1010, 1010.5, 1011, 1012, 1021, 1022)
    readings = list(zip(moments, (2, 2.5, 2.4, 2.4, -5, -6, -7, 1), strict=True))
    logger = logged(readings, comp_val=1, maximumtime=10, low_comp=0, model=model)
    assert logger.get_data() == [(1000, 2), (1010.5, 2.4), (1021, -7), (1022, 1)]


def test_equality_triggers() -> None:
    assert times(logged(series(1000, 10, 15, 10.0001), comp_val=5, model="sparse").get_data()) == [1000, 1001]


def test_the_last_point_is_zero_at_zero_before_the_first() -> None:
    assert logged(series(100, 0.2, 0.3)).get_data() == []
    assert logged([(1700000000, 0.2)]).get_data() == [(1700000000, 0.2)]


def test_none_is_passed_over() -> None:
    assert [value for _, value in logged(series(1, None, 1.0, None, 9.0)).get_data()] == [1.0, 9.0]  # type: ignore[arg-type]


# --- arguments, attributes, methods


def test_attributes() -> None:
    logger = logged(LINEAR, comp_val=5, model="sparse", low_comp=1)
    assert logger.daemon
    assert logger.status == {"quit": True, "trigged": True}
    assert logger.read_trigged() is True
    assert logger.last == {"time": 1006, "val": 16}
    assert logger.compare == {"type": "lin", "val": 5, "low_comp": 1, "grade_val": 0.5}
    assert logger.read_value() == logger.value == 16
    assert logger.saved_points == [(1000, 10), (1006, 16)]


def test_clear_trigged_forgets_the_points() -> None:
    logger = logged(LINEAR)
    logger.clear_trigged()
    assert logger.read_trigged() is False
    assert logger.get_data() == []


def test_get_data_clears_as_well() -> None:
    logger = logged(LINEAR)
    assert logger.get_data() != []
    assert logger.read_trigged() is False
    assert logger.saved_points == []


def test_buffer_holds_the_readings_since_the_last_point_in_the_event_model() -> None:
    assert logged(LINEAR, comp_val=5).buffer == [(1007, 16)]
    assert logged(LINEAR, comp_val=5, model="sparse").buffer == []


def test_a_reading_below_the_lower_limit_is_buffered() -> None:
    assert logged(series(1000, 10, -5), low_comp=0).buffer == [(1001, -5)]


@pytest.mark.parametrize("channel", [0, "gauge"])
def test_a_channel_is_given_to_the_reader(channel: Any) -> None:
    assert logged(LINEAR, channel=channel, comp_val=5, model="sparse").get_data() == [(1000, 10), (1006, 16)]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"grade": 0}, '"grade" must be larger than 0 and less than 1'),
        ({"grade": 1}, '"grade" must be larger than 0 and less than 1'),
        ({"model": "dense"}, '"model" must be either "sparse" or "event"'),
    ],
)
def test_wrong_arguments_are_told(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        ValueLogger(None, **arguments)


def test_a_wrong_type_is_told_and_stores_by_time_only(caplog: pytest.LogCaptureFixture) -> None:
    logger = logged([(1000, 1), (1001, 99), (1700, 99)], comp_type="linear")
    assert times(logger.get_data()) == [1000, 1700]
    assert "comp_type is neither 'lin' nor 'log' but 'linear'" in caplog.records[0].getMessage()


def test_scripts_may_change_the_criterion_while_it_runs() -> None:
    logger = logged(series(1000, 10), comp_val=5)
    logger.compare["val"] = 1
    logger.take(1001, 12)
    assert times(logger.get_data()) == [1000, 1001]


class Counting:
    """A reader that counts, and tells when it has been asked so often."""

    def __init__(self, enough: int, first: Any = 1) -> None:
        self.enough, self.number = enough, first
        self.asked = 0
        self.reached = threading.Event()

    def value(self) -> Any:
        self.asked += 1
        if self.asked >= self.enough:
            self.reached.set()
        return self.number


def test_a_thread_reads_and_stamps_by_the_clock_of_this_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_logger_thread, "PERIOD_S", 0.001)
    monkeypatch.setattr(value_logger_thread, "wall_clock", lambda: 1700000000.0)
    reader = Counting(3, first=7.0)
    logger = ValueLogger(reader)
    assert logger.read_value() is None
    assert logger.read_trigged() is False
    logger.start()
    assert reader.reached.wait(WITHIN_S)
    logger.status["quit"] = True
    logger.join(WITHIN_S)
    assert not logger.is_alive()
    assert logger.get_data() == [(1700000000.0, 7.0)]


def test_it_reads_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    class Pause:
        def wait(self, seconds: float) -> None:
            pauses.append(seconds)
            logger.status["quit"] = len(pauses) == 4

    reader = Counting(3)
    logger = ValueLogger(reader)
    monkeypatch.setattr(logger, "_pause", Pause())
    logger.run()
    assert pauses == [1.0] * 4
    assert reader.asked == 3  # not again when it was ended in the pause


# --- failing readers


def test_more_than_fifteen_nones_in_a_row_end_it_and_that_is_told(caplog: pytest.LogCaptureFixture) -> None:
    logger = ValueLogger(Counting(99, first=None), run_on_old_data=True, channel=None)
    with pytest.raises(Exception, match=r"^Error in ValueLogger$"):
        logger.run()
    assert logger.valuereader.asked == 16
    assert logger.status["quit"] is True
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == "ValueLogger of Counting ends after 16 readings without a value"


def test_fifteen_nones_in_a_row_do_not_end_it() -> None:
    nones = [None] * 15
    logger = logged(series(1000, 1.0, *nones, 9.0, *nones, 20.0))  # type: ignore[arg-type]
    assert [value for _, value in logger.get_data()] == [1.0, 9.0, 20.0]


@pytest.mark.parametrize("failure", [OSError("unplugged"), "OPEN", b"1.0", [1.0]])
def test_a_reader_that_fails_once_does_not_end_it(failure: Any, caplog: pytest.LogCaptureFixture) -> None:
    logger = logged(series(1000, 1.0, failure, failure, 9.0))
    assert [value for _, value in logger.get_data()] == [1.0, 9.0]
    (record,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert record.getMessage() == "ValueLogger of OldReader: the reading failed"
    assert record.exc_info is not None


def test_a_failed_reading_is_no_value() -> None:
    assert logged(series(1000, 1.0, OSError("unplugged"))).read_value() is None  # type: ignore[arg-type]


# --- what is mended


def test_none_with_a_lower_limit_does_not_end_it() -> None:
    readings = series(1000, None, 1.0, None, 9.0)  # type: ignore[arg-type]
    assert [value for _, value in logged(readings, low_comp=0).get_data()] == [1.0, 9.0]


@pytest.mark.parametrize("model", ["sparse", "event"])
def test_values_that_creep_over_the_lower_limit_after_a_zero_do_not_end_it(model: str) -> None:
    readings = series(1000, 0.0, 1e-4, 5e-4, 2e-3, 3e-3)
    logger = logged(readings, comp_type="log", comp_val=0.1, low_comp=1e-3, model=model)
    assert times(logger.get_data()) == ([1000, 1003, 1004] if model == "sparse" else [1000, 1001, 1002, 1003, 1004])


def test_a_negative_value_triggers_no_more_than_a_positive_one() -> None:
    steady = series(1000, *[-1.0] * 100)
    assert times(logged(steady, comp_type="log", comp_val=0.1).get_data()) == [1000]
    mirror = [(time_s, -value) for time_s, value in LOGARITHMIC]
    for model in ("sparse", "event"):
        options: dict[str, Any] = {"comp_type": "log", "comp_val": 0.25, "model": model}
        assert times(logged(mirror, **options).get_data()) == times(logged(LOGARITHMIC, **options).get_data())


def test_a_change_of_sign_triggers() -> None:
    assert times(logged(series(1000, 1.0, -1.0), comp_type="log", comp_val=0.1).get_data()) == [1000, 1001]


def test_zero_after_zero_is_no_trigger() -> None:
    assert times(logged(series(1000, 0.0, 0.0, 1e-9), comp_type="log", model="sparse").get_data()) == [1000, 1002]


@pytest.mark.parametrize("comp_type", ["lin", "log"])
@pytest.mark.parametrize("low_comp", [None, 0])
def test_no_value_triggers_when_it_begins_and_when_it_ends(comp_type: str, low_comp: float | None) -> None:
    readings = series(1000, 1.0, 1.0, *[math.nan] * 50, 1.0, 1.0)
    logger = logged(readings, comp_type=comp_type, comp_val=0.5, low_comp=low_comp, model="sparse")
    assert times(logger.get_data()) == [1000, 1002, 1052]


def test_points_that_nobody_fetches_do_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(value_logger_thread, "MOST_POINTS", 10)
    points = logged(series(1000, *range(25)), comp_val=0.5).get_data()
    assert len(points) <= 10
    assert points[-1] == (1024, 24)
    assert "nobody fetches the points" in caplog.records[-1].getMessage()


@given(
    st.sampled_from(["lin", "log"]),
    st.sampled_from(["sparse", "event"]),
    st.lists(st.floats() | st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-9, math.nan]), min_size=1, max_size=60),
    st.floats(1e-6, 1e6),
    st.none() | st.floats(-1e3, 1e3),
)
def test_whatever_is_read_is_decided_and_no_point_is_stored_twice(
    comp_type: str, model: str, values: list[float], comp_val: float, low_comp: float | None
) -> None:
    readings = series(1000, *values)
    points = logged(readings, comp_type=comp_type, model=model, comp_val=comp_val, low_comp=low_comp).get_data()
    assert times(points) == sorted(set(times(points)))
    assert set(map(repr, points)) <= {repr((float(time_s), value)) for time_s, value in readings}
