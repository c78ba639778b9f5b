"""Fuzzing takes jobs without a lease: it finds two clients that take the same one, and accuses no sound queue."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.gate.hunting import HuntTask
from midpipe.scenarios.model.messages import Caught, HuntDone
from midpipe.scenarios.model.spec import SubjectSpec

QUEUES = Path(__file__).parent.parent / "data" / "queues"


def caught_by_fuzzing(
    worker: Worker, queue: str, *invariants: str, budget_s: float
) -> tuple[Caught, ...]:
    task = HuntTask(
        SubjectSpec(f"{QUEUES}/{queue}"),
        invariants,
        latency_bound_ms=5_000.0,
        suite="fuzz",
        budget_s=budget_s,
        seed=1,
    )
    *_, done = worker.do(task)
    assert isinstance(done, HuntDone)
    return done.caught


def test_two_clients_that_take_one_job_are_found(worker: Worker) -> None:
    flawed = "flawed/reads_then_removes.py:Queue"
    caught = caught_by_fuzzing(worker, flawed, "no-duplicate", budget_s=60.0)
    (replay,) = [found.replay for found in caught if found.invariant == "no-duplicate"]
    assert len(set(re.findall("([A-Z]) dequeue", replay))) > 1


@pytest.mark.parametrize("queue", ["sound/pops.py:Pops", "sound/pops.py:GivesBack"])
def test_a_sound_queue_without_leases_is_not_accused(worker: Worker, queue: str) -> None:
    wanted = ("no-lost-job", "no-duplicate", "queue-order", "bounded-latency", "answer-is-true")
    assert caught_by_fuzzing(worker, queue, *wanted, budget_s=6.0) == ()
