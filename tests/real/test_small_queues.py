"""Small queues after faults that teams have reported: the sound ones pass, and the flawed ones violate an invariant."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.scenarios.case.story import story_of
from midpipe.scenarios.explore.power_loss import PowerLossTask
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.messages import PowerLossDone
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.story import StepKind

QUEUES = Path(__file__).parent.parent / "data" / "queues"
STALE_FINISH = "written(A enqueue job-1, A claim-ended, B claim-ended, A complete): A1 A2 B1"
# B reads before it claims, so that the time up to which it looks for due jobs is one at which the job is due.
DUE_TWICE = (
    "written(A enqueue job-1, A claim, A fail, A claim, B get job-1, B claim): A1 A2 A3 A4 B1 A5 B2"
)
FOREIGN_RELEASE = (
    "written(A enqueue job-1, A claim-ended, B claim, A complete, B complete): A1 A2 B1 A3"
)
HELD_AGAIN = "written(A enqueue job-1, A claim, A enqueue job-1, B claim):"
REFUSED_AGAIN = "written(A enqueue job-1, A claim, A enqueue job-1, A complete):"
RETURNS_LATE = "written(A enqueue job-1, A claim, A complete, A get job-1): A1:EVAL!late"
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
        ("sound/cached_group.py:Queue", "claim-vs-claim:"),
        ("sound/cached_group.py:Queue", "finish-vs-reclaim: A3:XREADGROUP!lost-reply"),
        ("sound/cached_group.py:Undeclared", "claim-until-it-ends: A3:XREADGROUP!crash"),
        ("sound/snapshot_copy.py:Queue", "dequeue: A1:LPOP!lost-reply"),
        ("sound/one_at_a_time.py:Queue", "two-enqueues-vs-claim: B1"),
        ("sound/pops.py:Pops", "dequeue: A1:LPOP!lost-reply"),
        ("sound/pops.py:GivesBack", "dequeue: A1:EVAL!lost-reply"),
        ("sound/pops.py:GivesBack", "dequeue-vs-dequeue: A1 B1"),
        ("flawed/due_twice.py:Fixed", DUE_TWICE),
        ("flawed/three_reads.py:Fixed", "update-vs-get: B1 A1"),
        ("flawed/shared_index.py:Fixed", "two-workspaces:"),
        ("flawed/offset_pages.py:Fixed", "pages-vs-dequeue: A1 A2 A3 B1 A4"),
        ("flawed/foreign_release.py:Fixed", FOREIGN_RELEASE),
        ("flawed/until_claimed.py:Fixed", HELD_AGAIN),
        ("flawed/until_claimed.py:Fixed", REFUSED_AGAIN),
        ("flawed/pop_then_lease.py:Fixed", "claim-complete: A1:EVAL!crash"),
        ("flawed/until_claimed.py:Fixed", RETURNS_LATE),
        ("sound/belt.py:Queue", "read-vs-work: B1 A1 A2"),
        ("sound/belt.py:Queue", "finish-vs-reclaim: A1 B1:EVAL!cut-before B2 A2"),
        ("sound/mailroom.py:Queue", "enqueue-vs-claim:"),
        ("sound/mailroom.py:Queue", "enqueue-vs-claim: A1 B1:EVAL!lost-reply"),
        ("sound/mailroom.py:Queue", "finish-vs-reclaim:"),
        ("sound/mailroom.py:Queue", "request-again-vs-claim: B1"),
        ("sound/mailroom.py:Queue", "same-request-again:"),
        ("sound/mailroom.py:Queue", "bad-input:"),
        ("flawed/pop_then_lease.py:Queue", "claim-complete: A1:EVAL!misconf"),
        ("sound/renews.py:Queue", "heartbeat-vs-reclaim:"),
        ("sound/renews.py:CannotBeRead", "heartbeat-vs-reclaim:"),
        ("sound/renews.py:CannotBeRead", "heartbeat-vs-reclaim: A1 B1"),
        ("reaped.py:PutsOff", "enqueue: A1:EVAL!lost-reply"),
        ("reaped.py:Reaped", "claim-until-it-ends: A1:EVAL!crash"),
        ("reaped.py:Reaped", "finish-vs-tick: A1 B1"),
        ("reaped.py:Reaped", "tick-vs-tick: A1 B1"),
        ("reaped.py:Reaped", "claim-tick-claim: A2:EVAL!crash"),
    ],
)
def test_a_sound_case_is_not_accused(worker: Worker, queue: str, replay: str) -> None:
    assert violated(worker, queue, replay) == set()


@pytest.mark.parametrize(
    ("queue", "replay", "invariants"),
    [
        ("due_twice", DUE_TWICE, {"no-duplicate"}),
        ("three_reads", "update-vs-get: B1 B2 A1", {"answer-is-true"}),
        ("foreign_release", FOREIGN_RELEASE, {"holder-is-served"}),
        ("until_claimed", HELD_AGAIN, {"no-duplicate"}),
        ("until_claimed", REFUSED_AGAIN, {"holder-is-served"}),
        ("pop_then_lease", "claim-until-it-ends: A2:BLPOP!crash", {"no-lost-job"}),
        ("shared_index", "two-workspaces:", {"isolation"}),
        ("offset_pages", "pages-vs-dequeue: A1 B1 A2", {"list-is-whole"}),
        ("reads_then_removes", "dequeue-vs-dequeue: A1 B1", {"no-duplicate"}),
    ],
)
def test_a_flawed_queue_violates_what_was_reported_of_it(
    worker: Worker, queue: str, replay: str, invariants: set[str]
) -> None:
    assert violated(worker, f"flawed/{queue}.py:Queue", replay) == invariants


def test_a_job_whose_renewed_lease_ends_must_be_received_again(worker: Worker) -> None:
    if not worker.clock.is_stepped:
        pytest.skip(f"no stepped clock here: {worker.clock.reason}")
    assert violated(worker, "sound/renews.py:Forgets", "heartbeat-vs-reclaim:") == {"no-lost-job"}


@pytest.mark.parametrize(
    ("queue", "replay", "invariants"),
    [
        ("FinishesWithAnyToken", "finish-vs-tick: A1 B1", {"no-duplicate"}),
        ("PutsBackInSteps", "tick-vs-tick: A1 A2 B1", {"no-duplicate"}),
        ("ForgetsFirst", "claim-tick-claim: A5:LPUSH!crash-before", {"no-lost-job"}),
        ("NeverPutsBack", "claim-until-it-ends:", {"no-lost-job"}),
    ],
)
def test_a_flaw_of_periodic_work_that_puts_jobs_back_is_found(
    worker: Worker, queue: str, replay: str, invariants: set[str]
) -> None:
    assert violated(worker, f"reaped.py:{queue}", replay) == invariants


@pytest.mark.parametrize(
    ("queue", "replay", "method", "got"),
    [
        ("reaped.py:NeverPutsBack", "claim-until-it-ends:", "claim", "no job"),
        ("reaped.py:Reaped", "claim-until-it-ends:", "claim", "job-1, then no job"),
        ("sound/pops.py:Pops", "enqueue-once:", "dequeue", "job-1, then no job"),
    ],
)
def test_a_story_ends_with_what_further_workers_received(
    worker: Worker, queue: str, replay: str, method: str, got: str
) -> None:
    record = replay_case(worker, SubjectSpec(f"{QUEUES}/{queue}"), replay, 5_000.0).record
    *_, last = story_of(record, replay).steps
    assert last.call is not None
    assert (last.kind, last.call.method, last.value) == (StepKind.RECOVERY, method, got)


def test_a_story_shows_what_stops_further_workers_from_receiving_a_job(worker: Worker) -> None:
    replay = "enqueue:"
    subject = SubjectSpec(f"{QUEUES}/unreadable.py:Undecodable")
    record = replay_case(worker, subject, replay, 5_000.0).record
    *_, last = story_of(record, replay).steps
    assert last.value.startswith("AttributeError: ")
    assert "the queue raises AttributeError" in record.violations[0].evidence[0].seen


def test_a_driver_that_takes_a_second_job_after_a_lost_reply_keeps_the_promise_of_at_most_once(
    worker: Worker,
) -> None:
    replay = "dequeue: A1:LPOP!lost-reply"
    assert violated(worker, "sound/pops.py:AtMostOnceAndTriesAgain", replay) == set()


def test_a_dequeue_whose_reply_gets_lost_loses_a_job_only_to_a_promise_of_at_least_once(
    worker: Worker,
) -> None:
    replay = "dequeue: A1:LPOP!lost-reply"
    assert violated(worker, "sound/pops.py:PromisesMore", replay) == {"no-lost-job"}


def test_a_power_loss_shows_nothing_of_what_midpipes_own_dequeues_took(worker: Worker) -> None:
    task = PowerLossTask(SubjectSpec(f"{QUEUES}/sound/snapshot_copy.py:Queue"), "enqueue", 5_000.0)
    *_, done = worker.do(task)
    assert isinstance(done, PowerLossDone)
    assert any(outcome.after.upper().startswith("LPOP") for outcome in done.outcomes)
    assert [outcome for outcome in done.outcomes if outcome.seen] == []


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
