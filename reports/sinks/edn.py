"""A case's history as EDN for Jepsen's checkers, knossos and elle-cli: a map for each invocation and completion.

``:f`` is the call, ``:value`` the job that it puts in or received. What left the queue after the program, when the case
was drained, and what a worker of the queue's own ran to its end, stand as dequeues of a further process each, so that
``total-queue`` and ``unordered-queue`` can judge the history. A process that crashed or was left without an answer
takes a new number for its next call, as Jepsen asks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from midpipe.scenarios.model.history import Completion, Operation, job_received
from midpipe.scenarios.model.record import CaseRecord

_TAKES = frozenset({"claim", "dequeue"})
_STAGGER = 1000
"""Numbers of processes between two lives of one client; more than a case has clients."""
_FIRST_OF_THE_DRAIN = 1_000_000


@dataclass(frozen=True, slots=True)
class _Event:
    """One entry of the history; ``at`` is its place in the case's order."""

    at: float
    process: int
    type: str
    f: str
    value: str | None
    error: str = ""

    def __str__(self) -> str:
        fields = [
            f":process {self.process}",
            f":type :{self.type}",
            f":f :{self.f}",
            f":value {'nil' if self.value is None else _text(self.value)}",
        ]
        if self.error:
            fields.append(f":error {_text(self.error)}")
        return ", ".join(fields)


def edn(record: CaseRecord) -> str:
    """Return a case's history as EDN."""
    events = sorted((*_calls(record.history), *_deliveries(record)), key=lambda event: event.at)
    lines = (f" {{:index {number}, {event}}}" for number, event in enumerate(events))
    return "\n".join(("[", *lines, "]", ""))


def _calls(history: Iterable[Operation]) -> Iterator[_Event]:
    lives: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for call in sorted(history, key=lambda call: call.invoked_at):
        number = numbers.setdefault(call.client, len(numbers))
        process = number + _STAGGER * lives.get(call.client, 0)
        f = "dequeue" if call.method in _TAKES else call.method.replace("_", "-")
        asked = None if call.method in _TAKES else call.job_id or None
        received = job_received(call) if call.method in _TAKES and call.answered else asked
        yield _Event(call.invoked_at, process, "invoke", f, asked)
        type_, error = call.completion.value, ""
        if call.error is not None:
            error = f"{call.error.type}: {call.error.message}"
        elif f == "dequeue" and received is None:
            # A dequeue that found nothing had no effect.
            type_, error = Completion.FAIL.value, "empty"
        yield _Event(
            at=call.completed_at, process=process, type=type_, f=f, value=received, error=error
        )
        if call.completion is Completion.INFO:
            lives[call.client] = lives.get(call.client, 0) + 1


def _deliveries(record: CaseRecord) -> Iterator[_Event]:
    """Yield what was taken outside the program's calls as dequeues after its end."""
    at = max((call.completed_at for call in record.history), default=0) + 1
    ran = tuple(run.job_id for run in record.executions if run.has_ended)
    for number, job_id in enumerate((*(record.delivered or ()), *ran)):
        process = _FIRST_OF_THE_DRAIN + number
        yield _Event(at + 2 * number, process, "invoke", "dequeue", None)
        yield _Event(at + 2 * number + 1, process, "ok", "dequeue", job_id)


def _text(text: str) -> str:
    """Return a string of EDN, whose escapes are among JSON's."""
    return json.dumps(text, ensure_ascii=False)
