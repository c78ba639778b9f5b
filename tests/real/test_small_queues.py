"""Small queues after faults that teams have reported: the sound ones pass, and the flawed ones violate an invariant."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.spec import SubjectSpec

QUEUES = Path(__file__).parent.parent / "data" / "queues"
STALE_FINISH = "written(A enqueue job-1, A claim-ended, B claim-ended, A complete): A1 A2 B1"
OUTAGE_OF_B = "written(A enqueue job-1, A enqueue job-2, B claim): A1 B1:ZCARD!oom A2 A3 A4 A5"


def violated(worker: Worker, queue: str, replay: str) -> set[str]:
    """Return the ids of the invariants that a case of a queue violates."""
    record = replay_case(worker, SubjectSpec(f"{QUEUES}/{queue}"), replay, 5_000.0).record
    assert record.is_valid, record.invalid_reason
    return {violation.invariant for violation in record.violations}


@pytest.mark.parametrize(
    ("queue", "replay"),
    [
        ("sound/lock_with_ttl.py:Queue", "written(A enqueue job-1, A claim): A1 A2:SET!crash"),
        ("sound/own_visibility.py:Queue", "finish-vs-reclaim: A1:EVAL!crash"),
        ("base.py:Base", STALE_FINISH),
        ("sound/looks_before_it_claims.py:Queue", OUTAGE_OF_B),
    ],
)
def test_a_sound_queue_is_not_accused(worker: Worker, queue: str, replay: str) -> None:
    assert violated(worker, queue, replay) == set()


def test_recovery_waits_for_a_visibility_time_out_only_if_it_is_promised(worker: Worker) -> None:
    replay = "finish-vs-reclaim: A1:EVAL!crash"
    assert violated(worker, "sound/own_visibility.py:Unpromised", replay) == {"no-lost-job"}


def test_a_job_whose_lease_a_stale_finisher_removes_is_stuck_without_any_fault(
    worker: Worker,
) -> None:
    assert violated(worker, "flawed/stale_finisher.py:Queue", STALE_FINISH) == {"no-stuck-job"}


def test_a_job_whose_new_holder_dies_after_a_stale_finish_is_lost(worker: Worker) -> None:
    replay = "finish-vs-reclaim: A1 B1 B2:EVAL!crash-before"
    assert violated(worker, "flawed/stale_finisher.py:Queue", replay) == {"no-lost-job"}
