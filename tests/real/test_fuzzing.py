"""Fuzzing on a real server: finds planted flaws alone, keeps to its time, and knows when it has seen too little."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from faultinject.servers.opening import ServerSpec
from scenarios.engine.explore import CaseEnded
from scenarios.engine.fuzzing import A_LEASE_ENDS, must_happen
from scenarios.engine.options import Options
from scenarios.engine.parts.fuzzing import Fuzzing
from scenarios.engine.parts.part import Gathered
from scenarios.engine.tasks import FuzzBatch, FuzzTask, TellTask, Told
from scenarios.engine.worker import Worker
from scenarios.subjects.spec import REFERENCE, SubjectSpec
from scenarios.verdict import Outcome

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    started = Worker(ServerSpec())
    yield started
    started.close()


def task(subject: str, seconds: float, seed: int = 2000) -> FuzzTask:
    return FuzzTask(SubjectSpec(subject), seed, 5_000.0, time.monotonic() + seconds)


def first_find(worker: Worker, subject: str, invariant: str) -> CaseEnded:
    """Fuzz until the invariant falls."""
    for message in worker.do(task(subject, PATIENCE_S)):
        fallen = message.violations if isinstance(message, CaseEnded) else ()
        if isinstance(message, CaseEnded) and invariant in {fell.invariant for fell in fallen}:
            return message
    raise AssertionError(f"{invariant} did not fall within {PATIENCE_S} s")


@pytest.mark.parametrize(
    ("subject", "invariant"),
    [
        ("scenarios.flaws.single:PushesAgain", "no-duplicate"),
        ("scenarios.flaws.as_reviewed:SimpleQueue", "no-lost-job"),
        ("scenarios.flaws.as_shipped:SimpleQueue", "no-divergence"),
        ("scenarios.flaws.pairs:IgnoresTheToken", "no-duplicate"),
    ],
)
def test_a_planted_flaw_is_found_by_fuzzing_alone(
    worker: Worker, subject: str, invariant: str
) -> None:
    assert first_find(worker, subject, invariant).valid


def test_what_was_found_shrinks_to_a_program_that_still_fails(worker: Worker) -> None:
    subject = "scenarios.flaws.single:PushesAgain"
    found = first_find(worker, subject, "no-duplicate")
    *_, told = worker.do(TellTask(SubjectSpec(subject), found.replay, 5_000.0, "no-duplicate"))
    assert isinstance(told, Told)
    assert "no-duplicate" in told.fallen
    assert told.story.replay.count("enqueue") == 2


def test_the_same_seed_begins_with_the_same_examples(worker: Worker) -> None:
    def begins() -> list[str]:
        messages = worker.do(task(REFERENCE, 3.0, seed=5))
        return [message.program for message in messages if isinstance(message, CaseEnded)][:10]

    assert begins() == begins()


def test_the_time_is_kept(worker: Worker) -> None:
    worker.rig(SubjectSpec(REFERENCE))
    begun_s = time.monotonic()
    list(worker.do(task(REFERENCE, 2.0)))
    assert time.monotonic() - begun_s < 2.0 + 8.0


def test_a_run_that_never_met_what_it_must_meet_is_unknown(worker: Worker) -> None:
    traits = worker.rig(SubjectSpec(REFERENCE)).traits
    got = Gathered()
    part = Fuzzing(Options(jobs=1), got, 0.0)
    never = FuzzBatch(1)
    never.sometimes.update(dict.fromkeys(must_happen(traits), 1))
    never.sometimes[A_LEASE_ENDS] = 0
    part.take(0, CaseEnded("p", "p:", "none", 0, True, "", (), (), (), (0.0, 0.0, 0.0, 0.0)))
    part.take(0, never)
    part.finish(1.0)
    assert got.parts["fuzz"] is Outcome.UNKNOWN
