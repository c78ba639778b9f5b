"""A violation is a finding only if further runs of its case, with more patience, show it again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.gate.gate import Gate
from midpipe.scenarios.gate.hunting import HuntTask
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.model.messages import CaseEnded, HuntDone
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.verdict import Outcome, Severity, Status
from tests.real.commands import ran

QUEUES = """
from urllib.parse import parse_qs, urlsplit

import redis


class Loses:
    '''Acknowledges every job, and puts none in.'''

    def __init__(self, url):
        self.time_out_s = float(parse_qs(urlsplit(url).query)["socket_timeout"][0])
        self.redis = redis.from_url(url, decode_responses=True)

    def enqueue(self, job_id, **named):
        self.redis.hset("jobs", job_id, "pending")
        if self.keeps_jobs:
            self.redis.rpush("waiting", job_id)
        return True

    keeps_jobs = False

    def get_job(self, job_id, workspace_id=None):
        return {"job_id": job_id, "status": "pending"} if self.redis.hexists("jobs", job_id) else None

    def dequeue(self):
        return self.redis.lpop("waiting")


class LosesInAHurry(Loses):
    '''Loses jobs only with the time-outs of a case that is run for the first time.'''

    @property
    def keeps_jobs(self):
        return self.time_out_s not in (3.0, 0.008)


class RemembersInItsProcess(Loses):
    '''Creates its list once in each process, and does not know that the next case begins without it.'''

    cases = 0

    @property
    def keeps_jobs(self):
        kind = type(self)
        kind.cases += 1
        return kind.cases == 1
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("confirming") / "queues.py"
    written.write_text(QUEUES)
    return written


def swept(worker: Worker, subject: str) -> list[CaseEnded]:
    task = SweepTask(
        SubjectSpec(subject), "enqueue", shard=(0, 1), max_faults=0, latency_bound_ms=5_000.0
    )
    return [message for message in worker.do(task) if isinstance(message, CaseEnded)]


def test_what_shows_again_with_more_patience_is_a_violation(worker: Worker, file: Path) -> None:
    (ended,) = swept(worker, f"{file}:Loses")
    assert [v.invariant for v in ended.violations] == list(ended.confirmed) == ["no-lost-job"]
    assert ended.unconfirmed == ()


def test_what_does_not_show_again_is_unconfirmed(worker: Worker, file: Path) -> None:
    (ended,) = swept(worker, f"{file}:LosesInAHurry")
    assert (ended.violations, ended.confirmed) == ((), ())
    assert [(u.violation.invariant, u.again, u.runs) for u in ended.unconfirmed] == [
        ("no-lost-job", 0, 2)
    ]


def test_what_a_process_remembers_of_earlier_cases_is_not_judged(
    worker: Worker, file: Path
) -> None:
    (ended,) = swept(worker, f"{file}:RemembersInItsProcess")
    assert (ended.violations, ended.unconfirmed, ended.valid) == ((), (), True)


def test_a_hunt_catches_nothing_that_does_not_show_again(worker: Worker, file: Path) -> None:
    task = HuntTask(
        SubjectSpec(f"{file}:LosesInAHurry"),
        ("no-lost-job",),
        latency_bound_ms=5_000.0,
        programs=("enqueue",),
        faults=("none",),
    )
    (done,) = (message for message in worker.do(task) if isinstance(message, HuntDone))
    assert (done.caught, done.unconfirmed) == ((), 1)


@pytest.mark.parametrize("fail_fast", [None, Severity.LOW])
def test_a_gate_on_what_does_not_show_again_says_unknown_and_shows_both_outcomes(
    file: Path, fail_fast: Severity | None
) -> None:
    options = Options(
        SubjectSpec(f"{file}:LosesInAHurry"),
        jobs=1,
        parts=("sweep",),
        programs=("enqueue",),
        fail_fast=fail_fast,
    )
    gate = Gate(options, lambda _: None)
    gate.run()
    verdict = gate.verdict("", "", "")
    assert (verdict.outcome, verdict.findings, verdict.partial) == (Outcome.UNKNOWN, (), False)
    row = next(row for row in verdict.invariants if row.invariant == "no-lost-job")
    assert row.status is Status.UNKNOWN
    assert any(
        "no-lost-job was violated once (enqueue answered True for job-1" in warning
        and "and in none of 2 further runs; 2 are needed to confirm it" in warning
        for warning in verdict.warnings
    ), verdict.warnings


@pytest.mark.parametrize(
    ("queue", "code", "says"),
    [("Loses", 1, "still fails"), ("LosesInAHurry", 3, "unknown: no-lost-job was violated once")],
)
def test_a_replay_that_fails_once_is_run_again(
    file: Path, tmp_path: Path, queue: str, code: int, says: str
) -> None:
    seen, output, errors = ran("replay", "enqueue:", "--subject", f"{file}:{queue}", cwd=tmp_path)
    assert (seen, says in output) == (code, True), output + errors


@pytest.mark.parametrize(("left_s", "confirmed"), [(60.0, True), (0.0, False)])
def test_a_violation_that_is_seen_when_its_program_has_no_time_left_is_confirmed_in_that_of_the_run(
    file: Path, left_s: float, confirmed: bool
) -> None:
    now_s = time.monotonic()
    worker = Worker(ServerSpec(), ends_s=now_s + left_s)
    try:
        task = SweepTask(
            SubjectSpec(f"{file}:Loses"),
            "enqueue",
            shard=(0, 1),
            max_faults=0,
            latency_bound_ms=5_000.0,
            deadline_s=now_s,
        )
        first = next(message for message in worker.do(task) if isinstance(message, CaseEnded))
    finally:
        worker.close()
    assert (bool(first.violations), bool(first.unconfirmed)) == (confirmed, not confirmed)
