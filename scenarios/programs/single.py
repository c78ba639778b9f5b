"""The programs of one client, for the sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from midpipe.scenarios.model.history import SHORTEST_LEASE_S
from midpipe.scenarios.programs.calls import (
    FAIL,
    HEARTBEAT,
    LARGE,
    MALFORMED,
    OTHER_WORKSPACE,
    SECRET_RESULT,
    TICK,
    TICK_IF_ANY,
    WORKSPACE,
    claim,
    complete,
    enqueue,
    get,
    list_of,
    old_job_seed,
    once,
    removal_of_old_copy,
    update,
)
from midpipe.scenarios.programs.program import Answer, Call, Program, Retry


def _program(
    name: str,
    summary: str,
    *calls: Call,
    prepare: tuple[Call, ...] = (),
    seed: tuple[tuple[str, ...], ...] = (),
    reads: tuple[Call, ...] = (),
    malformed: bool = False,
) -> Program:
    return Program(
        name=name,
        summary=summary,
        clients={"A": calls},
        prepare=prepare,
        seed=seed,
        reads=reads,
        malformed=malformed,
    )


_PROGRAMS = (
    _program("enqueue", "One job is enqueued without a request id.", enqueue()),
    _program(
        "enqueue-once",
        "One job is enqueued by a caller that never retries.",
        enqueue(retry=Retry.NONE),
    ),
    _program(
        "enqueue-with-request-id",
        "One job is enqueued under a request id.",
        enqueue(request_id="r-1"),
    ),
    _program(
        "enqueue-retry-new-job-id",
        "A caller makes a new job_id for each attempt and keeps the request id.",
        enqueue(request_id="r-1", retry=Retry.NEW_JOB_ID),
    ),
    _program(
        "same-request-again",
        "One client sends a request id twice in a row, with different job ids.",
        enqueue("job-1", "r-1"),
        enqueue("job-2", "r-1"),
    ),
    _program(
        "same-job-again",
        "One client sends a job id twice in a row, without a request id.",
        enqueue(),
        enqueue(),
    ),
    _program(
        "update-running",
        "An enqueued job is marked running.",
        update("running"),
        prepare=(enqueue(),),
    ),
    _program(
        "update-failed", "An enqueued job is marked failed.", update("failed"), prepare=(enqueue(),)
    ),
    _program(
        "update-once",
        "An enqueued job is marked failed by a caller that never retries.",
        once(update("failed")),
        prepare=(enqueue(),),
    ),
    _program(
        "finish-with-result",
        "A job is marked running, then completed with a result.",
        update("running"),
        update("completed", result={"answer": SECRET_RESULT}),
        prepare=(enqueue(),),
    ),
    _program(
        "finish-with-large-result",
        "A job is completed with a result of 16 KB.",
        update("completed", result={"answer": SECRET_RESULT, "log": "x" * LARGE}),
        prepare=(enqueue(),),
    ),
    _program(
        "update-old-job",
        "A job written before the flag was turned on is marked running and read.",
        update("running", "job-0"),
        get("job-0"),
        seed=old_job_seed("job-0"),
    ),
    _program("get", "An enqueued job is read.", get(), prepare=(enqueue(),)),
    _program(
        "list",
        "The jobs of a workspace are listed.",
        list_of(),
        prepare=(enqueue("job-1"), enqueue("job-2")),
    ),
    _program(
        "list-old-job",
        "The jobs of a workspace are listed, one of them written before the new schema existed.",
        get("job-0"),
        list_of(),
        prepare=(enqueue(),),
        seed=old_job_seed("job-0"),
    ),
    _program(
        "list-new-only",
        "The jobs of a workspace are listed once the old schema no longer holds one of them.",
        list_of(),
        prepare=(enqueue("job-1"), enqueue("job-2")),
        seed=removal_of_old_copy("job-1"),
    ),
    _program(
        "two-workspaces",
        "Two workspaces use the same request id, and each reads as the other.",
        enqueue("job-1", "r-1"),
        enqueue("job-2", "r-1", OTHER_WORKSPACE),
        replace(get("job-1", OTHER_WORKSPACE), optional=True),
        replace(list_of(OTHER_WORKSPACE), optional=True),
        reads=(
            replace(get("job-2", WORKSPACE), optional=True),
            replace(list_of(WORKSPACE), optional=True),
        ),
    ),
    _program(
        "claim-complete",
        "A worker claims a job and completes it with a result.",
        Call("claim", {"worker_id": "worker-1"}),
        complete(),
        prepare=(enqueue(),),
    ),
    _program(
        "enqueues-then-claim",
        "A job waits, two more are enqueued, and a worker claims one and completes it.",
        enqueue("job-3"),
        enqueue("job-2"),
        claim("worker-1"),
        complete(),
        prepare=(enqueue("job-1"),),
    ),
    _program(
        "claim-until-it-ends",
        "A worker claims a job under a lease that ends at once, so another worker must receive the job.",
        claim("worker-1", SHORTEST_LEASE_S),
        prepare=(enqueue(),),
    ),
    _program(
        "claim-tick-claim",
        "A lease ends at once, the periodic work is done, and another worker claims the job and completes it.",
        claim("worker-1", SHORTEST_LEASE_S),
        TICK,
        claim("worker-2"),
        complete(),
        prepare=(enqueue(),),
    ),
    _program(
        "work-under-a-lease",
        "A worker claims a job under a lease, extends the lease, and completes the job.",
        claim("worker-1"),
        HEARTBEAT,
        complete(),
        prepare=(enqueue(),),
    ),
    _program(
        "claim-fail",
        "A worker claims a job, extends its lease, and fails the job.",
        Call("claim", {"worker_id": "worker-1"}),
        Call(
            "heartbeat",
            {"job_id": Answer("claim", "job_id"), "lease_token": Answer("claim", "lease_token")},
        ),
        FAIL,
        prepare=(enqueue(),),
    ),
    _program(
        "fail-then-claim",
        "A worker claims a job and fails it; after the periodic work another worker claims it and completes it.",
        claim("worker-1"),
        FAIL,
        TICK_IF_ANY,
        replace(claim("worker-2"), waits=True),
        complete(),
        prepare=(enqueue(),),
    ),
    _program(
        "claim-give-back",
        "A worker that is shutting down gives back the job that it has claimed.",
        Call("claim", {"worker_id": "worker-1"}),
        Call(
            "give_back",
            {"job_id": Answer("claim", "job_id"), "lease_token": Answer("claim", "lease_token")},
        ),
        prepare=(enqueue(),),
    ),
    _program(
        "enqueue-after-a-refused-one",
        "A client's enqueue is refused, and its next one is well-formed.",
        MALFORMED["empty-workspace"],
        enqueue(request_id="r-1"),
    ),
    _program(
        "bad-input",
        "Every enqueue has an argument that the subject must refuse before any write.",
        *(call for call in MALFORMED.values() if call.method == "enqueue"),
        malformed=True,
        prepare=(enqueue(),),
    ),
    _program(
        "bad-status",
        "An update has an argument that the subject must refuse before any write.",
        *(call for call in MALFORMED.values() if call.method == "update_status"),
        malformed=True,
        prepare=(enqueue(),),
    ),
)

SINGLE: Mapping[str, Program] = MappingProxyType({program.name: program for program in _PROGRAMS})
