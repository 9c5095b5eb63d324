"""``LoggingCriteriumChecker``: its published behaviour, by its worked examples, and what is mended."""

import logging
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from PyExpLabSys.common import value_logger
from PyExpLabSys.common.buffer_deviation import smooth
from PyExpLabSys.common.value_logger import LoggingCriteriumChecker
from tests.common.old_readings import LINEAR, LOGARITHMIC, Readings, checked, series


def one(type_: str, criterium: float, **options: Any) -> LoggingCriteriumChecker:
    checker = LoggingCriteriumChecker()
    checker.add_measurement("a", type_, criterium, **options)
    return checker


def bump() -> Readings:
    """A quiet signal with a small bump, and a ramp at the end."""
    quiet = (-0.05, 0.0, 0.05, 0.0)
    return [
        (t, 100 + quiet[t % 4] + (1.0 if 900 <= t <= 902 else 0.0) + (t - 999 if t >= 1000 else 0)) for t in range(1006)
    ]


def mirrored(readings: Readings) -> Readings:
    return [(time_s, -value) for time_s, value in readings]


# --- worked examples


def test_linear_example() -> None:
    checker = one("lin", 5)
    assert checked(checker, LINEAR) == {
        1000: [(1000, 10)],
        1006: [(1002, 10.1), (1003, 11), (1005, 12.7), (1006, 16)],
    }
    assert checker.buffer["a"] == [(1007, 16)]


def test_logarithmic_example() -> None:
    assert checked(one("log", 0.25), LOGARITHMIC) == {
        1000: [(1000, 1.0)],
        1006: [(1002, 0.99), (1003, 1.05), (1004, 1.12), (1005, 1.2), (1006, 1.26)],
        1008: [(1007, 1.26), (1008, 0.9)],
    }


def test_timeout_and_lower_limit_example() -> None:
    checker = one("lin", 1, time_out=10, low_compare=0)
    before: Readings = [(1000, 2), (1005, 2.5), (1010, 2.4), (1010.5, 2.4), (1011, -5), (1012, -6)]
    assert list(checked(checker, before)) == [1000, 1010.5]
    assert checker.buffer["a"] == []
    assert checked(checker, [(1021, -7), (1022, 1)]) == {1021: [(1021, -7)], 1022: [(1022, 1)]}
    assert checker.check("a", None, 1023) is False
    assert (checker.last_values["a"], checker.last_time["a"], checker.buffer["a"]) == (1, 1022, [])


def test_example_with_zeros_stores_no_point_twice() -> None:
    stored = checked(one("log", 0.25), series(1, 0, 0, 0, 1e-9, 1.1e-9, 0, 0, 5))
    assert stored == {
        1: [(1, 0)],
        4: [(3, 0), (4, 1e-9)],
        6: [(5, 1.1e-9), (6, 0)],  # published with (5, 1.1e-9) twice, a fault
        8: [(7, 0), (8, 5)],
    }


def test_deviation_example_stores_a_bump_that_a_straight_line_would_hide() -> None:
    stored = checked(one("lin", 5), bump())
    assert list(stored) == [0, 601, 1005]
    assert len(stored[601]) == 1
    assert [time_s for time_s, _ in stored[1005]] == [*range(897, 906), *range(999, 1006)]


def test_smooth_example() -> None:
    values = [0.0] * 5 + [11.0] + [0.0] * 5
    half = [1.833, 1.571, 1.375, 1.222, 1.1, 1.0]
    assert smooth(values, 5) == pytest.approx([*half, *half[-2::-1]], abs=5e-4)


@pytest.mark.parametrize(("type_", "criterium"), [("lin", 5.0), ("log", 0.5)])
def test_exactly_the_criterium_is_no_event(type_: str, criterium: float) -> None:
    assert list(checked(one(type_, criterium), series(0, 10.0, 15.0, 15.1))) == [0, 2]


# --- arguments and attributes


def test_many_codenames_at_once() -> None:
    checker = LoggingCriteriumChecker(
        ["a", "b"], ["lin", "log"], [1, 0.1], time_outs=[60, 600], low_compare_values=[None, 1e-9], grades=[0.2, 0.3]
    )
    assert checker.codenames == ["a", "b"]
    assert checker.measurements["b"] == {
        "type": "log",
        "criterium": 0.1,
        "time_out": 600,
        "low_compare": 1e-9,
        "grade": 0.3,
    }
    assert (checker.deviation_factor, checker.deprecation_warning) == (50, True)
    assert (checker.timeout_ref, checker.timeout_counter) == (0, 0)


def test_defaults() -> None:
    checker = LoggingCriteriumChecker(("a",), ("lin",), (1,))
    assert checker.measurements["a"] == {
        "type": "lin",
        "criterium": 1,
        "time_out": 600,
        "low_compare": None,
        "grade": 0.1,
    }


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"types": []}, "There must be exactly as many types as codenames"),
        ({"criteria": [1, 2]}, "There must be exactly as many criteria as codenames"),
        (
            {"low_compare_values": []},
            "If low_compare_values is given, it must contain as many values as there are codenames",
        ),
        ({"time_outs": [1, 2]}, "If time_outs is given, it must contain as many values as there are codenames"),
        ({"grades": []}, "If grades is given, it must contain as many values as there are codenames"),
        ({"grades": [0]}, "If grades is given, each grade must be larger than 0 and less than 1"),
        ({"grades": [1]}, "If grades is given, each grade must be larger than 0 and less than 1"),
        ({"types": ["linear"]}, 'Type must be either "lin" or "log"'),
    ],
)
def test_wrong_arguments_are_told(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        LoggingCriteriumChecker(**{"codenames": ["a"], "types": ["lin"], "criteria": [1], **arguments})


def test_an_unknown_codename_is_told() -> None:
    with pytest.raises(KeyError) as caught:
        one("lin", 1).check("b", 1.0)
    assert caught.value.args == ("Codename 'b' is unknown",)


def test_the_clock_of_this_computer_is_used_when_no_time_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_logger, "wall_clock", lambda: 1700000000.0)
    checker = one("lin", 1)
    assert checker.check("a", 5.0)
    assert checker.get_data("a") == [(1700000000.0, 5.0)]
    assert checker.get_data("a") == []


def test_handlers_can_be_overridden() -> None:
    class Own(LoggingCriteriumChecker):
        calls: list[tuple[Any, ...]]

        def event_handler(self, *arguments: Any) -> None:
            self.calls.append(("event", *arguments))

        def timeout_handler(self, *arguments: Any) -> None:
            self.calls.append(("timeout", *arguments))
            super().timeout_handler(*arguments)

        def check_buffer_deviation(self, *arguments: Any) -> None:
            self.calls.append(("deviation", *arguments))

    checker = Own(["a"], ["lin"], [5])
    checker.calls = []
    assert checked(checker, [(0, 0.0), (1, -6.0), (700, -6.0)]) == {0: [(0, 0.0)], 1: [(1, -6.0)], 700: [(700, -6.0)]}
    assert checker.calls == [
        ("event", "a", "lin", (1, -6.0), -1),
        ("timeout", "a", 700, -6.0),
        ("deviation", "a", 700, -6.0),
    ]
    assert checker.timeout_counter == 1


def test_a_codename_that_is_added_again_begins_anew() -> None:
    checker = one("lin", 5)
    checked(checker, LINEAR)
    checker.add_measurement("a", "lin", 100)
    assert checked(checker, LINEAR) == {1000: [(1000, 10)]}


def test_a_script_that_only_asks_goes_on_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    checker = one("lin", 5)
    assert [checker.check("a", value, now) for now, value in LINEAR] == [True, *[False] * 5, True, False]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("DeprecationWarning: Attribute")
    assert "get_data()" in record.getMessage()


def test_it_is_not_told_when_nobody_wants_to_know(caplog: pytest.LogCaptureFixture) -> None:
    checker = one("lin", 5)
    checker.deprecation_warning = False
    assert sum(checker.check("a", value, now) for now, value in LINEAR) == 2
    assert caplog.records == []


# --- what is mended


def test_a_negative_signal_is_stored_like_its_mirror_image() -> None:
    plain, negative = one("lin", 5), one("lin", 5)
    expected = checked(plain, bump())
    assert checked(negative, mirrored(bump())) == {time_s: mirrored(points) for time_s, points in expected.items()}
    assert negative.timeout_ref == plain.timeout_ref > 0


def test_a_negative_signal_stores_one_point_at_a_timeout() -> None:
    noise = [(t, -100.0 + (0.05, -0.02, 0.01)[t % 3]) for t in range(5 * 601 + 1)]
    stored = checked(one("lin", 5), noise)
    assert {time_s: len(points) for time_s, points in stored.items()} == dict.fromkeys(range(0, 3006, 601), 1)


@pytest.mark.parametrize("offset", [0.0, -0.002])
def test_a_signal_around_zero_stores_its_bump_and_nothing_else(offset: float) -> None:
    noise = [(t, offset + (0.005, -0.006, 0.003, -0.001)[t % 4]) for t in range(1300)]
    noise[900] = (900, 4.0)
    stored = checked(one("lin", 5), noise)
    assert {time_s: len(points) for time_s, points in stored.items() if time_s < 1000} == {0: 1, 601: 1}
    kept = [time_s for time_s, _ in stored[1202]]
    assert 900 in kept
    assert set(kept) <= {*range(895, 906), 1202}


def test_a_signal_that_is_zero_throughout_does_not_spoil_what_is_usual() -> None:
    checker = one("lin", 5)
    stored = checked(checker, [(t, 0.0) for t in range(1300)])
    assert {time_s: len(points) for time_s, points in stored.items()} == {0: 1, 601: 1, 1202: 1}
    assert checker.timeout_ref == 0


def test_what_is_usual_for_one_codename_says_nothing_about_another() -> None:
    checker = LoggingCriteriumChecker(["a", "noisy"], ["lin", "lin"], [5, 1e9])
    for t in range(602):
        checker.check("noisy", 1e6 * (1 + t % 7), t)
    alone = checked(one("lin", 5), bump())
    assert checked(checker, bump()) == alone
    assert checker.timeout_counter == 2
    assert checker.timeout_ref > 1e3


def test_values_beyond_all_measure_do_not_spoil_what_is_usual() -> None:
    checker = one("lin", math.inf)
    for t in range(602):
        checker.check("a", 1e200 * (1 + t % 2), t)
    assert checker.timeout_counter == 1
    assert math.isfinite(checker.timeout_ref)


@pytest.mark.parametrize("type_", ["lin", "log"])
def test_no_value_is_stored_when_it_begins_and_when_it_ends(type_: str) -> None:
    stored = checked(one(type_, 0.5), series(1, 1.0, 1.1, math.nan, math.nan, math.nan, 1.0, 9.0))
    assert list(stored) == [1, 3, 6, 7]
    assert [time_s for time_s, _ in stored[3]] == [2, 3]
    assert math.isnan(stored[3][1][1])
    assert [time_s for time_s, _ in stored[6]] == [5, 6]
    assert stored[7] == [(7, 9.0)]


def test_points_that_nobody_fetches_do_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(value_logger, "MOST_POINTS", 10)
    checker = one("lin", 0.5)
    for t in range(25):
        checker.check("a", float(t), t)
    points = checker.get_data("a")
    assert len(points) <= 10
    assert points[-1] == (24, 24.0)
    assert "get_data() was never called" in caplog.records[-1].getMessage()


def test_only_the_newest_readings_are_looked_back_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_logger, "MOST_READINGS", 10)
    checker = one("lin", 5)
    for t in range(100):
        checker.check("a", 0.01 * t, t)
    assert [time_s for time_s, _ in checker.buffer["a"]] == list(range(90, 100))


@given(
    st.sampled_from(["lin", "log"]),
    st.lists(st.floats() | st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-9, math.nan]), max_size=80),
    st.floats(1e-6, 1e6),
    st.integers(1, 60),
)
def test_whatever_is_read_is_decided_and_no_point_is_stored_twice(
    type_: str, values: list[float], criterium: float, time_out: int
) -> None:
    readings = series(0, *values)
    stored = checked(one(type_, criterium, time_out=time_out), readings)
    points = [point for group in stored.values() for point in group]
    times = [time_s for time_s, _ in points]
    assert times == sorted(set(times))
    assert set(map(repr, points)) <= set(map(repr, readings))
    assert all(group[-1][0] == time_s for time_s, group in stored.items())
