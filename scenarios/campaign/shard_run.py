"""One shard as a process of its own: the command that a user would type on that machine, and the verdict it writes.

A process of its own, because a task of Dask runs in a thread of a daemonic process, which may neither handle signals
nor have children of its own. The reaper of the run's directory ends it with everything that it has started, whether
the worker ends in order or is killed. Knows no scheduler.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from midpipe.faultinject.reaper import RunDirectory
from midpipe.scenarios.model.shard import Shard

_JUDGED = (0, 1, 3)
"""The exit codes of a run that came to its end: pass, fail, unknown."""
_USAGE = 2
_ASKS_EVERY_S = 0.5
_MOST_ERROR_TEXT = 2_000


@dataclass(frozen=True, slots=True)
class ShardResult:
    """What came of a shard.

    Args:
        verdict: the JSON of its verdict; empty if there is none.
        refused: what the command says against its arguments or the subject; it would say so of every shard.
    """

    shard: Shard
    verdict: str
    refused: str = ""


class ShardLostError(Exception):
    """The shard's process ended before it had a verdict, so the shard is to be run again."""


def run_shard(
    arguments: Sequence[str],
    shard: Shard,
    is_cancelled: Callable[[], bool] = bool,
    report: Callable[[str], object] = str,
) -> ShardResult:
    """Run a shard of a command with one worker, and return its verdict.

    Args:
        arguments: the command and its options, as ``midpipe`` takes them.
        is_cancelled: asked now and then; true ends the process.
        report: receives each new line of progress.

    Raises:
        ShardLostError: the process was ended, or ended by itself without a verdict.
    """
    with RunDirectory() as run:
        out = run.subdirectory("shard")
        process = run.start(
            [
                *(sys.executable, "-m", "midpipe", *arguments),
                *("--shard", str(shard), "--jobs", "1", "--out", str(out)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=(out / "stderr").open("wb"),
        )
        shown, code = "", None
        while code is None:
            try:
                code = process.wait(_ASKS_EVERY_S)
            except subprocess.TimeoutExpired:
                if is_cancelled():
                    process.kill()
            *_, last = ("", *_said(out).splitlines())
            if last != shown:
                shown = last
                report(f"shard {shard}: {last.removeprefix('midpipe: ')}")
        run.release(process.pid)
        said = _said(out)
        found = sorted(out.glob("**/verdict.json"))
        if code in _JUDGED and found:
            return ShardResult(shard, found[0].read_text("utf-8"))
        if code == _USAGE:
            return ShardResult(shard, "", refused=said or "the command was refused")
        raise ShardLostError(f"shard {shard} ended with {code}: {said}")


def _said(out: Path) -> str:
    """Return the end of what the process has written to its standard error."""
    return (out / "stderr").read_text("utf-8", "replace").strip()[-_MOST_ERROR_TEXT:]
