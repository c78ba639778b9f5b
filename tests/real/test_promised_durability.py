"""A queue that promises that an accepted job survives a power loss or a failover is held to it; no other queue is."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.faultinject.servers.persistence import Persistence
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.gate.gate import Gate
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.verdict import Outcome, Verdict

QUEUES = """
import redis


class Queue:
    promises = {"durability": "power-loss", "delivery": "at-most-once"}

    def __init__(self, url):
        self.redis = redis.Redis.from_url(url, decode_responses=True)

    def enqueue(self, job_id):
        self.redis.rpush("jobs", job_id)

    def dequeue(self):
        return self.redis.lpop("jobs")


class Waits(Queue):
    def enqueue(self, job_id):
        with self.redis.pipeline(transaction=False) as block:
            block.rpush("jobs", job_id)
            block.execute_command("WAITAOF", 1, 0, 3_000)
            _, (confirmed, _) = block.execute()
        if confirmed < 1:
            raise RuntimeError("the job is not on the disk")


class WaitsOnAnotherConnection(Queue):
    def enqueue(self, job_id):
        super().enqueue(job_id)
        self.redis.execute_command("WAITAOF", 1, 0, 3_000)

"""
LOSS = "enqueue: A1:RPUSH!power-loss"


@pytest.fixture
def queues(tmp_path: Path) -> Path:
    file = tmp_path / "queues.py"
    file.write_text(QUEUES)
    return file


@pytest.mark.parametrize(
    ("kind", "violated"),
    [
        ("Queue", {"no-lost-job"}),
        ("Waits", set()),
        # After the power loss its driver connects again, and there is no write on that connection to wait for.
        ("WaitsOnAnotherConnection", {"no-lost-job"}),
    ],
)
def test_a_power_loss_costs_a_job_that_was_accepted_before_it_was_on_the_disk(
    worker: Worker, queues: Path, kind: str, violated: set[str]
) -> None:
    subject = SubjectSpec(f"{queues}:{kind}")
    replayed = replay_case(worker, subject, LOSS, 5_000.0)
    assert (replayed.record.invalid_reason, replayed.unplaced) == ("", ())
    assert set(replayed.record.violated_invariants) == violated


def verdict_of(subject: SubjectSpec) -> Verdict:
    options = Options(
        subject=subject,
        jobs=1,
        persistence=(Persistence.POWER_LOSS,),
        parts=("durability",),
        programs=("enqueue",),
    )
    gate = Gate(options, lambda event: None)
    gate.run()
    return gate.verdict("", "", "")


@pytest.mark.parametrize(
    ("promise", "counts", "findings"),
    [("power-loss", True, ["no-lost-job"]), ("process-kill", False, [])],
)
def test_the_promise_decides_whether_a_job_that_a_power_loss_costs_is_a_finding(
    queues: Path, promise: str, counts: bool, findings: list[str]
) -> None:
    verdict = verdict_of(SubjectSpec(f"{queues}:Queue", promises=(("durability", promise),)))
    (row,) = verdict.durability
    assert (row.counts, row.violated > 0) == (counts, True)
    assert [finding.invariant for finding in verdict.findings] == findings
    assert (verdict.outcome is Outcome.FAIL) == counts
