"""The kinds of calls that written programs are made of: a few in one program meet more often than all of them.

After Groce et al., "Swarm Testing" (ISSTA 2012). Verbs of written programs, as data; knows nothing of who draws them.
"""

from __future__ import annotations

from dataclasses import dataclass

CLAIMS = ("claim", "claim-ended")


@dataclass(frozen=True, slots=True)
class Theme:
    """The kinds of calls of one program.

    Args:
        begins: what the program begins with: ``twice`` gives a job out twice, ``laid`` has jobs in one schema,
            ``overtaken`` updates a job and updates it further, ``claimed`` has a worker claim a job, ``race`` has two
            workers claim while two jobs wait.
        faults: by name, those that it is about; empty takes any kind.
        has_versions: its clients may run different versions.
    """

    verbs: frozenset[str]
    begins: str = ""
    has_versions: bool = False
    faults: tuple[str, ...] = ()


def _theme(*verbs: str, begins: str = "", has_versions: bool = False) -> Theme:
    return Theme(frozenset(verbs), begins, has_versions)


_LEASES = _theme("enqueue", *CLAIMS, "heartbeat-ended", "complete", begins="twice")
_WORK = _theme(
    "enqueue", "get", *CLAIMS, "complete", "heartbeat", "heartbeat-ended", "fail", begins="claimed"
)
_PRODUCTION = _theme(
    "enqueue", "enqueue-once", "enqueue-anew", "update", "update-once", "get", "list"
)
_MIGRATION = _theme(
    "enqueue",
    "update",
    "get",
    "list",
    "backfill",
    "backfill-step",
    "cleanup",
    begins="laid",
    has_versions=True,
)
_OVERTAKEN = Theme(frozenset(("enqueue", "update", "get")), "overtaken", faults=("late",))
_RACES = _theme("enqueue", "claim", "complete", begins="race")
_ALL = Theme(_LEASES.verbs | _WORK.verbs | _PRODUCTION.verbs | _MIGRATION.verbs, has_versions=True)
_REFUSED = _theme("malformed")
THEMES = (
    _PRODUCTION,
    _PRODUCTION,
    _LEASES,
    _LEASES,
    _WORK,
    _MIGRATION,
    _MIGRATION,
    _OVERTAKEN,
    _RACES,
    _ALL,
    _REFUSED,
)
CROSSINGS: tuple[tuple[tuple[int, tuple[str, ...]], ...], ...] = (
    (),
    ((0, ("backfill",)), (1, ("update", "job-1", "completed"))),
    ((0, ("backfill-step", "job-1")), (1, ("update", "job-1", "completed"))),
    ((0, ("backfill",)), (0, ("cleanup",)), (1, ("get", "job-1"))),
)
"""What two clients do with a job that only one schema has: the number of the client, and its call."""
