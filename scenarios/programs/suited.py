"""Suits a program to a subject: leaves out calls that it lacks, adds arguments, and lets jobs become due.

A program is written once for every queue. What it does with a particular one depends on what that queue has and
promises, and is decided here and nowhere else. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.programs.calls import TICK
from midpipe.scenarios.programs.program import Call, Program

TAKES = ("work", "claim", "dequeue")
"""The calls by which a worker gets a job."""

LOW_PRIORITY, HIGH_PRIORITY = 9, 10
"""Of these the larger number comes first, and would come last if they were compared as texts."""


def suited(program: Program, traits: Traits) -> Program:
    """Return the program as a subject with these traits runs it.

    A queue that promises an order by priority is given one with every job that has none yet: the jobs of a program
    differ in it. If every job waits before a worker gets it, a client that takes a job after an enqueue waits so long
    first, and does the periodic work if that hands the job over.
    """
    is_put_in = any(call.method == "enqueue" for call in program.prepare)
    clients = {
        client_id: _once_due(_suited(calls, traits), traits, is_put_in=is_put_in)
        for client_id, calls in program.clients.items()
    }
    prepare, reads = _suited(program.prepare, traits), _suited(program.reads, traits)
    return replace(program, clients=clients, prepare=prepare, reads=reads)


def _once_due(calls: tuple[Call, ...], traits: Traits, *, is_put_in: bool) -> tuple[Call, ...]:
    """Return the calls of one client with waits, and periodic work, before those that take a job.

    Args:
        is_put_in: jobs were enqueued before the client began.
    """
    if not traits.delays_jobs:
        return calls
    found: list[Call] = []
    for call in calls:
        if call.method in TAKES and is_put_in and traits.due_by_tick:
            found.append(replace(TICK, waits=True, version=call.version))
        elif call.method == "tick" or (call.method in TAKES and is_put_in):
            call = replace(call, waits=True)
        found.append(call)
        is_put_in = call.method == "enqueue" or (is_put_in and call.method not in ("tick", *TAKES))
    return tuple(found)


def _suited(calls: Iterable[Call], traits: Traits) -> tuple[Call, ...]:
    had = (call for call in calls if not call.optional or call.method in traits.methods)
    return tuple(_with_priority(call) if _takes_priority(call, traits) else call for call in had)


def _takes_priority(call: Call, traits: Traits) -> bool:
    is_promised = traits.promises.order.is_by_priority and traits.takes("enqueue", "priority")
    return is_promised and call.method == "enqueue" and "priority" not in call.arguments


def _with_priority(enqueue: Call) -> Call:
    is_even = str(enqueue.arguments.get("job_id"))[-1:] in tuple("02468")
    priority = HIGH_PRIORITY if is_even else LOW_PRIORITY
    return replace(enqueue, arguments={**enqueue.arguments, "priority": priority})
