"""Known bugs of queue libraries, each searched through the library's adapter or through one of its own."""

from __future__ import annotations

from midpipe.scenarios.known_bugs.bug import KnownBug, Release, Search, adapted

_RQ_POPS = "rq_pops.py"
_POP = Search(("work",), faults=("lost-reply",), commands=("LPOP", "LMOVE"))

QUEUE_BUGS: tuple[KnownBug, ...] = (
    KnownBug(
        id="rq-popped-job-is-lost",
        library=adapted("rq", _RQ_POPS, "OneQueue"),
        summary="A job id that a worker has popped and not received is in no list any more, so the job never runs.",
        source="rq/rq#580",
        bad=Release("1.12.0", ("redis==4.6.0",)),
        good=Release("2.12.0"),
        invariant="no-stuck-job",
        search=_POP,
        replay="work: A16:LPOP!lost-reply",
    ),
    KnownBug(
        id="rq-popped-job-of-two-queues-is-lost",
        library=adapted("rq", _RQ_POPS, "TwoQueues"),
        summary="A worker of two queues pops with LPOP instead of LMOVE, so a job id whose reply is lost never runs.",
        source="rq/rq#1716",
        bad=Release("2.12.0"),
        good=None,
        invariant="no-stuck-job",
        search=_POP,
        replay="work: A26:LPOP!lost-reply",
    ),
    KnownBug(
        id="saq-swept-job-is-not-retried",
        library=adapted(
            "saq", "saq_sweeps.py", "Queue", requires=("redis>=4.2,<9", "typing_extensions")
        ),
        summary="The sweep aborts a dead worker's job even if the job has attempts left.",
        source="tobymao/saq#127",
        bad=Release("0.12.2"),
        good=Release("0.26.3"),
        invariant="no-stuck-job",
        search=Search(("work",), faults=("lost-reply",), commands=("BLMOVE", "GET")),
        replay="work: A2:BLMOVE!lost-reply",
    ),
)
