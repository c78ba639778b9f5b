"""The history of a case: what the clients called, what came back, and what the server ran for it.

The words are Jepsen's: an operation completes as ``ok`` (it answered), ``fail`` (it raised and surely had no
effect) or ``info`` (it raised, and had an effect or may have had one). midpipe sits on the server's side of
the wire, so ``info`` is used only where the server did run something or a command is still under way.
Plain values; knows no socket, no Redis client and no invariant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, Union

Json: TypeAlias = Union[None, bool, int, float, str, "Sequence[Json]", "Mapping[str, Json]"]

SHORTEST_LEASE_S = 0.001
"""A lease that ends before anything else happens: the server counts milliseconds. Many queues refuse one of 0 s."""


class Completion(StrEnum):
    """How an operation ended."""

    OK = "ok"
    FAIL = "fail"
    INFO = "info"


class Phase(StrEnum):
    """Which part of a case an operation belongs to."""

    PREPARE = "prepare"
    PROGRAM = "program"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class RaisedError:
    """An exception that the caller saw: its type's name, its message, and the names of all its classes."""

    type: str
    message: str
    kinds: tuple[str, ...] = ()

    def is_a(self, *names: str) -> bool:
        """Whether it is of one of the named classes."""
        return bool({self.type, *self.kinds} & set(names))


@dataclass(frozen=True, slots=True)
class Counted:
    """A counter that the subject shows went up by so much during a call."""

    metric: str
    labels: tuple[tuple[str, str], ...]
    by: float


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of the subject by a client, with its completion.

    Args:
        client: letter of the client.
        request: ordinal of the caller's request, from 1; the attempts of a retried call share it.
        attempt: from 1; above 1 the caller retries after an exception.
        method, arguments: the call. Arguments are JSON values by name.
        value: what it returned, if ``ok``.
        error: what it raised, otherwise.
        wrote: the server ran a write command of this operation.
        wrote_job: what it wrote changed the data of a job, in either schema.
        counted: which of the subject's counters went up; None if it did not tell.
        faulted: a fault was placed in this operation.
        invoked_at, completed_at: ordinals in the case's one order of events.
        duration_ms: on the caller's clock.
        state_after: index into the case's snapshots of the state when the operation completed.
        version: which one of a mixed fleet the client runs; empty if there is one only.
        caller_died: its process was killed in this call, so nobody heard the answer, and nobody tries again.
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
        """The job the call names, or an empty string."""
        value = self.arguments.get("job_id")
        return value if isinstance(value, str) else ""

    @property
    def workspace_id(self) -> str:
        value = self.arguments.get("workspace_id")
        return value if isinstance(value, str) else ""

    @property
    def request_id(self) -> str:
        """The client_request_id the call names, or an empty string."""
        value = self.arguments.get("client_request_id")
        return value if isinstance(value, str) else ""

    @property
    def answered(self) -> bool:
        return self.completion is Completion.OK


History: TypeAlias = tuple[Operation, ...]


def is_over_at_once(arguments: Mapping[str, object]) -> bool:
    """Whether a call asks for a lease that ends before anything else happens."""
    lease_s = arguments.get("lease_s")
    return isinstance(lease_s, int | float) and lease_s <= SHORTEST_LEASE_S


def attempts_by_request(
    history: History, method: str, *phases: Phase
) -> tuple[tuple[Operation, ...], ...]:
    """Return the calls of one method, grouped into the attempts of each request, in order.

    Args:
        phases: which parts of the case to look at; the program if none is named.
    """
    groups: dict[tuple[str, int], list[Operation]] = {}
    for operation in history:
        if operation.method == method and operation.phase in (phases or (Phase.PROGRAM,)):
            groups.setdefault((operation.client, operation.request), []).append(operation)
    return tuple(tuple(group) for group in groups.values())
