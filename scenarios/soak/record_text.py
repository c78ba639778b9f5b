"""Formats one record of a soak's history as a line of text. Pure."""

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

_TEXTS = {
    (BEGUN, YES): "enqueue was called",
    (ENQUEUED, YES): "enqueue returned True",
    (ENQUEUED, NO): "enqueue returned False: the job is in already",
    (ENQUEUED, RAISED): "enqueue raised",
    (HANDED_OUT, YES): "received the job",
    (HANDED_OUT, EMPTY): "received the job's id, but the job has no data",
    (COMPLETED, YES): "complete returned True",
    (COMPLETED, NO): "complete returned False: the lease had ended",
    (COMPLETED, RAISED): "complete raised",
    (READ, YES): "final read: completed",
    (READ, NO): "final read: no such job",
    (READ, RAISED): "final read: get_job raised",
    (READ, WAITING): "final read: still waiting",
    (READ, GIVEN_UP): "final read: failed for good",
}


def record_text(record: Record, names: Sequence[str]) -> str:
    """Return the time, the process, the event, and how long the call took.

    Args:
        names: of the processes, by number.
    """
    known = record.process < len(names)
    process = names[record.process] if known else f"process {record.process}"
    event = _TEXTS.get((record.kind, record.outcome), f"{record.kind}/{record.outcome}")
    took_ms = milliseconds(record.ended - record.begun)
    took = f" ({took_ms:.1f} ms)" if took_ms else ""
    return f"{milliseconds(record.begun) / 1000:9.3f} s  {process:<6} {event}{took}"
