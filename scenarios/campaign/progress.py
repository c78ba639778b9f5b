"""The progress of a campaign, from the verdicts on its shards as they come. Pure."""

from __future__ import annotations

from midpipe.scenarios.model.progress import ProgressRow, with_row
from midpipe.scenarios.model.verdict import Verdict


class CampaignProgress:
    """Counts what the shards have brought.

    Attributes:
        rows: the progress so far.
        done: number of shards that are done.
    """

    def __init__(self) -> None:
        self.rows: tuple[ProgressRow, ...] = ()
        self.done = 0
        self._cases = 0
        self._combinations = 0
        self._kinds: set[tuple[str, str]] = set()

    def add(self, verdict: Verdict, seconds: float) -> ProgressRow:
        """Count the verdict on a further shard.

        Args:
            seconds: since the campaign began.
        """
        self.done += 1
        self._cases += sum(part.cases for part in verdict.parts)
        if verdict.shard is None:
            self._kinds |= {(found.invariant, found.operation) for found in verdict.findings}
        else:
            self._kinds |= {(kind.finding.invariant, kind.method) for kind in verdict.shard.kinds}
        if verdict.coverage:
            # Shards may have covered the same, so their numbers can't be added up.
            self._combinations = max(self._combinations, verdict.coverage.seen)
        row = ProgressRow(round(seconds, 1), self._cases, len(self._kinds), self._combinations)
        self.rows = with_row(self.rows, row)
        return row
