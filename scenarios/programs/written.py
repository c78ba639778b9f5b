"""Programs written as text, so that a generated one fits into a replay line: ``written(A enqueue job-1 r-1, B claim)``.

::

    program  = "written(" { start "," } step { "," step } ")"
    start    = "old" job | "new" job                seeded before the first call: a job in that schema only
             | "put" job                            enqueued before the first call
    step     = client ["@" version] verb { word }
    job      = [ workspace "/" ] id
    verb     = "enqueue" job [request] | "update" job status | "get" job | "get-once" job
             | "list" [workspace]
             | "claim" | "claim-ended" | "heartbeat" | "heartbeat-ended" | "complete" | "fail" | "dequeue"
             | "work" [jobs] | "tick" | "cancel" job | "enqueue-failing" job | "enqueue-delayed" job
             | "backfill" | "backfill-step" job | "cleanup" | "malformed" what

Steps of one client are its calls, in order. A caller never retries a verb that ends in ``-once``; ``enqueue-anew``
takes a new job id for each attempt. The body of an ``enqueue-failing`` job raises the first time. ``claim-ended``
claims under a lease that ends at once, ``heartbeat-ended`` makes a lease end; calls after a claim use the answer of the
client's last claim. Versions are those of a mixed fleet. A program with ``malformed`` calls has no others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.model.finding import WRITTEN
from midpipe.scenarios.model.history import SHORTEST_LEASE_S
from midpipe.scenarios.programs.calls import (
    BACKFILL,
    CLEANUP,
    FAIL,
    HEARTBEAT,
    MALFORMED,
    TICK,
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
from midpipe.scenarios.programs.fleets import VERSIONS
from midpipe.scenarios.programs.program import Answer, Call, Program, Retry
from midpipe.scenarios.programs.workers import DELAY_S, dequeue, enqueue_with, work

PREFIX = WRITTEN


@dataclass(frozen=True, slots=True)
class _Verb:
    """A verb: the least and the most words that it takes, and the call that it makes of them."""

    least: int
    most: int
    call: Callable[..., Call]


def _enqueue(job: str, request: str | None = None, retry: Retry = Retry.SAME) -> Call:
    workspace, job_id = _job(job)
    return enqueue(job_id, request, workspace, retry)


def _update(job: str, status: str) -> Call:
    workspace, job_id = _job(job)
    return _in_workspace(update(status, job_id), workspace)


def _get(job: str) -> Call:
    workspace, job_id = _job(job)
    return get(job_id, workspace)


def _number(word: str) -> int:
    if not re.fullmatch("[1-9]", word):
        raise UsageError(f"{word!r} is not a number of jobs. Write 1 to 9, as in 'A work 2'.")
    return int(word)


def _in_workspace(call: Call, workspace: str | Answer) -> Call:
    return replace(call, arguments={**call.arguments, "workspace_id": workspace})


def _job(word: str) -> tuple[str, str]:
    """Return workspace and id."""
    workspace, slash, job_id = word.partition("/")
    return (workspace, job_id) if slash else (WORKSPACE, word)


VERBS: Mapping[str, _Verb] = MappingProxyType(
    {
        "enqueue": _Verb(1, 2, _enqueue),
        "enqueue-once": _Verb(1, 2, lambda *words: once(_enqueue(*words))),
        "enqueue-anew": _Verb(2, 2, lambda job, request: _enqueue(job, request, Retry.NEW_JOB_ID)),
        "update": _Verb(2, 2, _update),
        "update-once": _Verb(2, 2, lambda *words: once(_update(*words))),
        "get": _Verb(1, 1, _get),
        "get-once": _Verb(1, 1, lambda job: once(_get(job))),
        "list": _Verb(0, 1, list_of),
        "claim": _Verb(0, 0, lambda: claim("worker")),
        "claim-ended": _Verb(0, 0, lambda: claim("worker", SHORTEST_LEASE_S)),
        "heartbeat": _Verb(0, 0, lambda: HEARTBEAT),
        "heartbeat-ended": _Verb(
            0,
            0,
            lambda: replace(
                HEARTBEAT, arguments={**HEARTBEAT.arguments, "lease_s": SHORTEST_LEASE_S}
            ),
        ),
        # A worker completes a job in the job's own workspace.
        "complete": _Verb(0, 0, lambda: _in_workspace(complete(), Answer("claim", "workspace_id"))),
        "fail": _Verb(0, 0, lambda: FAIL),
        "dequeue": _Verb(0, 0, dequeue),
        "backfill": _Verb(0, 0, lambda: BACKFILL),
        "cleanup": _Verb(0, 0, lambda: CLEANUP),
        "backfill-step": _Verb(1, 1, lambda job: Call("backfill_step", {"job_id": _job(job)[1]})),
        "malformed": _Verb(1, 1, lambda what: MALFORMED[what]),
        "work": _Verb(0, 1, lambda jobs="1": work(_number(jobs))),
        "tick": _Verb(0, 0, lambda: TICK),
        "cancel": _Verb(
            1, 1, lambda job: _in_workspace(Call("cancel", {"job_id": _job(job)[1]}), _job(job)[0])
        ),
        "enqueue-failing": _Verb(1, 1, lambda job: enqueue_with("fail-once", _job(job)[1])),
        "enqueue-delayed": _Verb(
            1, 1, lambda job: enqueue_with("succeed", _job(job)[1], delay_s=DELAY_S)
        ),
    }
)
STARTS = ("old", "new")
PUT = "put"
MALFORMED_VERB = "malformed"


@dataclass(frozen=True, slots=True)
class WrittenStep:
    """One call of a written program, or a job that is seeded before the first call.

    Args:
        client: the client's id; empty for a job that exists before the first call, whose verb is PUT or one of STARTS.
        verb, words: as in the text.
        version: a name in VERSIONS; empty for the subject itself.
    """

    client: str
    verb: str
    words: tuple[str, ...] = ()
    version: str = ""

    def __str__(self) -> str:
        at = f"@{self.version}" if self.version else ""
        return " ".join((f"{self.client}{at}", self.verb, *self.words)).lstrip()

    def call(self) -> Call:
        """Return the call that the client makes."""
        made = VERBS[self.verb].call(*self.words)
        # Workers have names of their own, and a queue may tell them apart by these.
        if "worker_id" in made.arguments:
            name = {"worker_id": f"worker-{self.client.lower()}"}
            made = replace(made, arguments={**made.arguments, **name})
        return replace(made, version=VERSIONS[self.version]) if self.version else made


def written(steps: tuple[WrittenStep, ...]) -> str:
    """Return the program's text, which is also its name."""
    return f"{PREFIX}{', '.join(map(str, steps))})"


def program_from(text: str) -> Program:
    """Return the program that the text describes. Raises UsageError that names the step it can't read."""
    steps = steps_from(text)
    clients: dict[str, tuple[Call, ...]] = {}
    for step in steps:
        if step.client:
            clients[step.client] = (*clients.get(step.client, ()), step.call())
    refused = {step.verb == MALFORMED_VERB for step in steps if step.client}
    if len(refused) != 1:
        raise UsageError(
            f"{text!r} has no call, or mixes malformed calls with others. Write malformed calls in a program "
            "of their own."
        )
    return Program(
        name=text,
        summary="Written as text.",
        clients=dict(sorted(clients.items())),
        prepare=tuple(enqueue(step.words[0]) for step in steps if step.verb in ("new", PUT)),
        seed=tuple(command for step in steps for command in _seed_of(step)),
        malformed=refused == {True},
    )


def _seed_of(step: WrittenStep) -> tuple[tuple[str, ...], ...]:
    """Return the commands that seed a job before the first call."""
    if step.client or step.verb == PUT:
        return ()
    if step.verb == "old":
        return old_job_seed(step.words[0])
    return removal_of_old_copy(step.words[0])


def steps_from(text: str) -> tuple[WrittenStep, ...]:
    """Return the steps of a written program. Raises UsageError."""
    inner = text.removeprefix(PREFIX).removesuffix(")")
    return tuple(_step(words.split()) for words in inner.split(","))


def _step(words: list[str]) -> WrittenStep:
    shown = " ".join(words)
    if len(words) < 2:
        raise UsageError(f"{shown!r} is not a call. Write for example 'A enqueue job-1 r-1'.")
    if words[0] in (*STARTS, PUT) and len(words) == 2:
        return WrittenStep("", words[0], (words[1],))
    client, _, version = words[0].partition("@")
    verb = VERBS.get(words[1])
    known = version in VERSIONS or not version
    if not (len(client) == 1 and "A" <= client <= "Z") or not known:
        raise UsageError(
            f"{words[0]!r} (in {shown!r}) is not a client. Write a capital letter, followed by @ and one of "
            f"{', '.join(VERSIONS)} if the client runs that version."
        )
    if verb is None or not verb.least <= len(words) - 2 <= verb.most:
        raise UsageError(f"{shown!r} is not a call. The verbs are {', '.join(VERBS)}.")
    if words[1] == MALFORMED_VERB and words[2] not in MALFORMED:
        raise UsageError(
            f"{shown!r} is not a call. The malformed calls are {', '.join(MALFORMED)}."
        )
    return WrittenStep(client, words[1], tuple(words[2:]), version)
