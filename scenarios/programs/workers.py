"""Programs for subjects whose own worker runs the jobs, and for those that hand them out without a lease.

``work`` runs the worker until it has run so many jobs or is idle. What a job's body does is chosen by its payload; the
journal records what ran.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from midpipe.scenarios.model.history import Json
from midpipe.scenarios.programs.calls import NEXT_PAGE, PAGE, TICK, TICK_IF_ANY, enqueue
from midpipe.scenarios.programs.program import Call, Program, Retry

IDLE_S = 0.2
DELAY_S = 0.05
LATER_S = 0.9
"""A delay that is not over when the periodic work is done for a job of DELAY_S, and over once recovery has waited."""
DEQUEUES_WITHIN_S = 0.1
"""How long a dequeue that takes a time-out may wait for a job."""
_TICK_WHEN_DUE = replace(TICK, waits=True)
CANCEL = Call("cancel", {"job_id": "job-1"}, Retry.NONE)


def work(jobs: int = 1, worker: str = "worker-a") -> Call:
    """Return a run of the subject's worker; what it answers is ignored."""
    return Call("work", {"jobs": jobs, "idle_s": IDLE_S, "worker_id": worker}, Retry.NONE)


def enqueue_with(body: str, job_id: str = "job-1", *, delay_s: float | None = None) -> Call:
    """Return an enqueue of a job whose body does what ``body`` says, after a delay if one is given."""
    call = enqueue(job_id)
    more: dict[str, Json] = {"params": {"body": body}}
    if delay_s is not None:
        more["delay_s"] = delay_s
    return Call(call.method, {**call.arguments, **more}, call.retry)


def dequeue(worker: str = "worker-a") -> Call:
    """Return a dequeue: what it returns is its caller's from then on."""
    return Call("dequeue", {"worker_id": worker, "timeout_s": DEQUEUES_WITHIN_S})


_MORE_THAN_TAKEN = tuple(enqueue(f"job-{number}") for number in range(1, 5))
"""So many jobs that a dequeue which waits for ever for the next one does not have to, also if it is made again."""
_SINGLE = (
    Program(
        "dequeue",
        "Two jobs are taken without a lease, one after the other.",
        {"A": (dequeue(), dequeue())},
        prepare=_MORE_THAN_TAKEN,
    ),
    Program(
        "work",
        "A worker runs the one job that is there.",
        {"A": (work(),)},
        prepare=(enqueue(),),
    ),
    Program("enqueue-then-work", "A job is enqueued and then run.", {"A": (enqueue(), work())}),
    Program(
        "work-twice",
        "A worker runs one job, and is then run again for the next one.",
        {"A": (work(), work())},
        prepare=(enqueue("job-1"), enqueue("job-2")),
    ),
    Program(
        "work-through-several",
        "Several jobs wait, and one run of the worker is to do them all.",
        {"A": (work(jobs=3),)},
        prepare=tuple(map(enqueue, ("job-1", "job-2", "job-3"))),
    ),
    Program(
        "die-then-work",
        "The worker dies while it runs a job; the periodic work and a fresh worker are run.",
        {"A": (work(), _TICK_WHEN_DUE, work())},
        prepare=(enqueue_with("die-once"),),
        needs=frozenset({"tick"}),
    ),
    Program(
        "idle-then-work",
        "A worker finds nothing, a job is enqueued, and the same worker, run again twice, runs it.",
        {"A": (work(), enqueue(), work(), work())},
    ),
    Program(
        "cancel-then-work",
        "A job is cancelled, and then the worker runs.",
        {"A": (CANCEL, work())},
        prepare=(enqueue(),),
    ),
    Program(
        "fail-then-work",
        "The body of a job fails once; the worker and the periodic work are run again.",
        {"A": (work(), TICK_IF_ANY, replace(work(), waits=True))},
        prepare=(enqueue_with("fail-once"),),
    ),
    Program(
        "delayed-then-work",
        "A job is enqueued with a delay; the periodic work and the worker are run.",
        {"A": (enqueue_with("succeed", delay_s=DELAY_S), _TICK_WHEN_DUE, work())},
        needs=frozenset({"tick"}),
    ),
    Program(
        "two-delayed-then-tick",
        "Two jobs are enqueued with delays, and the periodic work is done when one of them is due.",
        {
            "A": (
                enqueue_with("succeed", delay_s=DELAY_S),
                enqueue_with("succeed", "job-2", delay_s=LATER_S),
                _TICK_WHEN_DUE,
            )
        },
    ),
    Program(
        "enqueue-behind-another",
        "A job is enqueued while another one waits for a worker.",
        {"A": (enqueue("job-2"),)},
        prepare=(enqueue("job-1"),),
        needs=frozenset({"work"}),
    ),
)
_PAIRS = (
    Program(
        "dequeue-vs-dequeue",
        "Two clients take a job without a lease.",
        {"A": (dequeue(),), "B": (dequeue("worker-b"),)},
        prepare=_MORE_THAN_TAKEN,
    ),
    Program(
        "enqueue-vs-dequeue",
        "A job is enqueued while another client takes one without a lease.",
        {"A": (enqueue("job-5"),), "B": (dequeue("worker-b"),)},
        prepare=_MORE_THAN_TAKEN,
    ),
    Program(
        "pages-vs-dequeue",
        "One client lists the pending jobs page by page, while another one takes a job without a lease.",
        {"A": (PAGE, NEXT_PAGE), "B": (dequeue("worker-b"),)},
        prepare=(enqueue("job-1"), enqueue("job-2"), enqueue("job-3")),
    ),
    Program(
        "work-vs-work",
        "Two workers run while one job is there.",
        {"A": (work(),), "B": (work(worker="worker-b"),)},
        prepare=(enqueue(),),
    ),
    Program(
        "enqueue-vs-work",
        "A job is enqueued while a worker runs.",
        {"A": (enqueue(),), "B": (work(worker="worker-b"),)},
    ),
    Program(
        "enqueue-vs-last-job",
        "A job is enqueued while a worker takes the last one that waits.",
        {"A": (enqueue("job-2"),), "B": (work(worker="worker-b"),)},
        prepare=(enqueue("job-1"),),
    ),
    Program(
        "cancel-vs-work",
        "A job is cancelled while a worker runs it.",
        {
            "A": (CANCEL,),
            "B": (work(worker="worker-b"),),
        },
        prepare=(enqueue(),),
    ),
)

WORK: Mapping[str, Program] = MappingProxyType({program.name: program for program in _SINGLE})
WORK_PAIRS: Mapping[str, Program] = MappingProxyType({program.name: program for program in _PAIRS})
