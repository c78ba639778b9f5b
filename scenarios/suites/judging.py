"""Runs one program of a suite on a subject, and says what fell as pytest users read it."""

from __future__ import annotations

import pytest

from midpipe.scenarios.explore.interleaving import InterleaveTask
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.messages import CaseEnded, ExplorationDone

_MOST_TOLD = 5


def judge(worker: Worker, task: SweepTask | InterleaveTask) -> None:
    """Run every case of a task; fail for what fell, and for what could not be told. Skips what the subject lacks."""
    cases: list[CaseEnded] = []
    missing: tuple[str, ...] = ()
    for message in worker.do(task):
        if isinstance(message, CaseEnded):
            cases.append(message)
        elif isinstance(message, ExplorationDone):
            missing = message.missing
    if missing:
        pytest.skip(f"not applicable: the subject has no {', '.join(missing)}")
    told = [_told(case, task) for case in cases if case.violations]
    told += [f"invalid: {case.replay!r}: {case.invalid_reason}" for case in cases if not case.valid]
    told += [str(crash) for case in cases for crash in case.crashes]
    if told:
        left_out = f"\n… and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
        pytest.fail("\n".join(told[:_MOST_TOLD]) + left_out, pytrace=False)
    assert cases, "no case was run"


def _told(case: CaseEnded, task: SweepTask | InterleaveTask) -> str:
    worst, *others = case.violations
    also = f" (and {', '.join(violation.invariant for violation in others)})" if others else ""
    words = f"midpipe replay {case.replay!r} {task.subject.options}".rstrip()
    return f"{worst.invariant}{also}: {worst.evidence[0].seen}\n    {words}"
