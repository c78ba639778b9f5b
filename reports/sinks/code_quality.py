"""The findings as a code quality report of GitLab, which shows them in a merge request on the lines they begin with."""

from __future__ import annotations

import json
from typing import Any

from midpipe.reports.sinks.sarif import file_of, fingerprint
from midpipe.reports.titles import title_of
from midpipe.scenarios.model.verdict import Finding, Severity, Verdict

_SEVERITIES = {
    Severity.CRITICAL: "blocker",
    Severity.HIGH: "critical",
    Severity.MEDIUM: "major",
    Severity.LOW: "minor",
}


def code_quality(verdict: Verdict, folder: str = "") -> str:
    """Return the JSON document.

    Args:
        folder: the folder in which midpipe ran, relative to the root of the repository; empty for the root.
    """
    issues = [_issue(finding, verdict, folder) for finding in verdict.findings]
    return json.dumps(issues, indent=2) + "\n"


def _issue(finding: Finding, verdict: Verdict, folder: str) -> dict[str, Any]:
    line = finding.source
    return {
        "description": title_of(finding),
        "check_name": finding.invariant,
        "fingerprint": fingerprint(finding),
        "severity": _SEVERITIES[finding.severity],
        "location": {
            "path": file_of(line, verdict, folder),
            "lines": {"begin": line.line if line else 1},
        },
    }
