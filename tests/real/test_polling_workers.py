"""Workers that poll, check the connection's health and subscribe: only what can make a difference has a position."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.running import dry_run
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.record import CaseRecord
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.registry import program_named

POLLS = """\
import time

import midpipe_job
import redis


class Queue:
    def __init__(self, url):
        self.redis = redis.Redis.from_url(url)

    def enqueue(self, job_id):
        self.redis.rpush("waiting", job_id)

    def work(self, jobs, idle_s):
        until = time.monotonic() + idle_s
        self.redis.info("server")
        listener = self.redis.pubsub(ignore_subscribe_messages=True)
        listener.subscribe("commands")
        while jobs and time.monotonic() < until:
            self.redis.ping()
            job_id = self.redis.lpop("waiting")
            if job_id is not None:
                midpipe_job.run(job_id.decode())
                jobs -= 1
        listener.close()
"""
"""A worker that polls as fast as it can, which is some thousand times in the time for which it may be idle."""


RECLAIMS = POLLS.replace(
    'self.redis.lpop("waiting")',
    'next(iter(self.redis.xautoclaim("left", "workers", "me", 0)[1]), (None,))[0]',
).replace(
    "self.redis = redis.Redis.from_url(url)",
    """self.redis = redis.Redis.from_url(url)
        try:
            self.redis.xgroup_create("left", "workers", mkstream=True)
        except redis.ResponseError:
            pass""",
)
"""A worker that polls for what others have left, by a command whose answer is never empty."""

TICKS = """\
import time

import redis


class Counted:
    def __init__(self, url):
        self.redis = redis.Redis.from_url(url)

    def enqueue(self, job_id):
        self.redis.rpush("waiting", job_id)

    def has_more(self, number, began):
        return number < 4

    def work(self, jobs, idle_s):
        number, began = 0, time.monotonic()
        while self.has_more(number, began):
            number = self.redis.incr("ticks")
            time.sleep(0.05)
        self.redis.delete("ticks")


class Timed(Counted):
    def has_more(self, number, began):
        return time.monotonic() < began + 1.0
"""
"""Workers that send a command every 50 ms: four times, or for a second."""


@pytest.fixture
def polls(tmp_path: Path) -> SubjectSpec:
    file = tmp_path / "polls.py"
    file.write_text(POLLS)
    return SubjectSpec(f"{file}:Queue")


def sent(record: CaseRecord) -> list[str]:
    return [f"{step.event.position} {step.event.name}" for step in record.steps]


def test_a_worker_that_finds_nothing_has_a_few_positions_and_no_more(
    worker: Worker, polls: SubjectSpec
) -> None:
    record = replay_case(worker, polls, "written(A work):", 5_000.0).record
    assert (record.invalid_reason, sent(record)) == ("", ["A1 LPOP", "A2 LPOP", "A3 LPOP"])


def test_a_poll_has_a_position_again_as_soon_as_there_is_something_to_find(
    worker: Worker, polls: SubjectSpec
) -> None:
    """The worker finds nothing at first, and the other client goes on only when the worker has polled."""
    record = replay_case(worker, polls, "enqueue-vs-work: B1 B2 B3 A1", 5_000.0).record
    assert record.invalid_reason == ""
    order = sent(record)
    assert order[:4] == ["B1 LPOP", "B2 LPOP", "B3 LPOP", "A1 RPUSH"]
    assert [run.has_ended for run in record.executions] == [True]


def test_a_fault_at_the_poll_that_finds_the_job_is_placed(
    worker: Worker, polls: SubjectSpec
) -> None:
    replayed = replay_case(worker, polls, "work: A1:LPOP!lost-reply", 5_000.0)
    assert replayed.unplaced == ()
    assert replayed.record.violated_invariants == {"no-lost-job"}


def test_a_worker_that_claims_what_others_left_has_a_few_positions_and_no_more(
    worker: Worker, tmp_path: Path
) -> None:
    file = tmp_path / "reclaims.py"
    file.write_text(RECLAIMS)
    record = replay_case(worker, SubjectSpec(f"{file}:Queue"), "written(A work):", 5_000.0).record
    polled = [name for name in sent(record) if name.endswith("XAUTOCLAIM")]
    # The first one adds the consumer to the group, so that what is stored changes.
    assert (record.invalid_reason, len(polled)) == ("", 4)


@pytest.mark.parametrize(("name", "is_ordered"), [("Counted", True), ("Timed", False)])
def test_a_worker_that_would_send_other_commands_on_a_busy_machine_has_labels(
    worker: Worker, tmp_path: Path, name: str, is_ordered: bool
) -> None:
    file = tmp_path / "ticks.py"
    file.write_text(TICKS)
    rig = worker.rig(SubjectSpec(f"{file}:{name}"))
    assert dry_run(rig, program_named("written(A work)"), 5_000.0).is_ordered == is_ordered
