"""The load that a soak puts on a subject: which calls produce and take jobs, depending on what the subject has. Values.

The calls are those of the programs. A subject without ``complete`` is only taken from. For a subject that gives out no
jobs at all, midpipe itself drains the pending list, without faults, as the sweep does; the report says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.history import Json
from midpipe.scenarios.programs.calls import claim, complete, enqueue
from midpipe.scenarios.programs.program import Answer, Call

Request = Mapping[str, Json]


class Taking(StrEnum):
    """How jobs leave the queue."""

    LEASED = "claim and complete"
    DEQUEUED = "dequeue"
    DRAINED = "midpipe drains the pending list, because the subject gives out no jobs"


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
        "A soak needs one of them to see which jobs are delivered."
    )


def producer_request() -> Request:
    """Return a producer's request; each call has its own job."""
    return {"work": "enqueue", "arguments": _fixed(enqueue("", ""))}


def worker_request(taking: Taking, worker: str, *, lease_s: float, overstays_every: int) -> Request:
    """Return a worker's request.

    Args:
        overstays_every: the worker holds every n-th job for longer than its lease; 0 never.
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
    """Return the arguments that do not depend on an earlier answer."""
    return {name: value for name, value in call.arguments.items() if not isinstance(value, Answer)}
