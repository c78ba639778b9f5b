"""Themes of written programs: a program made of a few kinds of calls makes them interact more often.

After Groce et al., "Swarm Testing" (ISSTA 2012). Verbs of written programs, as data; knows nothing of the generator.
"""

from __future__ import annotations

from dataclasses import dataclass

CLAIMS = ("claim", "claim-ended")


@dataclass(frozen=True, slots=True)
class Theme:
    """The kinds of calls in one program.

    Args:
        verbs: the verbs that it draws from.
        begins: what the program begins with: ``twice`` hands a job out twice, ``seeded`` has jobs in one schema,
            ``overtaken`` updates a job and then updates it further, ``claimed`` has a worker claim a job, ``race`` has
            two workers claim while two jobs are pending, ``waiting`` runs the subject's worker when a job waits,
            ``stocked`` has more jobs waiting than are taken.
        has_versions: its clients may run different versions.
        faults: names of the faults that it draws from; empty allows every kind. If none of them can be placed, the
            theme is left out.
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
    begins="seeded",
    has_versions=True,
)
_OVERTAKEN = Theme(frozenset(("enqueue", "update", "get")), "overtaken", faults=("late",))
_WORKERS = _theme("enqueue", "enqueue-failing", "work", begins="waiting")
_WORKERS_AND_MORE = _theme(
    "enqueue",
    "enqueue-failing",
    "enqueue-delayed",
    "get",
    "work",
    "tick",
    "cancel",
    begins="waiting",
)
_RACES = _theme("enqueue", "claim", "complete", begins="race")
_TAKING = _theme("enqueue", "dequeue", begins="stocked")
_ALL = Theme(_LEASES.verbs | _WORK.verbs | _PRODUCTION.verbs | _MIGRATION.verbs, has_versions=True)
_REFUSED = _theme("malformed")
_TIME_PASSES = Theme(frozenset(("enqueue", "claim", "get")), faults=("elapse",))
_REQUESTS_BY_CLOCK = Theme(
    frozenset(("enqueue", "enqueue-once", "enqueue-anew")), faults=("skew-ahead", "skew-behind")
)
_WORK_BY_CLOCK = Theme(
    frozenset(("enqueue", "claim", "complete")), "claimed", faults=("clock-step", "elapse")
)
THEMES = (
    _PRODUCTION,
    _PRODUCTION,
    _LEASES,
    _LEASES,
    _WORK,
    _WORK,
    _MIGRATION,
    _MIGRATION,
    _OVERTAKEN,
    _RACES,
    _TAKING,
    _TAKING,
    _WORKERS,
    _WORKERS,
    _WORKERS_AND_MORE,
    _WORKERS_AND_MORE,
    _ALL,
    _REFUSED,
    _TIME_PASSES,
    _REQUESTS_BY_CLOCK,
    _WORK_BY_CLOCK,
)
CROSSINGS: tuple[tuple[tuple[int, tuple[str, ...]], ...], ...] = (
    (),
    ((0, ("backfill",)), (1, ("update", "job-1", "completed"))),
    ((0, ("backfill-step", "job-1")), (1, ("update", "job-1", "completed"))),
    ((0, ("backfill",)), (0, ("cleanup",)), (1, ("get", "job-1"))),
)
"""What two clients do with a job that only one schema holds: the number of the client, and its call."""
