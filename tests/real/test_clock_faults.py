"""Faults of the clock: each finds a queue that no other fault shows to be flawed, and the reference passes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.servers.opening import STEPPED, ServerSpec
from midpipe.scenarios.explore.fault_selection import Aim
from midpipe.scenarios.explore.interleaving import InterleaveTask
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.flaws.flaw import Flaw
from midpipe.scenarios.flaws.registry import CLOCK_FLAWS
from midpipe.scenarios.fuzz.task import FuzzTask
from midpipe.scenarios.model.evidence import DEFAULT_LATENCY_BOUND_MS
from midpipe.scenarios.model.messages import CaseEnded
from midpipe.scenarios.model.record import CaseRecord
from midpipe.scenarios.model.spec import SubjectSpec
from tests.real.test_polling_workers import POLLS

OF_THE_CLOCK = tuple(name for name, fault in CATALOGUE.items() if fault.needs_stepped_clock)
OTHERS = ("cut-before", "lost-reply", "torn-middle", "stall", "crash", "freeze")
TWICE, WORK = "same-request-again", "work-under-a-lease"


LEASES_BY_ITS_CLIENTS_CLOCK = """
import time

import redis

TAKE = \'\'\'
local id = redis.call('ZRANGEBYSCORE', 'due', '-inf', ARGV[1], 'LIMIT', 0, 1)[1]
if id then redis.call('ZADD', 'due', ARGV[1] + ARGV[2], id) end
return id
\'\'\'


class Queue:
    def __init__(self, url):
        self.redis = redis.Redis.from_url(url, decode_responses=True)

    def enqueue(self, job_id):
        self.redis.zadd("due", {job_id: time.time()})

    def claim(self, worker_id, lease_s=30.0):
        self.redis.get("paused")
        job_id = self.redis.eval(TAKE, 0, time.time(), lease_s)
        return job_id and {"job_id": job_id, "lease_token": worker_id}

    def complete(self, job_id, lease_token):
        return self.redis.zrem("due", job_id) == 1
"""


@pytest.fixture(scope="module")
def stepped() -> Iterator[Worker]:
    """A worker whose server and subjects are on a stepped clock."""
    worker = Worker(ServerSpec(clock=STEPPED))
    yield worker
    worker.close()


def cases(worker: Worker, subject: SubjectSpec, program: str, *faults: str) -> list[CaseEnded]:
    """Sweep a program with these faults."""
    task = SweepTask(
        subject,
        program,
        shard=(0, 1),
        max_faults=1,
        latency_bound_ms=DEFAULT_LATENCY_BOUND_MS,
        aim=Aim(faults),
    )
    ended = [message for message in worker.do(task) if isinstance(message, CaseEnded)]
    assert [case.invalid_reason for case in ended if not case.valid] == []
    return ended


def orders(worker: Worker, subject: SubjectSpec, program: str, fault: str) -> list[CaseEnded]:
    """Run the simplest orders of a program with this fault."""
    task = InterleaveTask(
        subject,
        program,
        max_preemptions=1,
        max_faults=1,
        prune=True,
        latency_bound_ms=DEFAULT_LATENCY_BOUND_MS,
        max_orders=40,
        aim=Aim((fault,)),
    )
    ended = [message for message in worker.do(task) if isinstance(message, CaseEnded)]
    assert [case.invalid_reason for case in ended if not case.valid] == []
    return ended


def replayed(worker: Worker, replay: str) -> CaseRecord:
    return replay_case(worker, SubjectSpec(), replay, DEFAULT_LATENCY_BOUND_MS).record


@pytest.mark.parametrize("flaw", CLOCK_FLAWS, ids=lambda flaw: flaw.name)
def test_a_queue_that_trusts_its_clock_is_caught_by_the_faults_of_the_clock_only(
    stepped: Worker, flaw: Flaw
) -> None:
    (program,) = flaw.programs
    ended = cases(stepped, SubjectSpec(flaw.subject), program, *OF_THE_CLOCK, *OTHERS)
    caught = {case.fault.partition("=")[0] for case in ended if case.violations}
    assert flaw.shown_by in caught
    assert caught <= set(OF_THE_CLOCK)
    seen = {violation.invariant for case in ended for violation in case.violations}
    assert set(flaw.caught_by) <= seen


@pytest.mark.parametrize("program", [TWICE, WORK, "finish-with-result"])
def test_the_reference_passes_every_fault_of_the_clock(stepped: Worker, program: str) -> None:
    ended = cases(stepped, SubjectSpec(), program, *OF_THE_CLOCK)
    assert {case.fault.partition("=")[0] for case in ended} == {*OF_THE_CLOCK, "none"}
    assert [case.replay for case in ended if case.violations] == []


@pytest.mark.parametrize(
    ("flaw", "program", "fault", "invariant"),
    [
        ("forgets-waiting-jobs", "enqueue-vs-claim", "elapse", "no-lost-job"),
        ("expires-requests-by-its-own-clock", "same-request-twice", "skew-behind", "no-duplicate"),
        ("measures-by-the-wall-clock", "finish-vs-finish", "clock-step", "holder-is-served"),
    ],
)
def test_an_order_with_a_fault_of_the_clock_shows_the_flaw(
    stepped: Worker, flaw: str, program: str, fault: str, invariant: str
) -> None:
    subject = next(SubjectSpec(each.subject) for each in CLOCK_FLAWS if each.name == flaw)
    seen = [
        violation.invariant
        for case in orders(stepped, subject, program, fault)
        for violation in case.violations
    ]
    assert invariant in seen


def test_the_reference_passes_in_every_order_in_which_time_passes(stepped: Worker) -> None:
    ended = orders(stepped, SubjectSpec(), "enqueue-vs-claim", "elapse")
    assert any(case.faults for case in ended)
    assert [case.replay for case in ended if case.violations] == []


def test_fuzzing_lets_time_pass_and_finds_the_job_that_expires(stepped: Worker) -> None:
    forgets = next(flaw for flaw in CLOCK_FLAWS if flaw.shown_by == "elapse")
    task = FuzzTask(
        SubjectSpec(forgets.subject),
        seed=1,
        latency_bound_ms=DEFAULT_LATENCY_BOUND_MS,
        deadline_s=time.monotonic() + 60.0,
        invariants=forgets.caught_by,
    )
    ended = [message for message in stepped.do(task) if isinstance(message, CaseEnded)]
    assert any("!elapse" in case.replay for case in ended if case.violations)


def test_time_passes_without_the_client_that_waits_for_its_reply(stepped: Worker) -> None:
    record = replayed(stepped, f"{WORK}: A2!elapse=90000")
    assert record.invalid_reason == ""
    assert [operation.error for operation in record.history] == [None] * len(record.history)


@pytest.mark.parametrize(
    "order",
    [
        "B1 B2 B3 A1:RPUSH!elapse=60",
        "A1 B1:LPOP!elapse=90000",
    ],
)
def test_no_call_is_slow_because_the_schedule_lets_time_pass(
    stepped: Worker, tmp_path: Path, order: str
) -> None:
    file = tmp_path / "polls.py"
    file.write_text(POLLS)
    subject = SubjectSpec(f"{file}:Queue")
    replay = f"enqueue-vs-work: {order}"
    record = replay_case(stepped, subject, replay, DEFAULT_LATENCY_BOUND_MS).record
    assert (record.invalid_reason, record.violated_invariants) == ("", frozenset())


def test_a_job_leased_by_a_clock_that_is_ahead_is_waited_for(
    stepped: Worker, tmp_path: Path
) -> None:
    file = tmp_path / "leases.py"
    file.write_text(LEASES_BY_ITS_CLIENTS_CLOCK)
    replay = "claim-vs-claim: A1:GET!skew-ahead A2 B1 B2"
    record = replay_case(
        stepped, SubjectSpec(f"{file}:Queue"), replay, DEFAULT_LATENCY_BOUND_MS
    ).record
    assert (record.invalid_reason, "job-1" in (record.delivered or ())) == ("", True)
    assert "no-lost-job" not in record.violated_invariants


def test_a_fault_of_the_clock_is_refused_on_the_machines_clock(wall_worker: Worker) -> None:
    with pytest.raises(UsageError, match="--clock wall was given"):
        replayed(wall_worker, f"{WORK}: A2!elapse=60")
