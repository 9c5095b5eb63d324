"""ContinuousLogger: what can be added, and what is said about the rest."""

import math
import time
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from PyExpLabSys.common import loggers
from PyExpLabSys.common.loggers import ContinuousLogger
from PyExpLabSys.common.records import FLAG_STAMPED_BY_US
from tests.common.held_sink import ENOUGH_S, T0, NewLogger
from tests.common.lab_tables import CODENAME, as_kept, points_in
from tests.servers.lab import LabDatabase


def head_flags(logger: ContinuousLogger) -> list[int]:
    """Return the flags of the records that wait in a logger that was not started."""
    cursor = logger._delivery.cursor
    segment, _ = logger._queue._segment_of(cursor.position)
    start = (cursor.position - segment.first_sequence) * 24
    return segment.read(start, start + 24 * cursor.waiting)["flags"].tolist()


def test_points_of_a_wrong_shape(new_logger: NewLogger, tables: dict[str, int]) -> None:
    logger = new_logger()
    wrong: Any
    for wrong in ((), (1.0,), (1.0, 2.0, 3.0), "abc"):
        with pytest.raises(ValueError, match=r"^'point' must be a iterable with 2 values$"):
            logger.enqueue_point(CODENAME, wrong)
    for wrong in (1.0, None):
        with pytest.raises(TypeError):
            logger.enqueue_point(CODENAME, wrong)
    assert logger.data_queue.empty()


def test_unknown_codename_is_a_key_error_that_says_which_there_are(
    new_logger: NewLogger, tables: dict[str, int]
) -> None:
    logger = new_logger()
    for call in (
        lambda: logger.enqueue_point("other", (1.0, 2.0)),
        lambda: logger.enqueue_point_now("other", 2.0),
        lambda: logger.enqueue_points("other", [1.0], [2.0]),
    ):
        with pytest.raises(KeyError) as caught:
            call()
        assert caught.value.args == ("other",)
        assert CODENAME in str(caught.value)
    assert logger.data_queue.empty()


NUMBERS: list[tuple[Any, float | None]] = [
    (1, 1.0),
    (True, 1.0),
    (None, None),
    (math.nan, None),
    (-0.0, 0.0),
    ("2.5", 2.5),
    (" 1e-11 ", 1e-11),
    (Decimal("0.1"), 0.1),
    (np.float32(0.5), 0.5),
    (np.float64(0.1), 0.1),
    (np.int64(-7), -7.0),
    (2**70, float(2**70)),
    (1.7976931348623157e308, 1.7976931348623157e308),
    (0.1 + 0.2, 0.1 + 0.2),
]


def test_values_that_are_numbers_are_stored(
    new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int]
) -> None:
    logger = new_logger()
    logger.start()
    expected = []
    for value, stored in NUMBERS:
        now = logger.enqueue_point_now(CODENAME, value)
        logger.enqueue_point(CODENAME, [T0, value])
        logger.enqueue_point(CODENAME, iter((T0, value)))  # type: ignore[arg-type]  # any iterable always did
        expected += [(tables[CODENAME], as_kept("new", t), stored) for t in (now, T0, T0)]
    assert logger.stop() == 0
    assert points_in(lab_database) == expected


NO_NUMBERS: list[Any] = ["text", "1); DROP TABLE dateplots_dummy; --", "", [], 1j, 10**400, object]


def test_values_that_are_none_are_refused_where_they_are_added(new_logger: NewLogger, tables: dict[str, int]) -> None:
    """Old: text was pasted into the statement as it was."""
    logger = new_logger()
    for value in NO_NUMBERS:
        for call, *arguments in (
            (logger.enqueue_point_now, value),
            (logger.enqueue_point, (T0, value)),
            (logger.enqueue_points, [T0], [value]),
            (logger.enqueue_point, (value, 1.0)),
        ):
            with pytest.raises(ValueError, match=f"{CODENAME}|one equal length"):
                call(CODENAME, *arguments)
    assert logger.data_queue.qsize() == 0


def test_a_time_of_none_is_refused(new_logger: NewLogger, tables: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"the time of a point of {CODENAME} is not a number: None"):
        new_logger().enqueue_point(CODENAME, (None, 1.0))  # type: ignore[arg-type]


def test_times_in_other_types(new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int]) -> None:
    logger = new_logger()
    logger.start()
    times: list[Any] = [1_700_000_001, np.float64(1_700_000_002.5), "1700000003.25", Decimal("1700000004.125")]
    for t in times:
        logger.enqueue_point(CODENAME, (t, 1.0))
    assert logger.stop() == 0
    assert [t for _, t, _ in points_in(lab_database)] == [as_kept("new", float(t)) for t in times]


def test_enqueue_points_takes_arrays_and_lists(
    new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int]
) -> None:
    logger = new_logger()
    logger.enqueue_points(CODENAME, T0 + np.arange(10_000) / 64.0, np.arange(10_000, dtype=np.int32))
    logger.enqueue_points(CODENAME, [T0 + 1000.0, T0 + 1001.0], [math.nan, 2.0])
    logger.enqueue_points(CODENAME, [], [])
    logger.start()
    assert logger.stop() == 0
    id_ = tables[CODENAME]
    expected: list[Any] = [(id_, as_kept("new", T0 + i / 64.0), float(i)) for i in range(10_000)]
    expected += [(id_, as_kept("new", T0 + 1000.0), None), (id_, as_kept("new", T0 + 1001.0), 2.0)]
    assert points_in(lab_database) == expected


def test_enqueue_points_refuses_unequal_rows(new_logger: NewLogger, tables: dict[str, int]) -> None:
    logger = new_logger()
    times: Any
    values: Any
    for times, values in (([1.0], [1.0, 2.0]), (1.0, 2.0), ([[1.0]], [[1.0]]), ([1.0], [])):
        with pytest.raises(ValueError, match="one equal length"):
            logger.enqueue_points(CODENAME, times, values)
    assert logger.data_queue.empty()


def test_points_added_before_start_wait_and_are_delivered(
    new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int]
) -> None:
    logger = new_logger()
    logger.enqueue_point(CODENAME, (T0, 1.0))
    assert points_in(lab_database) == []
    logger.start()
    assert logger.flush(ENOUGH_S)
    assert points_in(lab_database) == [(tables[CODENAME], as_kept("new", T0), 1.0)]


def test_the_stamp_that_is_returned_is_the_one_that_is_stored(
    new_logger: NewLogger, lab_database: LabDatabase, tables: dict[str, int]
) -> None:
    logger = new_logger()
    before = time.time()
    stamps = [logger.enqueue_point_now(CODENAME, float(i)) for i in range(100)]
    assert all(type(stamp) is float for stamp in stamps)
    assert before <= stamps[0] <= stamps[-1] <= time.time()
    logger.start()
    logger.stop()
    assert [t for _, t, _ in points_in(lab_database)] == [as_kept("new", stamp) for stamp in stamps]


def test_stamps_near_our_clock_are_ours_and_others_are_not(
    new_logger: NewLogger, tables: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loggers, "wall_clock", lambda: T0)
    logger = new_logger()
    logger.enqueue_point_now(CODENAME, 0.0)
    offsets = (0.0, 0.9, -0.9, 1.1, -1.1, 3600.0)
    for offset in offsets:
        logger.enqueue_point(CODENAME, (T0 + offset, 0.0))
        logger.enqueue_point(CODENAME, (T0 + offset, None))  # type: ignore[arg-type]  # the way of odd points
    logger.enqueue_points(CODENAME, T0 + np.array(offsets), np.zeros(len(offsets)))
    ours = [FLAG_STAMPED_BY_US * (abs(offset) < 1.0) for offset in offsets]
    assert head_flags(logger) == [FLAG_STAMPED_BY_US, *(flag for flag in ours for _ in range(2)), *ours]
