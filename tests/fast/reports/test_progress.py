"""Progress lines where there is no terminal."""

from __future__ import annotations

import io
from itertools import count

from rich.console import Console

from midpipe.reports.cli.progress import LINE_EVERY_S, ProgressSink
from midpipe.scenarios.gate.options import LossAllowed, PartBegan, TaskEnded
from midpipe.scenarios.model.progress import ProgressRow
from tests.fast.reports.verdicts import CASE


def lines_of(
    cases: int, step_s: float, stages: tuple[str, ...] = (), ends_s: float | None = None
) -> list[str]:
    """Return the lines of a part with so many cases, ``step_s`` seconds apart."""
    out = io.StringIO()
    ticks = count(0.0, step_s)
    with ProgressSink(
        Console(file=out, width=120), lambda: next(ticks), stages, ends_s
    ) as progress:
        progress.listen(PartBegan("interleave", 3))
        for _ in range(cases):
            progress.listen(CASE)
    return out.getvalue().splitlines()


def test_a_long_part_prints_a_line_now_and_then() -> None:
    lines = lines_of(5, LINE_EVERY_S)
    assert any("interleave is running" in line and "cases" in line for line in lines[:-1])
    assert lines[-1] == "midpipe: interleave done: 5 cases, 0 with a violation"


def test_the_line_of_a_fuzzing_part_says_how_much_is_covered() -> None:
    out = io.StringIO()
    with ProgressSink(Console(file=out, width=120)) as progress:
        progress.listen(PartBegan("fuzz", 1))
        progress.listen(CASE)
        progress.listen(ProgressRow(1.0, 1, 0, combinations=1_812))
    assert out.getvalue() == (
        "midpipe: fuzz done: 1 case, 0 with a violation, 1,812 combinations covered\n"
    )


def test_a_short_part_prints_its_end_only() -> None:
    assert lines_of(5, 0.001) == ["midpipe: interleave done: 5 cases, 0 with a violation"]


def test_a_part_that_is_interrupted_is_not_called_done() -> None:
    out = io.StringIO()
    progress = ProgressSink(Console(file=out, width=120))
    progress.listen(PartBegan("sweep", 2))
    progress.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert out.getvalue() == "midpipe: sweep stopped: 0 cases\n"


def test_a_line_names_the_stage_and_the_time_that_is_left() -> None:
    (line,) = lines_of(1, 0.0, ("sweep", "interleave", "stories"), ends_s=45.0)
    assert line == "midpipe: interleave (1 of 2) done: 1 case, 0 with a violation, 45 s left"


def test_a_loss_that_the_servers_persistence_allows_is_no_violation() -> None:
    out = io.StringIO()
    with ProgressSink(Console(file=out, width=120)) as progress:
        progress.listen(PartBegan("durability", 1))
        progress.listen(CASE)
        progress.listen(LossAllowed(CASE))
    assert out.getvalue() == (
        "midpipe: durability done: 2 cases, 0 with a violation, "
        "1 with a loss that the server's persistence allows\n"
    )


def test_a_program_that_is_continued_in_a_later_round_is_one_task_more() -> None:
    out = io.StringIO()
    with ProgressSink(Console(file=out, width=120, force_terminal=True)) as progress:
        progress.listen(PartBegan("sweep", 2))
        for _ in range(5):
            progress.listen(TaskEnded("sweep", "enqueue"))
    assert "5/5" in out.getvalue()
    assert "5/2" not in out.getvalue()


def test_the_end_of_each_part_is_shown_once_and_what_was_run_later_in_one_line() -> None:
    out = io.StringIO()
    stages = ("sweep", "interleave", "stories")
    with ProgressSink(Console(file=out, width=120), stages=stages) as progress:
        for part in ("sweep", "interleave", "sweep", "interleave", "sweep", "stories"):
            progress.listen(PartBegan(part, 2))
            if part != "stories":
                progress.listen(CASE)
    assert out.getvalue().splitlines() == [
        "midpipe: sweep (1 of 3) done: 1 case, 0 with a violation",
        "midpipe: interleave (2 of 3) done: 1 case, 0 with a violation",
        "midpipe: more of sweep, interleave done: 3 cases, 0 with a violation",
        "midpipe: stories (3 of 3) done",
    ]


def test_parts_that_are_skipped_are_not_counted_and_one_that_runs_later_is() -> None:
    out = io.StringIO()
    stages = ("sweep", "interleave", "fleet", "fuzz", "review", "stories")
    with ProgressSink(Console(file=out, width=120), stages=stages) as progress:
        for part in ("sweep", "interleave", "fuzz", "fleet", "stories"):
            progress.listen(PartBegan(part, 0))
    numbered = [line.partition(")")[0] for line in out.getvalue().splitlines()]
    assert numbered == [
        "midpipe: sweep (1 of 6",
        "midpipe: interleave (2 of 6",
        "midpipe: fuzz (3 of 5",
        "midpipe: fleet (4 of 6",
        "midpipe: stories (5 of 5",
    ]


def test_a_part_that_ran_no_case_says_so() -> None:
    out = io.StringIO()
    with ProgressSink(
        Console(file=out, width=120), lambda: 0.0, ("sweep", "fuzz"), 8.0
    ) as progress:
        progress.listen(PartBegan("fuzz", 1))
    assert out.getvalue() == "midpipe: fuzz (1 of 1) done: 0 cases, 8 s left\n"


def test_a_live_line_is_not_cut_off_at_80_columns() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, color_system=None)
    with ProgressSink(console, lambda: 0.0, ("sweep", "interleave"), 300.0) as progress:
        progress.listen(PartBegan("interleave", 40))
        for _ in range(1230):
            progress.listen(CASE)
        progress.listen(TaskEnded("interleave", "enqueue"))
    assert "1230 cases, 0 with a violation, 300 s left" in " ".join(out.getvalue().split())
    assert "…" not in out.getvalue()


def test_a_live_text_that_does_not_fit_is_wrapped_and_leaves_the_other_columns_whole() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, color_system=None)
    with ProgressSink(console, lambda: 0.0, ("fuzz",), 300.0) as progress:
        progress.listen(PartBegan("fuzz", 2))
        progress.listen(CASE)
        progress.listen(ProgressRow(1.0, 1, 0, combinations=1_812))
        progress.listen(TaskEnded("fuzz", "examples"))
    text = " ".join(out.getvalue().split())
    assert "1,812 combinations covered, 300 s left" in text
    assert "fuzz (1 of 1)" in text
    assert "…" not in text
