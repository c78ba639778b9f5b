"""quiet-logs: no job's params or result appear in a log line at WARNING or above, or in the subject's output.

Judged by markers that the programs put into params and results; of a queue that promises it, and of one with the keys
of the reference queue.

Blind to: data that is logged in an encoded form, and log lines below WARNING.
"""

from __future__ import annotations

from midpipe.scenarios.model.evidence import (
    Evidence,
    Invariant,
    Judgement,
    Traits,
    ViolationEvidence,
)
from midpipe.scenarios.model.outcome import Severity
from midpipe.scenarios.model.promises import Logs


def _check(evidence: Evidence) -> Judgement:
    violations = []
    for line in evidence.logs:
        if any(secret in line for secret in evidence.secrets):
            first = line.strip().splitlines()[0]
            violations.append(ViolationEvidence(f"A log line carries job data: {first[:120]!r}."))
    return Judgement(max(1, len(evidence.logs)), tuple(violations))


def _why_not(traits: Traits) -> str:
    is_asked_for = traits.white_box or traits.promises.logs is Logs.QUIET
    return "" if is_asked_for else "the subject does not promise it (logs)"


QUIET_LOGS = Invariant(
    id="quiet-logs",
    when="finally",
    claim="No job's params or result appear in a log line at WARNING or above.",
    severity=Severity.MEDIUM,
    check=_check,
    why_not=_why_not,
    on_malformed=True,
)
