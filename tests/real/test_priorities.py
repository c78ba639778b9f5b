"""A queue that promises an order by priority is held to it, by one client and by two; a sound one is not accused."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.record import CaseRecord
from midpipe.scenarios.model.spec import SubjectSpec
from tests.real.exploring import orders_of

SOUND = "midpipe.scenarios.flaws.priorities:PriorityQueue"
FLAWED = "midpipe.scenarios.flaws.priorities:TakesTheLowestFirst"
TWO_CLIENTS = "two-enqueues-vs-claim"


def record_of(
    worker: Worker, subject: str, line: str, promises: tuple[tuple[str, str | float], ...] = ()
) -> CaseRecord:
    spec = SubjectSpec(subject, promises=promises)
    record = replay_case(worker, spec, line, 5_000.0).record
    assert record.is_valid, record.invalid_reason
    return record


@pytest.mark.parametrize(
    "line",
    [
        "enqueues-then-claim:",
        "enqueues-then-claim: A4:ZREM!lost-reply",
        "enqueues-then-claim: A4:ZREM!cut-before",
        "enqueues-then-claim: A3:EVAL!lost-reply",
    ],
)
def test_a_job_of_a_lower_priority_that_is_handed_out_first_violates_the_order(
    worker: Worker, line: str
) -> None:
    assert set(record_of(worker, FLAWED, line).violated_invariants) == {"queue-order"}
    assert set(record_of(worker, SOUND, line).violated_invariants) == set()


def test_two_clients_show_a_wrong_order_by_priority(worker: Worker) -> None:
    (wrong, right) = (
        {
            violation.invariant
            for message in worker.do(orders_of(SubjectSpec(subject), TWO_CLIENTS))
            for violation in getattr(message, "violations", ())
        }
        for subject in (FLAWED, SOUND)
    )
    assert (wrong, right) == ({"queue-order"}, set())


def test_a_priority_is_passed_only_to_a_queue_that_promises_an_order_by_it(worker: Worker) -> None:
    promised = record_of(worker, SOUND, "enqueues-then-claim:")
    without = record_of(worker, SOUND, "enqueues-then-claim:", (("order", "none"),))
    passed, nothing = (
        {call.job_id: call.arguments.get("priority") for call in record.history if call.job_id}
        for record in (promised, without)
    )
    assert passed["job-1"] == passed["job-3"] != passed["job-2"]
    assert set(nothing.values()) == {None}


WORKER = """
import redis


class Queue:
    promises = {"order": "priority", "delivery": "at-most-once"}
    pop = "zpopmax"

    def __init__(self, url):
        self.redis = redis.Redis.from_url(url, decode_responses=True)

    def enqueue(self, job_id, priority=0):
        self.redis.zadd("jobs", {job_id: priority})

    def work(self, jobs=1):
        import midpipe_job

        for _ in range(jobs):
            for job_id, _ in getattr(self.redis, self.pop)("jobs"):
                midpipe_job.run(job_id, None)


class Lowest(Queue):
    pop = "zpopmin"
"""


@pytest.mark.parametrize(
    ("kind", "order", "violated"),
    [
        ("Queue", "priority", set()),
        ("Lowest", "priority", {"queue-order"}),
        # A sorted set hands jobs of one priority out by their names, the last one first.
        ("Queue", "priority-fifo", {"queue-order"}),
    ],
)
def test_the_journal_shows_in_which_order_a_worker_runs_jobs_of_several_priorities(
    worker: Worker, tmp_path: Path, kind: str, order: str, violated: set[str]
) -> None:
    file = tmp_path / "queues.py"
    file.write_text(WORKER)
    record = record_of(worker, f"{file}:{kind}", "work-through-several:", (("order", order),))
    assert set(record.violated_invariants) == violated
