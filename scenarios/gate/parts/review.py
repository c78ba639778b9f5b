"""The review: its issues must show on the queue as reviewed, and never on the reference."""

from __future__ import annotations

import math

from midpipe.scenarios.explore.probing import SourceTask
from midpipe.scenarios.explore.worker import Task
from midpipe.scenarios.gate.hunting import HuntTask
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.gate.parts.issue_row import row_from
from midpipe.scenarios.gate.parts.part import Results
from midpipe.scenarios.gate.task_queue import TaskQueue, cut_off_phrase
from midpipe.scenarios.model.messages import HuntDone, Message, SourceDone
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.verdict import Outcome, Status, merge
from midpipe.scenarios.review.issues import ISSUES, Issue
from midpipe.scenarios.review.subjects import SUBJECTS


def task_for(
    issue: Issue, subject: SubjectSpec, latency_bound_ms: float, deadline_s: float = math.inf
) -> HuntTask | SourceTask:
    """Return the task whose result shows whether the subject has the issue.

    Args:
        deadline_s: on the monotonic clock; no case begins after it.
    """
    if issue.source:
        return SourceTask(subject)
    return HuntTask(
        subject=subject,
        invariants=issue.invariants[:1],
        latency_bound_ms=latency_bound_ms,
        programs=issue.programs,
        faults=issue.faults,
        commands=issue.commands,
        lasting=True,
        deadline_s=deadline_s,
    )


class Review:
    """Checks every issue of the review on every subject that the review is about."""

    name = "review"

    def __init__(self, options: Options, results: Results) -> None:
        self._options = options
        self._results = results
        self._checks = [(issue, name) for name in SUBJECTS for issue in ISSUES.values()]
        self.queue = TaskQueue(len(self._checks))

    def task(self, number: int, deadline_s: float) -> tuple[str, Task]:
        issue, name = self._checks[number]
        bound_ms = self._options.latency_bound_ms
        return f"{issue.id} {name}", task_for(
            issue, SubjectSpec(SUBJECTS[name]), bound_ms, deadline_s
        )

    def take(self, number: int, message: Message) -> None:
        if isinstance(message, HuntDone | SourceDone):
            issue, name = self._checks[number]
            self._results.review.append(row_from(issue, name, message))

    def record_cut_off(self) -> str:
        total = f"{len(self._checks)} checks"
        return cut_off_phrase(total, len(self.queue.unfinished), len(self.queue.not_started))

    def finish(self) -> None:
        order, names = list(ISSUES), list(SUBJECTS)
        rows = self._results.review
        rows.sort(key=lambda row: (order.index(row.issue), names.index(row.subject)))
        for row in rows:
            if row.outcome is Outcome.FAIL:
                verb = (
                    "was reproduced on" if row.shown is Status.VIOLATED else "was not reproduced on"
                )
                self._results.warnings.append(
                    f"{row.issue} {verb} the {row.subject}: {row.evidence}."
                )
        outcomes = [row.outcome for row in rows]
        outcomes += [Outcome.UNKNOWN] if self.record_cut_off() else []
        self._results.parts[self.name] = merge(outcomes)
