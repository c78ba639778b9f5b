"""What an audit found, for reports. Values; they hold ids, names of fields and statuses, and no payload. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from midpipe.scenarios.audit.layout import Damage
from midpipe.scenarios.model.verdict import Outcome


class Stage(StrEnum):
    """What an audit is doing."""

    SCAN = "scan"
    WALK = "walk"
    SETTLE = "settle"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an audit is.

    Args:
        stage: what it does now.
        part_done: of the scan, from 0 to 1.
        keys, jobs: seen so far.
        suspects: that settle.
        confirmed: jobs.
        ops_s: commands per second, since the beginning.
        throttled_by: what makes it wait now; empty if nothing does.
    """

    stage: Stage
    part_done: float
    keys: int
    jobs: int
    suspects: int
    confirmed: int
    ops_s: float
    throttled_by: str


@dataclass(frozen=True, slots=True)
class Found:
    """One confirmed damage.

    Args:
        damage: its kind.
        job_id: of the job; a digest if the layout's members are opaque.
        where: the further parts of the job's keys, such as the workspace.
        evidence: what was seen twice.
    """

    damage: Damage
    job_id: str
    where: str
    evidence: str


@dataclass(frozen=True, slots=True)
class AuditResult:
    """The result of an audit.

    Args:
        layout, phase: what was taken to be consistent.
        server: software, role and address, without secrets.
        outcome: fail if anything was confirmed, else unknown if too much was not seen, else pass.
        reasons: why the outcome is not pass, and what limits it.
        counts: jobs by confirmed damage; every kind has its count.
        found: the first of them, at most as many as the report shows.
        jobs: checked.
        keys: of the layout, that a scan returned; one that it returned twice counts twice.
        other_keys: that belong to no pattern of the layout.
        sample: the share of jobs checked, by a hash of the id; 1 is all.
        suspects: suspicions after the first observation.
        converged, vanished, undecided: what became of those that were not confirmed.
        unreadable: keys of another type than the layout says.
        unseen: share of jobs that were not judged to the end, from 0 to 1.
        seconds: how long it took.
        ops: commands sent.
        added_latency_ms: how much longer a PING took at the end than at the beginning; the greatest seen.
        throttled_s: how long it waited, in seconds, by reason.
        lag_s: how far the replica was behind at most, in seconds; None if the server is none.
        is_partial: it ended before everything was checked.
        ended_by: what has ended it then; empty if it was asked to stop.
    """

    layout: str
    phase: str
    server: str
    outcome: Outcome
    reasons: tuple[str, ...]
    counts: Mapping[str, int]
    found: tuple[Found, ...]
    jobs: int
    keys: int
    other_keys: int
    sample: float
    suspects: int
    converged: int
    vanished: int
    undecided: int
    unreadable: int
    unseen: float
    seconds: float
    ops: int
    added_latency_ms: float
    throttled_s: Mapping[str, float]
    lag_s: float | None = None
    is_partial: bool = False
    ended_by: str = ""

    @property
    def confirmed(self) -> int:
        """How many damages were confirmed, over all kinds."""
        return sum(self.counts.values())


def judged(
    confirmed: int, unseen: float, most_unseen: float, jobs: int, *, is_partial: bool
) -> tuple[Outcome, tuple[str, ...]]:
    """Return the outcome of an audit and the reasons for it."""
    reasons = []
    if confirmed:
        reasons.append(f"{confirmed:,} confirmed")
    if is_partial:
        reasons.append("the audit ended before it had checked everything")
    if unseen > most_unseen:
        reasons.append(
            f"{unseen:.2%} of the jobs could not be judged; more than {most_unseen:.2%} is too much"
        )
    if not jobs and not is_partial:
        reasons.append(
            "no key of the layout was seen: is it the right database, layout and --prefix?"
        )
    if confirmed:
        return Outcome.FAIL, tuple(reasons)
    return (Outcome.UNKNOWN if reasons else Outcome.PASS), tuple(reasons)
