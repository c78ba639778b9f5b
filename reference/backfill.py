"""Copy, compare and remove the old schema's jobs, on the server that REDIS_URL names.

copy: copy every job that the new schema lacks, and mend those that differ; a pass that was stopped is continued.
dry-run: count what copy would find, and write nothing.
verify: compare every job of the old schema with the new one; exit code 1 if they disagree.
remove: remove the old schema's jobs; exit code 1 if something still needs them.

The counts go to standard output, progress to standard error. Other exit codes: 2 for wrong usage or a server that can't
be used, 130 for an interrupt. See ``old_schema`` for when to do what.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence

import redis

from .connection import DEFAULT_URL
from .driver import driver_for
from .errors import StillNeededError
from .old_schema import Backfill

DRIVER_RETRIES = 2
REPORTS_EVERY_S = 30.0
"""How often progress is written where no terminal shows it, so that a log stays short."""


def main(words: Sequence[str] | None = None) -> int:
    """Run one step.

    Args:
        words: the command line without the program's name; None takes the process's own.

    Returns:
        The exit code.
    """
    asked = _arguments(words)
    progress = _Progress()
    try:
        driver = driver_for(os.environ.get("REDIS_URL") or DEFAULT_URL, DRIVER_RETRIES)
        try:
            backfill = Backfill(driver, rate=asked.rate, on_progress=progress.report)
            counts = _step(backfill, asked.step)
        finally:
            driver.close()
    except StillNeededError as error:
        progress.end(f"not removed: {error}")
        return 1
    except (redis.RedisError, OSError) as error:
        progress.end(f"the server can't be used: {error}. REDIS_URL names it. Run the step again.")
        return 2
    except ValueError as error:
        progress.end(f"nothing was done: {error}")
        return 2
    except KeyboardInterrupt:
        progress.end("interrupted; copy continues here the next time, the other steps start again")
        return 130
    progress.end()
    sys.stdout.write(_text(counts) + "\n")
    return int(asked.step == "verify" and counts["missing"] + counts["differs"] > 0)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    options = argparse.ArgumentParser(
        prog=f"python -m {__package__}.backfill",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("step", choices=("copy", "dry-run", "verify", "remove"))
    options.add_argument("--rate", type=_rate, metavar="N", help="jobs per second at most")
    return options.parse_args(words)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not rate > 0:
        raise argparse.ArgumentTypeError(f"must be more than 0 jobs per second; got {text}")
    return rate


def _step(backfill: Backfill, step: str) -> Counter[str]:
    if step == "remove":
        return backfill.remove()
    if step == "verify":
        return backfill.verify()
    return backfill.run(dry_run=step == "dry-run")


class _Progress:
    """Progress on standard error: one line that changes on a terminal, a new line now and then elsewhere."""

    def __init__(self) -> None:
        self._is_live = sys.stderr.isatty()
        self._line_is_open = False
        self._reported_s = time.monotonic()

    def report(self, done: float, counts: Counter[str]) -> None:
        line = f"{done:4.0%}  {_text(counts)}"
        if self._is_live:
            sys.stderr.write(f"\r[{'#' * int(done * 30):30}] {line}")
            sys.stderr.flush()
            self._line_is_open = True
        elif time.monotonic() >= self._reported_s + REPORTS_EVERY_S:
            self._reported_s = time.monotonic()
            sys.stderr.write(f"{line}\n")

    def end(self, message: str = "") -> None:
        if self._line_is_open:
            sys.stderr.write("\n")
        if message:
            sys.stderr.write(f"{message}\n")


def _text(counts: Counter[str]) -> str:
    return "  ".join(f"{outcome} {count}" for outcome, count in sorted(counts.items())) or "no jobs"


if __name__ == "__main__":
    # A process manager ends a program with SIGTERM; that ends the pass in order, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    raise SystemExit(main())
