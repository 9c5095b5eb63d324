"""Slots at fixed times, on a clock that goes only as the test lets it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from PyExpLabSys.setups.polling import Schedule
from PyExpLabSys.simulators.serving.memory import VirtualClock


def run(schedule: Schedule, clock: VirtualClock, durations_s: list[float], until_s: float) -> list[tuple[int, float]]:
    """Let the calls take so long, each in turn, and return which began when."""
    began: list[tuple[int, float]] = []
    while True:
        index, due_s = schedule.next()
        clock.sleep(max(0.0, due_s - clock.monotonic()))
        if clock.monotonic() >= until_s:
            return began
        schedule.begin(index, clock.monotonic())
        began.append((index, clock.monotonic()))
        clock.sleep(durations_s[index])


def test_a_year_of_readings_does_not_drift() -> None:
    clock, period_s = VirtualClock(1000.0), 0.1
    schedule = Schedule([period_s], 1000.0)
    began = run(schedule, clock, [0.03], 1000.0 + 86400.0)
    assert len(began) == 864000
    assert max(abs(time_s - 1000.0 - slot * period_s) for slot, (_, time_s) in enumerate(began)) < 1e-6
    assert schedule.skipped == [0]


def test_a_slot_that_was_overrun_is_skipped_and_counted() -> None:
    schedule = Schedule([1.0], 0.0)
    began = run(schedule, VirtualClock(), [2.5], 12.0)
    # A call that ends at 2.5 has overrun the slot at 1; the one at 2 begins late, and the grid stays.
    assert [time_s for _, time_s in began] == [0.0, 2.5, 5.0, 7.5, 10.0]
    assert schedule.skipped == [len({1, 3, 4, 6, 8, 9})]


def test_those_on_one_line_take_turns_and_each_keeps_its_period() -> None:
    schedule = Schedule([1.0, 1.0, 5.0], 0.0)
    began = run(schedule, VirtualClock(), [0.2, 0.2, 0.2], 60.0)
    assert [sum(1 for index, _ in began if index == each) for each in range(3)] == [60, 60, 12]
    assert schedule.skipped == [0, 0, 0]
    assert max(time_s % 1.0 for _, time_s in began) < 0.41


def test_a_slow_neighbour_does_not_starve_anybody() -> None:
    schedule = Schedule([1.0, 1.0], 0.0)
    began = run(schedule, VirtualClock(), [3.0, 0.1], 100.0)
    slow, quick = (sum(1 for index, _ in began if index == each) for each in range(2))
    assert 0.4 * slow <= quick <= slow + 1


@given(st.floats(0.01, 100.0), st.lists(st.floats(0.0, 1000.0), min_size=1, max_size=50))
def test_every_slot_begins_or_is_skipped_and_none_begins_early(period_s: float, durations_s: list[float]) -> None:
    clock, schedule = VirtualClock(), Schedule([period_s], 0.0)
    for begun, duration_s in enumerate(durations_s, start=1):
        _, due_s = schedule.next()
        clock.sleep(max(0.0, due_s - clock.monotonic()))
        assert clock.monotonic() >= due_s
        schedule.begin(0, clock.monotonic())
        # The next slot is the first that is still to come (but for rounding).
        _, next_s = schedule.next()
        assert next_s == pytest.approx((begun + schedule.skipped[0]) * period_s)
        assert clock.monotonic() - 1e-6 <= next_s <= clock.monotonic() + period_s + 1e-6
        clock.sleep(duration_s)


@pytest.mark.parametrize("start_s", [0.0, 123456.789])
def test_the_first_slot_of_everybody_is_at_the_start(start_s: float) -> None:
    assert Schedule([3.0, 1.0], start_s).next()[1] == start_s
