"""The four documents that a review leaves behind, and their index, for the run at hand."""

from __future__ import annotations

from functools import cache

import jinja2

from midpipe.reports.explain import advice_for, explained, replay_command
from midpipe.reports.finds import coverage_told
from midpipe.reports.servers import own_queues_told, server_rows
from midpipe.reports.sinks.markdown import told
from midpipe.scenarios.model.verdict import Severity, Verdict

NAMES = (
    "EXECUTIVE_SUMMARY.txt",
    "REVIEW_SUMMARY.txt",
    "FIX_GUIDE.md",
    "FULL_REVIEW.md",
    "INDEX.md",
)


def document(name: str, verdict: Verdict) -> str:
    """Return one document, by its file name."""
    counts = {
        severity: sum(finding.severity is severity for finding in verdict.findings)
        for severity in Severity
    }
    return (
        _templates()
        .get_template(f"{name}.j2")
        .render(
            verdict=verdict,
            counts=counts,
            explained=explained,
            advice_for=advice_for,
            told=told,
            coverage_told=coverage_told,
            servers=server_rows(verdict),
            own_queues=own_queues_told(verdict),
            replay_command=replay_command,
        )
    )


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("midpipe.reports", "templates"),
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
