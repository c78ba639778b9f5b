"""Finds the jobs that a worker surely held when its process was killed. Pure.

A worker holds a job once the job's body has begun, once its claim has returned the job, or once one of its commands has
changed what a key says of the job. A worker that died before any of these has left nothing, so how soon another worker
gets the job then says nothing about recovery.

Blind to: a job that a worker held without writing anything, such as one that it has only read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from midpipe.scenarios.model.evidence import GIVE_BACK
from midpipe.scenarios.model.history import Execution, Operation, Phase, job_received
from midpipe.scenarios.model.record import Completed, Entry, Stepped
from midpipe.scenarios.model.state import State, words_on

_TAKE = ("work", "claim", "dequeue")
_END = ("complete", "update_status", *GIVE_BACK)


def left_behind(
    job_ids: Iterable[str],
    entries: Sequence[Entry],
    states: Sequence[State],
    executions: Sequence[Execution],
) -> frozenset[str]:
    """Return those of the jobs that a worker held when it was killed.

    Args:
        states: the entries' ``before`` and ``after`` index them.
        executions: the runs of jobs' bodies; the body of a job does not raise.
    """
    asked = frozenset(job_ids)
    held: set[str] = set()
    received: dict[str, str] = {}
    steps: dict[str, list[Stepped]] = {}
    for entry in entries:
        if isinstance(entry, Stepped):
            steps.setdefault(entry.step.event.position.client, []).append(entry)
        if not isinstance(entry, Completed):
            continue
        call, sent = entry.operation, steps.pop(entry.operation.client, [])
        if call.caller_died:
            held.update(filter(None, [received.pop(call.client, None)]))
            held.update(_taken(call, sent, states, asked))
            held.update(_begun(call, executions))
        elif (job_id := job_received(call)) and call.method in _TAKE:
            received[call.client] = job_id
        elif call.method in _END and call.answered and call.job_id == received.get(call.client):
            del received[call.client]
    return frozenset(held & asked)


def _taken(
    call: Operation, sent: Sequence[Stepped], states: Sequence[State], job_ids: Iterable[str]
) -> Iterator[str]:
    """Yield the jobs of which a key says something else after a command of the call."""
    if call.method not in _TAKE:
        return
    for job_id in job_ids:
        changed = (step for step in sent if step.before != step.after)
        if any(
            words_on(states[step.before], job_id) != words_on(states[step.after], job_id)
            for step in changed
        ):
            yield job_id


def _begun(call: Operation, executions: Sequence[Execution]) -> Iterator[str]:
    """Yield the jobs whose body had begun and not ended, if the call runs bodies."""
    if call.method == "work":
        for run in executions:
            if run.phase is Phase.PROGRAM and not run.has_ended:
                yield run.job_id
