"""The programs of a mixed fleet: two versions of one queue side by side, and clients that are rolled forward and back.

A canary is a mixed fleet, and so is every stage of a roll-out. Each program is defined once for two versions and made
for each version pair: neighbouring stages of the reviewed migration plan, the canary that the plan describes, and the
other subject that a user names. Each pair comes in both orders, since either version may act first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from midpipe.scenarios.programs.calls import (
    BACKFILL,
    SECRET_RESULT,
    claim,
    complete,
    enqueue,
    get,
    list_of,
    old_job_seed,
    update,
)
from midpipe.scenarios.programs.program import Call, Program, Version

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
_VERSION_PAIRS = (
    ("off", "read-old"),
    ("read-old", "read-new"),
    ("read-new", "new-only"),
    ("off", "read-new"),
    ("this", OTHER),
)


def by(version: Version, *calls: Call) -> tuple[Call, ...]:
    """Return the calls of a client that runs the version."""
    return tuple(replace(call, version=version) for call in calls)


def programs_of_version_pair(one: str, two: str) -> Iterator[Program]:
    """Yield every program for two versions by name; ``one`` prepares the start state."""
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
        return Program(
            name=f"mixed-{what}-{one}-{two}",
            summary=f"{summary} Versions: {both}.",
            clients=by_client_id,
            prepare=prepare,
            seed=seed,
            reads=reads,
        )

    yield named(
        "update",
        "The other version completes a job of the first, and both read it.",
        by(second, update("completed", result={"n": SECRET_RESULT}), get()),
        by(first, get()),
        prepare=by(first, enqueue()),
    )
    yield named(
        "request",
        "A client of each version enqueues under the same request id.",
        by(first, enqueue("job-1", "r-1")),
        by(second, enqueue("job-2", "r-1")),
    )
    yield named(
        "claim",
        "A worker of the other version claims and completes a job of the first.",
        by(second, claim("worker-a"), complete()),
        by(first, get()),
        prepare=by(first, enqueue()),
    )
    yield named(
        "list",
        "Both versions enqueue a job, and both list the jobs.",
        by(first, enqueue("job-1")),
        by(second, enqueue("job-2")),
        reads=(*by(first, list_of()), *by(second, list_of())),
    )
    yield named(
        "roll",
        "A client is rolled to the other version between two calls, and back, while another client reads.",
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
        for one, two in _VERSION_PAIRS
        for pair in ((one, two), (two, one))
        for program in programs_of_version_pair(*pair)
    }
)


def needs_other_subject(program: Program) -> bool:
    """Whether the program needs the subject that the user names with ``--beside``."""
    return any(version.beside for version in program.versions)


def has_part(what: str, program: Program) -> bool:
    """Whether a program has the part that shows a flaw: ``two versions``, ``a roll`` of one client, or a method.

    Args:
        what: one of those two, or the beginning of a method's name, such as ``backfill``.
    """
    if what == "two versions":
        return len(program.versions) > 1
    if what == "a roll":
        return any(len({call.version for call in calls}) > 1 for calls in program.clients.values())
    return any(method.startswith(what) for method in program.methods)
