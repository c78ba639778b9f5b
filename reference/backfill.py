"""Bringing what only the old schema holds to the new one, seeing that they agree, and removing the old one.

Each job is one atomic step, so it is safe beside any writer, and may be stopped and begun again anywhere: the
cursor is kept in Redis. On REDIS_URL, as ``python -m midpipe.reference.backfill
copy | dry-run | verify | remove [--rate N]``.

Copy once the last worker of code from before this queue is gone: it writes jobs without a place in the index, and
listings look for such jobs only until a copying pass has ended.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from . import keys
from .driver import is_cluster
from .scripts import Steps
from .telemetry import Telemetry, telemetry_asked_for

QUIET = timedelta(hours=24)
_OLD = "ai:jobs:"
_BATCH = 200
Progress = Callable[[float, Counter[str]], None]


class StillNeededError(RuntimeError):
    """The old schema can't be removed yet; says why."""


class Backfill:
    """Passes over the old schema.

    Args:
        client: a driver with ``decode_responses=True``.
        prefix: as the queue's.
        rate: jobs a second at most; None is no limit.
        on_progress: told which part of the key space is done (0 to 1) and the counts by outcome, after each batch.
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
        self._redis = client
        self._steps = Steps(client, prefix)
        self._rate = rate
        self._on_progress = on_progress
        self._telemetry = telemetry or telemetry_asked_for()

    def run(self, *, dry_run: bool = False) -> Counter[str]:
        """Copy every job that the new schema lacks, and mend those that differ.

        Returns:
            Counts by outcome: copied, mended (the copy further on won), same, differs (and a person must look), gone
            (removed meanwhile); of a dry run, which writes nothing: missing, differs, same.
        """
        counts = self._pass("look" if dry_run else "copy", resumes=not dry_run)
        if not dry_run:
            self._redis.set(self._steps.prefix + keys.ALL_PLACED, 1)
        return counts

    def copy(self, job_id: str) -> str:
        """Bring one job over, as ``run`` does with each; return the outcome, one of those that it counts."""
        outcome: str = self._steps.run("copy", job_id, "copy", "")
        self._telemetry.count(self._telemetry.backfilled, outcome)
        return outcome

    def verify(self) -> Counter[str]:
        """Compare every job of the old schema with the new; all is well if only ``same`` and ``gone`` are counted."""
        counts = self._pass("look")
        self._telemetry.verified(counts)
        return counts

    def remove(self, quiet: timedelta = QUIET) -> Counter[str]:
        """Remove the old schema's jobs.

        Raises:
            StillNeededError: a job is not in the new schema or differs there, or was written to the old one within
                ``quiet``, so that somebody still does so. Nothing was removed.
        """
        since = (datetime.now(UTC) - quiet).isoformat()
        counts = self._pass("ready", since)
        if counts["missing"] or counts["differs"]:
            raise StillNeededError(
                f"{counts['missing']} jobs are missing in the new schema and {counts['differs']} differ: backfill first"
            )
        if counts["recent"]:
            raise StillNeededError(
                f"{counts['recent']} jobs were enqueued into the old schema since {since}: somebody still needs it"
            )
        return self._pass("remove", since)

    def _pass(self, step: str, since: str = "", *, resumes: bool = False) -> Counter[str]:
        counts: Counter[str] = Counter()
        begun_s = time.monotonic()
        for done, job_ids in self._batches(resumes):
            for job_id in job_ids:
                outcome = self._steps.run("copy", job_id, step, since)
                counts[outcome] += 1
                self._telemetry.count(self._telemetry.backfilled, outcome)
                if self._rate:
                    time.sleep(max(0.0, begun_s + counts.total() / self._rate - time.monotonic()))
            if self._on_progress:
                self._on_progress(done, counts)
        return counts

    def _batches(self, resumes: bool) -> Iterator[tuple[float, list[str]]]:
        """Scan the old schema; a pass that resumes keeps its place after each batch, and forgets it at the end."""
        kept, match = self._steps.prefix + keys.BACKFILL, f"{self._steps.prefix}{_OLD}*"
        server = self._redis.info("server")["run_id"] if resumes else ""
        place, _, of = ((self._redis.get(kept) if resumes else None) or "0").partition(" ")
        # A cursor means nothing to another server, and to the same one after a restart.
        cursor = int(place) if of == server else 0
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
    """Return which part of the key space a scan has seen: its cursor counts with the highest bit first."""
    return int(f"{cursor:064b}"[::-1], 2) / 2**64 if cursor else 1.0


def main(words: list[str] | None = None) -> int:
    """Run from the command line; return 1 if the schemas disagree, or the old one is still needed."""
    from .queue import Queue  # which offers a backfill as a call, and so imports this

    options = argparse.ArgumentParser(prog=f"python -m {__package__}.backfill", description=__doc__)
    options.add_argument("step", choices=("copy", "dry-run", "verify", "remove"))
    options.add_argument("--rate", type=float, help="jobs a second at most")
    asked = options.parse_args(words)
    backfill = Backfill(Queue()._redis, rate=asked.rate, on_progress=_show)
    try:
        if asked.step == "remove":
            backfill.remove()
        elif asked.step == "verify":
            counts = backfill.verify()
            return int(counts["missing"] + counts["differs"] > 0)
        else:
            backfill.run(dry_run=asked.step == "dry-run")
    except StillNeededError as error:
        sys.stderr.write(f"\nnot removed: {error}")
        return 1
    finally:
        sys.stderr.write("\n")
    return 0


def _show(done: float, counts: Counter[str]) -> None:
    told = "  ".join(f"{outcome} {count}" for outcome, count in sorted(counts.items()))
    sys.stderr.write(f"\r[{'#' * int(done * 30):30}] {done:4.0%}  {told}")
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main())
