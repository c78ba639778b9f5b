"""A worker with a side connection, whose commands come in another order in each run, is swept by what it sends."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.faultinject.decide.schedule import parse_replay_string
from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.vocabulary import Label
from midpipe.scenarios.explore.fault_selection import Aim
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.messages import CaseEnded, ExplorationDone
from midpipe.scenarios.model.spec import SubjectSpec

FILE = Path(__file__).parent.parent / "data" / "queues" / "sound" / "beats.py"
BOUND_MS = 5_000.0
FETCH, ACK = "A:LMOVE:jobs#1", "A:LREM:taken#1"


def swept(worker: Worker, name: str, *faults: str) -> tuple[list[CaseEnded], ExplorationDone]:
    task = SweepTask(
        SubjectSpec(f"{FILE}:{name}"),
        "work",
        shard=(0, 1),
        max_faults=1,
        latency_bound_ms=BOUND_MS,
        aim=Aim(faults=faults),
    )
    *cases, done = worker.do(task)
    assert isinstance(done, ExplorationDone)
    return [case for case in cases if isinstance(case, CaseEnded)], done


def places_of(cases: list[CaseEnded]) -> set[str]:
    """Return where the cases' faults were placed."""
    steps = (parse_replay_string(case.replay, CATALOGUE)[1].faults for case in cases)
    return {str(step.position) for placed in steps for step in placed}


def test_a_sweep_reaches_every_command_by_its_label(worker: Worker) -> None:
    cases, done = swept(worker, "Queue", "cut-before", "lost-reply")
    reached = places_of([case for case in cases if case.valid])
    assert {FETCH, ACK, "A:LMOVE:taken#1", "A:ZADD:beats#1"} <= reached
    assert not [case.replay for case in cases if case.violations]
    assert all(row.not_reached == 0 for row in done.ledger)


def test_a_flaw_at_a_label_is_found_and_replays(worker: Worker) -> None:
    cases, _ = swept(worker, "Forgetful", "lost-reply")
    line = "work: A:LPOP:jobs#1!lost-reply"
    assert {case.replay for case in cases if case.violations} == {line}
    for _ in range(3):
        run = replay_case(worker, SubjectSpec(f"{FILE}:Forgetful"), line, BOUND_MS)
        assert run.violates("no-lost-job"), run.record.invalid_reason


def test_a_label_whose_command_a_fix_removed_can_not_be_placed(worker: Worker) -> None:
    line = "work: A:LPOP:jobs#1!lost-reply"
    run = replay_case(worker, SubjectSpec(f"{FILE}:Queue"), line, BOUND_MS)
    assert run.unplaced == ("A:LPOP:jobs#1: the client never sent that command.",)


@pytest.mark.parametrize(
    "subject",
    [
        SubjectSpec(f"{FILE}:Declaring"),
        SubjectSpec(f"{FILE}:Queue", background=("ZADD:beats", "GET stop")),
    ],
    ids=["declared by the subject", "named by the user"],
)
def test_what_is_declared_as_background_has_no_position(
    worker: Worker, subject: SubjectSpec
) -> None:
    runs = [replay_case(worker, subject, "work:", BOUND_MS).record for _ in range(4)]
    assert all(run.is_valid for run in runs)
    sent = [[str(step.event.label) for step in run.steps] for run in runs]
    assert sent == [["A:LMOVE:taken#1", FETCH, ACK]] * len(runs)


def test_a_label_names_the_operation_in_a_program_with_several(worker: Worker) -> None:
    run = replay_case(worker, SubjectSpec(f"{FILE}:Queue"), "enqueue-then-work:", BOUND_MS).record
    labels = [step.event.label for step in run.steps]
    assert Label("A", "RPUSH", "jobs") in labels
    assert Label("A", "LMOVE", "jobs", operation=2) in labels


def test_an_order_that_differs_in_noise_alone_is_the_same_order(worker: Worker) -> None:
    runs = [replay_case(worker, SubjectSpec(f"{FILE}:Noisy"), "work:", BOUND_MS) for _ in range(4)]
    assert len({run.record.shape() for run in runs}) == 1
    # So its commands need no labels.
    assert {run.record.connections for run in runs} == {1}
    assert [str(step.event.position) for step in runs[0].record.steps] == ["A1", "A2", "A3"]
