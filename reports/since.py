"""What has changed since an earlier verdict: which findings are new, still there, or not seen any more. Pure.

Two findings are the same if the same fault at the same command of the same call violates the same invariant. Lines of
code, programs and ids may differ.
"""

from __future__ import annotations

from midpipe.reports.titles import title_of
from midpipe.scenarios.model.verdict import Finding, Verdict

_Key = tuple[str, str, str, tuple[str, ...]]


def changes_since(earlier: Verdict, now: Verdict) -> tuple[str, ...]:
    """Return a summary, and then a sentence for each finding that is new or not seen any more."""
    known, seen = set(map(_key, _found(earlier))), set(map(_key, _found(now)))
    new = [finding for finding in _found(now) if _key(finding) not in known]
    gone = [finding for finding in _found(earlier) if _key(finding) not in seen]
    still = len(_found(now)) - len(new)
    # A run that was cut short may not have come to the case that shows it.
    word = "not seen in this run, which was partial" if now.partial else "gone"
    return (
        f"Since {earlier.started_at}: {len(new)} new, {still} still there, {len(gone)} {word}.",
        *(f"new: {finding.id} {title_of(finding)}" for finding in new),
        *(f"{'not seen' if now.partial else 'gone'}: {title_of(finding)}" for finding in gone),
    )


def _found(verdict: Verdict) -> tuple[Finding, ...]:
    """Return the findings, also those that a baseline has accepted: accepting one does not remove it."""
    return (*verdict.findings, *(accepted.finding for accepted in verdict.accepted))


def _key(finding: Finding) -> _Key:
    faults = tuple(placed.fault for placed in finding.faults)
    return finding.invariant, finding.operation, finding.command, faults
