"""The figures of an audit for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Metric

from midpipe.reports.sinks.metrics import gauge
from midpipe.scenarios.audit.layout import Damage
from midpipe.scenarios.audit.results import AuditResult


def audit_metrics(result: AuditResult, now_s: float) -> Iterable[Metric]:
    """Yield the metrics of a whole audit that has ended now, in seconds since 1970."""
    labels = {"layout": result.layout, "phase": result.phase}

    yield gauge(
        "midpipe_audit_damaged_jobs",
        "Jobs whose damage was confirmed.",
        *((result.counts.get(damage, 0), {**labels, "damage": str(damage)}) for damage in Damage),
    )
    yield gauge("midpipe_audit_jobs", "Jobs that were checked.", (result.jobs, labels))
    unseen = "Share of jobs that could not be judged."
    yield gauge("midpipe_audit_unseen_ratio", unseen, (result.unseen, labels))
    yield gauge(
        "midpipe_audit_duration_seconds", "How long the audit took.", (result.seconds, labels)
    )
    added = "How much longer a PING took than at the beginning, at most."
    yield gauge(
        "midpipe_audit_added_latency_seconds", added, (result.added_latency_ms / 1000, labels)
    )
    ended = "When the last whole audit ended."
    yield gauge("midpipe_last_audit_timestamp_seconds", ended, (now_s, labels))
