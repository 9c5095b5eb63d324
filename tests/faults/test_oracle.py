"""The oracle itself sees each kind of difference, and says what it is."""

from itertools import islice

import pytest

from tests.faults.oracle import CODENAMES, Point, Row, differences, expected_rows, stream

ROWS: list[Row] = [(1_000_000, 1.5), (2_000_000, None), (2_000_000, 3.5)]


def test_a_seed_always_gives_the_same_points_each_with_a_value_of_its_own() -> None:
    points = list(islice(stream(7), 5_000))
    assert list(map(repr, points)) == list(map(repr, islice(stream(7), 5_000)))
    assert {point.codename for point in points} == set(CODENAMES)
    values = [point.value for point in points if point.value == point.value]
    assert len(set(values)) == len(values) > 4_900
    # The hour that summer time repeats: 2025-10-26 00:00 to 02:00 UTC.
    assert points[0].time < 1_761_440_400.0 < points[-1].time


@pytest.mark.parametrize(("digits", "microseconds"), [(6, 1_700_000_945_270_695), (0, 1_700_000_945_000_000)])
def test_a_time_is_rounded_to_the_microsecond_and_floored_to_the_column(digits: int, microseconds: int) -> None:
    assert Point("x", 1700000945.2706954, 1.0).row(digits) == (microseconds, 1.0)


def test_equal_tables_do_not_differ() -> None:
    assert differences({"x": ROWS, "y": []}, {"x": list(ROWS)}) == []


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (ROWS[1:], "1 missing (first: (1000000, 1.5))"),
        ([*ROWS, ROWS[1]], "1 too many (first: (2000000, None))"),
        ([ROWS[0], ROWS[2], ROWS[1]], "row 1 is (2000000, 3.5) where (2000000, None) belongs"),
        ([(1_000_001, 1.5), *ROWS[1:]], "1 missing (first: (1000000, 1.5)), 1 too many (first: (1000001, 1.5))"),
    ],
    ids=["lost", "twice", "order", "time"],
)
def test_a_difference_is_named(found: list[Row], text: str) -> None:
    total, detail = differences({"x": ROWS}, {"x": found})
    assert total == f"{len(found)} rows, 3 expected"
    assert text in detail


def test_rows_of_an_unexpected_codename_are_too_many() -> None:
    assert "type 9: 3 too many" in "\n".join(differences({"x": []}, {"type 9": ROWS}))


def test_expected_rows_are_kept_apart_by_codename() -> None:
    rows = expected_rows([Point(CODENAMES[1], 1.25, 2.0), Point(CODENAMES[1], 0.5, float("nan"))], 0)
    assert rows == {CODENAMES[0]: [], CODENAMES[1]: [(1_000_000, 2.0), (0, None)], CODENAMES[2]: []}
