"""How the cases of one finding divide: a second cause behind the same call must be visible."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from midpipe.reports.division import division_of
from midpipe.reports.explain import explained
from midpipe.reports.sinks.terminal import render_verdict
from midpipe.scenarios.model.verdict import Finding
from tests.fast.reports.verdicts import FAILED, LOST

TORN = ("enqueue: A3:EXEC!torn-first", "work: A3:EXEC!torn-first")
A_DAY_LATER = tuple(f"work: A:WATCH:arq:in-progress:job-*#{n}!elapse=90000" for n in (1, 2, 3))


def found_in(*replays: str, cases: int | None = None) -> Finding:
    return replace(LOST, replays=replays, cases=len(replays) if cases is None else cases)


def test_cases_at_another_command_are_counted_apart_with_the_simplest_of_each() -> None:
    assert division_of(found_in(*TORN, *A_DAY_LATER)) == (
        "Its 5 cases may have different causes: "
        "3 with elapse=90000 at WATCH (work: A:WATCH:arq:in-progress:job-*#1!elapse=90000); "
        "2 with torn-first at EXEC (work: A3:EXEC!torn-first)."
    )


def test_a_clock_s_fault_is_not_counted_with_a_network_s_at_the_same_command() -> None:
    division = division_of(found_in("enqueue: A3:EXEC!late", "enqueue: A3:EXEC!elapse=90000"))
    assert "1 with late at EXEC" in division
    assert "1 with elapse=90000 at EXEC" in division


def test_a_program_that_needs_no_fault_keeps_its_cases_with_faults() -> None:
    division = division_of(
        found_in(
            "same-job-again:",
            "same-job-again: A1:EXEC!lost-reply",
            "same-request-twice: A1 B1",
            "same-request-twice: A1 B1 A2:EXEC!crash",
            "enqueue: A1:EXEC!lost-reply",
        )
    )
    assert "2 in programs that need no fault (same-job-again:);" in division
    assert (
        "2 in programs that need only an order of clients (same-request-twice: A1 B1);" in division
    )
    assert "1 with lost-reply at EXEC (enqueue: A1:EXEC!lost-reply)." in division


@pytest.mark.parametrize(
    "replays",
    [
        (),
        ("enqueue: A3:EXEC!late",),
        ("enqueue: A3:EXEC!late", "enqueue: A3:EXEC!cut-before", "work: A9:EXEC!late"),
        ("enqueue:", "enqueue: A3:EXEC!late"),
        ("enqueue: A3:EXEC!late", "enqueue: A1:SET!a-fault-of-another-release"),
    ],
)
def test_nothing_is_said_of_cases_of_one_kind_or_that_cannot_be_read(
    replays: tuple[str, ...],
) -> None:
    assert division_of(found_in(*replays)) == ""


def test_cases_whose_lines_were_not_kept_are_not_divided() -> None:
    division = division_of(found_in(*TORN, *A_DAY_LATER, cases=1200))
    assert division.startswith("Of its 1,200 cases, the first 5 may ")


def test_many_commands_are_cut_to_those_with_the_most_cases() -> None:
    commands = ("EXEC", "EXEC", "SET", "GET", "DEL", "HSET", "LPOP")
    division = division_of(found_in(*(f"work: A{n}:{c}!late" for n, c in enumerate(commands, 1))))
    assert "2 with late at EXEC" in division
    assert division.endswith("; 2 at other commands.")


def test_every_report_of_a_finding_says_how_its_cases_divide() -> None:
    finding = found_in(*TORN, *A_DAY_LATER)
    assert explained(finding)[-1] == division_of(finding)
    out = io.StringIO()
    render_verdict(replace(FAILED, findings=(finding,)), Console(file=out, width=80))
    assert division_of(finding) in " ".join(out.getvalue().split())
