"""The verdict on one screen: what comes first, how wide it is, and that a replay line stays whole."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from midpipe.reports.cli.reporting import shown as show
from midpipe.reports.facts import facts
from midpipe.reports.sinks.terminal import render_verdict
from midpipe.scenarios.gate.options import EXPLORING
from midpipe.scenarios.model.story import SourceLine, Story, StoryViolation
from midpipe.scenarios.model.verdict import (
    NotRunRow,
    Outcome,
    PartRow,
    PowerLossRow,
    Status,
    Verdict,
)
from tests.fast.reports.verdicts import FAILED, LOST, LOUD, PASSED

LINE = "midpipe replay 'enqueue-with-request-id: A2:HSET!cut-before' --subject shop.queue:Queue --path src"
WHOLE = replace(
    PASSED,
    invariants=tuple(
        replace(FAILED.invariants[1], invariant=f"invariant-{number}", status=status)
        for number, status in enumerate([Status.HOLDS] * 12 + [Status.NOT_APPLICABLE] * 9)
    ),
    parts=tuple(PartRow(name, Outcome.PASS, cases=1234, seconds=9.0) for name in EXPLORING),
    warnings=tuple("The program claim-complete was not run, " * 4 for _ in range(5)),
    review=(),
)


def on_one_screen(verdict: Verdict, width: int = 80, **console: Any) -> str:
    out = io.StringIO()
    render_verdict(verdict, Console(file=out, width=width, **console))
    return out.getvalue()


def test_a_pass_takes_one_screen_of_80_columns() -> None:
    lines = on_one_screen(WHOLE).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert lines[0] == lines[-1] == "midpipe: PASS"
    assert any(line.startswith("not proved") for line in lines)


def test_findings_come_first_with_three_lines_each_and_then_the_worst_one_s_story() -> None:
    line = SourceLine("shop/queue.py", 71, "enqueue")
    verdict = replace(FAILED, findings=(replace(LOST, source=line), LOUD))
    lines = on_one_screen(verdict, 120).splitlines()
    assert lines[3:6] == [
        "F1  CRITICAL A connection cut before HSET in enqueue (queue.py:71) loses a job",
        "    shop/queue.py:71 in enqueue",
        f"    {LINE}",
    ]
    assert lines.index("How F1 happens") > lines.index(f"    {LINE}", 6)


def test_a_long_name_of_a_subject_is_wrapped_at_the_width_of_the_terminal() -> None:
    subject = "midpipe.scenarios.flaws.as_reviewed:SimpleQueue"
    verdict = replace(FAILED, subject=subject, server="Valkey 9.1.2 (embedded), on a stepped clock")
    lines = on_one_screen(verdict).splitlines()
    head = lines[1 : lines.index("")]
    assert " ".join(" ".join(head).split()).endswith(f"{subject} on {verdict.server}")
    assert max(map(len, head)) <= 80


def test_a_replay_line_is_never_broken() -> None:
    assert f"    {LINE}\n" in on_one_screen(FAILED, 40)


def test_many_warnings_take_few_lines() -> None:
    many = replace(FAILED, warnings=tuple(f"The program p-{n} was not run." for n in range(30)))
    text = on_one_screen(many)
    assert text.count("was not run") == 3
    assert "and 27 more" in text


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[1;31m" in on_one_screen(FAILED, force_terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "31m" not in on_one_screen(FAILED, force_terminal=True)


@pytest.mark.parametrize("width", [80, 160])
def test_one_screen_is_as_wide_as_the_terminal(width: int) -> None:
    long = replace(LOST, evidence=("x y " * 100,), story=None)
    verdict = replace(FAILED, findings=(long,), again="")
    assert max(map(len, on_one_screen(verdict, width).splitlines())) in range(width - 5, width + 1)


def test_a_selfcheck_that_failed_is_on_the_screen() -> None:
    assert "no-duplicate does not catch the queue as-shipped" in on_one_screen(FAILED)


def test_a_power_loss_that_fails_the_run_comes_with_the_command_that_shows_it_again() -> None:
    lost = PowerLossRow("enqueue", 21, 3, "SET k v", "half a job")
    again = "--subject shop.py:Queue"
    text = on_one_screen(replace(FAILED, power_loss=(lost,), again=again, findings=()), 120)
    _, shown = text.split("A power loss in enqueue, first after SET k v: half a job.")
    assert shown.split("\n")[1].strip() == f"midpipe durability --program enqueue {again}"


def test_an_invariant_that_is_unknown_is_shown_with_the_reason() -> None:
    row = replace(
        FAILED.invariants[1], status=Status.UNKNOWN, note="no case gave it anything to check"
    )
    rows = (replace(row, invariant="retry-succeeds"), replace(row, invariant="worker-lives"))
    shown = on_one_screen(replace(PASSED, invariants=rows), 120)
    assert (
        "unknown     retry-succeeds, worker-lives (each: no case gave it anything to check)"
        in shown
    )


def test_kinds_of_faults_that_were_never_placed_are_named_in_one_line() -> None:
    (row,) = FAILED.ledger
    waiting = ("freeze", "late=1", "late", "skew-ahead", "skew-behind", "refuse", "black-hole")
    ledger = (
        replace(row, fault="none", run=1),
        replace(row, fault="cut-before", run=3, not_reached=2),
        replace(row, fault="pause", run=0, not_reached=4),
        replace(row, program="work", fault="pause", run=1, not_reached=0),
        replace(row, fault="stall", run=0, pruned=4, not_reached=0),
        *(replace(row, fault=fault, run=0, not_reached=4) for fault in waiting),
    )
    lines = on_one_screen(replace(WHOLE, ledger=ledger)).splitlines()
    named = [line for line in lines if line.startswith("not placed")]
    assert named == [
        "not placed  6 kinds of faults: freeze, late, skew-ahead, skew-behind and 2 more"
    ]
    placed = replace(WHOLE, ledger=ledger[:5])
    assert "not placed" not in on_one_screen(placed)


def test_a_program_that_one_part_ran_is_not_counted_among_those_that_do_not_apply() -> None:
    both = (
        NotRunRow("sweep", ("claim", "fail"), ("claim",)),
        NotRunRow("power loss", ("enqueue",), ("keys that midpipe can read",)),
    )
    judged = dict(facts(replace(PASSED, ledger=FAILED.ledger, not_run=both), 0))
    assert judged["not judged"] == "2 programs that do not apply; -v lists them"


def test_what_a_case_shows_is_wrapped_between_words_on_a_terminal() -> None:
    observed = "enqueue answered None for job-1, but it starts and never ends, on any worker."
    story = Story(LOST.replay, (), (StoryViolation("no-lost-job", observed),))
    verdict = replace(FAILED, findings=(replace(LOST, story=story),))
    lines = on_one_screen(verdict, force_terminal=True, color_system=None).splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("✗     no-lost-job"))
    assert " ".join(" ".join(lines[first : first + 2]).split()).endswith(observed)
    assert lines[first + 1].startswith(" " * 6)
    assert max(map(len, lines[first : first + 2])) <= 80


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        (".midpipe", "midpipe report -v"),
        ("a b", "midpipe report -v 'a b/verdict.json'"),
        (".midpipe/sweep", "midpipe report -v .midpipe/sweep/verdict.json"),
    ],
)
def test_the_command_that_shows_the_rest_names_a_verdict_that_is_not_in_the_default_folder(
    folder: str, command: str
) -> None:
    out = io.StringIO()
    verdict = replace(WHOLE, findings=(LOUD,) * 12)
    show(verdict, Path(folder, "verdict.json"), Console(file=out, width=120), verbose=False)
    assert out.getvalue().count(f"which -v or `{command}` shows") == 2
