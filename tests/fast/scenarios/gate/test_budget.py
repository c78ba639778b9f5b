"""How a time budget is shared between parts and tasks. The clock is moved by hand."""

from __future__ import annotations

import math

import pytest

from midpipe.scenarios.gate.budget import (
    FIRST_PASS_SHARE,
    MAX_STORIES_SHARE,
    SHARES,
    Budget,
    Window,
)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def window(budget: Budget, part: str, *following: str, groups: int = 0) -> Window:
    found = budget.window(part, following, groups)
    assert found is not None
    return found


def test_without_a_budget_every_window_and_slice_is_endless() -> None:
    budget = Budget(None, 2)
    assert window(budget, "fleet", "fuzz").end_s == math.inf
    assert window(budget, "fleet", "fuzz").slice_end_s(48, 0.1) == math.inf


def test_each_part_gets_its_share_of_the_time_that_is_left(clock: Clock) -> None:
    budget = Budget(70.0, 2, clock)
    weights = SHARES["sweep"].weight, SHARES["interleave"].weight
    end_s = 100.0 + 70.0 * weights[0] / sum(weights)
    assert window(budget, "sweep", "interleave").end_s == pytest.approx(end_s)


def test_what_a_part_does_not_use_goes_to_those_after_it(clock: Clock) -> None:
    budget = Budget(60.0, 2, clock)
    clock.now_s += 1.0
    assert window(budget, "fuzz").end_s == 160.0


def test_a_first_pass_leaves_most_of_the_time_to_the_second(clock: Clock) -> None:
    budget = Budget(80.0, 2, clock)
    end_s = budget.first_pass_end_s()
    last = budget.window("fuzz", (), 0, pass_end_s=end_s)
    assert last is not None
    assert last.end_s == end_s == 100.0 + FIRST_PASS_SHARE * 80.0
    assert window(budget, "fuzz").end_s == 180.0


def test_time_is_kept_back_for_the_stories_of_what_was_found(clock: Clock) -> None:
    budget = Budget(60.0, 2, clock)
    assert window(budget, "fuzz", groups=8).end_s == 158.0
    most_s = MAX_STORIES_SHARE * 60.0
    assert window(budget, "fuzz", groups=1000).end_s == 160.0 - most_s
    assert budget.stories_window(()).end_s == 160.0


def test_a_part_that_starts_processes_gets_no_window_too_short_for_that(clock: Clock) -> None:
    budget = Budget(60.0, 2, clock)
    clock.now_s += 6.0
    budget.note_start()
    following = ("sweep", "interleave", "fuzz")
    first_s = budget.first_pass_end_s()
    assert budget.window("durability", following, 0, pass_end_s=first_s) is None


def test_in_the_last_pass_such_a_part_gets_room_for_its_starts(clock: Clock) -> None:
    budget = Budget(90.0, 2, clock)
    clock.now_s += 3.0
    budget.note_start()
    clock.now_s += 20.0
    found = window(budget, "durability", "sweep", "interleave", "fuzz", "selfcheck")
    assert found.end_s - clock.now_s > 3.0 * SHARES["durability"].starts


def test_a_part_whose_starts_would_take_most_of_the_time_that_is_left_is_not_begun(
    clock: Clock,
) -> None:
    budget = Budget(60.0, 2, clock)
    clock.now_s += 10.0
    budget.note_start()
    assert budget.window("durability", ("sweep", "interleave", "fuzz"), 0) is None


def test_when_the_time_is_up_there_is_no_window(clock: Clock) -> None:
    budget = Budget(10.0, 2, clock)
    clock.now_s += 10.0
    assert budget.window("sweep", (), 0) is None
    assert budget.stories_window(()).is_over


def test_tasks_get_equal_slices_of_what_is_left_of_the_window(clock: Clock) -> None:
    whole = Window(110.0, 2, clock)
    assert whole.slice_end_s(tasks=10, least_s=0.1) == 102.0
    clock.now_s += 9.0
    assert whole.slice_end_s(tasks=1000, least_s=0.1) == pytest.approx(109.1)
    assert whole.slice_end_s(tasks=1, least_s=0.1) == 110.0


def test_a_task_may_be_given_a_share_of_the_window_however_many_tasks_follow(clock: Clock) -> None:
    whole = Window(110.0, 2, clock)
    assert whole.slice_end_s(tasks=100, least_s=0.1, least_share=0.25) == 102.5
    assert whole.slice_end_s(tasks=4, least_s=0.1, least_share=0.25) == 105.0
