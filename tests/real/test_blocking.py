"""Commands that block on the server are let through like any other, and answered when another client has acted."""

from __future__ import annotations

import pytest

from midpipe.faultinject.decide.interleave import Interleave
from midpipe.scenarios.case.recovery_client import STANDBY
from midpipe.scenarios.explore.explore import explore
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.pairs import PAIRS

BLOCKING = """
import redis

from midpipe.reference import Queue

class Blocking(Queue):
    driver_retries = 0

    def claim(self, worker_id, lease_s=30.0):
        popped = self._redis.blpop(["ai:queue:pending"], 0.2)
        return {"job_id": popped[1]} if popped else None


class Pops:
    def __init__(self, url):
        self._redis = redis.Redis.from_url(url, decode_responses=True)

    def enqueue(self, job_id):
        self._redis.rpush("waiting", job_id)

    def dequeue(self):
        popped = self._redis.blpop(["waiting"], 0.2)
        return {"job_id": popped[1]} if popped else None
"""


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> SubjectSpec:
    """A queue whose claim is a BLPOP, as most workers' is."""
    file = tmp_path_factory.mktemp("blocking") / "blocking_queue.py"
    file.write_text(BLOCKING)
    return SubjectSpec(f"{file}:Blocking")


def test_a_worker_that_waits_receives_the_job_that_is_enqueued_meanwhile(
    worker: Worker, subject: SubjectSpec
) -> None:
    record = replay_case(worker, subject, "enqueue-vs-claim: B1 A1", 5_000.0).record
    claim = next(operation for operation in record.history if operation.method == "claim")
    assert (record.invalid_reason, claim.value) == ("", {"job_id": "job-1"})


def test_a_worker_without_jobs_is_answered_when_its_time_is_up(
    worker: Worker, subject: SubjectSpec
) -> None:
    record = replay_case(worker, subject, "claim-vs-claim:", 5_000.0).record
    answers = [o.value for o in record.history if o.method == "claim"]
    assert (record.invalid_reason, answers) == ("", [{"job_id": "job-1"}, None])


def test_every_order_with_a_blocking_command_is_valid_and_the_same_each_time(
    worker: Worker, subject: SubjectSpec
) -> None:
    def run() -> list[tuple[str, str, int]]:
        cases = explore(worker.rig(subject), PAIRS["enqueue-vs-claim"], Interleave())
        return [(case.replay, case.invalid_reason, len(case.violations)) for case in cases]

    once = run()
    assert {invalid_reason for _, invalid_reason, _ in once} == {""}
    assert [run() for _ in range(3)] == [once] * 3


def test_a_lost_reply_of_a_blocking_command_is_a_fault_like_any_other(
    worker: Worker, subject: SubjectSpec
) -> None:
    record = replay_case(
        worker, subject, "enqueue-vs-claim: B1:BLPOP!lost-reply A1", 5_000.0
    ).record
    assert record.invalid_reason == ""
    # It waits, and is in no queue; no call shows whether a lease holds it.
    assert "no-orphan" in {violation.invariant for violation in record.violations}


def test_the_server_answers_a_worker_of_recovery_when_its_time_is_up(
    worker: Worker, subject: SubjectSpec
) -> None:
    pops = SubjectSpec(subject.text.replace(":Blocking", ":Pops"))
    record = replay_case(worker, pops, "enqueue:", 5_000.0).record
    assert (record.delivered, record.drain_error) == (("job-1",), None)


def test_the_server_answers_the_stand_by_worker_while_a_client_is_frozen(
    worker: Worker, subject: SubjectSpec
) -> None:
    record = replay_case(worker, subject, "enqueue: A1!freeze", 5_000.0).record
    standby = next(operation for operation in record.history if operation.client == STANDBY)
    assert (standby.method, standby.value, standby.error) == ("claim", None, None)
