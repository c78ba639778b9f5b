"""Which way back is safe from a phase of the migration, and how to check afterwards that nothing is hidden. Pure.

A roll-back goes one phase back, because only neighbouring phases may run side by side: while workers restart, both do.
The new phase is the one to be careful with. Its workers write the new schema only, so code that reads the old one alone
does not find their jobs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RollBack:
    """The way back from a phase.

    Args:
        to: the phase to go back to.
        settings: the variables to set on every worker, which then restarts.
        audit_phase: what ``midpipe audit --phase`` takes afterwards.
        before: what has to be known first; empty if nothing.
        never: what would hide jobs.
    """

    to: str
    settings: Mapping[str, str]
    audit_phase: str
    before: str
    never: str


PHASES: Mapping[str, str] = {
    "old": "old only",
    "dual-read-old": "dual write, read old",
    "dual-read-new": "dual write, read new, fall back",
    "new": "new only",
}
"""The phases in their order, each with the label that it has in the metric ``ai_jobs_phase``."""

ROLL_BACKS: Mapping[str, RollBack] = {
    "dual-read-old": RollBack(
        "old",
        {"AI_JOBS_NEW_SCHEMA": "off"},
        "dual",
        "",
        "Do not turn it on again before a backfill: with code that updates one schema only, the new copies go stale "
        "meanwhile, and stay so.",
    ),
    "dual-read-new": RollBack(
        "dual-read-old",
        {"AI_JOBS_NEW_SCHEMA": "on", "READ_PREFERS_NEW": "off", "READ_FALLBACK_OLD": "on"},
        "dual",
        "",
        "Do not turn AI_JOBS_NEW_SCHEMA off in the same step: both schemas must be written while the readers change.",
    ),
    "new": RollBack(
        "dual-read-new",
        {"AI_JOBS_NEW_SCHEMA": "on", "READ_PREFERS_NEW": "on", "READ_FALLBACK_OLD": "on"},
        "new",
        "After a cleanup the old schema is gone, and this is as far back as it goes.",
        "Never set AI_JOBS_NEW_SCHEMA=off here: jobs written meanwhile are in the new schema only, and would be "
        "hidden from every worker that reads the old one.",
    ),
}
"""By phase; from the phase ``old`` there is nothing to go back to."""
