"""From a case in which an invariant falls to the smallest one found in which it still does, within a time."""

from __future__ import annotations

import time
from collections.abc import Callable

from midpipe.faultinject.decide.pruning import Independence
from midpipe.faultinject.decide.schedule import Schedule, parse_replay_string, replay_string
from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.vocabulary import Position
from midpipe.scenarios.explore.shrink import causal_past, shrunk, shrunk_program, without_bystanders
from midpipe.scenarios.model.record import CaseRecord
from midpipe.scenarios.programs.written import PREFIX

Replays = Callable[[str], tuple[CaseRecord, tuple[str, ...]]]
"""Runs a replay string; returns the record, and why steps could not be placed."""


def smallest(text: str, invariant: str, replays: Replays, for_s: float) -> str:
    """Return the smallest schedule found in which the invariant falls, as a replay string.

    Args:
        text: a replay string in which it falls.
        for_s: no further case is begun after so many seconds; the best so far is returned.
    """
    name, schedule = parse_replay_string(text, CATALOGUE)
    up_s = time.monotonic() + for_s
    last: list[CaseRecord] = []

    def fails_in(program: str, smaller: Schedule) -> bool:
        record, unplaced = replays(replay_string(program, smaller))
        violated_invariants = {violation.invariant for violation in record.violations}
        fails = record.is_valid and not unplaced and invariant in violated_invariants
        if fails:
            last[:] = [record]
        return fails

    def time_is_up() -> bool:
        return time.monotonic() > up_s

    def without_what_it_does_not_depend_on(schedule: Schedule) -> Schedule:
        if not last or time_is_up():
            return schedule
        events = [step.event for step in last[0].steps]
        past = causal_past(events, failure_in(last[0], invariant), Independence())
        smaller = without_bystanders(schedule, past)
        return smaller if smaller != schedule and fails_in(name, smaller) else schedule

    if name.startswith(PREFIX):
        name, schedule = shrunk_program(name, schedule, fails_in, time_is_up)
    if schedule.steps and fails_in(name, schedule):
        # At once, so that a long random order leaves less to try.
        schedule = without_what_it_does_not_depend_on(schedule)
    schedule = shrunk(schedule, lambda smaller: fails_in(name, smaller), time_is_up)
    return replay_string(name, without_what_it_does_not_depend_on(schedule))


def failure_in(record: CaseRecord, invariant: str) -> frozenset[Position]:
    """Return where a failure shows: every wire event of the operations that its evidence names, or of all of them."""
    methods = {
        evidence.method
        for violation in record.violations
        if violation.invariant == invariant
        for evidence in violation.evidence
    }
    named = {
        (operation.client, operation.request)
        for operation in record.history
        if operation.method in methods or "" in methods
    }
    return frozenset(
        step.event.position
        for step in record.steps
        if (step.event.position.client, step.event.index.operation) in named
    )
