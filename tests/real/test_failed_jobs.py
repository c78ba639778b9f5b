"""A queue that is seen to try failed jobs again is accused if such a job gets lost on the way; no other queue is."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.promises import AfterFailure, Source
from midpipe.scenarios.model.spec import SubjectSpec

FAILING = "midpipe.scenarios.flaws.failing"
SUBJECTS = {
    "LeasingQueue": f"{FAILING}:LeasingQueue",
    "FailsInTwoSteps": f"{FAILING}:FailsInTwoSteps",
    "DropsFailedJobs": f"{FAILING}:DropsFailedJobs",
    "RetriesInTwoSteps": f"{FAILING}:RetriesInTwoSteps",
    "ListQueue": "midpipe.scenarios.flaws.workers:ListQueue",
}


@pytest.mark.parametrize(
    ("queue", "replay", "seen", "violated"),
    [
        ("LeasingQueue", "fail-then-claim: A2:EXEC!crash", AfterFailure.RERUNS, set()),
        ("LeasingQueue", "fail-then-claim: A2:EXEC!lost-reply", AfterFailure.RERUNS, set()),
        ("FailsInTwoSteps", "fail-then-claim:", AfterFailure.RERUNS, set()),
        ("FailsInTwoSteps", "fail-then-claim: A2:ZREM!crash", AfterFailure.RERUNS, {"no-lost-job"}),
        ("DropsFailedJobs", "fail-then-claim: A2:ZREM!crash", AfterFailure.LOST, set()),
        ("ListQueue", "fail-then-work: A2:LMOVE!crash", AfterFailure.RERUNS, set()),
        ("RetriesInTwoSteps", "fail-then-work:", AfterFailure.RERUNS, set()),
        (
            "RetriesInTwoSteps",
            "fail-then-work: A2:LREM!crash",
            AfterFailure.RERUNS,
            {"no-lost-job"},
        ),
    ],
)
def test_a_failed_job_that_vanishes_is_lost_if_the_queue_is_seen_to_try_such_jobs_again(
    worker: Worker, queue: str, replay: str, seen: AfterFailure, violated: set[str]
) -> None:
    record = replay_case(worker, SubjectSpec(SUBJECTS[queue]), replay, 5_000.0).record
    assert record.is_valid, record.invalid_reason
    promises = record.traits.promises
    assert (promises.after_failure, promises.source_of("after_failure")) == (seen, Source.SEEN)
    assert record.violated_invariants == violated


WORKER = """
import json
import redis


class Base:
    def __init__(self, url):
        self.redis = redis.Redis.from_url(url, decode_responses=True)

    def enqueue(self, job_id, payload=None):
        self.redis.rpush("waiting", json.dumps([job_id, payload]))

    def work(self, jobs=1):
        import midpipe_job

        for _ in range(jobs):
            text = self.redis.lmove("waiting", "running", "LEFT", "RIGHT")
            if text is None:
                return
            try:
                midpipe_job.run(*json.loads(text))
            except midpipe_job.JobFailedError:
                self.failed(text)
            else:
                self.redis.lrem("running", 1, text)

    def move(self, text, to):
        with self.redis.pipeline(transaction=True) as block:
            block.lrem("running", 1, text)
            block.rpush(to, text)
            block.execute()


class TriesTwice(Base):
    def failed(self, text):
        tries = self.redis.hincrby("tries", text)
        self.move(text, "waiting" if tries < 2 else "dead")


class CountsFirst(TriesTwice):
    def failed(self, text):
        self.redis.hincrby("tries", text)
        self.redis.lrem("running", 1, text)
        self.redis.rpush("waiting", text)


class Buries(Base):
    def failed(self, text):
        self.move(text, "dead")
"""


@pytest.mark.parametrize(
    ("kind", "replay", "expected"),
    [
        ("TriesTwice", "fail-then-work: A3:EXEC!lost-reply", set()),
        ("TriesTwice", "fail-then-work: A3:EXEC!crash", set()),
        ("CountsFirst", "fail-then-work: A3:LREM!crash", {"no-lost-job"}),
        ("Buries", "fail-then-work: A2:EXEC!crash", set()),
    ],
)
def test_a_worker_without_periodic_work_is_judged_by_what_it_does_with_a_failed_job(
    worker: Worker, tmp_path: Path, kind: str, replay: str, expected: set[str]
) -> None:
    file = tmp_path / "queues.py"
    file.write_text(WORKER)
    promises = (("recovers_within_s", 0.1),)
    subject = SubjectSpec(f"{file}:{kind}", promises=promises)
    record = replay_case(worker, subject, replay, 5_000.0).record
    assert record.is_valid, record.invalid_reason
    assert record.violated_invariants == expected
