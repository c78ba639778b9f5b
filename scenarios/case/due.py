"""Measures how long a subject lets every job wait before a worker gets it: enqueues a job without faults, and takes it.

Programs let that time pass before they take a job, and do the periodic work if that hands jobs over; otherwise their
workers would never get one. This is measured before the first case and not with the other probes, because it takes as
long as a worker that finds nothing. Knows no fault and no invariant.

Blind to: a wait longer than recovery waits, or than a case may take on the machine's clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from midpipe.scenarios.case.expiry import AFFORDABLE_S, wait_until
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.model.history import Json
from midpipe.scenarios.model.promises import LONGEST_STEPPED_WAIT_S
from midpipe.scenarios.programs.calls import enqueue
from midpipe.scenarios.programs.suited import TAKES
from midpipe.scenarios.programs.workers import DEQUEUES_WITHIN_S, IDLE_S
from midpipe.scenarios.subjects.journal import read_journal

_JOB = "midpipe-due"
_FIRST_WAIT_S = 0.05


def measure_when_due(rig: Rig) -> None:
    """Measure after how long a worker gets a job and add it to the rig's traits, unless that is known or no worker can.

    The server is emptied, as for a case.

    Raises:
        SubjectError: an instance of the subject can't be made.
    """
    method = next((each for each in TAKES if each in rig.traits.methods), None)
    if rig.knows_when_due or method is None:
        return
    rig.knows_when_due = True
    began_s = _enqueue(rig)
    if _takes_one(rig, method) is not False:
        return
    for waited_s in _waits(rig):
        wait_until(rig.time, began_s + waited_s)
        # The first run of a worker may only have registered it, so another one is made before any time has passed.
        taken, by_tick = _takes_one(rig, method), False
        if taken is False and "tick" in rig.traits.methods:
            rig.recovery.call("tick", {})
            taken, by_tick = _takes_one(rig, method), True
        if taken:
            # At least as long as the job waits: the attempts themselves took time.
            passed_s = rig.time.now_s() - began_s if waited_s else 0.0
            by_tick = by_tick and not _is_due_by_itself(rig, method, passed_s)
            rig.traits = replace(rig.traits, due_after_s=passed_s, due_by_tick=by_tick)
        if taken is not False:
            return


def _enqueue(rig: Rig) -> float:
    """Empty the server and enqueue a job; return when that began, on the case's clock."""
    rig.reset()
    began_s = rig.time.now_s()
    rig.recovery.call("enqueue", enqueue(_JOB).given())
    return began_s


def _is_due_by_itself(rig: Rig, method: str, passed_s: float) -> bool:
    """Whether a worker gets a job after so long without the periodic work; that may have come last by chance."""
    wait_until(rig.time, _enqueue(rig) + passed_s)
    return _takes_one(rig, method) is True


def _waits(rig: Rig) -> Iterator[float]:
    """Yield after how many seconds it is worth trying again, from none to as many as a case can wait."""
    longest_s = LONGEST_STEPPED_WAIT_S if rig.time.is_stepped else AFFORDABLE_S
    yield 0.0
    wait_s = _FIRST_WAIT_S
    while wait_s < longest_s:
        yield wait_s
        wait_s *= 2
    yield longest_s


def _takes_one(rig: Rig, method: str) -> bool | None:
    """Return whether a worker gets the job now; None if the call raised or hung, so that nothing is known."""
    arguments: dict[str, Json] = {"worker_id": "probe"}
    if method == "work":
        arguments |= {"jobs": 1, "idle_s": IDLE_S}
    elif method == "dequeue":
        arguments["timeout_s"] = DEQUEUES_WITHIN_S
    answered = rig.recovery.call(method, arguments)
    if answered.error is not None:
        return None
    return bool(read_journal(rig.hosts.journal)) if method == "work" else answered.value is not None
