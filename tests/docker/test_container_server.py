"""A server in a container: sweeps, server faults, and what can't be done there."""

from __future__ import annotations

import pytest

from scenarios.engine.explore import CaseEnded
from scenarios.engine.tasks import SweepDone, SweepTask
from scenarios.engine.worker import Worker
from scenarios.subjects.spec import REFERENCE, SubjectSpec

pytestmark = pytest.mark.docker
AS_REVIEWED = "scenarios.flaws.as_reviewed:SimpleQueue"


def swept(worker: Worker, subject: str, program: str) -> list[CaseEnded]:
    """Sweep a program with every single fault; every case of it is valid."""
    messages = list(worker.do(SweepTask(SubjectSpec(subject), program, (0, 1), 1, 5_000.0)))
    cases = [message for message in messages if isinstance(message, CaseEnded)]
    (done,) = (message for message in messages if isinstance(message, SweepDone))
    assert [case.trouble for case in cases if not case.valid] == []
    assert sum(row.not_reached for row in done.ledger) == 0
    return cases


def test_the_reference_passes_every_fault_of_enqueue(worker: Worker) -> None:
    cases = swept(worker, REFERENCE, "enqueue")
    # Every fault that needs no persistence and has a place there, server faults among them.
    met = {case.fault for case in cases}
    assert met >= {"pause", "oom", "readonly", "client-kill", "noperm", "script-flush", "torn-last"}
    assert [case.replay for case in cases if case.violations] == []


def test_the_reviewed_queue_is_caught(worker: Worker) -> None:
    cases = swept(worker, AS_REVIEWED, "enqueue-with-request-id")
    fallen = {violation.invariant for case in cases for violation in case.violations}
    assert fallen >= {"retry-succeeds", "no-orphan"}
