"""How fast a queue is without faults: the time of an enqueue, and the jobs a second that one worker runs."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from midpipe.faultinject.errors import SubjectError
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.shaper import Shaper
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.opening import ServerSpec, open_server
from midpipe.scenarios.case.answered import answered_from
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.latency.load import answers_of, connect
from midpipe.scenarios.latency.networks import NETWORKS, delays
from midpipe.scenarios.latency.workload import arguments_of
from midpipe.scenarios.model.comparison import Rate
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.calls import enqueue
from midpipe.scenarios.programs.workers import work
from midpipe.scenarios.subjects.journal import read_journal

JOBS = 200
_ROUNDS = 3
_MOST_CALLS = 5
"""How often the worker is run until it has run all jobs: one that finds nothing for a moment returns early."""


def rate_of(subject: SubjectSpec, server: ServerSpec) -> Rate | None:
    """Measure a queue on a server of its own, after a round that warms up.

    Each round enqueues so many jobs whose body does nothing and lets one worker run them all, without midpipe's proxy
    between: bytes pass a forwarder unread.

    Returns:
        The medians of the rounds; None if an enqueue raised or the worker left jobs.

    Raises:
        MidpipeError: the queue can't be hosted, a call does not return, or the server fails.
    """
    run, loop = RunDirectory(), Loop(precise=True)
    try:
        opened = open_server(server, run)
        shaper = Shaper(loop, opened.address, delays(NETWORKS["loopback"], 0))
        rig = Rig(opened, subject, run, loop)
        try:
            if "work" not in rig.traits.methods:
                raise SubjectError(f"{subject.name} has no work, so no jobs can be run.")
            rounds = [_round(loop, rig, shaper.port) for _ in range(1 + _ROUNDS)][1:]
        finally:
            rig.close()
            shaper.close()
            opened.stop()
    finally:
        loop.close()
        run.close()
    enqueues = [ms for found in rounds if found for ms in found[0]]
    if None in rounds or not enqueues:
        return None
    seconds = median(found[1] for found in rounds if found)
    return Rate(round(median(enqueues), 2), round(JOBS / seconds), JOBS)


def _round(loop: Loop, rig: Rig, port: int) -> tuple[list[float], float] | None:
    """Return the time of each enqueue in ms, and the worker's in s; None if a call raised or a job did not run."""
    rig.reset()
    connect(rig, port)
    calls = [arguments_of(enqueue(f"job-{number}")) for number in range(JOBS)]
    enqueues = [
        answered_from(answer) for _, answer in answers_of(loop, rig, "enqueue", calls, None)
    ]
    if any(answered.error for answered in enqueues):
        return None
    worked_ms = sum(_worked_ms(loop, rig))
    if _left(rig):
        return None
    return [answered.ms for answered in enqueues], worked_ms / 1000


def _worked_ms(loop: Loop, rig: Rig) -> Iterator[float]:
    """Run the worker until no job is left; yields how long each call took."""
    for _ in range(_MOST_CALLS):
        if not _left(rig):
            return
        calls = [arguments_of(work(jobs=_left(rig)))]
        for _, answer in answers_of(loop, rig, "work", calls, None):
            yield answered_from(answer).ms


def _left(rig: Rig) -> int:
    ended = {run.job_id for run in read_journal(rig.hosts.journal) if run.has_ended}
    return JOBS - len(ended)
