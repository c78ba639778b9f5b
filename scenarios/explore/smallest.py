"""Finds the smallest case, within a time, that still violates an invariant."""

from __future__ import annotations

import time
from collections.abc import Callable

from midpipe.faultinject.decide.pruning import Independence
from midpipe.faultinject.decide.schedule import Schedule, parse_replay_string, replay_string
from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.vocabulary import Position
from midpipe.scenarios.explore.shrink import causal_past, only_steps_in, shrunk, shrunk_program
from midpipe.scenarios.model.record import CaseRecord, Replayed
from midpipe.scenarios.programs.written import PREFIX

Replays = Callable[[str], Replayed]
"""Runs the case that a replay string names."""


def smallest(text: str, invariant: str, replays: Replays, for_s: float) -> str:
    """Return the replay string of the smallest case found that violates the invariant.

    Args:
        text: the replay string of a case that violates it.
        for_s: no further case begins after so many seconds; then the smallest so far is returned.
    """
    name, schedule = parse_replay_string(text, CATALOGUE)
    deadline_s = time.monotonic() + for_s
    last_failure: CaseRecord | None = None

    def fails_in(program: str, smaller: Schedule) -> bool:
        nonlocal last_failure
        replayed = replays(replay_string(program, smaller))
        fails = replayed.violates(invariant)
        if fails:
            last_failure = replayed.record
        return fails

    def is_time_up() -> bool:
        return time.monotonic() > deadline_s

    def without_independent_steps(schedule: Schedule) -> Schedule:
        if last_failure is None or is_time_up():
            return schedule
        events = [step.event for step in last_failure.steps]
        past = causal_past(events, failure_in(last_failure, invariant), Independence())
        smaller = only_steps_in(schedule, past)
        return smaller if smaller != schedule and fails_in(name, smaller) else schedule

    if name.startswith(PREFIX):
        name, schedule = shrunk_program(name, schedule, fails_in, is_time_up)
    if schedule.steps and fails_in(name, schedule):
        # First of all, so that a long random order leaves less to try.
        schedule = without_independent_steps(schedule)
    schedule = shrunk(schedule, lambda smaller: fails_in(name, smaller), is_time_up)
    return replay_string(name, without_independent_steps(schedule))


def failure_in(record: CaseRecord, invariant: str) -> frozenset[Position]:
    """Return where a violation shows: every command of the operations that its evidence names, or of all operations."""
    methods = {
        evidence.method
        for violation in record.violations
        if violation.invariant == invariant
        for evidence in violation.evidence
    }
    operations = {
        (operation.client, operation.request)
        for operation in record.history
        if operation.method in methods or "" in methods
    }
    return frozenset(
        step.event.position
        for step in record.steps
        if (step.event.position.client, step.event.index.operation) in operations
    )
