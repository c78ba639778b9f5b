"""A client that keeps its connection after a time-out gets the late reply first, and is judged by what it does then."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.history import Completion, Phase
from midpipe.scenarios.model.record import Arrived, CaseRecord
from midpipe.scenarios.model.spec import SubjectSpec

FILE = Path(__file__).parent.parent / "data" / "queues" / "flawed" / "raw_socket.py"


def run(worker: Worker, queue: str, replay: str) -> CaseRecord:
    record = replay_case(worker, SubjectSpec(f"{FILE}:{queue}"), replay, 5_000.0).record
    assert record.invalid_reason == ""
    return record


def answers(record: CaseRecord) -> list[tuple[str, Completion, object]]:
    calls = [call for call in record.history if call.phase is Phase.PROGRAM]
    return [(call.method, call.completion, call.value) for call in calls]


@pytest.mark.parametrize("fault", ["late", "late=1"])
def test_a_held_command_goes_first_if_its_client_uses_the_connection_again(
    worker: Worker, fault: str
) -> None:
    record = run(worker, "Fixed", f"enqueue: A1:EVAL!{fault}")
    assert answers(record) == [
        ("enqueue", Completion.INFO, None),
        ("enqueue", Completion.OK, False),
    ]
    (arrived,) = (entry for entry in record.entries if isinstance(entry, Arrived))
    assert record.states[arrived.before] != record.states[arrived.after]
    assert record.violated_invariants == frozenset()


def test_a_client_that_takes_a_late_reply_for_the_next_one_is_found_out(worker: Worker) -> None:
    record = run(worker, "Queue", "claim-complete: A1:EVAL!late")
    assert record.violated_invariants == {"holder-is-served"}


@pytest.mark.parametrize("queue", ["Fixed", "Queue"])
def test_a_client_that_keeps_a_dead_connection_times_out_again_as_planned(
    worker: Worker, queue: str
) -> None:
    record = run(worker, queue, "enqueue: A1:EVAL!black-hole")
    assert {completion for _, completion, _ in answers(record)} == {Completion.FAIL}
