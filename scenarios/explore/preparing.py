"""What comes before the cases of a program, and what is reported between them: the same for a sweep and for orders."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass

from midpipe.scenarios.case.requirements import missing_for
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.explore.running import dry_run
from midpipe.scenarios.model.messages import (
    REPORTS_EVERY_S,
    REPORTS_SHARE,
    CaseEnded,
    ExplorationDone,
    ExplorationFrontier,
    ExplorationProgress,
)
from midpipe.scenarios.model.record import CaseRecord
from midpipe.scenarios.programs.program import Program


@dataclass(frozen=True, slots=True)
class Prepared:
    """A program that can be explored on a rig.

    Args:
        nondeterministic: where two runs without faults differed; empty if they did not, or were not compared.
        is_ordered, unlike: as in DryRun.
        without_faults: the record of a run without faults; None if there is no valid one.
    """

    rig: Rig
    program: Program
    _: KW_ONLY
    nondeterministic: str
    is_ordered: bool = True
    unlike: str = ""
    without_faults: CaseRecord | None = None


def prepared(
    rig: Rig, program: Program, latency_bound_ms: float, *, is_resumed: bool
) -> Prepared | ExplorationDone:
    """Check that the subject can run the program, and whether it does the same each time.

    Args:
        latency_bound_ms: for a subject that declares none.
        is_resumed: an earlier task has checked it.

    Returns:
        The program on its rig, or the end of the exploration if the subject lacks what the program needs.
    """
    missing = missing_for(program, rig.subject, rig.traits)
    if missing:
        return ExplorationDone((), missing)
    if is_resumed:
        return Prepared(rig, program, nondeterministic="")
    dry = dry_run(rig, program, latency_bound_ms)
    if dry.rejected_call:
        return ExplorationDone((), (dry.rejected_call,))
    if dry.raised:
        return ExplorationDone((), raised=dry.raised)
    last = dry.last if dry.last.is_valid else None
    return Prepared(
        rig,
        program,
        nondeterministic=dry.nondeterministic,
        is_ordered=dry.is_ordered,
        unlike=dry.unlike,
        without_faults=last,
    )


def with_progress(
    cases: Iterator[CaseEnded],
    frontier: Callable[[], ExplorationFrontier | None],
    now_s: Callable[[], float] = time.monotonic,
) -> Iterator[CaseEnded | ExplorationProgress]:
    """Pass the cases on; every REPORTS_EVERY_S, follow a case by where the exploration stands.

    To report thousands of branches takes a while, many times longer on a busy machine. So what a report took, until its
    receiver asked for more, decides how soon the next one may follow.
    """
    next_s = now_s() + REPORTS_EVERY_S
    for ended in cases:
        yield ended
        began_s = now_s()
        if began_s > next_s and (reached := frontier()) is not None:
            yield ExplorationProgress(reached)
            reported_s = now_s()
            next_s = reported_s + max(REPORTS_EVERY_S, (reported_s - began_s) / REPORTS_SHARE)
