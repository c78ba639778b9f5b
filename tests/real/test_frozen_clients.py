"""A client that is frozen amid a call meets a lease that has ended, also where the queue chooses its length."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.history import Phase
from midpipe.scenarios.model.record import CaseRecord
from midpipe.scenarios.model.spec import SubjectSpec

QUEUES = Path(__file__).parent.parent / "data" / "queues"


def run(worker: Worker, queue: str, replay: str) -> CaseRecord:
    record = replay_case(worker, SubjectSpec(f"{QUEUES}/{queue}"), replay, 5_000.0).record
    assert record.invalid_reason == ""
    return record


def finishers(record: CaseRecord) -> list[tuple[str, object]]:
    """Return which clients have called complete, and what it answered."""
    return [
        (call.client, call.value)
        for call in record.history
        if call.method == "complete" and call.phase is Phase.PROGRAM
    ]


@pytest.mark.parametrize(
    ("flawed", "position"),
    [("Queue", "A3:EXEC"), ("QueueExpires", "A4:EXEC"), ("QueuePromised", "A3:EXEC")],
)
def test_a_worker_that_writes_without_a_fence_finishes_a_job_twice_once_its_fixed_lease_has_ended(
    worker: Worker, flawed: str, position: str
) -> None:
    record = run(worker, f"flawed/unfenced.py:{flawed}", f"claim-complete: {position}!freeze")
    assert record.violated_invariants == {"no-duplicate"}


@pytest.mark.parametrize(
    ("sound", "position"),
    [("Fixed", "A2:EVAL"), ("FixedExpires", "A3:EVAL"), ("FixedPromised", "A2:EVAL")],
)
def test_a_worker_that_compares_its_token_as_it_writes_is_refused_once_its_fixed_lease_has_ended(
    worker: Worker, sound: str, position: str
) -> None:
    record = run(worker, f"flawed/unfenced.py:{sound}", f"claim-complete: {position}!freeze")
    assert finishers(record) == [("S", True), ("A", False)]
    assert record.violated_invariants == frozenset()


def test_a_short_lease_ends_on_the_machines_clock_as_well(wall_worker: Worker) -> None:
    sound = run(wall_worker, "flawed/unfenced.py:FixedShort", "claim-complete: A2:EVAL!freeze")
    assert finishers(sound) == [("S", True), ("A", False)]
    assert sound.violated_invariants == frozenset()
    flawed = run(wall_worker, "flawed/unfenced.py:QueueShort", "claim-complete: A3:EXEC!freeze")
    assert flawed.violated_invariants == {"no-duplicate"}


def test_the_stand_by_worker_gets_a_job_that_only_the_periodic_work_puts_back(
    worker: Worker,
) -> None:
    record = run(worker, "reaped.py:FinishesWithAnyToken", "claim-complete: A2:ZREM!freeze")
    assert finishers(record) == [("S", True), ("A", True)]
    assert record.violated_invariants == {"no-duplicate"}


def test_a_claim_of_the_stand_by_worker_that_waits_for_a_job_does_not_take_too_long(
    worker: Worker,
) -> None:
    record = run(worker, "flawed/pop_then_lease.py:Fixed", "enqueue: A1:EVAL!freeze")
    assert record.violated_invariants == frozenset()
