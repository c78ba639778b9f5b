"""The words of a verdict: outcome, severity, status and extent. Knows nothing of what is judged.

Outcomes merge in one order, pass < unknown < fail. A fault that did not fire, an invariant that checked nothing and a
check that crashed are unknown, and unknown never counts as pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Outcome(StrEnum):
    """pass, unknown or fail. The command's exit code is 0, 3 or 1 accordingly.

    Example:
        >>> from midpipe import Outcome
        >>> Outcome("fail") is Outcome.FAIL
        True
    """

    PASS = "pass"
    UNKNOWN = "unknown"
    FAIL = "fail"


class Severity(StrEnum):
    """How bad a finding is, worst first.

    Example:
        >>> from midpipe import Severity
        >>> Severity.CRITICAL.counts_from(Severity.HIGH)
        True
    """

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"

    def counts_from(self, least: Severity) -> bool:
        """Whether it is at least as bad as ``least``."""
        order = list(Severity)
        return order.index(self) <= order.index(least)


class Status(StrEnum):
    """The result for one invariant, flaw or issue of the review."""

    HOLDS = "holds"
    VIOLATED = "violated"
    NOT_APPLICABLE = "not applicable"
    UNKNOWN = "unknown"


class Extent(StrEnum):
    """How much of a part of the run was done, from all to nothing."""

    COMPLETE = "complete"
    CUT_SHORT = "cut short"
    NOT_BEGUN = "not begun"


def merge(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of several outcomes; UNKNOWN if there are none, because nothing was judged."""
    seen = set(outcomes)
    for outcome in (Outcome.FAIL, Outcome.UNKNOWN, Outcome.PASS):
        if outcome in seen:
            return outcome
    return Outcome.UNKNOWN
