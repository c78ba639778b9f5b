"""Shrinking: what is left still fails, nothing can be left out of it, and a deadline keeps the best so far."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from midpipe.faultinject.decide.pruning import Independence
from midpipe.faultinject.decide.schedule import Schedule, parse_schedule
from midpipe.faultinject.vocabulary import Position
from midpipe.scenarios.explore.shrink import causal_past, only_steps_in, shrunk, shrunk_program
from midpipe.scenarios.programs.written import program_from
from tests.fast.faultinject.decide.test_interleave import event

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


def test_a_step_goes_where_the_wire_changes_hands_less_often() -> None:
    """B1 has to come before A4, and nothing says that it has to come after A3."""

    def fails(schedule: Schedule) -> bool:
        words = str(schedule).split()
        return "B1" in words and any(w[0] == "A" for w in words[words.index("B1") :])

    found = shrunk(parse_schedule("A1 A2 A3 B1 A4", FAULTS), fails, never)
    assert str(found) in ("B1 A1", "B1 A2", "B1 A3", "B1 A4")


@given(st.lists(st.sampled_from(STEPS), unique=True, max_size=7))
def test_no_step_overtakes_an_earlier_one_of_its_client(steps: list[str]) -> None:
    ordered = sorted(steps, key=lambda word: (word.partition("!")[0][1:], word))

    def fails(schedule: Schedule) -> bool:
        for client in "AB":
            own = [str(step.position) for step in schedule.steps if step.position.client == client]
            assert own == sorted(own)
        return len(schedule.steps) >= len(ordered)

    shrunk(parse_schedule(" ".join(ordered), FAULTS), fails, never)


def test_what_the_failure_depends_on_is_its_past() -> None:
    """B reads what A wrote; C touches something of its own, and A goes on after B has read."""
    run = (
        event("A", 1, ("k", True)),
        event("C", 1, ("other", True)),
        event("B", 1, ("k", False)),
        event("A", 2, ("k", True)),
    )
    past = causal_past(run, {Position("B", 1)}, Independence())
    assert past == {Position("A", 1), Position("B", 1)}
    schedule = parse_schedule("A1 C1 B1 A2", FAULTS)
    assert str(only_steps_in(schedule, past)) == "A1 B1"


def test_when_the_time_is_up_the_best_so_far_is_kept() -> None:
    schedule = parse_schedule("A1 A2 A3 A4", FAULTS)
    left = iter([False, False, True])
    found = shrunk(schedule, needing("A1"), lambda: next(left))
    assert "A1" in str(found).split()
    assert len(found.steps) < 4


def test_a_written_program_keeps_a_call_however_little_it_needs() -> None:
    def fails_in(program: str, _: Schedule) -> bool:
        return bool(program_from(program).seed)

    text = "written(old job-1, A get job-1, B get job-1)"
    program, _ = shrunk_program(text, Schedule(), fails_in, never)
    assert program == "written(old job-1, B get job-1)"
