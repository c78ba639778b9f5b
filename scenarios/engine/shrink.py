"""Making a find smaller: fewer calls, fewer faults, fewer steps, as long as it still fails. Runs nothing itself.

Whatever step is left out passes in the default order, so every smaller schedule is a case. The best so far is kept when
the time is up. After Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002), with one
step or two at a time only: schedules are short.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

from faultinject.decide.schedule import Schedule
from scenarios.programs.written import steps_from, written

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
    """Return what to try next: the tail cut off, without a fault, without a step, without two."""
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
    return tuple(dict.fromkeys((*halves, *without_fault, *fewer)))


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
        for number in range(len(steps) if len(steps) > 1 else 0):
            text = written((*steps[:number], *steps[number + 1 :]))
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
