"""Trying the review's issues on subjects: which tasks to run, and what their results say. Pure but for reading source files."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from scenarios.engine.tasks import HuntDone, HuntTask
from scenarios.review.issues import Issue
from scenarios.review.source import READINGS, class_in
from scenarios.subjects.spec import SubjectSpec
from scenarios.verdict import ReviewRow, Status


def task_for(issue: Issue, subject: SubjectSpec, latency_bound_ms: float) -> HuntTask | None:
    """Return the hunt that shows an issue, or None for one that is read in the source."""
    if issue.source:
        return None
    return HuntTask(subject, issue.invariants[:1], latency_bound_ms, issue.programs, issue.faults)


def row_from_hunt(issue: Issue, name: str, done: HuntDone) -> ReviewRow:
    """Return the row of an issue that was tried by behaviour."""
    hit = next((caught for caught in done.caught if caught.invariant in issue.invariants), None)
    if hit is not None:
        return _row(issue, name, "behaviour", Status.VIOLATED, hit.seen, hit.replay)
    if not done.runnable:
        return _row(issue, name, "behaviour", Status.NOT_APPLICABLE, "the subject lacks the calls")
    if done.invalid or not done.cases:
        told = f"{done.invalid} of {done.cases} cases were invalid"
        return _row(issue, name, "behaviour", Status.UNKNOWN, told)
    return _row(issue, name, "behaviour", Status.HOLDS, f"not shown in {done.cases} cases")


def row_from_source(issue: Issue, name: str, subject: SubjectSpec) -> ReviewRow:
    """Return the row of an issue that is read in the subject's source."""
    where, _, class_name = subject.text.rpartition(":")
    source = _source_of(where, subject.paths)
    found = class_in(source, class_name) if source else None
    if found is None:
        return _row(issue, name, "source", Status.UNKNOWN, "its source can't be read")
    sentences = READINGS[issue.source](found)
    if sentences:
        return _row(issue, name, "source", Status.VIOLATED, "; ".join(sentences[:3]))
    return _row(issue, name, "source", Status.HOLDS, "not in the source")


def _source_of(where: str, paths: tuple[str, ...]) -> str | None:
    if where.endswith(".py"):
        return Path(where).read_text("utf-8")
    relative = Path(*where.split("."))
    for root in (*paths, "."):
        for candidate in (Path(root) / relative.with_suffix(".py"), Path(root) / relative / "__init__.py"):
            if candidate.is_file():
                return candidate.read_text("utf-8")
    try:
        spec = importlib.util.find_spec(where)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin).read_text("utf-8") if spec and spec.origin else None


def _row(
    issue: Issue, name: str, how: str, shown: Status, evidence: str, replay: str = ""
) -> ReviewRow:
    return ReviewRow(
        issue=issue.id,
        title=issue.title,
        severity=issue.severity,
        subject=name,
        how=how,
        shown=shown,
        evidence=evidence,
        replay=replay,
    )
