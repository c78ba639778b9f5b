"""The programs of a mixed fleet: two versions of one queue side by side, and clients that are rolled forward and back.

A canary is a mixed fleet, and so is every minute of a roll-out. Each program is told once, for two versions, and made
for every two that may meet: the stages of the plan under review that are next to each other, the canary as its
authors planned it, and the other subject that a user names. Both ways round, since either may come first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from midpipe.scenarios.programs.pairs import BACKFILL, claim, complete
from midpipe.scenarios.programs.program import Call, Program, Version
from midpipe.scenarios.programs.single import (
    SECRET_RESULT,
    enqueue,
    get,
    list_of,
    old_job_seed,
    update,
)

OTHER = "other"


def _flags(writes_new: str, prefers_new: str = "on", falls_back: str = "on") -> Version:
    return Version(
        (
            ("AI_JOBS_NEW_SCHEMA", writes_new),
            ("READ_PREFERS_NEW", prefers_new),
            ("READ_FALLBACK_OLD", falls_back),
        )
    )


VERSIONS: Mapping[str, Version] = MappingProxyType(
    {
        "off": _flags("off"),
        "read-old": _flags("on", prefers_new="off"),
        "read-new": _flags("on"),
        "new-only": _flags("on", falls_back="off"),
        "this": Version(),
        OTHER: Version(beside=True),
    }
)
_MEETINGS = (
    ("off", "read-old"),
    ("read-old", "read-new"),
    ("read-new", "new-only"),
    ("off", "read-new"),
    ("this", OTHER),
)


def by(version: Version, *calls: Call) -> tuple[Call, ...]:
    """Return the calls as made by a client that runs the version."""
    return tuple(replace(call, version=version) for call in calls)


def programs_of_meeting(one: str, two: str) -> Iterator[Program]:
    """Make every program for two versions, the first of which came first."""
    first, second = VERSIONS[one], VERSIONS[two]
    both = f"{one} and {two}"

    def named(
        what: str,
        summary: str,
        *clients: tuple[Call, ...],
        prepare: tuple[Call, ...] = (),
        seed: tuple[tuple[str, ...], ...] = (),
        reads: tuple[Call, ...] = (),
    ) -> Program:
        by_client_id = dict(zip("ABC", clients, strict=False))
        told = f"{summary} Versions: {both}."
        return Program(f"mixed-{what}-{one}-{two}", told, by_client_id, prepare, seed, reads)

    yield named(
        "update",
        "A job of one version is finished by the other, and read by both.",
        by(second, update("completed", result={"n": SECRET_RESULT}), get()),
        by(first, get()),
        prepare=by(first, enqueue()),
    )
    yield named(
        "request",
        "Both versions are sent one request id.",
        by(first, enqueue("job-1", "r-1")),
        by(second, enqueue("job-2", "r-1")),
    )
    yield named(
        "claim",
        "A job of one version is claimed and completed by a worker of the other.",
        by(second, claim("worker-a"), complete()),
        by(first, get()),
        prepare=by(first, enqueue()),
    )
    yield named(
        "list",
        "Both versions enqueue, and both list.",
        by(first, enqueue("job-1")),
        by(second, enqueue("job-2")),
        reads=(*by(first, list_of()), *by(second, list_of())),
    )
    yield named(
        "roll",
        "A client is rolled to the other version between two calls, and back again, while another one reads.",
        (
            *by(first, enqueue(), update("running")),
            *by(second, update("completed"), get()),
            *by(first, get()),
        ),
        by(second, get()),
    )
    yield named(
        "backfill",
        "A backfill of one version copies a job of the old schema while the other version updates it.",
        by(second, BACKFILL),
        by(first, update("completed", "job-0"), get("job-0")),
        seed=old_job_seed("job-0"),
    )


FLEETS: Mapping[str, Program] = MappingProxyType(
    {
        program.name: program
        for one, two in _MEETINGS
        for pair in ((one, two), (two, one))
        for program in programs_of_meeting(*pair)
    }
)


def with_other_subject(program: Program) -> bool:
    """Whether the program needs a second subject, not only other flags."""
    return any(version.beside for version in program.versions)


def takes_part_in(what: str, program: Program) -> bool:
    """Whether a program has what a flaw takes: ``two versions``, ``a roll`` of one client, or a ``backfill``."""
    if what == "two versions":
        return len(program.versions) > 1
    if what == "a roll":
        return any(len({call.version for call in calls}) > 1 for calls in program.clients.values())
    return any(method.startswith(what) for method in program.methods)
