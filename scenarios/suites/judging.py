"""Runs the cases of one program on a subject, and reports violations as a pytest failure."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import pytest

from midpipe.scenarios.explore.interleaving import InterleaveTask
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.messages import CaseEnded, ExplorationDone
from midpipe.scenarios.model.safe_text import redaction_of, safe, safe_command
from midpipe.scenarios.model.spec import replay_command

_MAX_REPORTED = 10
"""Lines; a violation has two."""


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
        # Not judged is not passed: pytest shows it as skipped, with the calls that would have to be there.
        pytest.skip(f"not applicable: the subject has no {', '.join(missing)}")
    again = " ".join(filter(None, (task.subject.options, worker.judged_by.options)))
    lines = [line for case in cases if case.violations for line in _violation(case, again)]
    lines += [
        f"invalid: {case.replay!r}: {case.invalid_reason}" for case in cases if not case.valid
    ]
    lines += [f"unknown: {case.replay!r}: {doubt}" for case in cases for doubt in case.unconfirmed]
    lines += [str(crash) for case in cases for crash in case.crashes]
    if lines:
        more = f"\n… and {len(lines) - _MAX_REPORTED} more" if len(lines) > _MAX_REPORTED else ""
        pytest.fail("\n".join(map(_safe(task), lines[:_MAX_REPORTED])) + more, pytrace=False)
    assert cases, "no case was run"


def _safe(task: SweepTask | InterleaveTask) -> Callable[[str], str]:
    return safe(redaction_of(f"{name}={value}" for name, value in task.subject.environment))


def _violation(case: CaseEnded, again: str) -> tuple[str, str]:
    """Return what was violated, and the command that replays it.

    Args:
        again: the options that the command needs, quoted for a shell.
    """
    worst, *others = case.violations
    also = f" (and {', '.join(violation.invariant for violation in others)})" if others else ""
    command = replay_command(case.replay, safe_command(shlex.split(again)))
    return f"{worst.invariant}{also}: {worst.evidence[0].seen}", f"    {command}"
