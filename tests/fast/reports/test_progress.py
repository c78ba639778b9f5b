"""What is told on the way, where there is no terminal."""

from __future__ import annotations

import io
from itertools import count

from rich.console import Console

from midpipe.reports.cli.progress import TELLS_EVERY_S, ProgressSink
from midpipe.scenarios.gate.options import PartBegan
from midpipe.scenarios.model.messages import CaseEnded

CASE = CaseEnded(
    program="enqueue",
    replay="enqueue:",
    fault="none",
    faults=0,
    valid=True,
    invalid_reason="",
    violations=(),
    observations=(),
    crashes=(),
    seconds=(0.0, 0.0, 0.0, 0.0),
)


def told(cases: int, step_s: float) -> list[str]:
    """Return the lines of a part with so many cases, each a moment after the other."""
    out = io.StringIO()
    ticks = count(0.0, step_s)
    with ProgressSink(Console(file=out, width=120), lambda: next(ticks)) as progress:
        progress.listen(PartBegan("interleave", 3))
        for _ in range(cases):
            progress.listen(CASE)
    return out.getvalue().splitlines()


def test_a_part_that_takes_long_is_told_of_while_it_goes_on() -> None:
    lines = told(5, TELLS_EVERY_S)
    assert any("interleave goes on" in line and "cases" in line for line in lines[:-1])
    assert lines[-1] == "midpipe: interleave done: 5 cases, 0 with a violation"


def test_of_a_part_that_is_soon_over_only_the_end_is_told() -> None:
    assert told(5, 0.001) == ["midpipe: interleave done: 5 cases, 0 with a violation"]
