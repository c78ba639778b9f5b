"""What an enqueue, a tick or a late completion does to another job, or to the same one put in again, is found."""

from __future__ import annotations

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.spec import SubjectSpec

OTHERS, WORKERS = "midpipe.scenarios.flaws.others_waiting", "midpipe.scenarios.flaws.workers"


@pytest.mark.parametrize(
    ("subject", "line", "violated"),
    [
        (f"{OTHERS}:SortsInTwoSteps", "enqueue-behind-another: A3:DEL!crash", {"no-stuck-job"}),
        (f"{OTHERS}:KnowsItsJobs", "enqueue-behind-another: A1:EVAL!crash", set()),
        (f"{OTHERS}:KnowsItsJobs", "enqueue-behind-another: A2:SORT!crash", set()),
        (f"{OTHERS}:ForgetsAnEmptyList", "enqueue-vs-last-job: B1 B2 B3 B4 A1", {"no-stuck-job"}),
        (f"{WORKERS}:ListQueue", "enqueue-vs-last-job: B1 A1", set()),
        (
            f"{WORKERS}:PutsBackWhatIsNotDue",
            "two-delayed-then-tick: A5:EVAL!crash",
            {"no-lost-job"},
        ),
        (f"{WORKERS}:DelaysJobs", "two-delayed-then-tick: A4:EVAL!crash", set()),
        (
            f"{OTHERS}:ForgetsTheListItEmptied",
            "enqueue-vs-empty-claim: A1 A2 A3 A4 A5 B1",
            {"no-lost-job"},
        ),
        (f"{OTHERS}:FencingQueue", "enqueue-vs-empty-claim: A1 A2 B1", set()),
        (f"{OTHERS}:ForgetsWhatItRefuses", "stale-finish-then-enqueue: A1 B1", {"no-duplicate"}),
        (f"{OTHERS}:FencingQueue", "stale-finish-then-enqueue: A1 B1", set()),
    ],
)
def test_a_flaw_that_needs_another_job_is_found_and_a_sound_queue_is_not_accused(
    worker: Worker, subject: str, line: str, violated: set[str]
) -> None:
    replayed = replay_case(worker, SubjectSpec(subject), line, 5_000.0)
    assert (replayed.record.invalid_reason, replayed.unplaced) == ("", ())
    assert set(replayed.record.violated_invariants) == violated


def test_a_job_put_off_by_a_client_whose_clock_is_ahead_is_waited_for(worker: Worker) -> None:
    if not worker.clock.is_stepped:
        pytest.skip(f"no stepped clock here: {worker.clock.reason}")
    line = "two-delayed-then-tick: A1:ZADD!skew-ahead"
    replayed = replay_case(worker, SubjectSpec(f"{WORKERS}:DelaysJobs"), line, 5_000.0)
    assert set(replayed.record.violated_invariants) == set()
