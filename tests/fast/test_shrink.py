"""Shrinking: what is left still fails, nothing can be left out of it, and a deadline keeps the best so far."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from faultinject.decide.schedule import Schedule, parse_schedule
from scenarios.engine.shrink import shrunk

FAULTS = ("cut-before", "lost-reply")
STEPS = [
    f"{client}{number}{fault}"
    for client in "AB"
    for number in range(1, 6)
    for fault in ("", "!cut-before")
]


def never() -> bool:
    return False


def needing(*words: str) -> Callable[[Schedule], bool]:
    """Return what fails if all of these steps are there."""
    return lambda schedule: set(words) <= set(str(schedule).split())


@given(st.lists(st.sampled_from(STEPS), unique=True, max_size=10), st.data())
def test_exactly_what_is_needed_is_left(steps: list[str], data: st.DataObject) -> None:
    needed = data.draw(st.lists(st.sampled_from(steps), unique=True)) if steps else []
    found = shrunk(parse_schedule(" ".join(steps), FAULTS), needing(*needed), never)
    assert sorted(str(found).split()) == sorted(needed)


def test_a_fault_that_is_not_needed_goes_though_its_step_stays() -> None:
    schedule = parse_schedule("A1 B1!cut-before", FAULTS)
    found = shrunk(schedule, lambda smaller: "B1" in str(smaller), never)
    assert str(found) == "B1"


def test_when_the_time_is_up_the_best_so_far_is_kept() -> None:
    schedule = parse_schedule("A1 A2 A3 A4", FAULTS)
    left = iter([False, False, True])
    found = shrunk(schedule, needing("A1"), lambda: next(left))
    assert "A1" in str(found).split()
    assert len(found.steps) < 4
