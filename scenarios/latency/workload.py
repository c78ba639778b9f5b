"""The calls of one round of the bench, operation by operation, on a server that is empty at first. Values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from midpipe.scenarios.model.history import Json
from midpipe.scenarios.programs.calls import claim, complete, enqueue, get, list_of, update
from midpipe.scenarios.programs.program import Answer, Call

Arguments = dict[str, Json]
Operate = Callable[[str, Sequence[Arguments]], Sequence[Json]]
"""Makes the calls of one operation, one after the other, and returns their answers."""


def one_round(methods: frozenset[str], size: int, operate: Operate) -> None:
    """Make the calls of a round that the subject has.

    Args:
        size: number of jobs to enqueue; of the other calls there are fewer, as below.
    """
    jobs = [f"job-{number}" for number in range(size)]
    half, tenth = max(1, size // 2), max(1, size // 10)
    if "enqueue" not in methods:
        return
    operate("enqueue", [arguments_of(enqueue(job, f"request-{job}")) for job in jobs])
    if "get_job" in methods:
        operate("get_job", [arguments_of(get(job)) for job in jobs])
    if "list_jobs" in methods:
        operate("list_jobs", [arguments_of(list_of())] * tenth)
    if "update_status" in methods:
        # The second half of the jobs; the first half is for the worker.
        operate("update_status", [arguments_of(update("running", job)) for job in jobs[half:]])
    if {"claim", "complete"} <= methods:
        claimed = operate("claim", [arguments_of(claim("worker"))] * half)
        operate("complete", [_completed(job) for job in claimed if isinstance(job, dict)])


def _completed(job: Mapping[str, Json]) -> Arguments:
    return arguments_of(complete(), job)


def arguments_of(call: Call, answered: Mapping[str, Any] | None = None) -> Arguments:
    """Return the arguments of a call, with what an earlier one answered in their places."""
    return {
        name: (answered or {}).get(value.field) if isinstance(value, Answer) else value
        for name, value in call.arguments.items()
    }
