"""Programs written as text, so that a generated one fits into a replay line: ``written(A enqueue job-1 r-1, B claim)``.

::

    program  = "written(" step { "," step } ")"
    step     = client ["@" version] verb { word }
    verb     = "enqueue" job [request] | "update" job status | "get" job | "list" | "claim" | "claim-ended"
             | "heartbeat" | "complete" | "fail" | "backfill" | "cleanup"

Steps of one client are its calls, in order. ``claim-ended`` claims under a lease that has ended at once; the calls
after it use the answer of the client's last claim. Versions are those of a mixed fleet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from faultinject.errors import UsageError
from scenarios.programs.fleets import VERSIONS
from scenarios.programs.pairs import BACKFILL, CLEANUP, HEARTBEAT, claim, complete
from scenarios.programs.program import Answer, Call, Program
from scenarios.programs.single import enqueue, get, list_of, update

PREFIX = "written("
FAIL = Call(
    "fail",
    {
        "job_id": Answer("claim", "job_id"),
        "lease_token": Answer("claim", "lease_token"),
        "back_off_s": 0,
    },
)


@dataclass(frozen=True, slots=True)
class _Verb:
    """A verb: how many words it takes at least and at most, and the call that it makes of them."""

    least: int
    most: int
    call: Callable[..., Call]


VERBS: Mapping[str, _Verb] = MappingProxyType(
    {
        "enqueue": _Verb(1, 2, enqueue),
        "update": _Verb(2, 2, lambda job, status: update(status, job)),
        "get": _Verb(1, 1, get),
        "list": _Verb(0, 0, list_of),
        "claim": _Verb(0, 0, lambda: claim("worker")),
        "claim-ended": _Verb(0, 0, lambda: claim("worker", 0.0)),
        "heartbeat": _Verb(0, 0, lambda: HEARTBEAT),
        "complete": _Verb(0, 0, complete),
        "fail": _Verb(0, 0, lambda: FAIL),
        "backfill": _Verb(0, 0, lambda: BACKFILL),
        "cleanup": _Verb(0, 0, lambda: CLEANUP),
    }
)


@dataclass(frozen=True, slots=True)
class WrittenStep:
    """One call of a written program.

    Args:
        version: by name; empty is the subject as it is.
    """

    client: str
    verb: str
    words: tuple[str, ...] = ()
    version: str = ""

    def __str__(self) -> str:
        at = f"@{self.version}" if self.version else ""
        return " ".join((f"{self.client}{at}", self.verb, *self.words))

    def call(self) -> Call:
        """Return the call, as the engine makes it."""
        made = VERBS[self.verb].call(*self.words)
        return replace(made, version=VERSIONS[self.version]) if self.version else made


def written(steps: tuple[WrittenStep, ...]) -> str:
    """Return the program's text, which is also its name."""
    return f"{PREFIX}{', '.join(map(str, steps))})"


def program_from(text: str) -> Program:
    """Read a written program. Raises UsageError with what can't be read."""
    steps = steps_from(text)
    clients: dict[str, tuple[Call, ...]] = {}
    for step in steps:
        clients[step.client] = (*clients.get(step.client, ()), step.call())
    return Program(text, "Written as text.", dict(sorted(clients.items())))


def steps_from(text: str) -> tuple[WrittenStep, ...]:
    """Return the steps of a written program. Raises UsageError."""
    inner = text.removeprefix(PREFIX).removesuffix(")")
    return tuple(_step(words.split()) for words in inner.split(","))


def _step(words: list[str]) -> WrittenStep:
    shown = " ".join(words)
    if len(words) < 2:
        raise UsageError(f"{shown!r} is not a call: write 'A enqueue job-1 r-1', for example.")
    client, _, version = words[0].partition("@")
    verb = VERBS.get(words[1])
    known = version in VERSIONS or not version
    if not (len(client) == 1 and "A" <= client <= "Z") or not known:
        raise UsageError(
            f"{words[0]!r} (in {shown!r}) is not a client: a letter, and @ with one of "
            f"{', '.join(VERSIONS)} if it runs a version."
        )
    if verb is None or not verb.least <= len(words) - 2 <= verb.most:
        raise UsageError(f"{shown!r} is not a call. The verbs are {', '.join(VERBS)}.")
    return WrittenStep(client, words[1], tuple(words[2:]), version)
