"""The migration from the old schema to the new one, as four phases.

Any two neighbouring phases may run side by side in one fleet, and a roll-back is possible at any moment, because every
step changes every existing copy of a job, and every phase but NEW reads the other schema last. That is the rule of Rae
et al., "Online, Asynchronous Schema Change in F1" (VLDB 2013): of two versions that are one phase apart, each must
leave data that the other can use. Here a phase may even be skipped; only OLD and NEW must not run together: OLD finds
what NEW writes by falling back, but NEW does not read what OLD writes. For the same reason a backfill, and a pass that
verifies it, come before NEW. This holds for this code; workers of older code change one copy only, so copy and verify
again once the last of them has stopped.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import Enum


class Phase(Enum):
    """Which schemas are written, and in which order they are read."""

    OLD = "old only"
    DUAL_READ_OLD = "dual write, read old"
    DUAL_READ_NEW = "dual write, read new, fall back"
    NEW = "new only"

    @property
    def writes_old(self) -> bool:
        return self is not Phase.NEW

    @property
    def writes_new(self) -> bool:
        return self is not Phase.OLD

    @property
    def reads(self) -> tuple[str, ...]:
        """The schemas to read, in order."""
        if self is Phase.NEW:
            return ("new",)
        return ("new", "old") if self is Phase.DUAL_READ_NEW else ("old", "new")

    def may_run_beside(self, other: Phase) -> bool:
        """Whether one fleet may hold both."""
        return {self, other} != {Phase.OLD, Phase.NEW}


def phase_from(environment: Mapping[str, str] = os.environ) -> Phase:
    """Return the phase that AI_JOBS_NEW_SCHEMA, READ_PREFERS_NEW and READ_FALLBACK_OLD select.

    Raises:
        ValueError: a flag is neither on nor off, or the combination would hide jobs.
    """
    writes_new = _flag(environment, "AI_JOBS_NEW_SCHEMA", default=False)
    prefers_new = _flag(environment, "READ_PREFERS_NEW", default=True)
    falls_back = _flag(environment, "READ_FALLBACK_OLD", default=True)
    if not writes_new:
        if not falls_back:
            raise ValueError(
                "READ_FALLBACK_OLD=off with AI_JOBS_NEW_SCHEMA=off would hide every job: new ones are written to "
                "the old schema only. Turn the new schema on first."
            )
        return Phase.OLD
    if prefers_new:
        return Phase.DUAL_READ_NEW if falls_back else Phase.NEW
    if not falls_back:
        raise ValueError(
            "READ_FALLBACK_OLD=off with READ_PREFERS_NEW=off would read neither schema to the end. "
            "Turn READ_PREFERS_NEW on first."
        )
    return Phase.DUAL_READ_OLD


def _flag(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = environment.get(name, "on" if default else "off")
    if value not in ("on", "off"):
        raise ValueError(f"{name} must be on or off; got {value!r}")
    return value == "on"
