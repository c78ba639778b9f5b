"""Passes over the old schema: copy its jobs to the new one, compare the two, and remove the old one.

Each job is one atomic step, so a pass is safe beside any writer, and may be stopped and started again anywhere: its
cursor is kept in Redis. ``backfill`` runs the passes from the command line.

Copy once the last worker of code from before this queue has stopped: such code writes jobs without a place in the
index, and listings look for them only until a copying pass has ended.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from . import keys
from .driver import is_cluster
from .errors import StillNeededError
from .scripts import Steps
from .telemetry import Telemetry, telemetry_asked_for

QUIET = timedelta(hours=24)
_OLD = "ai:jobs:"
_BATCH = 200
Progress = Callable[[float, Counter[str]], None]


class Backfill:
    """Passes over the old schema.

    Args:
        client: a driver with ``decode_responses=True``.
        prefix: as the queue's.
        rate: jobs per second at most, more than 0; None is no limit.
        on_progress: called after each batch with the part of the key space that is done (0 to 1) and the counts by
            outcome.
        telemetry: as the queue's.

    Raises:
        ValueError: the driver is a Cluster's, or the rate is not more than 0.
    """

    def __init__(
        self,
        client: Any,
        prefix: str = "",
        rate: float | None = None,
        on_progress: Progress | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        if is_cluster(client):
            raise ValueError(
                "The old schema's keys lie in many slots of a Cluster, and no step over one of them and a new key is "
                "atomic there: backfill before you move to the Cluster."
            )
        if rate is not None and not rate > 0:
            raise ValueError(f"rate must be more than 0 jobs per second; got {rate}")
        self._redis = client
        self._steps = Steps(client, prefix)
        self._rate = rate
        self._on_progress = on_progress
        self._telemetry = telemetry or telemetry_asked_for()

    def run(self, *, dry_run: bool = False) -> Counter[str]:
        """Copy every job that the new schema lacks, and mend those that differ.

        Args:
            dry_run: write nothing.

        Returns:
            Counts by outcome: copied, mended (the copy with the later status won), same, differs (a person has to
            decide), gone (removed meanwhile). A dry run counts missing, differs and same.
        """
        counts = self._pass("look" if dry_run else "copy", resumes=not dry_run)
        if not dry_run:
            self._redis.set(self._steps.prefix + keys.ALL_PLACED, 1)
        return counts

    def copy(self, job_id: str) -> str:
        """Copy one job as ``run`` does; return the outcome, one of those that ``run`` counts."""
        outcome: str = self._steps.run("copy", job_id, "copy", "")
        self._telemetry.count("backfilled", outcome)
        return outcome

    def verify(self) -> Counter[str]:
        """Compare each job of the old schema with the new one. They agree if only ``same`` and ``gone`` are counted."""
        counts = self._pass("look")
        self._telemetry.record_verify(counts)
        return counts

    def remove(self, quiet: timedelta = QUIET) -> Counter[str]:
        """Remove the old schema's jobs; return the count under ``removed``.

        Args:
            quiet: how long ago the last job must have been enqueued into the old schema.

        Raises:
            StillNeededError: a job is missing in the new schema or differs there, or was enqueued into the old one
                within ``quiet``. Nothing was removed.
        """
        since = (datetime.now(UTC) - quiet).isoformat()
        counts = self._pass("ready", since)
        if counts["missing"] or counts["differs"]:
            raise StillNeededError(
                f"{counts['missing']} jobs are missing in the new schema and {counts['differs']} differ: backfill first"
            )
        if counts["recent"]:
            raise StillNeededError(
                f"{counts['recent']} jobs were enqueued into the old schema since {since}: a writer still uses it"
            )
        return self._pass("remove", since)

    def _pass(self, step: str, since: str = "", *, resumes: bool = False) -> Counter[str]:
        counts: Counter[str] = Counter()
        begun_s = time.monotonic()
        for done, job_ids in self._batches(resumes):
            for job_id in job_ids:
                outcome = self._steps.run("copy", job_id, step, since)
                counts[outcome] += 1
                self._telemetry.count("backfilled", outcome)
                if self._rate:
                    time.sleep(max(0.0, begun_s + counts.total() / self._rate - time.monotonic()))
            if self._on_progress:
                self._on_progress(done, counts)
        return counts

    def _batches(self, resumes: bool) -> Iterator[tuple[float, list[str]]]:
        """Scan the old schema. A pass that resumes stores its cursor after each batch, and deletes it at the end."""
        kept, match = self._steps.prefix + keys.BACKFILL, f"{self._steps.prefix}{_OLD}*"
        server = self._redis.info("server")["run_id"] if resumes else ""
        stored, _, its_server = ((self._redis.get(kept) if resumes else None) or "0").partition(" ")
        # A cursor is valid on the server that gave it only, and only until that restarts.
        cursor = int(stored) if its_server == server else 0
        while True:
            cursor, names = self._redis.scan(cursor, match=match, count=_BATCH)
            yield _part_done(cursor), [name[len(match) - 1 :] for name in names]
            if not cursor:
                break
            if resumes:
                self._redis.set(kept, f"{cursor} {server}")
        if resumes:
            self._redis.delete(kept)


def _part_done(cursor: int) -> float:
    """Return the part of the key space that a scan has seen: its cursor counts with the highest bit first."""
    return int(f"{cursor:064b}"[::-1], 2) / 2**64 if cursor else 1.0
