"""Two versions of one queue side by side, on a real server: what the roll-out plan costs, and what it need not cost."""

from __future__ import annotations

import pytest

from midpipe.faultinject.decide.interleave import Interleave
from midpipe.scenarios.case.requirements import missing_for
from midpipe.scenarios.explore.explore import explore
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.running import warm_up
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.messages import CaseEnded
from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec, parse_subject
from midpipe.scenarios.programs.fleets import FLEETS, programs_of_version_pair
from midpipe.scenarios.programs.program import Program

AS_PLANNED = "midpipe.scenarios.flaws.as_planned:SimpleQueue"


def cases_of(worker: Worker, subject: SubjectSpec, program: Program) -> list[CaseEnded]:
    """Return every order of a program's clients, without faults."""
    return list(explore(worker.rig(subject), program, Interleave()))


@pytest.mark.parametrize(
    ("hazard", "program"),
    [
        ("a canary", "mixed-update-read-new-off"),
        ("a roll-back", "mixed-roll-read-new-off"),
        ("the backfill", "mixed-backfill-read-new-read-old"),
    ],
)
def test_the_plan_under_review_undoes_an_acknowledged_update(
    worker: Worker, hazard: str, program: str
) -> None:
    cases = cases_of(worker, SubjectSpec(AS_PLANNED), FLEETS[program])
    violated_invariants = {violation.invariant for case in cases for violation in case.violations}
    assert "status-order" in violated_invariants, hazard


def test_versions_that_are_run_no_more_leave_no_process_behind(worker: Worker) -> None:
    rig = worker.rig(SubjectSpec(REFERENCE))
    warm_up(rig, FLEETS["mixed-roll-off-read-old"], 5_000.0)
    before = tuple(rig.hosts.printed_sizes())
    warm_up(rig, FLEETS["mixed-roll-read-new-new-only"], 5_000.0)
    assert len(before) > 1
    assert not any(host.is_alive for host in before)


def test_a_process_that_the_next_program_needs_goes_on(worker: Worker) -> None:
    rig = worker.rig(SubjectSpec(REFERENCE))
    warm_up(rig, FLEETS["mixed-update-off-read-old"], 5_000.0)
    before = set(rig.hosts.printed_sizes())
    warm_up(rig, FLEETS["mixed-claim-off-read-old"], 5_000.0)
    assert before <= set(rig.hosts.printed_sizes())


@pytest.mark.nightly(reason="the gate of the reference runs the same fleets in every CI")
def test_the_reference_runs_every_two_neighbouring_phases_side_by_side(worker: Worker) -> None:
    spec = SubjectSpec(REFERENCE)
    traits = worker.rig(spec).traits
    accused = [
        case.replay
        for program in FLEETS.values()
        if not missing_for(program, spec, traits)
        for case in cases_of(worker, spec, program)
        if case.violations or not case.valid
    ]
    assert accused == []


@pytest.mark.parametrize(
    ("one", "two", "loses"), [("read-old", "new-only", False), ("off", "new-only", True)]
)
def test_of_all_phases_only_the_first_and_the_last_may_not_meet(
    worker: Worker, one: str, two: str, loses: bool
) -> None:
    spec = SubjectSpec(REFERENCE)
    violated_invariants = {
        violation.invariant
        for program in programs_of_version_pair(one, two)
        for case in cases_of(worker, spec, program)
        for violation in case.violations
    }
    assert ("no-lost-job" in violated_invariants) is loses
    assert bool(violated_invariants) is loses


def test_a_client_that_is_rolled_runs_the_other_version_from_then_on(worker: Worker) -> None:
    record = replay_case(worker, SubjectSpec(REFERENCE), "mixed-roll-off-read-new:", 5_000.0).record
    written = [
        any(key.startswith("ai:job:") for key in record.states[operation.state_after])
        for operation in record.history
        if operation.client == "A" and operation.method in ("enqueue", "update_status")
    ]
    # With the flag off nothing is written to the new schema; the first update with it on makes the copy.
    assert written == [False, False, True]


def test_a_job_is_lost_if_one_version_of_the_fleet_does_not_find_it(worker: Worker) -> None:
    reader_of_new_only = (("AI_JOBS_NEW_SCHEMA", "on"), ("READ_FALLBACK_OLD", "off"))
    beside = SubjectSpec(REFERENCE, environment=reader_of_new_only)
    old_only = SubjectSpec(environment=(("AI_JOBS_NEW_SCHEMA", "off"),), beside=beside)
    cases = cases_of(worker, old_only, FLEETS["mixed-request-this-other"])
    assert {v.invariant for case in cases for v in case.violations} >= {"no-lost-job"}


def test_the_options_that_name_the_other_version_are_kept_for_the_replay_line() -> None:
    other = parse_subject("app.queue:Old", environment=("FAST=on",))
    subject = parse_subject("app.queue:New", beside=other)
    assert subject.options == "--subject app.queue:New --beside app.queue:Old --beside-env FAST=on"
