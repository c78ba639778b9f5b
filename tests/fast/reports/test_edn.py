"""The EDN of a history: one map a line; a call without an answer ends its process; what was drained is taken."""

from __future__ import annotations

from dataclasses import replace

from midpipe.reports.sinks.edn import edn
from midpipe.scenarios.model.history import Completion, Execution, Phase
from midpipe.scenarios.model.record import CaseRecord, Timing
from tests.fast.scenarios.invariants.histories import BLACK_BOX, call

RECORD = CaseRecord(
    program="p",
    traits=BLACK_BOX,
    entries=(),
    states=(),
    history=(),
    delivered=None,
    read_back=(),
    logs=(),
    invalid_reason="",
    violations=(),
    observations=(),
    crashes=(),
    timing=Timing(0.0, 0.0, 0.0, 0.0),
)


def lines(record: CaseRecord) -> list[str]:
    first, *between, last = edn(record).splitlines()
    assert (first, last) == ("[", "]")
    return [line.strip() for line in between]


def test_a_call_is_an_invocation_and_a_completion() -> None:
    record = replace(RECORD, history=(call("enqueue", "job-1", at=0),))
    assert lines(record) == [
        '{:index 0, :process 0, :type :invoke, :f :enqueue, :value "job-1"}',
        '{:index 1, :process 0, :type :ok, :f :enqueue, :value "job-1"}',
    ]


def test_a_process_is_another_one_after_a_call_without_an_answer() -> None:
    unanswered = replace(
        call("enqueue", "a", at=0, error="TimeoutError"), completion=Completion.INFO
    )
    record = replace(RECORD, history=(unanswered, call("enqueue", "a", at=2, attempt=2)))
    found = [(line.split(", ")[1], line.split(", ")[2]) for line in lines(record)]
    assert found == [
        (":process 0", ":type :invoke"),
        (":process 0", ":type :info"),
        (":process 1000", ":type :invoke"),
        (":process 1000", ":type :ok"),
    ]


def test_a_claim_has_the_job_that_it_received_and_fails_if_there_was_none() -> None:
    claims = (call("claim", "", at=0, value={"job_id": "a"}), call("claim", "", at=2, value=None))
    found = lines(replace(RECORD, history=claims))
    assert ':type :ok, :f :dequeue, :value "a"' in found[1]
    assert ':type :fail, :f :dequeue, :value nil, :error "empty"' in found[3]


def test_what_was_drained_and_what_a_worker_ran_are_dequeues_at_the_end() -> None:
    record = replace(
        RECORD,
        history=(call("enqueue", 'a"b', at=0),),
        delivered=('a"b',),
        executions=(Execution("c", Phase.PROGRAM, has_ended=True), Execution("d", Phase.PROGRAM)),
    )
    assert [line.split(":value ")[1] for line in lines(record)[2:]] == [
        "nil}",
        r'"a\"b"}',
        "nil}",
        '"c"}',
    ]
