"""Runs the cases of one program on a subject, and reports violations as a pytest failure."""

from __future__ import annotations

import pytest

from midpipe.scenarios.explore.interleaving import InterleaveTask
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.messages import CaseEnded, ExplorationDone

_MAX_REPORTED = 5


def judge(worker: Worker, task: SweepTask | InterleaveTask) -> None:
    """Run every case of a task. Fail the test for violations, invalid cases and checkers that crashed.

    A program that needs calls which the subject lacks is skipped.
    """
    cases: list[CaseEnded] = []
    missing: tuple[str, ...] = ()
    for message in worker.do(task):
        if isinstance(message, CaseEnded):
            cases.append(message)
        elif isinstance(message, ExplorationDone):
            missing = message.missing
    if missing:
        pytest.skip(f"not applicable: the subject has no {', '.join(missing)}")
    lines = [_violation(case, task) for case in cases if case.violations]
    lines += [
        f"invalid: {case.replay!r}: {case.invalid_reason}" for case in cases if not case.valid
    ]
    lines += [str(crash) for case in cases for crash in case.crashes]
    if lines:
        more = f"\n… and {len(lines) - _MAX_REPORTED} more" if len(lines) > _MAX_REPORTED else ""
        pytest.fail("\n".join(lines[:_MAX_REPORTED]) + more, pytrace=False)
    assert cases, "no case was run"


def _violation(case: CaseEnded, task: SweepTask | InterleaveTask) -> str:
    worst, *others = case.violations
    also = f" (and {', '.join(violation.invariant for violation in others)})" if others else ""
    command = f"midpipe replay {case.replay!r} {task.subject.options}".rstrip()
    return f"{worst.invariant}{also}: {worst.evidence[0].seen}\n    {command}"
