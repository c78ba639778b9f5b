"""Suits a program to a subject: leaves out calls that it lacks, and offers arguments that only its promises call for.

A program is written once for every queue. What it does with a particular one depends on what that queue has and
promises, and is decided here and nowhere else. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.programs.program import Call, Program

LOW_PRIORITY, HIGH_PRIORITY = 9, 10
"""Of these the larger number comes first, and would come last if they were compared as texts."""


def suited(program: Program, traits: Traits) -> Program:
    """Return the program as a subject with these traits runs it.

    A queue that promises an order by priority is given one with every job that has none yet: the jobs of a program
    differ in it.
    """
    return replace(
        program,
        clients={client_id: _suited(calls, traits) for client_id, calls in program.clients.items()},
        prepare=_suited(program.prepare, traits),
    )


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
