"""On a busy machine a sound queue is accused of nothing, and a flawed one is still found out.

Load changes how long a run takes, never what it says. The short tests replay the cases in which a starved process looks
most like a flaw; the nightly ones judge whole queues.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe import judge
from midpipe.faultinject.decide.schedule import parse_replay_string
from midpipe.faultinject.faults import CATALOGUE
from midpipe.scenarios.explore.replaying import confirmed_replay
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.flaws.registry import FLAWS
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.verdict import Outcome
from midpipe.scenarios.programs.registry import program_named

QUEUES = Path(__file__).parent.parent / "data" / "queues"
REFERENCE = "midpipe.reference:Queue"
WAITING = (
    "enqueue-after-a-refused-one: A1:EVALSHA!late",
    "two-workspaces: A1:EVALSHA!late",
)
SOUND = tuple(
    f"{QUEUES}/{queue}"
    for queue in (
        "base.py:Base",
        "sound/cached_group.py:Queue",
        "sound/lock_with_ttl.py:Queue",
        "sound/mailroom.py:Queue",
        "sound/looks_before_it_claims.py:Queue",
        "sound/own_visibility.py:Queue",
        "sound/pops.py:Pops",
        "sound/pops.py:GivesBack",
        "sound/snapshot_copy.py:Queue",
        "flawed/due_twice.py:Fixed",
        "flawed/foreign_release.py:Fixed",
        "flawed/offset_pages.py:Fixed",
        "flawed/pop_then_lease.py:Fixed",
        "flawed/three_reads.py:Fixed",
    )
)
FLAWED = (
    "due_twice",
    "foreign_release",
    "offset_pages",
    "pop_then_lease",
    "reads_then_removes",
    "stale_finisher",
    "three_reads",
)


def violated(worker: Worker, subject: str, replay: str) -> frozenset[str]:
    """Return the invariants that a case violates, each confirmed by further runs."""
    name, schedule = parse_replay_string(replay, CATALOGUE)
    program = program_named(name)
    record = confirmed_replay(worker, SubjectSpec(subject), program, schedule, 5_000.0).record
    return record.violated_invariants


@pytest.mark.parametrize("replay", WAITING)
def test_the_reference_is_accused_of_nothing_when_its_commands_wait(
    worker: Worker, replay: str
) -> None:
    assert violated(worker, REFERENCE, replay) == frozenset()


@pytest.mark.parametrize("queue", SOUND[2:4])
def test_a_sound_queue_is_accused_of_nothing_when_its_command_waits(
    worker: Worker, queue: str
) -> None:
    assert violated(worker, queue, "enqueue: A1:EVAL!late") == frozenset()


@pytest.mark.parametrize(
    ("queue", "replay"),
    [
        ("three_reads", "update-vs-get: B1 B2 A1"),
        ("pop_then_lease", "claim-until-it-ends: A2:BLPOP!crash"),
    ],
)
def test_a_flawed_queue_is_found_out(worker: Worker, queue: str, replay: str) -> None:
    assert violated(worker, f"{QUEUES}/flawed/{queue}.py:Queue", replay)


@pytest.mark.nightly(reason="20 gates on a busy machine take hours")
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("_run", range(20))
def test_no_gate_accuses_the_reference(_run: int) -> None:
    assert judge(REFERENCE, time_budget_s=300.0).outcome is not Outcome.FAIL


@pytest.mark.nightly(reason="a gate of each queue on a busy machine takes hours")
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("queue", SOUND)
def test_no_gate_accuses_a_sound_queue(queue: str) -> None:
    assert judge(queue, time_budget_s=300.0).outcome is not Outcome.FAIL


@pytest.mark.nightly(reason="a gate of each flawed queue on a busy machine takes hours")
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("subject", sorted({flaw.subject for flaw in FLAWS if not flaw.shown_by}))
def test_no_gate_passes_a_flawed_queue(subject: str) -> None:
    assert judge(subject, time_budget_s=600.0).outcome is not Outcome.PASS
