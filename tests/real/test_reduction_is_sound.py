"""The pruned orders have no final state, no answer and no violation that the orders which are run do not have.

A quick selection always runs; ``tox -e nightly`` runs every program that is small enough on every queue, with and
without a bound on preemptions, with and without a fault. Most flawed queues differ in one call only; queues that have
the same conversation with the server in a program, with each fault and without, are compared once.
"""

from __future__ import annotations

import re
from functools import cache

import pytest

from midpipe.faultinject.decide.interleave import Interleave
from midpipe.faultinject.decide.pruning import Independence
from midpipe.scenarios.case.requirements import missing_for
from midpipe.scenarios.explore.explore import run_end_of
from midpipe.scenarios.explore.fault_selection import selected
from midpipe.scenarios.explore.interleaving import INTERLEAVED_FAULTS
from midpipe.scenarios.explore.running import run_schedule, warm_up
from midpipe.scenarios.explore.script_watch import ScriptWatch
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.flaws.registry import FLAWS
from midpipe.scenarios.model.history import Phase
from midpipe.scenarios.model.record import CaseRecord
from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec
from midpipe.scenarios.programs.program import Program
from midpipe.scenarios.programs.registry import SUITES

SMALL_ENOUGH = 1_500
QUICK = (
    (REFERENCE, "finish-vs-reclaim"),
    (REFERENCE, "update-vs-get"),
    ("midpipe.scenarios.flaws.as_shipped:SimpleQueue", "same-request-twice"),
    ("midpipe.scenarios.flaws.as_shipped:SimpleQueue", "update-vs-get"),
    ("midpipe.scenarios.flaws.as_reviewed:SimpleQueue", "list-vs-enqueue"),
    ("midpipe.scenarios.flaws.as_reviewed:SimpleQueue", "request-id-in-two-workspaces"),
    ("midpipe.scenarios.flaws.as_reviewed:SimpleQueue", "same-job-twice"),
    ("midpipe.scenarios.flaws.as_planned:SimpleQueue", "backfill-vs-update"),
)
"""The start states and command sequences that differ most."""
WITH_AN_INDEX = (REFERENCE, "midpipe.scenarios.flaws.pairs:PagesByOffset")
_WHERE = re.compile(r"After [^,]*, | \(also in the final state\)")
_VOLATILE = re.compile(
    r"\d{4}-\d\d-\d\dT[0-9:.+]+|\b\d{13}(?:-\d+)?\b|\b[0-9a-f]{32}\b|127\.0\.0\.1:\d+|\b\d+\.\d{3,}\b"
)


@cache
def subjects() -> tuple[str, ...]:
    return tuple(
        dict.fromkeys((REFERENCE, *(flaw.subject for flaw in FLAWS if flaw.suite != "sweep")))
    )


def end_of(record: CaseRecord) -> str:
    """Return the final state and every answer, without times and random names."""
    answers = sorted(
        f"{o.client}{o.request} {o.method} {o.completion} {o.value}"
        for o in record.history
        if o.phase is Phase.PROGRAM
    )
    state = [f"{key}={value}" for key, value in record.states[-1].items()]
    return _VOLATILE.sub("*", "\n".join((*answers, *sorted(_VOLATILE.sub("*", s) for s in state))))


def violations_of(record: CaseRecord) -> set[str]:
    """Return the evidence of every violation, without place and duration."""
    return {
        _VOLATILE.sub("*", _WHERE.sub("", f"{violation.invariant}: {evidence.seen}"))
        for violation in record.violations
        for evidence in violation.evidence
    }


def conversations(worker: Worker, subject: str, program: Program) -> frozenset[tuple[str, ...]]:
    """Return the conversations with the server while one client runs after the other, with each fault and without."""
    rig = worker.rig(SubjectSpec(subject))
    warm_up(rig, program, 5_000.0)
    planner = Interleave(0, 1, selected(True, INTERLEAVED_FAULTS), prune=False)
    found = set()
    while planner.begin():
        record = run_schedule(rig, program, planner, 5_000.0)
        planner.end(run_end_of(record))
        assert record.is_valid, record.invalid_reason
        commands = (
            f"{step.event.position} {step.event.args!r} {step.reply}" for step in record.steps
        )
        found.add((*(_VOLATILE.sub("*", text) for text in commands), end_of(record)))
    return frozenset(found)


def ends(
    worker: Worker, subject: str, program: Program, faults: int, bound: int | None, *, prune: bool
) -> tuple[int, set[str]] | None:
    """Return the number of orders that were run, and their outcomes; None if there are too many."""
    rig = worker.rig(SubjectSpec(subject))
    warm_up(rig, program, 5_000.0)
    known = Independence()
    watch = ScriptWatch(rig)
    placed = selected(True, INTERLEAVED_FAULTS)
    try:
        while True:
            planner = Interleave(bound, faults, placed, prune=prune, independence=known)
            found = _run(rig_program=(worker, subject, program), planner=planner)
            if not watch.update(known) or found is None:
                return found
    finally:
        watch.close()


def _run(
    rig_program: tuple[Worker, str, Program], planner: Interleave
) -> tuple[int, set[str]] | None:
    worker, subject, program = rig_program
    rig = worker.rig(SubjectSpec(subject))
    states: set[str] = set()
    runs = 0
    while planner.begin():
        record = run_schedule(rig, program, planner, 5_000.0)
        planner.end(run_end_of(record))
        assert record.is_valid, record.invalid_reason
        states |= {end_of(record), *violations_of(record)}
        runs += 1
        if runs + len(planner.frontier().branches) > SMALL_ENOUGH:
            return None
    return runs, states


def compare(worker: Worker, subject: str, program: Program, faults: int, bound: int | None) -> None:
    whole = ends(worker, subject, program, faults, bound, prune=False)
    if whole is None:
        pytest.skip(f"more than {SMALL_ENOUGH} orders: too many to run all")
    reduced = ends(worker, subject, program, faults, bound, prune=True)
    assert reduced is not None
    assert reduced[1] == whole[1]
    assert reduced[0] <= whole[0]


@pytest.mark.parametrize(
    ("subject", "program"), QUICK, ids=[f"{s.split('.')[-1]}-{p}" for s, p in QUICK]
)
def test_within_the_default_bounds_no_outcome_is_lost(
    worker: Worker, subject: str, program: str
) -> None:
    compare(worker, subject, SUITES["interleave"][program], 0, 2)


@pytest.fixture(scope="module")
def conversations_of() -> dict[tuple[str, str], frozenset[tuple[str, ...]]]:
    """The conversations of a subject in a program, computed once."""
    return {}


@pytest.fixture(scope="module")
def compared() -> dict[tuple[object, ...], str]:
    """The first subject with certain conversations, which represents all others with the same ones."""
    return {}


@pytest.mark.nightly
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("faults", [0, 1])
@pytest.mark.parametrize("bound", [2, None], ids=["two-preemptions", "any-preemptions"])
@pytest.mark.parametrize("name", sorted({**SUITES["interleave"], **SUITES["fleet"]}))
@pytest.mark.parametrize("subject", subjects())
def test_no_outcome_is_lost_in_any_program_that_is_small_enough(
    worker: Worker,
    conversations_of: dict[tuple[str, str], frozenset[tuple[str, ...]]],
    compared: dict[tuple[object, ...], str],
    subject: str,
    name: str,
    bound: int | None,
    faults: int,
) -> None:
    program = {**SUITES["interleave"], **SUITES["fleet"]}[name]
    spec = SubjectSpec(subject)
    missing = missing_for(program, spec, worker.rig(spec).traits)
    if missing:
        pytest.skip(f"the subject has no {', '.join(missing)}")
    if name == "pages-vs-update" and subject not in WITH_AN_INDEX:
        pytest.skip("it lists in the order in which the server lists keys, which is undefined")
    if (subject, name) not in conversations_of:
        conversations_of[subject, name] = conversations(worker, subject, program)
    key = (name, bound, faults, conversations_of[subject, name])
    if compared.setdefault(key, subject) != subject:
        pytest.skip(f"has the same conversations as {compared[key]}")
    compare(worker, subject, program, faults, bound)
