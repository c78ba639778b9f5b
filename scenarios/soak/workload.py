"""How a subject's jobs are produced and taken in a soak, after what the subject can do. Values.

The calls are those of the programs. A subject that can't complete is only taken from; one that gives nothing out at all
has its pending list drained by midpipe itself, without faults, as in the sweep; that is said in the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.history import Json
from midpipe.scenarios.programs.pairs import claim, complete
from midpipe.scenarios.programs.program import Answer, Call
from midpipe.scenarios.programs.single import enqueue

Request = Mapping[str, Json]


class Taking(StrEnum):
    """How jobs leave the queue."""

    LEASED = "claim and complete"
    DEQUEUED = "dequeue"
    DRAINED = "midpipe drains the pending list; the subject gives no job out"


def taking_of(traits: Traits, subject: str) -> Taking:
    """Return how a subject's jobs are taken. Raises UsageError if there is no way."""
    if {"claim", "complete"} <= traits.methods:
        return Taking.LEASED
    if "dequeue" in traits.methods:
        return Taking.DEQUEUED
    if traits.white_box:
        return Taking.DRAINED
    raise UsageError(
        f"{subject} has neither claim and complete nor dequeue, and keeps no pending list that midpipe knows. "
        "A soak needs one of them to see which jobs arrive."
    )


def producing() -> Request:
    """Return a producer's request; each call names its own job."""
    return {"work": "enqueue", "arguments": _fixed(enqueue("", ""))}


def working(taking: Taking, worker: str, lease_s: float, overstays_every: int) -> Request:
    """Return a worker's request.

    Args:
        overstays_every: it takes longer over every so-many-th job than its lease; 0 never.
    """
    if taking is Taking.DEQUEUED:
        return {"work": "dequeue", "arguments": {}}
    taken = {
        name: value.field
        for name, value in complete().arguments.items()
        if isinstance(value, Answer)
    }
    return {
        "work": "claim",
        "arguments": _fixed(claim(worker, lease_s)),
        "completion": _fixed(complete()),
        "taken": taken,
        "lease_s": lease_s,
        "overstay_every": overstays_every,
        "overstay_s": 1.25 * lease_s,
    }


def _fixed(call: Call) -> dict[str, Json]:
    return {name: value for name, value in call.arguments.items() if not isinstance(value, Answer)}
