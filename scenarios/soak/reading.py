"""One record of a soak's history as a line for people. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from midpipe.scenarios.soak.checker import milliseconds
from midpipe.scenarios.soak.history import Record
from midpipe.scenarios.subjects.load import (
    BEGUN,
    COMPLETED,
    EMPTY,
    ENQUEUED,
    GIVEN_UP,
    HANDED_OUT,
    NO,
    RAISED,
    READ,
    WAITING,
    YES,
)

_WORDS = {
    (BEGUN, YES): "began to enqueue it",
    (ENQUEUED, YES): "enqueue answered True",
    (ENQUEUED, NO): "enqueue answered False: known already",
    (ENQUEUED, RAISED): "enqueue raised",
    (HANDED_OUT, YES): "was given it",
    (HANDED_OUT, EMPTY): "was given its id, and there was no data",
    (COMPLETED, YES): "complete answered True",
    (COMPLETED, NO): "complete answered False: the lease had ended",
    (COMPLETED, RAISED): "complete raised",
    (READ, YES): "read at the end: completed",
    (READ, NO): "read at the end: there is no such job",
    (READ, RAISED): "could not be read at the end",
    (READ, WAITING): "read at the end: it still waits",
    (READ, GIVEN_UP): "read at the end: failed for good",
}


def told(record: Record, names: Sequence[str]) -> str:
    """Return a record as a line: when, who, what, and how long it took.

    Args:
        names: of the processes, by number.
    """
    who = names[record.process] if record.process < len(names) else f"process {record.process}"
    what = _WORDS.get((record.kind, record.outcome), f"{record.kind}/{record.outcome}")
    took = milliseconds(record.ended - record.begun)
    lasted = f" ({took:.1f} ms)" if took else ""
    return f"{milliseconds(record.begun) / 1000:9.3f} s  {who:<6} {what}{lasted}"
