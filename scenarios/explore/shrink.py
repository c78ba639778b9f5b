"""Shrinks a failing case: fewer calls, faults, steps and changes of client, as long as it still fails. Pure.

The command of a step that is left out passes in the default order, so every smaller schedule is a case. When the time
is up, the smallest so far is returned. After Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input"
(2002), but only one step or two are left out at a time, because schedules are short. Of two schedules of one length the
smaller is the one that changes between clients less often.

All steps that the failure does not depend on can be left out at once: see ``causal_past``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import combinations, pairwise

from midpipe.faultinject.decide.pruning import Independence
from midpipe.faultinject.decide.schedule import PlannedStep, Schedule
from midpipe.faultinject.vocabulary import Label, Position, WireEvent
from midpipe.scenarios.programs.written import steps_from, written

Fails = Callable[[Schedule], bool]


def shrunk(schedule: Schedule, fails: Fails, is_time_up: Callable[[], bool]) -> Schedule:
    """Return a smaller schedule that still fails; given the time, one in which no two steps can be left out.

    Args:
        schedule: one that fails.
        fails: runs a schedule and returns whether it fails in the same way.
        is_time_up: asked before each run.
    """
    best = schedule
    changed = True
    while changed:
        changed = False
        for smaller in _smaller(best):
            if is_time_up():
                return best
            if fails(smaller):
                best, changed = smaller, True
                break
    return best


def _smaller(schedule: Schedule) -> tuple[Schedule, ...]:
    """Return what to try next: without the last half, without a fault, with fewer changes, without one step or two."""
    steps = schedule.steps
    without_fault = [
        Schedule((*steps[:number], replace(step, fault=None, command=""), *steps[number + 1 :]))
        for number, step in enumerate(steps)
        if step.fault
    ]
    halves = [Schedule(steps[:length]) for length in (0, len(steps) // 2) if length < len(steps)]
    fewer = [
        Schedule(kept)
        for left_out in (1, 2)
        if left_out < len(steps)
        for kept in combinations(steps, len(steps) - left_out)
    ]
    return tuple(dict.fromkeys((*halves, *without_fault, *_with_fewer_changes(steps), *fewer)))


def _with_fewer_changes(steps: tuple[PlannedStep, ...]) -> Iterator[Schedule]:
    """Yield the schedules in which one step comes earlier or later, and the client changes less often."""
    changes = _changes(steps)
    for number, step in enumerate(steps):
        others = (*steps[:number], *steps[number + 1 :])
        for place in range(len(steps)):
            moved = (*others[:place], step, *others[place:])
            if _changes(moved) < changes and _keeps_order(moved):
                yield Schedule(moved)


def _changes(steps: tuple[PlannedStep, ...]) -> int:
    """Return how often a step belongs to another client than the step before."""
    return sum(one.position.client != other.position.client for one, other in pairwise(steps))


def _keeps_order(steps: tuple[PlannedStep, ...]) -> bool:
    """Whether each client's steps come in the order in which it can take them, as far as they have numbers."""
    by_client: dict[str, list[Position]] = {}
    for step in steps:
        if isinstance(step.position, Position):
            by_client.setdefault(step.position.client, []).append(step.position)
    return all(positions == sorted(positions) for positions in by_client.values())


def causal_past(
    events: Sequence[WireEvent], failure: Collection[Position], independence: Independence
) -> frozenset[Position]:
    """Return the positions of the events that the failure depends on, itself included.

    An event depends on the event before it of the same client, and on every earlier one that does not commute with it.

    Args:
        events: of the run that failed, in order.
        failure: where it shows.
    """
    past: list[WireEvent] = []
    for event in reversed(events):
        if event.position in failure or any(
            event.position.client == later.position.client
            or not independence.may_commute(event, later)
            for later in past
        ):
            past.append(event)
    return frozenset(event.position for event in past)


def only_steps_in(schedule: Schedule, past: frozenset[Position]) -> Schedule:
    """Return the schedule without the steps whose position is not in the failure's past; labels stay."""
    return Schedule(
        tuple(
            step
            for step in schedule.steps
            if step.position in past or isinstance(step.position, Label)
        )
    )


def shrunk_program(
    program: str,
    schedule: Schedule,
    fails_in: Callable[[str, Schedule], bool],
    is_time_up: Callable[[], bool],
) -> tuple[str, Schedule]:
    """Return a written program with fewer calls that still fails, and the schedule in which it does.

    Args:
        program: the text of a program that fails in the schedule.
        fails_in: runs a program under a schedule and returns whether it fails in the same way.
        is_time_up: asked before each run.
    """
    changed = True
    while changed:
        changed = False
        steps = steps_from(program)
        for number in range(len(steps)):
            kept = (*steps[:number], *steps[number + 1 :])
            if not any(step.client for step in kept):
                # What is left only writes the start state, and a program needs a call.
                continue
            text = written(kept)
            smaller = _first_failing(text, schedule, fails_in, is_time_up)
            if smaller is not None:
                program, schedule, changed = text, smaller, True
                break
    return program, schedule


def _first_failing(
    program: str,
    schedule: Schedule,
    fails_in: Callable[[str, Schedule], bool],
    is_time_up: Callable[[], bool],
) -> Schedule | None:
    """Return the longest beginning of the schedule in which the program fails; None if it fails in none."""
    for length in range(len(schedule.steps), -1, -1):
        shorter = Schedule(schedule.steps[:length])
        if is_time_up():
            return None
        if fails_in(program, shorter):
            return shorter
    return None
