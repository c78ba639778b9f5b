"""How fast a queue is without faults: the time of an enqueue, and the jobs a second that one worker runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
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

JOBS = 100
_ROUNDS = 3
_FLOOR = SubjectSpec("midpipe.scenarios.latency.floors:BareSet")
_MOST_CALLS = 5
"""How often the worker is run until it has run all jobs: one that finds nothing for a moment returns early."""


def rate_of(subject: SubjectSpec, server: ServerSpec) -> Rate | None:
    """Measure a queue on a server of its own, after a round that warms up.

    Each round enqueues so many jobs whose body does nothing and lets one worker run them all, without midpipe's proxy
    between: bytes pass a forwarder unread. A bare SET takes turns with it.

    Returns:
        The medians of the rounds; None if an enqueue raised or the worker left jobs.

    Raises:
        MidpipeError: the queue can't be hosted, a call does not return, or the server fails.
    """
    with ExitStack() as stack:
        run, loop = RunDirectory(), Loop(precise=True)
        stack.callback(run.close)
        stack.callback(loop.close)
        opened = open_server(server, run, has_other_clients=True)
        stack.callback(opened.stop)
        shaper = Shaper(loop, opened.address, delays(NETWORKS["loopback"], 0))
        stack.callback(shaper.close)
        rig, floor = (Rig(opened, spec, run, loop, invariants=()) for spec in (subject, _FLOOR))
        stack.callback(floor.close)
        stack.callback(rig.close)
        if "work" not in rig.traits.methods:
            raise SubjectError(f"{subject.name} has no work, so no jobs can be run.")
        sets, enqueues, seconds = [], [], []
        for number in range(1 + _ROUNDS):
            found = _enqueued(loop, floor, shaper.port), _enqueued(loop, rig, shaper.port)
            worked_s = sum(_worked_ms(loop, rig)) / 1000
            if not all(found) or _left(rig):
                return None
            if number:
                sets += found[0]
                enqueues += found[1]
                seconds.append(worked_s)
    jobs_per_second = round(JOBS / median(seconds))
    return Rate(round(median(enqueues), 2), round(median(sets), 2), jobs_per_second, JOBS)


def _enqueued(loop: Loop, rig: Rig, port: int) -> list[float]:
    """Enqueue the jobs on an empty server; return the time of each call in ms, none if one raised."""
    rig.reset()
    connect(rig, port)
    calls = [arguments_of(enqueue(f"job-{number}")) for number in range(JOBS)]
    answers = [answered_from(answer) for _, answer in answers_of(loop, rig, "enqueue", calls, None)]
    return [] if any(answer.error for answer in answers) else [answer.ms for answer in answers]


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
