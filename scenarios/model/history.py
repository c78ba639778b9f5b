"""The history of a case: the clients' calls, their completions, and whether the server executed anything for them.

The terms are Jepsen's. An operation completes as ``ok`` (it returned), ``fail`` (it raised and certainly had no effect)
or ``info`` (it raised, and had or may have had an effect). midpipe sees what reaches the server, so it uses ``info``
only where the server executed a command or a command is still in flight. A lost reply is ``info`` and not ``fail``::

    A → RPUSH jobs job-1        the server executes it
    A ← (connection reset)      enqueue raises ConnectionError
    B → LPOP jobs               returns job-1: the failed call had an effect

Plain values; knows no socket, no Redis client and no invariant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, Union

Json: TypeAlias = Union[None, bool, int, float, str, "Sequence[Json]", "Mapping[str, Json]"]

SHORTEST_LEASE_S = 0.001
"""One millisecond: a lease that has ended before the next command arrives. Many queues refuse a lease of 0 s."""

_TIME_OUT = re.compile(r"time[\s_-]?(d[\s_-]?)?out", re.IGNORECASE)
"""As in TimeoutError, ETIMEDOUT and "timed out"."""


class Completion(StrEnum):
    """How an operation completed."""

    OK = "ok"
    FAIL = "fail"
    INFO = "info"


class Phase(StrEnum):
    """The part of a case to which an operation belongs."""

    PREPARE = "prepare"
    PROGRAM = "program"
    RECOVERY = "recovery"


def names_time_out(text: str) -> bool:
    """Whether a text names a time-out, as the name of an exception or in a sentence."""
    return bool(_TIME_OUT.search(text))


HANG = "Hang"
"""The type of the error of a call that midpipe ended because it did not return."""


@dataclass(frozen=True, slots=True)
class RaisedError:
    """An exception that the caller received: its type's name, its message, and the names of all its classes."""

    type: str
    message: str
    kinds: tuple[str, ...] = ()

    def is_a(self, *names: str) -> bool:
        """Whether it is an instance of one of the named classes."""
        return bool({self.type, *self.kinds} & set(names))

    @property
    def is_hang(self) -> bool:
        """Whether the call did not return, so that midpipe ended it."""
        return self.type == HANG

    @property
    def is_time_out(self) -> bool:
        """Whether its class or its message names a time-out."""
        return any(map(names_time_out, (self.type, *self.kinds, self.message)))


@dataclass(frozen=True, slots=True)
class Counted:
    """By how much one of the subject's counters increased during a call."""

    metric: str
    labels: tuple[tuple[str, str], ...]
    by: float


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of a job's body, as the journal records it.

    Args:
        phase: the program's, or that of recovery.
        has_ended: the body came to its end; false if it failed, or its process died.
    """

    job_id: str
    phase: Phase
    has_ended: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of the subject by a client, with its completion.

    Args:
        client: id of the client, an upper-case letter.
        request: ordinal of the caller's request, from 1; all attempts of a retried call share it.
        attempt: from 1; above 1 the caller retries after an exception.
        method, arguments: the call. Arguments are JSON values by name.
        completion: ``ok``, ``fail`` (surely without effect) or ``info`` (outcome unknown).
        value: what it returned, if ``ok``.
        error: what it raised, otherwise.
        wrote: the server executed a write command of this operation.
        wrote_job: one of those commands changed the data of a job, in either schema.
        counted: increases of the subject's counters; None if the host did not report them.
        faulted: a fault was injected into this operation.
        invoked_at, completed_at: ordinals in the case's total order of events.
        duration_ms: measured by the caller.
        state_after: index into the case's snapshots of the state at completion.
        phase: of the case: before the program, the program itself, or the recovery after it.
        version: the version that the client runs in a mixed fleet; empty if there is only one.
        caller_died: its process was killed during this call, so the answer was lost and there is no retry.

    Example:
        >>> from midpipe import Session
        >>> with Session("midpipe.scenarios.flaws.as_reviewed:SimpleQueue") as session:
        ...     first, second = session.run("enqueue", "A1!cut-before").history[:2]
        >>> print(first.method, first.completion, first.error.type, "then", second.completion)
        enqueue fail ConnectionError then ok
    """

    client: str
    request: int
    attempt: int
    method: str
    arguments: Mapping[str, Json]
    completion: Completion
    value: Json
    error: RaisedError | None
    wrote: bool
    faulted: bool
    invoked_at: int
    completed_at: int
    duration_ms: float
    state_after: int
    phase: Phase = Phase.PROGRAM
    version: str = ""
    caller_died: bool = False
    wrote_job: bool = False
    counted: tuple[Counted, ...] | None = None

    @property
    def job_id(self) -> str:
        """The job_id argument, or an empty string."""
        value = self.arguments.get("job_id")
        return value if isinstance(value, str) else ""

    @property
    def workspace_id(self) -> str:
        value = self.arguments.get("workspace_id")
        return value if isinstance(value, str) else ""

    @property
    def request_id(self) -> str:
        """The client_request_id argument, or an empty string."""
        value = self.arguments.get("client_request_id")
        return value if isinstance(value, str) else ""

    @property
    def answered(self) -> bool:
        return self.completion is Completion.OK

    @property
    def raised(self) -> str:
        """The type of the exception that the caller received; empty if the call returned."""
        return self.error.type if self.error else ""

    def raised_a(self, *names: str) -> bool:
        """Whether the call raised an instance of one of the named classes."""
        return self.error is not None and self.error.is_a(*names)


History: TypeAlias = tuple[Operation, ...]


def job_in(answer: Json) -> str | None:
    """Return the id of the job in an answer of claim or dequeue, as it is or in a job; None if there is none."""
    value = answer.get("job_id") if isinstance(answer, Mapping) else answer
    return value if isinstance(value, str) else None


def job_received(call: Operation) -> str | None:
    """Return the id of the job that a claim or a dequeue returned; None if it returned none."""
    return job_in(call.value)


def is_over_at_once(arguments: Mapping[str, object]) -> bool:
    """Whether a call asks for a lease so short that it has ended before the next command arrives."""
    lease_s = arguments.get("lease_s")
    return isinstance(lease_s, int | float) and lease_s <= SHORTEST_LEASE_S


def attempts_by_request(
    history: History, method: str, *phases: Phase
) -> tuple[tuple[Operation, ...], ...]:
    """Return the calls of one method, grouped into the attempts of each request, in order.

    Args:
        phases: the parts of the case to include; only the program if none is given.
    """
    groups: dict[tuple[str, int], list[Operation]] = {}
    for operation in history:
        if operation.method == method and operation.phase in (phases or (Phase.PROGRAM,)):
            groups.setdefault((operation.client, operation.request), []).append(operation)
    return tuple(tuple(group) for group in groups.values())
