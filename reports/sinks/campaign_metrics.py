"""The progress of a campaign for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Metric

from midpipe.reports.sinks.metrics import gauge
from midpipe.scenarios.model.progress import ProgressRow


def campaign_metrics(row: ProgressRow, done: int, shards: int) -> Iterable[Metric]:
    """Yield the metrics of a campaign.

    Args:
        row: over the shards that are done.
        done: number of them.
        shards: number of all.
    """
    yield gauge("midpipe_campaign_shards", "Shards of the campaign.", (shards, {}))
    yield gauge("midpipe_campaign_shards_done", "Shards that have a verdict.", (done, {}))
    yield gauge(
        "midpipe_campaign_cases", "Cases run, in the shards that are done.", (row.cases, {})
    )
    kinds = "Kinds of violation found, in the shards that are done."
    yield gauge("midpipe_campaign_violation_kinds", kinds, (row.kinds, {}))
    covered = "Combinations that one shard has covered by fuzzing, at most."
    yield gauge("midpipe_campaign_combinations", covered, (row.combinations, {}))
    yield gauge("midpipe_campaign_seconds", "How long the campaign has run.", (row.seconds, {}))
