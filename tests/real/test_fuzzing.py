"""Fuzzing on a real server: finds planted flaws alone, keeps to its time, and knows when it has seen too little."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.stories import StoryTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.fuzz.fuzzing import DURABLE_ONE_IN
from midpipe.scenarios.fuzz.sometimes import LEASE_EXPIRED, required_events
from midpipe.scenarios.fuzz.task import FuzzTask
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.gate.parts.fuzzing import Fuzzing
from midpipe.scenarios.gate.parts.part import Results
from midpipe.scenarios.model.coverage import Met, Place
from midpipe.scenarios.model.evidence import ViolationEvidence
from midpipe.scenarios.model.history import Completion
from midpipe.scenarios.model.messages import CaseEnded, FuzzBatch, FuzzDone, StoryDone
from midpipe.scenarios.model.record import Violation
from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec
from midpipe.scenarios.model.verdict import Outcome
from tests.fast.reports.verdicts import CASE

PATIENCE_S = 60.0
MET = Met(Place("enqueue", 1, "EVALSHA", False, "absent"), "late", frozenset(("late",)))
FOUND = CaseEnded(
    program="written(A enqueue job-1)",
    replay="written(A enqueue job-1): A1!late",
    fault="late",
    faults=1,
    valid=True,
    invalid_reason="",
    violations=(Violation("no-duplicate", (ViolationEvidence("job-1 was delivered 2 times."),)),),
    observations=(),
    crashes=(),
    seconds=(0.0, 0.0, 0.0, 0.0),
    blob="@reproduce_failure('6', b'')",
)


def task(subject: str, seconds: float, seed: int = 2000) -> FuzzTask:
    return FuzzTask(
        SubjectSpec(subject),
        seed=seed,
        latency_bound_ms=5_000.0,
        deadline_s=time.monotonic() + seconds,
    )


def first_find(worker: Worker, subject: str, invariant: str) -> CaseEnded:
    """Fuzz until the invariant is violated."""
    for message in worker.do(task(subject, PATIENCE_S)):
        violated_invariants = message.violations if isinstance(message, CaseEnded) else ()
        if isinstance(message, CaseEnded) and invariant in {
            violation.invariant for violation in violated_invariants
        }:
            return message
    raise AssertionError(f"{invariant} was not violated within {PATIENCE_S} s")


@pytest.mark.parametrize(
    ("subject", "invariant"),
    [
        ("midpipe.scenarios.flaws.single:PushesAgain", "no-duplicate"),
        ("midpipe.scenarios.flaws.as_reviewed:SimpleQueue", "no-lost-job"),
        ("midpipe.scenarios.flaws.as_shipped:SimpleQueue", "no-divergence"),
    ],
)
def test_a_planted_flaw_is_found_by_fuzzing_alone(
    worker: Worker, subject: str, invariant: str
) -> None:
    assert first_find(worker, subject, invariant).valid


def test_what_was_found_shrinks_to_a_program_that_still_fails(worker: Worker) -> None:
    subject = "midpipe.scenarios.flaws.single:PushesAgain"
    found = first_find(worker, subject, "no-duplicate")
    *_, done = worker.do(
        StoryTask(
            SubjectSpec(subject), found.replay, latency_bound_ms=5_000.0, shrinks_for="no-duplicate"
        )
    )
    assert isinstance(done, StoryDone)
    assert "no-duplicate" in done.violated_invariants
    assert done.story.replay.count("enqueue") == 2


def test_fuzzing_writes_programs_for_a_queue_with_a_worker_of_its_own(worker: Worker) -> None:
    found = first_find(worker, "midpipe.scenarios.flaws.workers:PopsJobs", "no-lost-job")
    assert " work" in found.program


def test_the_same_seed_begins_with_the_same_examples(worker: Worker) -> None:
    def begins() -> list[str]:
        messages = worker.do(task(REFERENCE, PATIENCE_S, seed=5))
        ended = (message.program for message in messages if isinstance(message, CaseEnded))
        return list(islice(ended, 12))

    assert begins() == begins()


def test_a_run_meets_every_required_event_even_if_it_has_no_time_for_more(worker: Worker) -> None:
    traits = worker.rig(SubjectSpec(REFERENCE)).traits
    met: Counter[str] = Counter()
    for message in worker.do(replace(task(REFERENCE, PATIENCE_S), time_s=0.0)):
        if isinstance(message, FuzzBatch):
            met.update(message.sometimes)
    assert set(met) == set(required_events(traits))


def test_after_its_deadline_a_run_begins_no_example(worker: Worker) -> None:
    assert [m for m in worker.do(task(REFERENCE, -1.0)) if isinstance(m, CaseEnded)] == []


FORGETS_THE_SECOND_JOB = """
from midpipe import reference


class Queue(reference.Queue):
    def get_job(self, job_id, *words, **named):
        return None if job_id == "job-2" else super().get_job(job_id, *words, **named)
"""


@pytest.mark.nightly(reason="Hypothesis' own shrinking takes up to a minute")
def test_the_first_violation_of_an_invariant_comes_with_hypothesis_line(
    worker: Worker, tmp_path: Path
) -> None:
    # The examples that every run starts with are not Hypothesis', and have one job only.
    file = tmp_path / "forgets.py"
    file.write_text(FORGETS_THE_SECOND_JOB)
    found = first_find(worker, f"{file}:Queue", "no-lost-job")
    assert found.blob.startswith("@reproduce_failure(")


def test_the_server_is_killed_now_and_then_and_keeps_what_it_promised(worker: Worker) -> None:
    kills = 0
    batch = task(REFERENCE, PATIENCE_S, seed=DURABLE_ONE_IN - 1)
    for message in worker.do(batch):
        if isinstance(message, CaseEnded):
            assert (message.violations, message.invalid_reason) == ((), "")
            kills += "kill" in message.fault
            if kills:
                return
    raise AssertionError("no server was killed")


RESTLESS = """
import random
from midpipe.reference import Queue

class Restless(Queue):
    def enqueue(self, *args, **named):
        if random.SystemRandom().random() < 0.5:
            self._redis.exists("anything")
        return super().enqueue(*args, **named)
"""


def test_a_nondeterministic_subject_is_reported_with_the_place(
    worker: Worker, tmp_path: Path
) -> None:
    (tmp_path / "restless.py").write_text(RESTLESS)
    for message in worker.do(task(f"{tmp_path / 'restless.py'}:Restless", PATIENCE_S)):
        # Clients of one program may also end in another order, which says nothing about the command.
        for replay, where in message.nondeterministic if isinstance(message, FuzzBatch) else ():
            if "EXISTS" in where:
                assert replay.startswith("written(")
                return
    raise AssertionError("nothing differed in that command")


def test_an_example_that_was_kept_is_tried_first_and_one_without_a_place_is_forgotten(
    worker: Worker,
) -> None:
    kept = "written(A enqueue job-1, B enqueue job-1):"
    stale = "written(A list): A99!late"
    given = replace(
        task("midpipe.scenarios.flaws.single:PushesAgain", PATIENCE_S),
        examples=(stale, kept, "no line"),
    )
    messages = worker.do(given)
    first, second = next(messages), next(messages)
    assert isinstance(first, CaseEnded)
    assert isinstance(second, FuzzBatch)
    assert (first.replay, [v.invariant for v in first.violations]) == (kept, ["no-duplicate"])
    assert second.stale == [stale, "no line"]


def test_an_interrupted_run_is_resumed_with_its_results() -> None:
    options = Options(jobs=1, fuzz_s=60.0, parts=("fuzz",))
    part = Fuzzing(options, Results())
    assert part.queue.next() == 0
    part.task(0, math.inf)
    part.take(0, FOUND)
    batch = FuzzBatch(12)
    batch.coverage.add([MET])
    batch.sometimes[LEASE_EXPIRED] = 3
    part.take(0, batch)
    part.finish()
    checkpoint = part.checkpoint()
    assert checkpoint is not None

    results = Results()
    resumed = Fuzzing(replace(options, fuzz_s=0.0), results, resumed=checkpoint)
    assert resumed.queue.next() == 0
    _, next_task = resumed.task(0, math.inf)
    assert isinstance(next_task, FuzzTask)
    assert next_task.seed == 12
    assert [group.replay for group in results.tally.groups] == [FOUND.replay]
    resumed.take(0, FuzzDone())
    resumed.queue.ended(0)
    resumed.finish()
    assert results.coverage is not None
    rows = results.coverage.operations
    assert [(row.operation, row.seen) for row in rows] == [("enqueue", 1)]
    assert results.parts["fuzz"] is Outcome.FAIL
    assert resumed.checkpoint() is None


def test_fuzzing_that_completed_no_example_is_unknown_and_says_why() -> None:
    got = Results()
    part = Fuzzing(Options(jobs=1), got)
    part.task(0, math.inf)
    part.take(0, FuzzDone())
    part.finish()
    assert got.parts["fuzz"] is Outcome.UNKNOWN
    assert any("completed no example" in warning for warning in got.warnings)


def test_a_run_that_never_met_what_it_must_meet_is_unknown(worker: Worker) -> None:
    traits = worker.rig(SubjectSpec(REFERENCE)).traits
    got = Results()
    part = Fuzzing(Options(jobs=1), got)
    never = FuzzBatch(1)
    never.sometimes.update(dict.fromkeys(required_events(traits), 1))
    never.sometimes[LEASE_EXPIRED] = 0
    part.take(
        0,
        CASE,
    )
    part.take(0, never)
    part.finish()
    assert got.parts["fuzz"] is Outcome.UNKNOWN


def test_a_command_held_for_one_client_says_nothing_of_the_call_of_another(worker: Worker) -> None:
    line = (
        "written(A enqueue job-1 r-2, A enqueue-once globex/job-9, B enqueue-once job-9): "
        "A1:EVALSHA!late A2 A3 B1"
    )
    record = replay_case(worker, SubjectSpec(REFERENCE), line, 5_000.0).record
    refused = next(operation for operation in record.history if operation.client == "B")
    assert (refused.completion, record.violations) == (Completion.FAIL, ())
