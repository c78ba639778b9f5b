"""The stand-by worker: while a client is frozen, it waits until the client's lease has ended, and does the job instead.

It learns the length of a lease as recovery does, from ``times_due``: keys with a TTL, the time-outs that are promised,
and the idle time that a stream's consumers state. A lease of which none of these shows the length ends on a stepped
clock if it is shorter than a minute. On the machine's clock the client's own time-out runs meanwhile, so that only
leases end that are much shorter than that. Knows no fault.

Blind to: a subject whose own worker runs the jobs, and one without leases; no other worker takes over from those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from midpipe.faultinject.faults.clock import A_LEASE_S
from midpipe.scenarios.case.draining import drained
from midpipe.scenarios.case.expiry import times_due, wait_until
from midpipe.scenarios.case.recorder import Recorder
from midpipe.scenarios.case.recovery_client import STANDBY
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.case.without_faults import call_without_faults
from midpipe.scenarios.model.history import (
    Completion,
    Json,
    Operation,
    Phase,
    job_in,
    job_received,
)
from midpipe.scenarios.programs.calls import TICK, claim, completion_of
from midpipe.scenarios.programs.program import Call, Version

_WORKER = "worker-standby"
_OF_A_TIME_OUT = 0.5
"""What part of a client's time-out may pass on the machine's clock while it waits for its reply, with room to spare."""
_ENDS = ("complete", "fail", "update_status", "cancel")
"""The calls after which no lease on a job need be waited for."""


def take_over(rig: Rig, recorder: Recorder, version: Version, time_out_s: float) -> None:
    """Claim and complete every job that another worker can get, once the leases of the clients have ended.

    Args:
        version: of the subject; the frozen client's.
        time_out_s: the shortest socket time-out of the clients; on the machine's clock it runs meanwhile.
    """
    if not {"claim", "complete"} <= rig.traits.methods:
        return

    def call(made: Call) -> Json:
        return call_without_faults(rig.recovery, recorder, made, Phase.PROGRAM, STANDBY).value

    def take(_number: int) -> str | None:
        claimed = call(replace(claim(_WORKER), version=version))
        job_id = job_in(claimed)
        if job_id is not None:
            call(replace(completion_of(claimed, _WORKER), version=version))
        return job_id

    drained(
        take,
        _ends_of_leases(rig, recorder, time_out_s),
        _unfinished(recorder.history),
        lambda at_s: wait_until(rig.time, at_s),
        rig.time.now_s,
        put_back=_periodic_work(rig, call, version),
    )


def _unfinished(history: Iterable[Operation]) -> frozenset[str]:
    """Return the jobs that were put in or claimed, and that no call has ended since as far as its caller knows."""
    open_jobs: set[str] = set()
    for operation in history:
        if operation.completion is Completion.FAIL or operation.value is False:
            continue
        if operation.method == "enqueue":
            open_jobs.add(operation.job_id)
        elif operation.method == "claim" and (job_id := job_received(operation)):
            open_jobs.add(job_id)
        elif operation.method in _ENDS:
            open_jobs.discard(operation.job_id)
    return frozenset(open_jobs)


def _ends_of_leases(rig: Rig, recorder: Recorder, time_out_s: float) -> tuple[float, ...]:
    """Return when the leases of the clients may end, on the case's clock, the earliest first."""
    due = times_due(rig.time, rig.traits, rig.snapshot(), recorder.entries)
    if not rig.time.is_stepped:
        latest_s = rig.time.now_s() + _OF_A_TIME_OUT * time_out_s
        return tuple(at_s for at_s in due if at_s <= latest_s)
    # Waiting costs nothing here, and a lease that nothing shows is to end as well.
    minute_s = rig.time.now_s() + A_LEASE_S
    return (minute_s, *(at_s for at_s in due if at_s > minute_s))


def _periodic_work(
    rig: Rig, call: Callable[[Call], Json], version: Version
) -> Callable[[], object] | None:
    """Return the subject's periodic work, which may put back the job of a dead worker; None if it has none."""
    if "tick" not in rig.traits.methods:
        return None
    return lambda: call(replace(TICK, version=version))
