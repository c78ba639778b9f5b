"""Recovers from a case without faults: reads every job back, makes the program's reads, and drains the queue."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from midpipe.scenarios.case.answered import Answered
from midpipe.scenarios.case.draining import drained
from midpipe.scenarios.case.expiry import times_due, wait_until
from midpipe.scenarios.case.recorder import Recorder
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.case.without_faults import call_without_faults
from midpipe.scenarios.model.evidence import status_of
from midpipe.scenarios.model.history import Json, Operation, Phase, RaisedError, job_in
from midpipe.scenarios.model.outline import leaves_nothing_new, outline
from midpipe.scenarios.model.state import (
    State,
    places_of,
    records_of,
    tables_of,
)
from midpipe.scenarios.programs.calls import completion_of
from midpipe.scenarios.programs.program import Call, Program, Version
from midpipe.scenarios.programs.suited import suited
from midpipe.scenarios.programs.workers import DEQUEUES_WITHIN_S, IDLE_S
from midpipe.scenarios.subjects.journal import read_journal

_LEAST_ROUNDS = 3
_MOST_VAIN_RUNS = 3
"""After so many second runs of an idle worker that showed nothing, it is run once: they cost as much as the first."""
Jobs = Mapping[tuple[str, str], Json]
"""What get_job answered, by (job_id, workspace_id); None for a job that it did not find."""


class FinishedCase(Protocol):
    """A case whose clients are done, however its faults were made."""

    recorder: Recorder

    @property
    def latency_bound_ms(self) -> float:
        """How long a call might take before it counted as hung."""

    @property
    def leases_have_ended(self) -> bool:
        """Whether the leases of its claims have ended, while it ran or during recovery."""

    def await_leases(self) -> None:
        """Wait until the program's leases have ended, if they are short."""


@dataclass(frozen=True, slots=True)
class Traces:
    """Ids of jobs by what the server still holds of them, as in Evidence."""

    named: Mapping[str, frozenset[str]] = field(default_factory=dict)
    kept_apart: frozenset[str] = frozenset()
    vanished: frozenset[str] = frozenset()


NO_TRACES = Traces()


@dataclass(frozen=True, slots=True)
class Recovered:
    """What recovery found.

    Args:
        read_back: what get_job answered, once by each version of the program's fleet.
        delivered: as in Evidence.
        drain_error, given_up, still_running, expired: as in Evidence.
        traces: what the server still holds of the jobs.
        after_s: seconds on the case's clock until the last job was received, or until each job that was left had run;
            None if none was received, or if one did not run.
    """

    read_back: tuple[Jobs, ...]
    delivered: tuple[str, ...] | None
    drain_error: RaisedError | None = None
    given_up: frozenset[str] = frozenset()
    still_running: frozenset[str] = frozenset()
    traces: Traces = NO_TRACES
    expired: frozenset[str] = frozenset()
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class WorkedOff:
    """What runs of the subject's own worker came to.

    Args:
        failed: the jobs that get_job reports as failed.
        ran_s: when the last of the jobs that were left had run, on the case's clock; None if none was left, if one did
            not run, or if one had to run twice here.
        error: as ``drain_error`` in Evidence.
    """

    failed: frozenset[str] = frozenset()
    ran_s: float | None = None
    error: RaisedError | None = None


@dataclass(frozen=True, slots=True)
class Drained:
    """What a drain got.

    Args:
        job_ids: the jobs in the order in which they came; None if that can't be known.
        last_s: when the last one came, on the case's clock; None if none came.
        error: as ``drain_error`` in Evidence.
    """

    job_ids: tuple[str, ...] | None
    last_s: float | None = None
    error: RaisedError | None = None


def recover(rig: Rig, program: Program, case: FinishedCase) -> Recovered:
    """Read every job back with every version, make the program's reads, and drain the queue."""
    began_s = rig.time.now_s()
    case.await_leases()
    snapshot = rig.snapshot()
    ended_ms = snapshot.taken_at_ms - 1_000 * (rig.time.now_s() - began_s)
    due = times_due(rig.time, rig.traits, snapshot, case.recorder.entries)
    case.recorder.states.append(snapshot.state)
    job_keys = () if program.malformed else _job_keys(case)
    read_back = tuple(_read_back(rig, case, job_keys, version) for version in program.versions)
    for call in suited(program, rig.traits).reads:
        call_without_faults(rig.recovery, case.recorder, call, Phase.RECOVERY)
    version = program.versions[0]
    job_ids = tuple(dict.fromkeys(job_id for job_id, _ in job_keys))
    expired = snapshot.expired_since(case.recorder.states, job_ids, ended_ms)
    if "work" in rig.traits.methods:
        worked = work_off(rig, job_keys, version, due)
        return Recovered(
            read_back,
            None,
            drain_error=worked.error,
            given_up=worked.failed,
            traces=_traces_of(rig, case.recorder, job_ids),
            expired=expired,
            after_s=None if worked.ran_s is None else worked.ran_s - began_s,
        )
    taken = _drain(rig, case, version, due, _unfinished(job_keys, read_back[0]))
    was_failed = {call.job_id for call in case.recorder.history if call.method == "fail"}
    failed_ids = tuple(job_id for job_id in job_ids if job_id in was_failed)
    after = _statuses_after(rig, version, read_back[0], taken.job_ids or ())
    return Recovered(
        read_back,
        taken.job_ids,
        drain_error=taken.error,
        given_up=frozenset(job_id for job_id, status in after if status == "failed"),
        still_running=frozenset(job_id for job_id, status in after if status == "running"),
        traces=_traces_of(rig, case.recorder, failed_ids),
        expired=expired,
        after_s=None if taken.last_s is None else taken.last_s - began_s,
    )


def _job_keys(case: FinishedCase) -> tuple[tuple[str, str], ...]:
    """Return the (job_id, workspace_id) of every job that the case has put in or updated."""
    keys = {
        (operation.job_id, operation.workspace_id): None
        for operation in case.recorder.history
        if operation.method in ("enqueue", "update_status")
    }
    return tuple(keys)


def _read_back(
    rig: Rig, case: FinishedCase, job_keys: tuple[tuple[str, str], ...], version: Version
) -> Jobs:
    jobs: dict[tuple[str, str], Json] = {}
    if "get_job" in rig.traits.methods:
        for job_id, workspace_id in job_keys:
            arguments = {"job_id": job_id, "workspace_id": workspace_id}
            call = Call("get_job", arguments, version=version)
            answered = call_without_faults(rig.recovery, case.recorder, call, Phase.RECOVERY)
            jobs[job_id, workspace_id] = answered.value if answered.error is None else None
    return jobs


def _unfinished(job_keys: tuple[tuple[str, str], ...], read_back: Jobs) -> set[str]:
    """Return the jobs that a worker may still have to receive: not those that have ended or do not exist."""
    return {
        job_id
        for job_id, workspace_id in job_keys
        if (job_id, workspace_id) not in read_back
        or status_of(read_back[job_id, workspace_id]) in ("pending", "running")
    }


def _drain(
    rig: Rig, case: FinishedCase, version: Version, due: tuple[float, ...], awaited: set[str]
) -> Drained:
    """Take what a worker would get, until there is nothing left.

    Args:
        due: when the keys and time-outs expire that may keep a job back, as of ``times_due``.
        awaited: the jobs for which it is worth waiting until then.
    """
    if not rig.traits.methods & {"claim", "dequeue"}:
        pending = tables_of(case.recorder.states[-1]).pending if rig.traits.white_box else None
        return Drained(pending)
    return drain(rig, version, due, awaited)


def drain(rig: Rig, version: Version, due: tuple[float, ...], awaited: set[str]) -> Drained:
    """Take what a worker would get of a subject that hands jobs out. Arguments as for ``_drain``."""
    method = "claim" if "claim" in rig.traits.methods else "dequeue"
    error: RaisedError | None = None
    taken: list[Json] = []

    def take(number: int) -> str | None:
        nonlocal error
        answered = _next_job(rig, method, version, number)
        error = answered.error
        job_id = job_in(answered.value)
        if job_id is not None:
            taken.append(answered.value)
        return job_id

    def finish() -> bool:
        jobs = tuple(taken)
        taken.clear()
        for job in jobs:
            completion = completion_of(job, "worker-drain").given()
            rig.recovery.call("complete", completion, version)
        return bool(jobs)

    job_ids, last_s = drained(
        take,
        due,
        awaited,
        lambda at_s: wait_until(rig.time, at_s),
        rig.time.now_s,
        back_after_s=rig.traits.promises.visibility_timeout_s or math.inf,
        put_back=(lambda: rig.recovery.call("tick", {}, version))
        if "tick" in rig.traits.methods
        else None,
        finish=finish if "complete" in rig.traits.methods else None,
    )
    return Drained(job_ids, last_s, error)


def _next_job(rig: Rig, method: str, version: Version, number: int) -> Answered:
    """Return what a further worker gets."""
    may_block = method == "dequeue" and rig.traits.white_box
    if may_block and not tables_of(rig.snapshot().state).pending:
        return Answered(None, None, 0.0, ())
    arguments: dict[str, Json] = {"worker_id": f"drain-{number}"}
    if method == "dequeue":
        arguments["timeout_s"] = DEQUEUES_WITHIN_S
    return rig.recovery.call(method, arguments, version)


def work_off(
    rig: Rig, job_keys: tuple[tuple[str, str], ...], version: Version, due: tuple[float, ...]
) -> WorkedOff:
    """Run the subject's worker, and its periodic work, until each job has run or failed, at least until all is due.

    A job that ends its first worker's process may do so here, if a fault had ended that worker before it could. Then
    what was due is due anew, once for each job.

    Once all have run, the worker is offered one job more: one that is there twice runs then. That takes as long as the
    worker waits for a job, so it is left out in a state in which that was tried before, and nothing ran or was written.

    Args:
        due: as for ``_drain``.
    """
    job_ids = {job_id for job_id, _ in job_keys}
    rounds, restarts, still_due = 0, 0, list(due)
    while True:
        left = job_ids - _ended(rig)
        if not left:
            ran_s = rig.time.now_s() if rounds and not restarts else None
            _offer_one_more(rig, version)
            return WorkedOff(ran_s=ran_s)
        unended = _unended(rig)
        error = _work(rig, version, len(job_ids) + 1 if rounds else len(left))
        rounds += 1
        if restarts < len(job_ids) and _unended(rig) > unended:
            restarts += 1
            due = times_due(rig.time, rig.traits, rig.snapshot())
            still_due = list(due)
        left = job_ids - _ended(rig)
        asked = tuple(key for key in job_keys if key[0] in left)
        statuses = _statuses(rig, version, asked) if "get_job" in rig.traits.methods else ()
        failed = frozenset(job_id for job_id, status in statuses if status == "failed")
        is_over = rounds >= _LEAST_ROUNDS and rig.time.now_s() >= max(due, default=0.0)
        if left and (is_over or failed >= left):
            return WorkedOff(failed, error=error)
        if rig.time.is_stepped and rounds >= _LEAST_ROUNDS and still_due:
            wait_until(rig.time, still_due.pop(0))


def _traces_of(rig: Rig, recorder: Recorder, job_ids: tuple[str, ...]) -> Traces:
    """Return what the server still holds of these jobs."""
    if not job_ids:
        return NO_TRACES
    state = rig.snapshot().state
    places = {job_id: places_of(state, job_id) for job_id in job_ids}
    named = {job_id: keys for job_id, keys in places.items() if keys}
    before = {
        job_id: _places_as_enqueued(recorder.history, recorder.states, job_id) for job_id in job_ids
    }
    return Traces(
        named=named,
        kept_apart=frozenset(
            job_id for job_id in named if records_of(state, job_id) - before[job_id]
        ),
        vanished=frozenset(
            job_id for job_id in job_ids if before[job_id] and not records_of(state, job_id)
        ),
    )


def _places_as_enqueued(
    history: Sequence[Operation], states: Sequence[State], job_id: str
) -> frozenset[str]:
    """Return the keys that named the job until the last of its enqueues was answered."""
    enqueued = [
        call.state_after
        for call in history
        if call.method == "enqueue" and call.job_id == job_id and call.phase is not Phase.RECOVERY
    ]
    until = max(enqueued, default=-1) + 1
    return frozenset().union(*(places_of(state, job_id) for state in states[:until]))


def _work(rig: Rig, version: Version, jobs: int) -> RaisedError | None:
    """Do the periodic work once, and run the worker for up to so many jobs; return what the worker raised."""
    if "tick" in rig.traits.methods:
        rig.recovery.call("tick", {}, version)
    offered: dict[str, Json] = {"jobs": jobs, "idle_s": IDLE_S, "worker_id": "recovery"}
    return rig.recovery.call("work", offered, version).error


def _ended(rig: Rig) -> set[str]:
    """Return the jobs whose body has run to its end."""
    return {run.job_id for run in read_journal(rig.hosts.journal) if run.has_ended}


def _unended(rig: Rig) -> int:
    """Return how many runs of a job's body have not come to their end."""
    return sum(not run.has_ended for run in read_journal(rig.hosts.journal))


def _offer_one_more(rig: Rig, version: Version) -> None:
    """Offer the worker a job although each has run, unless that is known to do nothing in this state.

    A worker may leave a record of itself each time. If two runs ran nothing and left the same, a further one would run
    nothing either: a job that the first had made ready would have run in the second.
    """
    states = [rig.snapshot().state]
    known = version, outline(states[0])
    runs = len(read_journal(rig.hosts.journal))
    most = 2 if rig.vain_second_runs < _MOST_VAIN_RUNS else 1
    while known not in rig.idle_states and len(states) <= most:
        _work(rig, version, 1)
        if len(read_journal(rig.hosts.journal)) != runs:
            return
        states.append(rig.snapshot().state)
        if leaves_nothing_new(*states):
            rig.idle_states.add(known)
    if len(states) > 2:
        rig.vain_second_runs += known not in rig.idle_states


def _statuses_after(
    rig: Rig, version: Version, read_back: Jobs, delivered: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """Return id and status of each job that was running before the drain and was not delivered by it."""
    asked = tuple(
        key
        for key, job in read_back.items()
        if status_of(job) == "running" and key[0] not in delivered
    )
    return _statuses(rig, version, asked)


def _statuses(
    rig: Rig, version: Version, job_keys: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """Return the id of each job and the status that get_job reports now."""
    found = []
    for job_id, workspace_id in job_keys:
        arguments: dict[str, Json] = {"job_id": job_id, "workspace_id": workspace_id}
        answered = rig.recovery.call("get_job", arguments, version)
        found.append((job_id, status_of(answered.value)))
    return tuple(found)
