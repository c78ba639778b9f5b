"""Failover from a primary to its replica: which writes are lost, and how a queue copes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.origins import FromBinary
from midpipe.faultinject.servers.pair import Pair
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.servers.server import fields_of
from midpipe.faultinject.vocabulary import Address, Executed
from midpipe.faultinject.wire.resp import Value
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.gate.gate import Gate
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.model.history import Completion
from midpipe.scenarios.model.record import CaseRecord
from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec, parse_subject
from midpipe.scenarios.model.verdict import DurabilityRow, Outcome, Verdict

ALONE = SubjectSpec(REFERENCE)
WAITING = parse_subject(REFERENCE, environment=("AI_JOBS_WAIT_REPLICAS=1", "AI_JOBS_WAIT_MS=50"))
UNTRUE = """
from midpipe.scenarios.flaws.as_shipped import SimpleQueue


class Says(SimpleQueue):
    waits_for_replicas = True
"""


@pytest.fixture(scope="module")
def pair(run_directory: RunDirectory) -> Iterator[Pair]:
    started = Pair(FromBinary(None, run_directory), Persistence.REPLICA)
    yield started
    started.stop()


def call(address: Address, *commands: tuple[str, ...]) -> tuple[Value, ...]:
    with closing(Control(address)) as control:
        return control.pipeline(commands)


def role_of(address: Address) -> str:
    return fields_of(call(address, ("INFO", "replication"))[0])["role"]


def test_replicated_writes_survive_a_failover(pair: Pair) -> None:
    call(pair.address, ("FLUSHALL",), ("SET", "k", "v"))
    pair.fail_over()
    assert call(pair.address, ("GET", "k")) == (b"v",)


def test_writes_acknowledged_while_the_replica_was_disconnected_are_lost_in_a_failover(
    pair: Pair,
) -> None:
    call(pair.address, ("FLUSHALL",), ("SET", "before", "v"))
    pair.fall_behind()
    acknowledged = call(pair.address, ("SET", "after", "v"))
    pair.fail_over()
    kept = call(pair.address, ("GET", "before"), ("GET", "after"))
    assert (acknowledged, kept) == (("OK",), (b"v", None))


def test_a_disconnected_replica_receives_every_write_once_it_catches_up(pair: Pair) -> None:
    pair.fall_behind()
    call(pair.address, ("SET", "late", "v"))
    missing = call(pair.replica_address, ("GET", "late"))
    pair.catch_up()
    assert (missing, call(pair.replica_address, ("GET", "late"))) == ((None,), (b"v",))


def test_the_killed_primary_comes_back_as_the_replica(pair: Pair) -> None:
    before = pair.address
    pair.fail_over()
    assert (role_of(pair.address), role_of(before), pair.replica_address) == (
        "master",
        "slave",
        before,
    )


def record_of(worker: Worker, replay: str, subject: SubjectSpec = ALONE) -> CaseRecord:
    replayed = replay_case(worker, subject, replay, 5_000.0)
    assert (replayed.unplaced, replayed.record.invalid_reason) == ((), "")
    return replayed.record


def violated_invariants(record: CaseRecord) -> set[str]:
    return {violation.invariant for violation in record.violations}


def test_a_replicated_command_survives_the_failover_and_its_retry_finds_the_job(
    worker: Worker,
) -> None:
    record = record_of(worker, "enqueue: A1:EVALSHA!failover")
    faulted = next(step for step in record.steps if step.fault)
    replies = [step.reply[:14] for step in record.steps]
    assert (faulted.executed, replies[1:]) == (Executed.YES, ["error NOSCRIPT", "1"])
    assert (record.history[0].value, violated_invariants(record), record.delivered) == (
        True,
        set(),
        ("job-1",),
    )


def test_a_failover_to_a_lagging_replica_loses_an_acknowledged_job(
    worker: Worker,
) -> None:
    record = record_of(worker, "enqueue: A1:EVALSHA!failover-behind")
    faulted = next(step for step in record.steps if step.fault)
    assert (faulted.executed, faulted.reply, record.history[0].value) == (Executed.YES, "1", True)
    assert dict(record.states[-1]) == {}
    assert {"no-lost-job", "answer-is-true"} <= violated_invariants(record)


def test_a_queue_that_waits_for_the_replica_acknowledges_no_job_that_a_failover_loses(
    worker: Worker,
) -> None:
    record = record_of(worker, "enqueue: A1:EVALSHA!failover-behind", WAITING)
    assert [step.event.name for step in record.steps][:1] == ["EVALSHA"]
    assert (violated_invariants(record), record.delivered) == (set(), ("job-1",))


def test_a_queue_that_waits_for_a_lagging_replica_reports_that_the_job_is_not_durable(
    worker: Worker,
) -> None:
    record = record_of(worker, "enqueue: A1:EVALSHA!lag", WAITING)
    first, again = record.history[:2]
    waited = record.steps[1]
    assert (waited.event.name, waited.reply) == ("WAIT", "0")
    assert first.error is not None
    assert (first.error.type, first.completion) == ("NotDurableError", Completion.INFO)
    assert (again.value, violated_invariants(record), record.delivered) == (
        False,
        set(),
        ("job-1",),
    )


def verdict_of(subject: SubjectSpec) -> Verdict:
    options = Options(
        subject=subject,
        jobs=1,
        persistence=(Persistence.REPLICA, Persistence.REPLICA_BEHIND),
        parts=("durability",),
        programs=("enqueue-with-request-id",),
    )
    gate = Gate(options, lambda event: None)
    gate.run()
    return gate.verdict("", "", "")


def rows_of(verdict: Verdict) -> tuple[DurabilityRow, DurabilityRow]:
    in_step, behind = verdict.durability
    return in_step, behind


def test_jobs_lost_to_a_lagging_replica_are_reported_but_do_not_fail_a_queue_that_does_not_wait() -> (
    None
):
    verdict = verdict_of(ALONE)
    in_step, behind = rows_of(verdict)
    assert (in_step.violated, in_step.counts) == (0, True)
    assert (behind.violated > 0, "no-lost-job" in behind.violated_invariants, behind.counts) == (
        True,
        True,
        False,
    )
    assert verdict.outcome is Outcome.PASS


def test_the_reference_loses_no_acknowledged_job_if_it_waits_for_the_replica() -> None:
    verdict = verdict_of(WAITING)
    in_step, behind = rows_of(verdict)
    assert (in_step.violated, behind.violated, behind.counts) == (0, 0, True)
    assert (behind.cases > 1, verdict.outcome) == (True, Outcome.PASS)


def test_a_queue_that_claims_to_wait_and_does_not_fails(tmp_path: Path) -> None:
    source = tmp_path / "says.py"
    source.write_text(UNTRUE)
    verdict = verdict_of(SubjectSpec(f"{source}:Says"))
    behind = rows_of(verdict)[1]
    assert (behind.violated > 0, behind.counts, verdict.outcome) == (True, True, Outcome.FAIL)
