"""The results of a search for known bugs: a line for each as it ends, the count at the end, and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console

from midpipe.reports.sinks.console import say
from midpipe.scenarios.gate.bug_search import BugResult, Searched, Shown
from midpipe.scenarios.model.verdict import Outcome, merge

_STYLES = {Outcome.PASS: "green", Outcome.FAIL: "bold red", Outcome.UNKNOWN: "bold yellow"}


def render_bug(result: BugResult, console: Console) -> None:
    """Print what was found of one bug."""
    bug = result.bug
    say(console, f"{result.outcome.upper():<8}{bug.id} ({bug.source})", _STYLES[result.outcome])
    say(console, f"        {bug.summary}")
    say(console, f"        {result.bad.requirement}: {_bad(result.bad)}")
    if result.bad.replay:
        say(console, f"        {result.bad.seen} {result.bad.replay}")
    if result.good is not None:
        say(console, f"        {result.good.requirement}: {_good(result.good)}")
    else:
        say(console, "        No release without this bug is known.")


def outcome_of(results: Sequence[BugResult], planned: int) -> Outcome:
    """Return the outcome of a search; at best unknown if it ended before every bug was searched."""
    outcomes = [result.outcome for result in results]
    return merge([*outcomes, Outcome.UNKNOWN] if len(results) < planned else outcomes)


def render_bugs(results: Sequence[BugResult], planned: int, console: Console) -> None:
    """Print how many bugs were found, and whether all were searched."""
    found = sum(result.bad.shown is Shown.FOUND for result in results)
    fixed = [result for result in results if result.good is not None]
    gone = sum(result.good is not None and result.good.shown is Shown.NOT_FOUND for result in fixed)
    outcome = outcome_of(results, planned)
    say(
        console,
        f"midpipe: {outcome.upper()}: {found} of {len(results)} known bugs found, "
        f"{gone} of {len(fixed)} not found in the release with the fix",
        _STYLES[outcome],
    )
    if len(results) < planned:
        say(
            console,
            f"The result is partial: {planned - len(results)} of {planned} were not searched.",
            "yellow",
        )


def bugs_json(results: Sequence[BugResult], planned: int) -> str:
    """Return the results as JSON."""
    document = {
        "schema": 1,
        "outcome": outcome_of(results, planned),
        "partial": len(results) < planned,
        "bugs": [_row(result) for result in results],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _row(result: BugResult) -> dict[str, Any]:
    bug = result.bug
    return {
        "id": bug.id,
        "library": bug.target.package,
        "summary": bug.summary,
        "source": bug.source,
        "invariant": bug.invariant,
        "outcome": result.outcome,
        "bad": result.bad,
        "good": result.good,
    }


def _bad(searched: Searched) -> str:
    if searched.shown is Shown.UNKNOWN:
        return f"unknown: {searched.reason}"
    if searched.shown is Shown.NOT_FOUND:
        return f"NOT FOUND in {_extent(searched)}"
    stale = "" if searched.replays is not False else "; its replay line no longer shows it"
    return f"found by case {searched.cases}, after {searched.seconds:.1f} s{stale}"


def _good(searched: Searched) -> str:
    if searched.shown is Shown.UNKNOWN:
        return f"unknown: {searched.reason}"
    if searched.shown is Shown.FOUND:
        return f"STILL FOUND by case {searched.cases}: {searched.replay}"
    return f"fixed as expected: not found in {_extent(searched)}"


def _extent(searched: Searched) -> str:
    return f"{searched.cases} cases, {searched.seconds:.1f} s"
