"""The checkers of histories, held against verdicts that others wrote.

Source: jepsen-io/jepsen, ``jepsen/test/jepsen/checker_test.clj``: ``queue-test`` and ``total-queue-test``. Each history
is rewritten here as rows of process, type, call and value; the verdicts are theirs.

Where midpipe differs:

- An ``ok`` that was never invoked is taken as a call that began and ended at once: midpipe records both ends.
- Jepsen takes a queue that was drained to hold nothing. midpipe reads each job that no worker received once more, and
  until then says that up to so many are lost; the read finds no such job here.
- Registers and locks are judged in ``test_foreign_histories`` of the invariants: midpipe's own register holds a job's
  status, which only goes forward, but its search for an order of the calls takes any object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest

from midpipe.scenarios.invariants.linearizability import NEVER, Answer, Put, Take, check_queue
from midpipe.scenarios.soak.checker import check
from midpipe.scenarios.soak.history import RawRecord
from midpipe.scenarios.subjects.load import BEGUN, ENQUEUED, HANDED_OUT, NO, RAISED, READ, YES

LAST = 9_000
Row = tuple[int, Literal["invoke", "ok"], Literal["enqueue", "dequeue"], str | None]
History = tuple[Row, ...]


@dataclass(frozen=True)
class Span:
    """A call with both its ends; the end is NEVER if it was not answered."""

    process: int
    call: str
    value: str | None
    start: float
    end: float


def spans(history: History) -> list[Span]:
    open_calls: dict[int, tuple[int, str | None]] = {}
    found = []
    for at, (process, kind, call, value) in enumerate(history):
        if kind == "invoke":
            open_calls[process] = (at, value)
        else:
            start, _ = open_calls.pop(process, (at, None))
            found.append(Span(process, call, value, start, at + 0.5))
    calls = {process: row[2] for process, row in ((row[0], row) for row in history)}
    found += [
        Span(process, calls[process], value, start, NEVER)
        for process, (start, value) in open_calls.items()
    ]
    return found


QUEUE: dict[str, tuple[History, bool]] = {
    "empty": ((), True),
    "possible enqueue but no dequeue": (((1, "invoke", "enqueue", "1"),), True),
    "definite enqueue but no dequeue": (((1, "ok", "enqueue", "1"),), True),
    "concurrent enqueue and dequeue": (
        (
            (2, "invoke", "dequeue", None),
            (1, "invoke", "enqueue", "1"),
            (2, "ok", "dequeue", "1"),
        ),
        True,
    ),
    "dequeue but no enqueue": (((1, "ok", "dequeue", "1"),), False),
}


@pytest.mark.parametrize("name", QUEUE)
def test_the_check_of_a_queue_agrees_with_jepsens(name: str) -> None:
    history, valid = QUEUE[name]
    calls = spans(history)
    puts = [Put(str(c.value), c.start, c.end) for c in calls if c.call == "enqueue"]
    takes = [Take(c.value, c.start, c.end) for c in calls if c.call == "dequeue"]
    assert (check_queue(puts, takes).answer is Answer.HOLDS) == valid


@dataclass(frozen=True)
class Verdict:
    """What total-queue says, as counts of jobs."""

    attempts: int = 0
    acknowledged: int = 0
    lost: int = 0
    unexpected: int = 0
    duplicated: int = 0
    recovered: int = 0


TOTAL_QUEUE: dict[str, tuple[History, Verdict]] = {
    "empty": ((), Verdict()),
    "sane": (
        (
            (1, "invoke", "enqueue", "1"),
            (2, "invoke", "enqueue", "2"),
            (2, "ok", "enqueue", "2"),
            (3, "invoke", "dequeue", "1"),
            (3, "ok", "dequeue", "1"),
            (3, "invoke", "dequeue", "2"),
            (3, "ok", "dequeue", "2"),
        ),
        Verdict(attempts=2, acknowledged=1, recovered=1),
    ),
    "pathological": (
        (
            (1, "invoke", "enqueue", "hung"),
            (2, "invoke", "enqueue", "enqueued"),
            (2, "ok", "enqueue", "enqueued"),
            (3, "invoke", "enqueue", "dup"),
            (3, "ok", "enqueue", "dup"),
            (4, "invoke", "dequeue", None),
            (5, "invoke", "dequeue", None),
            (5, "ok", "dequeue", "wtf"),
            (6, "invoke", "dequeue", None),
            (6, "ok", "dequeue", "dup"),
            (7, "invoke", "dequeue", None),
            (7, "ok", "dequeue", "dup"),
        ),
        Verdict(attempts=3, acknowledged=2, lost=1, unexpected=1, duplicated=1),
    ),
}


def records(history: History) -> list[RawRecord]:
    """Return the history as the soak's processes would have recorded it; jobs are numbered by their values."""
    numbers: dict[str | None, int] = {}
    found: list[RawRecord] = []
    for call in spans(history):
        job = numbers.setdefault(call.value, len(numbers))
        begun, answered = int(10 * call.start), call.end != NEVER
        ended = int(10 * call.end) if answered else begun + 1
        if call.call == "enqueue":
            found += [
                (BEGUN, YES, call.process, job, begun, begun),
                (ENQUEUED, YES if answered else RAISED, call.process, job, begun, ended),
            ]
        elif answered:
            found.append((HANDED_OUT, YES, call.process, job, begun, ended))
    received = {job for kind, _, _, job, _, _ in found if kind == HANDED_OUT}
    enqueued = {job for kind, _, _, job, _, _ in found if kind == BEGUN}
    return [*found, *((READ, NO, 0, job, LAST, LAST) for job in sorted(enqueued - received))]


@pytest.mark.parametrize("name", TOTAL_QUEUE)
def test_the_soaks_account_of_every_job_agrees_with_jepsens_total_queue(name: str) -> None:
    history, verdict = TOTAL_QUEUE[name]
    tally = check(records(history), completes=False, lease=None).tally
    assert tally.lost.least == tally.lost.most
    assert tally.duplicated.least == tally.duplicated.most
    assert (
        Verdict(
            attempts=tally.attempts,
            acknowledged=tally.acknowledged,
            lost=tally.lost.least,
            unexpected=tally.unexpected,
            duplicated=tally.duplicated.least,
            recovered=tally.recovered,
        )
        == verdict
    )
