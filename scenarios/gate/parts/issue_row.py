"""The row of the review that the result of an issue's check gives. Pure."""

from __future__ import annotations

from midpipe.scenarios.model.messages import HuntDone, SourceDone
from midpipe.scenarios.model.verdict import Outcome, ReviewRow, Status
from midpipe.scenarios.review.issues import Issue
from midpipe.scenarios.review.source import SOURCE_CHECKS, methods_in

_EXPECTED = {"reference": Status.HOLDS, "as reviewed": Status.VIOLATED}
"""What is known of each subject of the review; of any other subject, nothing."""


def row_from(issue: Issue, name: str, done: HuntDone | SourceDone) -> ReviewRow:
    """Return the row for the result of an issue's task on the subject called ``name``."""
    if isinstance(done, SourceDone):
        return row_from_source(issue, name, done)
    return row_from_hunt(issue, name, done)


def row_from_hunt(issue: Issue, name: str, done: HuntDone) -> ReviewRow:
    """Return the row of an issue that was looked for by running cases."""
    hit = next((caught for caught in done.caught if caught.invariant in issue.invariants), None)
    if hit is not None:
        return _row(issue, name, "behaviour", Status.VIOLATED, hit.seen, hit.replay)
    if not done.runnable:
        return _row(issue, name, "behaviour", Status.NOT_APPLICABLE, "the subject lacks the calls")
    if done.stopped:
        return _row(issue, name, "behaviour", Status.UNKNOWN, "the time budget was up")
    if done.invalid or not done.cases:
        invalid = f"{done.invalid} of {done.cases} cases were invalid"
        return _row(issue, name, "behaviour", Status.UNKNOWN, invalid)
    if done.unconfirmed:
        once = f"{done.unconfirmed} of {done.cases} cases violated an invariant, and did not when run again"
        return _row(issue, name, "behaviour", Status.UNKNOWN, once)
    return _row(issue, name, "behaviour", Status.HOLDS, f"not reproduced in {done.cases} cases")


def row_from_source(issue: Issue, name: str, done: SourceDone) -> ReviewRow:
    """Return the row of an issue that was looked for in the subject's source."""
    methods = methods_in(done.methods)
    if not methods:
        return _row(issue, name, "source", Status.UNKNOWN, "its source can't be read")
    sentences = SOURCE_CHECKS[issue.source](methods)
    if sentences:
        return _row(issue, name, "source", Status.VIOLATED, "; ".join(sentences[:3]))
    return _row(issue, name, "source", Status.HOLDS, "not in the source")


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
        outcome=_outcome(name, shown),
        evidence=evidence,
        replay=replay,
    )


def _outcome(name: str, shown: Status) -> Outcome:
    if shown is Status.UNKNOWN:
        return Outcome.UNKNOWN
    return Outcome.PASS if shown is _EXPECTED.get(name, shown) else Outcome.FAIL
