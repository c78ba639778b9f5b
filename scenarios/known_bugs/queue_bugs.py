"""Known bugs of queue libraries, each searched through the library's adapter or through one of its own."""

from __future__ import annotations

from midpipe.scenarios.known_bugs.bug import KnownBug, Release, Search, adapted
from midpipe.scenarios.queues import LIBRARIES

_RQ_POPS = "rq_pops.py"
_DELAYED = "written(A enqueue-delayed job-1, A work, A tick, A work)"
_POP = Search(("work",), faults=("lost-reply",), commands=("LPOP", "LMOVE"))

QUEUE_BUGS: tuple[KnownBug, ...] = (
    KnownBug(
        id="rq-popped-job-is-lost",
        target=adapted("rq", _RQ_POPS, "OneQueue"),
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
        target=adapted("rq", _RQ_POPS, "TwoQueues"),
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
        target=adapted(
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
    KnownBug(
        id="arq-worker-ends-with-its-connection",
        target=adapted("arq", "arq_lasting.py", "Queue"),
        summary="A worker ends when its connection is cut during a poll, so the jobs that wait are not run.",
        source="python-arq/arq#386",
        bad=Release("0.28.0"),
        good=None,
        invariant="worker-lives",
        search=Search(
            ("work-twice",), faults=("cut-before",), commands=("ZRANGEBYSCORE",), budget_s=180.0
        ),
        replay="work-twice: A6:ZRANGEBYSCORE!cut-before",
    ),
    KnownBug(
        id="arq-enqueue-denies-a-job",
        target=LIBRARIES["arq"],
        summary="enqueue_job says that the job exists already, though the connection was lost before it was written.",
        source="docs/reports/arq-enqueue-denies-a-job.md",
        bad=Release("0.28.0"),
        good=None,
        invariant="no-lost-job",
        search=Search(("enqueue-then-work",), faults=("cut-before",), commands=("MULTI",)),
        replay="enqueue-then-work: A3.1:MULTI!cut-before",
    ),
    KnownBug(
        id="rq-worker-ends-with-its-connection",
        target=adapted("rq", "rq_lasting.py", "Queue"),
        summary="A worker ends when its connection is cut while it waits for a job.",
        source="rq/rq#998",
        bad=Release("1.4.3", ("redis==3.5.3",)),
        good=Release("2.12.0"),
        invariant="worker-lives",
        search=Search(
            ("work-twice",), faults=("cut-before",), commands=("BLPOP", "BLMOVE"), budget_s=180.0
        ),
        replay="work-twice: A14:BLPOP!cut-before",
    ),
    KnownBug(
        id="taskiq-worker-ends-with-its-connection",
        target=adapted("taskiq-redis", "taskiq_lasting.py", "Queue"),
        summary="The list broker catches the built-in ConnectionError and not that of redis-py, so its worker ends.",
        source="taskiq-python/taskiq-redis#128",
        bad=Release("1.2.4"),
        good=None,
        invariant="worker-lives",
        search=Search(("work-twice",), faults=("cut-before",), commands=("BRPOP",), budget_s=180.0),
        replay="work-twice: A1:BRPOP!cut-before",
    ),
    KnownBug(
        id="huey-scheduled-task-is-lost",
        target=adapted("huey", "huey_schedules.py", "Queue", requires=("redis",)),
        summary="The scheduler takes due tasks out of the schedule before it enqueues them, and may lose them between.",
        source="coleifer/huey#225",
        bad=Release("3.5.4"),
        good=None,
        invariant="no-lost-job",
        search=Search((_DELAYED,), faults=("lost-reply",), commands=("EVALSHA", "LPUSH")),
        replay=f"{_DELAYED}: A4:EVALSHA!lost-reply",
    ),
    KnownBug(
        id="kombu-restored-message-is-lost",
        target=adapted("kombu", "kombu_restores.py", "Queue", requires=("setuptools",)),
        summary="A message is removed from the unacknowledged ones before it is put back, and may be lost between.",
        source="celery/kombu#1405",
        bad=Release("5.2.2", ("redis==4.0.2",)),
        good=Release("5.2.4", ("redis==4.0.2",)),
        invariant="no-lost-job",
        search=Search(
            ("die-then-work",), faults=("lost-reply",), commands=("EXEC",), budget_s=120.0
        ),
        replay="die-then-work: A/2:EXEC:unacked#1!lost-reply",
    ),
    KnownBug(
        id="taskiq-dead-worker-keeps-the-lock",
        target=adapted("taskiq-redis", "taskiq_streams.py", "Queue"),
        summary="A worker that dies with the lock on unacknowledged messages keeps it for ever, so they never run.",
        source="taskiq-python/taskiq-redis#131",
        bad=Release("1.2.2", ("taskiq==0.12.1",)),
        good=Release("1.2.4"),
        invariant="no-stuck-job",
        search=Search(
            ("die-then-work",),
            faults=("crash",),
            commands=("SET",),
            budget_s=180.0,
        ),
        replay="die-then-work: A8:SET!crash",
    ),
    KnownBug(
        id="taskiq-group-begins-behind-the-job",
        target=LIBRARIES["taskiq-stream"],
        summary="Any error to XGROUP CREATE counts as an existing group; the group then begins behind the job.",
        source="docs/reports/taskiq-redis-group-begins-behind-the-job.md",
        bad=Release("1.2.4"),
        good=None,
        invariant="no-stuck-job",
        search=Search(("enqueue",), faults=("readonly",), commands=("XGROUP",)),
        replay="enqueue: A1:XGROUP!readonly",
    ),
    KnownBug(
        id="saq-late-write-reactivates-a-job",
        target=LIBRARIES["saq"],
        summary="A SET that arrives late marks a failed job as active again; it is in no list, and is never swept.",
        source="docs/reports/saq-late-write-reactivates-a-job.md",
        bad=Release("0.26.4"),
        good=None,
        invariant="no-stuck-job",
        search=Search(("work",), faults=("late",), commands=("SET",)),
        replay="work: A3:SET!late",
    ),
)
