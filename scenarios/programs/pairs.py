"""The programs of several clients at once, for the interleaver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from midpipe.scenarios.model.history import SHORTEST_LEASE_S
from midpipe.scenarios.programs.calls import (
    BACKFILL,
    CLEANUP,
    FAIL,
    HEARTBEAT,
    NEXT_PAGE,
    OTHER_WORKSPACE,
    PAGE,
    SECRET_RESULT,
    TICK,
    claim,
    complete,
    enqueue,
    get,
    list_of,
    old_job_seed,
    once,
    update,
)
from midpipe.scenarios.programs.program import Program

_LOOKS_FIRST = replace(get(), optional=True)
"""For a claim that happens late. Each client's first command waits from the start of the case; if its process can't
be forked, a claim that sends the time sends that of the start. The second command is made when its turn has come."""

_PROGRAMS = (
    Program(
        "same-request-twice",
        "Two clients send one request id with different job ids.",
        {"A": (enqueue("job-1", "r-1"),), "B": (enqueue("job-2", "r-1"),)},
    ),
    Program(
        "same-request-same-job",
        "Two clients send one request id with the same job id.",
        {"A": (enqueue("job-1", "r-1"),), "B": (enqueue("job-1", "r-1"),)},
    ),
    Program(
        "same-job-twice",
        "Two clients send one job id without a request id.",
        {"A": (enqueue(),), "B": (enqueue(),)},
    ),
    Program(
        "request-id-in-two-workspaces",
        "Two clients of two workspaces use the same request id.",
        {"A": (enqueue("job-1", "r-1"),), "B": (enqueue("job-2", "r-1", OTHER_WORKSPACE),)},
    ),
    Program(
        "three-clients-one-request",
        "Three clients send one request id.",
        {client_id: (enqueue(f"job-{client_id.lower()}", "r-1"),) for client_id in "ABC"},
    ),
    Program(
        "enqueue-vs-claim",
        "A job is enqueued while a worker claims.",
        {"A": (enqueue(),), "B": (claim("worker-b"),)},
    ),
    Program(
        "claim-vs-claim",
        "Two workers claim while one job is pending.",
        {"A": (claim("worker-a"),), "B": (claim("worker-b"),)},
        prepare=(enqueue(),),
    ),
    Program(
        "same-job-in-two-workspaces",
        "Two clients of two workspaces enqueue a job of the same id.",
        {"A": (once(enqueue()),), "B": (once(enqueue(workspace_id=OTHER_WORKSPACE)),)},
    ),
    Program(
        "reclaim-vs-reclaim",
        "Two workers claim while the lease of one job has expired.",
        {"A": (claim("worker-a"),), "B": (claim("worker-b"),)},
        prepare=(enqueue(), claim("worker-x", SHORTEST_LEASE_S)),
    ),
    Program(
        "finish-vs-finish",
        "Two workers claim and complete while two jobs are pending.",
        {"A": (claim("worker-a"), complete()), "B": (claim("worker-b"), complete())},
        prepare=(enqueue("job-1"), enqueue("job-2")),
    ),
    Program(
        "finish-vs-reclaim",
        "A worker completes a job whose lease has expired, while another one claims and completes it.",
        {
            "A": (claim("worker-a", SHORTEST_LEASE_S), complete("a")),
            "B": (claim("worker-b"), complete("b")),
        },
        prepare=(enqueue(),),
    ),
    Program(
        "finish-vs-tick",
        "A worker completes a job whose lease has expired, while another one puts it back, claims it and completes it.",
        {
            "A": (claim("worker-a", SHORTEST_LEASE_S), complete("a")),
            "B": (TICK, claim("worker-b"), complete("b")),
        },
        prepare=(enqueue(),),
    ),
    Program(
        "tick-vs-tick",
        "Two workers do the periodic work and claim, while the lease of one job has expired.",
        {"A": (TICK, claim("worker-a")), "B": (TICK, claim("worker-b"))},
        prepare=(enqueue(), claim("worker-x", SHORTEST_LEASE_S)),
    ),
    Program(
        "stale-finish-then-claim",
        "A worker completes a job whose lease has expired and claims again, while another one holds the job.",
        {
            "A": (claim("worker-a", SHORTEST_LEASE_S), complete("a"), claim("worker-a")),
            "B": (claim("worker-b"), HEARTBEAT, complete("b")),
        },
        prepare=(enqueue(),),
    ),
    Program(
        "stale-finish-then-enqueue",
        "A worker completes a job whose lease has expired, enqueues it again and claims, while another one claims it.",
        {
            "A": (
                claim("worker-a", SHORTEST_LEASE_S),
                complete("a"),
                enqueue(),
                claim("worker-a"),
            ),
            "B": (claim("worker-b"),),
        },
        prepare=(enqueue(),),
    ),
    Program(
        "retry-vs-claim",
        "A worker fails a job that is to be tried again at once, and claims it, while another worker claims.",
        {
            "A": (claim("worker-a"), FAIL, claim("worker-a")),
            "B": (_LOOKS_FIRST, claim("worker-b")),
        },
        prepare=(enqueue(),),
    ),
    Program(
        "two-enqueues-vs-claim",
        "A client enqueues two jobs while a worker claims and completes one.",
        {
            "A": (enqueue("job-1"), enqueue("job-2")),
            "B": (claim("worker-b"), complete("b")),
        },
    ),
    Program(
        "enqueue-vs-empty-claim",
        "A worker completes the last job and claims again, while another job is enqueued.",
        {
            "A": (claim("worker-a"), complete("a"), claim("worker-a")),
            "B": (enqueue("job-2"),),
        },
        prepare=(enqueue("job-1"),),
    ),
    Program(
        "request-again-vs-claim",
        "A client repeats a request while a worker claims and completes its job.",
        {"A": (enqueue("job-1", "r-1"),), "B": (claim("worker-b"), complete("b"))},
        prepare=(enqueue("job-1", "r-1"),),
    ),
    Program(
        "read-vs-work",
        "A client reads a job while a worker claims and completes it.",
        {"A": (get(), get()), "B": (claim("worker-b"), complete("b"))},
        prepare=(enqueue(),),
    ),
    Program(
        "read-vs-retry",
        "A client reads a job while a worker fails it and it is tried again.",
        {"A": (get(),), "B": (claim("worker-b"), FAIL, claim("worker-b"))},
        prepare=(enqueue(),),
    ),
    Program(
        "heartbeat-vs-reclaim",
        "A worker sends a heartbeat for an expired lease while another one claims the job.",
        {
            "A": (claim("worker-a", SHORTEST_LEASE_S), HEARTBEAT),
            "B": (claim("worker-b"), complete("b")),
        },
        prepare=(enqueue(),),
    ),
    Program(
        "end-vs-reclaim",
        "A client completes a job without a lease, while a worker claims it because its lease has ended.",
        {"A": (update("completed"), get()), "B": (claim("worker-b"),)},
        prepare=(enqueue(), claim("worker-x", SHORTEST_LEASE_S)),
    ),
    Program(
        "update-vs-update",
        "Two clients update one job.",
        {"A": (update("running"),), "B": (update("completed", result={"n": SECRET_RESULT}),)},
        prepare=(enqueue(),),
    ),
    Program(
        "update-vs-get",
        "One client updates a job and reads it, another one reads it.",
        {"A": (update("running"), get()), "B": (get(),)},
        prepare=(enqueue(),),
    ),
    Program(
        "old-job-vs-update",
        "Two clients update a job from before the flag was turned on.",
        {"A": (update("running", "job-0"),), "B": (update("failed", "job-0"),)},
        seed=old_job_seed("job-0"),
    ),
    Program(
        "list-vs-enqueue",
        "One client lists while another one enqueues.",
        {"A": (list_of(),), "B": (enqueue("job-2"),)},
        prepare=(enqueue("job-1"),),
    ),
    Program(
        "pages-vs-update",
        "One client lists the pending jobs page by page, while another one starts the first of them.",
        {"A": (PAGE, NEXT_PAGE), "B": (update("running", "job-3"),)},
        prepare=(enqueue("job-1"), enqueue("job-2"), enqueue("job-3")),
    ),
    Program(
        "pages-vs-claim",
        "One client lists the pending jobs page by page, while a worker claims one of them.",
        {"A": (PAGE, NEXT_PAGE), "B": (claim("worker-b"),)},
        prepare=(enqueue("job-1"), enqueue("job-2"), enqueue("job-3")),
    ),
    Program(
        "backfill-vs-update",
        "A backfill copies a job of the old schema while a client updates it.",
        {"A": (BACKFILL,), "B": (update("completed", "job-0"),)},
        seed=old_job_seed("job-0"),
    ),
    Program(
        "backfill-vs-list",
        "A backfill copies a job of the old schema while a client lists the workspace's jobs.",
        {"A": (BACKFILL,), "B": (list_of(),)},
        seed=old_job_seed("job-0"),
    ),
    Program(
        "backfill-vs-enqueue",
        "A backfill runs while a client enqueues.",
        {"A": (BACKFILL,), "B": (enqueue(),)},
        seed=old_job_seed("job-0"),
    ),
    Program(
        "cleanup-vs-read",
        "The old schema is backfilled and removed while a client reads a job that only the old schema held.",
        {"A": (BACKFILL, CLEANUP), "B": (get("job-0"),)},
        seed=old_job_seed("job-0"),
    ),
    Program(
        "cleanup-vs-list",
        "The old schema is removed while a client lists the workspace's jobs.",
        {"A": (CLEANUP,), "B": (list_of(),)},
        prepare=(BACKFILL,),
        seed=old_job_seed("job-0"),
    ),
)

PAIRS: Mapping[str, Program] = MappingProxyType({program.name: program for program in _PROGRAMS})
