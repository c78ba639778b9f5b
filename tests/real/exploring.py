"""Tasks that tests give a worker."""

from __future__ import annotations

from midpipe.scenarios.explore.interleaving import InterleaveTask
from midpipe.scenarios.model.spec import SubjectSpec


def orders_of(subject: SubjectSpec, program: str, *, prune: bool = True) -> InterleaveTask:
    """Every order of a program's clients with at most two preemptions, without a fault."""
    return InterleaveTask(
        subject,
        program,
        max_preemptions=2,
        max_faults=0,
        prune=prune,
        latency_bound_ms=5_000.0,
    )
