"""Bringing what only the old schema holds to the new one, seeing that they agree, and removing the old one.

Each job is one atomic step, so it is safe beside any writer, and may be stopped and begun again anywhere: the
cursor is kept in Redis. Run as ``python -m reference.backfill [--dry-run] [--rate N] [--verify] [--remove]``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from reference import keys
from reference.keys import Keys
from reference.migration import Phase
from reference.scripts import script
from reference.telemetry import Telemetry

QUIET = timedelta(hours=24)
_BATCH = 200
Progress = Callable[[Counter[str]], None]


class StillNeededError(RuntimeError):
    """The old schema can't be removed yet; says why."""


class Backfill:
    """One run over the old schema.

    Args:
        client: a driver with ``decode_responses=True``.
        rate: jobs a second at most; None is no limit.
        on_progress: told the counts by outcome after each batch.
    """

    def __init__(
        self,
        client: Any,
        prefix: str = "",
        rate: float | None = None,
        on_progress: Progress | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._redis = client
        self._keys = Keys(prefix)
        self._rate = rate
        self._on_progress = on_progress
        self._telemetry = telemetry or Telemetry()

    def run(self, *, dry_run: bool = False) -> Counter[str]:
        """Copy every job that the new schema lacks; return counts by outcome: copied, same, differs, missing, gone."""
        return self._each("look" if dry_run else "copy", resumes=not dry_run)

    def verify(self) -> Counter[str]:
        """Compare every job of the old schema with the new; all is well if only ``same`` and ``gone`` are counted."""
        counts = self._each("look", resumes=False)
        self._telemetry.divergent.inc(counts["differs"])
        return counts

    def remove(self, quiet: timedelta = QUIET) -> Counter[str]:
        """Remove the old schema's jobs.

        Raises:
            StillNeededError: a job is not in the new schema or differs there, or a writer of an earlier phase than
                NEW was seen within ``quiet``. Nothing was removed.
        """
        counts = self.verify()
        if counts["missing"] or counts["differs"]:
            raise StillNeededError(
                f"{counts['missing']} jobs are missing in the new schema and {counts['differs']} differ: backfill first"
            )
        seen = self._redis.hgetall(self._keys(keys.PHASES))
        for phase, at in sorted(seen.items()):
            if phase != Phase.NEW.value and datetime.fromisoformat(at) > datetime.now(UTC) - quiet:
                raise StillNeededError(
                    f"a writer in the phase {phase!r} was seen at {at}: it still reads the old schema"
                )
        return self._each("remove", resumes=False)

    def _each(self, step: str, *, resumes: bool) -> Counter[str]:
        counts: Counter[str] = Counter()
        begun_s = time.monotonic()
        for names in self._batches(resumes):
            for name in names:
                job_id = name.removeprefix(self._keys.old_job(""))
                outcome = script("copy").run(
                    self._redis,
                    [self._keys(keys.OWNERS), name, self._keys(keys.SEQUENCE)],
                    [self._keys.prefix, job_id, step],
                )
                counts[outcome] += 1
                self._telemetry.count(self._telemetry.backfilled, outcome)
                if self._rate:
                    time.sleep(max(0.0, begun_s + counts.total() / self._rate - time.monotonic()))
            if self._on_progress:
                self._on_progress(counts)
        return counts

    def _batches(self, resumes: bool) -> Iterator[list[str]]:
        """Scan the old schema; a run that resumes keeps its place after each batch, and forgets it at the end."""
        kept = self._keys(keys.BACKFILL)
        cursor = int((self._redis.get(kept) if resumes else None) or 0)
        while True:
            cursor, names = self._redis.scan(cursor, match=self._keys.old_job("*"), count=_BATCH)
            yield names
            if not cursor:
                break
            if resumes:
                self._redis.set(kept, cursor)
        if resumes:
            self._redis.delete(kept)


def main() -> int:
    """Run from the command line, on REDIS_URL."""
    from reference.queue import Queue  # which offers a backfill as a call, and so imports this

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--dry-run", action="store_true", help="count only")
    options.add_argument("--rate", type=float, help="jobs a second at most")
    options.add_argument("--verify", action="store_true", help="compare the schemas")
    options.add_argument(
        "--remove", action="store_true", help="remove the old schema, if nothing needs it"
    )
    asked = options.parse_args()
    run = Backfill(Queue()._redis, rate=asked.rate, on_progress=_show)
    try:
        counts = (
            run.remove()
            if asked.remove
            else run.verify()
            if asked.verify
            else run.run(dry_run=asked.dry_run)
        )
    except StillNeededError as error:
        sys.stderr.write(f"\nnot removed: {error}\n")
        return 1
    sys.stderr.write("\n")
    return 1 if asked.verify and (counts["missing"] or counts["differs"]) else 0


def _show(counts: Counter[str]) -> None:
    sys.stderr.write(
        "\r" + "  ".join(f"{outcome} {count}" for outcome, count in sorted(counts.items()))
    )
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main())
