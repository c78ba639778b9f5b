"""The form of a program: which client calls what, from which start state, and what a caller does after an exception.

A program is data. It does not say what must hold; the invariants do, and they read the history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from midpipe.scenarios.model.history import Json

MAX_RETRIES = 3


class Retry(StrEnum):
    """What a caller does after an exception, up to MAX_RETRIES times.

    Example:
        >>> from midpipe import Call, Retry
        >>> Call("get_job", {"job_id": "job-1"}, retry=Retry.NONE).retry.value
        'none'
    """

    NONE = "none"
    SAME = "the same call again"
    NEW_JOB_ID = "the same call with a new job_id"


@dataclass(frozen=True, slots=True)
class Answer:
    """An argument taken from the client's last answer of a method: ``Answer("claim", "lease_token")``.

    Args:
        method: whose last answer is meant.
        field: of that answer, which is a mapping.

    Example:
        >>> from midpipe import Answer, Call
        >>> Call("complete", {"job_id": "job-1", "lease_token": Answer("claim", "lease_token")}).method
        'complete'
    """

    method: str
    field: str


@dataclass(frozen=True, slots=True)
class Version:
    """The version of the subject that a caller runs; a mixed fleet has several.

    Args:
        environment: variables that override the subject's own, for example a feature flag.
        beside: it is the other subject, which the user names with ``--beside``.
    """

    environment: tuple[tuple[str, str], ...] = ()
    beside: bool = False

    def __str__(self) -> str:
        other = ["the other subject"] if self.beside else []
        return ", ".join([*other, *(f"{name}={value}" for name, value in self.environment)])


ITSELF = Version()


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a caller.

    Args:
        method: a call of the subject contract.
        arguments: by name; JSON values, or Answer.
        retry: what the caller does after an exception.
        version: what the caller runs; if it differs from that of its last call, the caller was restarted in between.
        waits: the caller waits before it for what is due by then: a delay, a back-off, the recovery that is promised.
        optional: it is left out if the subject does not have the call.

    Example:
        >>> from midpipe import Call
        >>> Call("claim", {"worker_id": "w-1", "lease_s": 30.0}).given()
        {'worker_id': 'w-1', 'lease_s': 30.0}
    """

    method: str
    arguments: Mapping[str, Json | Answer]
    retry: Retry = Retry.SAME
    version: Version = ITSELF
    waits: bool = False
    optional: bool = False

    def given(self) -> dict[str, Json]:
        """Return the arguments. Raises TypeError if one of them is an Answer."""
        return {name: _given(value) for name, value in self.arguments.items()}


def _given(value: Json | Answer) -> Json:
    if isinstance(value, Answer):
        raise TypeError(f"{value} is not known before the program runs")
    return value


def _asks_to_fail(call: Call) -> bool:
    """Whether a call enqueues a job whose body is to raise."""
    params = call.arguments.get("params")
    return isinstance(params, Mapping) and str(params.get("body", "")).startswith("fail")


_PASSES = ("backfill", "cleanup")
_COMMANDS_OF_A_PASS = 5


@dataclass(frozen=True, slots=True)
class Program:
    """What the clients do in a case.

    Args:
        name: as in schedules; words joined by hyphens.
        summary: one sentence for reports.
        clients: the calls of each client, by client id.
        prepare: calls made without faults before the case begins.
        seed: Redis commands that write a start state which no current code would write (white box).
        reads: calls made without faults after recovery, whose answers the invariants check.
        needs: methods that the subject must have beyond those called.
        malformed: every call has an argument that the subject must refuse.

    Example:
        >>> from midpipe import Call, Program
        >>> claim = Call("claim", {"worker_id": "w-1"})
        >>> sorted(Program("two-claims", "Two workers claim.", {"A": (claim,), "B": (claim,)}).methods)
        ['claim']
    """

    name: str
    summary: str
    clients: Mapping[str, tuple[Call, ...]]
    prepare: tuple[Call, ...] = ()
    seed: tuple[tuple[str, ...], ...] = ()
    reads: tuple[Call, ...] = ()
    needs: frozenset[str] = field(default_factory=frozenset)
    malformed: bool = False

    @property
    def methods(self) -> frozenset[str]:
        """Every method that a subject must have to run this program."""
        calls = (*self._calls, *self.reads)
        return self.needs | {call.method for call in calls if not call.optional}

    @property
    def alternatives(self) -> frozenset[str]:
        """Methods by which it reads in the end, of which a subject must have one; empty if it needs none or all."""
        return frozenset(call.method for call in self.reads if call.optional)

    @property
    def has_failing_job(self) -> bool:
        """Whether a job fails in it: its body raises, or its worker calls ``fail``."""
        return any(call.method == "fail" or _asks_to_fail(call) for call in self._calls)

    @property
    def delays_jobs(self) -> bool:
        """Whether it enqueues a job that is to wait."""
        return any("delay_s" in call.arguments for call in self._calls)

    @property
    def removes_old_copy(self) -> bool:
        """Whether its start state has a job that only the new schema holds."""
        return any(command == "DEL" for command, *_ in self.seed)

    @property
    def versions(self) -> tuple[Version, ...]:
        """The versions of the subject that its calls run, each once."""
        return tuple(dict.fromkeys(call.version for call in self._calls))

    @property
    def runners(self) -> tuple[tuple[str, Version], ...]:
        """Each client with each version that it runs, once; the program needs a process for each."""
        return tuple(
            dict.fromkeys(
                (client_id, call.version)
                for client_id, calls in self.clients.items()
                for call in calls
            )
        )

    @property
    def length(self) -> int:
        """About how many commands its clients send, so that the long programs can be started first."""
        calls = [call for calls in self.clients.values() for call in calls]
        return sum(_COMMANDS_OF_A_PASS if call.method in _PASSES else 1 for call in calls)

    @property
    def _calls(self) -> tuple[Call, ...]:
        return (*self.prepare, *(call for calls in self.clients.values() for call in calls))
