"""A client's process that is killed or frozen, and a server that stands still: real signals, seen from both sides."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.scenarios.case.story import story_of
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.history import Completion, Operation
from midpipe.scenarios.model.record import Arrived, CaseRecord, first_difference
from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec
from midpipe.scenarios.model.state import tables_of
from midpipe.scenarios.model.story import StepKind

IGNORES_THE_TOKEN = "midpipe.scenarios.flaws.pairs:IgnoresTheToken"
ANSWERS_EMPTY = f"{Path(__file__).parent.parent}/data/queues/sound/answers_empty.py:Queue"
KEEPS_DEAD_WORKERS_JOBS = "midpipe.scenarios.flaws.single:KeepsDeadWorkersJobs"


def run(worker: Worker, replay: str, subject: str = REFERENCE) -> CaseRecord:
    record = replay_case(worker, SubjectSpec(subject), replay, 5_000.0).record
    assert record.invalid_reason == ""
    return record


def calls(record: CaseRecord, client: str = "A") -> list[Operation]:
    return [operation for operation in record.history if operation.client == client]


def violated_invariants(record: CaseRecord) -> set[str]:
    return {violation.invariant for violation in record.violations}


def test_a_process_that_is_killed_after_it_sent_a_command_leaves_what_the_server_ran(
    worker: Worker,
) -> None:
    record = run(worker, "enqueue: A1:EVALSHA!crash")
    assert tables_of(record.states[-1]).pending == ("job-1",)
    assert [(call.completion, call.error and call.error.type) for call in calls(record)] == [
        (Completion.INFO, "Crash")
    ]


def test_a_process_that_is_killed_before_it_sent_a_command_leaves_nothing(worker: Worker) -> None:
    record = run(worker, "enqueue: A1:EVALSHA!crash-before")
    assert tables_of(record.states[-1]).pending == ()
    assert [call.completion for call in calls(record)] == [Completion.FAIL]


def test_a_process_that_is_killed_amid_a_pipeline_leaves_what_the_server_ran(
    worker: Worker,
) -> None:
    record = run(worker, "enqueue: A2:HSET!crash", "midpipe.scenarios.flaws.single:PlainPipeline")
    assert sorted(record.states[-1]) == ["ai:job:acme:job-1", "ai:jobs:job-1"]


def test_a_killed_client_makes_no_further_call(worker: Worker) -> None:
    record = run(worker, "work-under-a-lease: A1:EVALSHA!crash")
    assert [call.method for call in calls(record)] == ["claim"]


def test_a_job_whose_worker_was_killed_is_given_out_again(worker: Worker) -> None:
    assert run(worker, "work-under-a-lease: A2:EVALSHA!crash").delivered == ("job-1",)


def test_a_queue_that_keeps_a_dead_workers_job_loses_it(worker: Worker) -> None:
    record = run(worker, "work-under-a-lease: A3:EVALSHA!crash-before", KEEPS_DEAD_WORKERS_JOBS)
    assert violated_invariants(record) == {"no-lost-job"}


def test_the_next_case_has_a_fresh_process(worker: Worker) -> None:
    run(worker, "enqueue: A1:EVALSHA!crash")
    assert [call.value for call in calls(run(worker, "enqueue:"))] == [True]


def test_a_worker_that_was_frozen_past_its_lease_is_refused(worker: Worker) -> None:
    record = run(worker, "work-under-a-lease: A3:EVALSHA!freeze")
    finished = [(o.client, o.value) for o in record.history if o.method == "complete"]
    assert finished == [("S", True), ("A", False)]
    assert violated_invariants(record) == set()


def test_a_story_has_the_calls_of_the_stand_by_worker(
    worker: Worker,
) -> None:
    steps = story_of(run(worker, "work-under-a-lease: A3:EVALSHA!freeze"), "").steps
    calls = [step.call for step in steps if (step.client, step.kind) == ("S", StepKind.CALL)]
    assert [call.method for call in calls if call] == ["claim", "complete", "claim"]
    assert all(call.standby for call in calls if call)


def test_the_stand_by_worker_completes_nothing_where_an_empty_answer_says_that_there_is_no_job(
    worker: Worker,
) -> None:
    record = run(worker, "claim-complete: A2:EVAL!freeze", ANSWERS_EMPTY)
    completed = [call for call in record.history if call.method == "complete"]
    assert {call.job_id for call in completed} == {"job-1"}


def test_a_queue_that_believes_a_frozen_worker_finishes_a_job_twice(worker: Worker) -> None:
    assert violated_invariants(
        run(worker, "work-under-a-lease: A2:EVALSHA!freeze", IGNORES_THE_TOKEN)
    ) == {"no-duplicate"}


def test_a_server_that_stands_still_runs_what_it_was_sent_once_it_goes_on(worker: Worker) -> None:
    record = run(
        worker, "update-once: A1:EVALSHA!pause", "midpipe.scenarios.flaws.single:OpenQueue"
    )
    arrived = [entry for entry in record.entries if isinstance(entry, Arrived)]
    assert len(arrived) == 1
    assert record.states[arrived[0].before] != record.states[arrived[0].after]
    assert [call.completion for call in calls(record)] == [Completion.INFO]


def test_a_caller_that_retries_after_a_pause_gets_a_true_answer(worker: Worker) -> None:
    record = run(worker, "enqueue-with-request-id: A1:EVALSHA!pause")
    assert (record.delivered, violated_invariants(record)) == (("job-1",), set())


def test_a_client_can_be_frozen_at_a_command_that_comes_after_its_last_call(worker: Worker) -> None:
    record = run(worker, "enqueue: A1:EXEC!freeze", "midpipe.scenarios.flaws.single:FireAndForget")
    assert [call.completion for call in calls(record)] == [Completion.OK]
    assert tables_of(record.states[-1]).pending == ("job-1",)


@pytest.mark.parametrize("fault", ["crash", "crash-before", "freeze", "pause"])
def test_a_case_with_the_fault_is_the_same_each_time(worker: Worker, fault: str) -> None:
    shapes = [run(worker, f"work-under-a-lease: A2:EVALSHA!{fault}").shape() for _ in range(5)]
    assert [first_difference(shapes[0], shape) for shape in shapes[1:]] == [""] * 4


def test_a_caller_that_dies_during_its_retry_has_no_successor(worker: Worker) -> None:
    assert (
        violated_invariants(run(worker, "enqueue: A1:EVALSHA!oom A2:EVALSHA!crash-before")) == set()
    )


def test_a_held_command_reaches_a_server_that_stands_still_when_it_goes_on(worker: Worker) -> None:
    record = run(worker, "enqueue: A1:EVALSHA!late=1 A2:EVALSHA!pause")
    arrived = [
        entry.step.event.position.ordinal for entry in record.entries if isinstance(entry, Arrived)
    ]
    assert (sorted(arrived), record.delivered, violated_invariants(record)) == (
        [1, 2],
        ("job-1",),
        set(),
    )
