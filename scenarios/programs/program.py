"""The shape of a program: who calls what, from which start state, and what a caller does after an exception.

A program is data. It says nothing about what must hold: that is the invariants' business, and they read
the history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from midpipe.scenarios.model.history import Json

MAX_RETRIES = 3


class Retry(StrEnum):
    """What the caller does after an exception, up to MAX_RETRIES times."""

    NONE = "none"
    SAME = "the same call again"
    NEW_JOB_ID = "the same call with a new job_id"


@dataclass(frozen=True, slots=True)
class Answer:
    """An argument that is taken from the client's last answer of a method: ``Answer("claim", "lease_token")``."""

    method: str
    field: str


@dataclass(frozen=True, slots=True)
class Version:
    """Which version of the subject a caller runs: a fleet may hold several at once.

    Args:
        environment: variables set over the subject's own; a flag, say.
        beside: the other subject, the one that the user named with ``--beside``.
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
        method: a call of the narrow waist.
        arguments: by name; JSON values, or Answer.
        retry: the caller's rule after an exception.
        version: what the caller runs; another one than at its last call means that it was started again in between.
    """

    method: str
    arguments: Mapping[str, Json | Answer]
    retry: Retry = Retry.SAME
    version: Version = ITSELF

    def given(self) -> dict[str, Json]:
        """Return the arguments of a call that takes none of them from an answer. Raises TypeError if it does."""
        return {name: _given(value) for name, value in self.arguments.items()}


def _given(value: Json | Answer) -> Json:
    if isinstance(value, Answer):
        raise TypeError(f"{value} is not known before the program runs")
    return value


_PASSES = ("backfill", "cleanup")
_COMMANDS_OF_A_PASS = 5


@dataclass(frozen=True, slots=True)
class Program:
    """What the clients do in a case.

    Args:
        name: as in schedules; words joined by hyphens.
        summary: one sentence for people.
        clients: the calls of each client, by letter.
        prepare: calls made without faults before the case begins.
        seed: Redis commands that lay a start state which no current code would write (white box).
        reads: calls made without faults after recovery, for the invariants to look at.
        needs: methods the subject must have beyond those called.
        malformed: every call has an argument that must be refused.
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
        """Every method a subject must have to run this program."""
        return self.needs | {call.method for call in (*self._calls, *self.reads)}

    @property
    def takes_old_away(self) -> bool:
        """Whether it begins with a job that the new schema alone holds."""
        return any(command == "DEL" for command, *_ in self.seed)

    @property
    def versions(self) -> tuple[Version, ...]:
        """The versions of the subject that take part, each once; a program of one version has one."""
        return tuple(dict.fromkeys(call.version for call in self._calls))

    @property
    def runners(self) -> tuple[tuple[str, Version], ...]:
        """Each client with each version that it runs, once: the processes that the program needs."""
        return tuple(
            dict.fromkeys(
                (client_id, call.version)
                for client_id, calls in self.clients.items()
                for call in calls
            )
        )

    @property
    def length(self) -> int:
        """About how many commands its clients send, so that the long ones can be begun first."""
        calls = [call for calls in self.clients.values() for call in calls]
        return sum(_COMMANDS_OF_A_PASS if call.method in _PASSES else 1 for call in calls)

    @property
    def _calls(self) -> tuple[Call, ...]:
        return (*self.prepare, *(call for calls in self.clients.values() for call in calls))
