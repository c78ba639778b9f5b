"""An outage ends by itself for a client whose call goes on until the server takes its command."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.record import Restarted
from midpipe.scenarios.model.spec import SubjectSpec

QUEUE = SubjectSpec(
    f"{Path(__file__).parent.parent / 'data/queues/sound/waits_for_the_server.py'}:Queue"
)


@pytest.mark.parametrize("fault", ["refuse", "oom", "misconf", "readonly", "noperm"])
def test_a_call_that_waits_for_the_end_of_an_outage_returns(worker: Worker, fault: str) -> None:
    record = replay_case(worker, QUEUE, f"enqueue: A1:RPUSH!{fault}", 5_000.0).record
    ends = [entry.how for entry in record.entries if isinstance(entry, Restarted)]
    (enqueue, *_) = record.history
    assert (record.invalid_reason, record.violations, enqueue.answered) == ("", (), True)
    assert (ends, record.delivered) == (
        ["the outage is over, though the call is not"],
        ("job-1",),
    )


def test_a_call_that_goes_on_until_a_paused_server_continues_is_not_too_slow(
    worker: Worker,
) -> None:
    record = replay_case(worker, QUEUE, "enqueue: A1:RPUSH!pause", 5_000.0).record
    (enqueue, *_) = record.history
    assert (record.invalid_reason, enqueue.answered) == ("", True)
    # The queue recognizes no repetition, and the server runs the command that it was paused at, too.
    assert record.violated_invariants == {"no-duplicate"}


@pytest.mark.parametrize("queue", ["PromisesToReturn", "DeclaresItsBound"])
def test_a_call_that_waits_for_the_end_of_an_outage_breaks_a_declared_bound(
    worker: Worker, queue: str
) -> None:
    subject = SubjectSpec(QUEUE.name.replace(":Queue", f":{queue}"))
    record = replay_case(worker, subject, "enqueue: A1:RPUSH!refuse", 5_000.0).record
    assert record.violated_invariants >= {"bounded-latency"}


def test_an_outage_ends_with_the_call_that_raises(worker: Worker) -> None:
    subject = SubjectSpec("midpipe.scenarios.flaws.as_reviewed:SimpleQueue")
    record = replay_case(worker, subject, "update-once: A1:HSET!oom", 5_000.0).record
    assert [entry for entry in record.entries if isinstance(entry, Restarted)] == []
