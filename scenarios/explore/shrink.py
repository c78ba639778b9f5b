"""Making a find smaller: fewer calls, faults, steps, changes of client, as long as it still fails. Runs nothing itself.

Whatever step is left out passes in the default order, so every smaller schedule is a case. The best so far is kept when
the time is up. After Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002), with one
step or two at a time only: schedules are short. Of two schedules of one length, the smaller is that in which the wire
goes from client to client less often.

What no later event depends on, back from the failure, can be left out at once: see ``causal_past``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import combinations, pairwise

from midpipe.faultinject.decide.pruning import Independence
from midpipe.faultinject.decide.schedule import PlannedStep, Schedule
from midpipe.faultinject.vocabulary import Position, WireEvent
from midpipe.scenarios.programs.written import steps_from, written

Fails = Callable[[Schedule], bool]


def shrunk(schedule: Schedule, fails: Fails, time_is_up: Callable[[], bool]) -> Schedule:
    """Return a smaller schedule that still fails, at best one in which no two steps can be left out.

    Args:
        schedule: one that fails.
        fails: runs a schedule; whether it fails in the same way.
        time_is_up: asked before each run.
    """
    best = schedule
    changed = True
    while changed:
        changed = False
        for smaller in _smaller(best):
            if time_is_up():
                return best
            if fails(smaller):
                best, changed = smaller, True
                break
    return best


def _smaller(schedule: Schedule) -> tuple[Schedule, ...]:
    """Return what to try next: the tail cut off, without a fault, in a smoother order, without a step, without two."""
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
    return tuple(dict.fromkeys((*halves, *without_fault, *_smoother(steps), *fewer)))


def _smoother(steps: tuple[PlannedStep, ...]) -> Iterator[Schedule]:
    """Yield the schedules in which one step comes earlier or later, and the wire changes hands less often."""
    changes = _changes(steps)
    for number, step in enumerate(steps):
        others = (*steps[:number], *steps[number + 1 :])
        for place in range(len(steps)):
            moved = (*others[:place], step, *others[place:])
            if _changes(moved) < changes and _keeps_order(moved):
                yield Schedule(moved)


def _changes(steps: tuple[PlannedStep, ...]) -> int:
    """Return how often a step is another client's than the one before."""
    return sum(one.position.client != other.position.client for one, other in pairwise(steps))


def _keeps_order(steps: tuple[PlannedStep, ...]) -> bool:
    """Whether each client's steps come in the order in which it can take them."""
    by_client: dict[str, list[Position]] = {}
    for step in steps:
        by_client.setdefault(step.position.client, []).append(step.position)
    return all(positions == sorted(positions) for positions in by_client.values())


def causal_past(
    events: Sequence[WireEvent], failure: Collection[Position], independence: Independence
) -> frozenset[Position]:
    """Return the positions of what the failure depends on, itself included.

    An event depends on the one before it of the same client, and on every earlier one that does not commute with it.

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


def without_bystanders(schedule: Schedule, past: frozenset[Position]) -> Schedule:
    """Return the schedule without the steps that lie outside the failure's past."""
    return Schedule(tuple(step for step in schedule.steps if step.position in past))


def shrunk_program(
    program: str,
    schedule: Schedule,
    fails_in: Callable[[str, Schedule], bool],
    time_is_up: Callable[[], bool],
) -> tuple[str, Schedule]:
    """Return a written program with fewer calls that still fails, and the schedule in which it does.

    Args:
        program: the text of one that fails in the schedule.
        fails_in: runs a program in a schedule; whether it fails in the same way.
        time_is_up: asked before each run.
    """
    changed = True
    while changed:
        changed = False
        steps = steps_from(program)
        for number in range(len(steps)):
            kept = (*steps[:number], *steps[number + 1 :])
            if not any(step.client for step in kept):
                # A program has a call; a job that is there makes none.
                continue
            text = written(kept)
            smaller = _first_that_fails(text, schedule, fails_in, time_is_up)
            if smaller is not None:
                program, schedule, changed = text, smaller, True
                break
    return program, schedule


def _first_that_fails(
    program: str,
    schedule: Schedule,
    fails_in: Callable[[str, Schedule], bool],
    time_is_up: Callable[[], bool],
) -> Schedule | None:
    """Return the schedule, or what is left of it without its last steps, if the program fails in it."""
    for length in range(len(schedule.steps), -1, -1):
        shorter = Schedule(schedule.steps[:length])
        if time_is_up():
            return None
        if fails_in(program, shorter):
            return shorter
    return None
