"""The judgement of a roll-out on the terminal, as JSON and as Markdown: each rule with its PromQL and its values."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

import msgspec
from rich.console import Console

from midpipe import __version__
from midpipe.reports.markdown_text import code, table_row
from midpipe.reports.sinks.console import say
from midpipe.scenarios.canary.canary import CanaryResult, Measurement
from midpipe.scenarios.canary.judging import Judged
from midpipe.scenarios.canary.rollback import ROLL_BACKS
from midpipe.scenarios.model.outcome import Outcome

_STYLE = {Outcome.PASS: "green", Outcome.UNKNOWN: "yellow", Outcome.FAIL: "red"}


def render_measurement(measured: Measurement, count: int, console: Console) -> None:
    """Print one measurement: every rule with its outcome, and the queries of those that did not pass.

    If no query was answered, what they have in common is enough.
    """
    at = datetime.fromtimestamp(measured.at_s, UTC).strftime("%H:%M:%S")
    say(
        console,
        f"measurement {measured.number} of {count} at {at} UTC, over {measured.window_s:,.0f} s: {measured.outcome}",
        f"bold {_STYLE[measured.outcome]}",
    )
    if measured.common_error:
        say(
            console,
            f"  {measured.outcome:<7} every rule: {measured.common_error}",
            _STYLE[measured.outcome],
        )
        return
    for judged in measured.judged:
        say(
            console, f"  {judged.outcome:<7} {judged.rule}: {judged.reason}", _STYLE[judged.outcome]
        )
        if judged.outcome is not Outcome.PASS:
            for line in _asked(judged):
                say(console, f"          {line}", "dim")


def render_canary(result: CanaryResult, console: Console) -> None:
    """Print the outcome, and after a failure the way back; the outcome last."""
    for reason in result.reasons:
        say(console, f"· {reason}")
    if result.outcome is Outcome.FAIL:
        for line in way_back(result.phase):
            say(console, line)
    say(console, f"midpipe: {result.outcome.upper()}", f"bold {_STYLE[result.outcome]}")


def way_back(phase: str) -> tuple[str, ...]:
    """Return the safe roll-back from a phase, as lines."""
    back = ROLL_BACKS.get(phase)
    if back is None:
        return ("Roll back: restart the canary with the code and the settings of the old fleet.",)
    settings = " ".join(f"{name}={value}" for name, value in back.settings.items())
    lines = [f"Roll back to {back.to}: set {settings} on every worker, and restart them."]
    lines += [text for text in (back.before, back.never) if text]
    audit = f"midpipe audit --redis URL --layout reviewed --phase {shlex.quote(back.audit_phase)}"
    return (*lines, f"Then check that no job is hidden: {audit}")


def canary_json(result: CanaryResult) -> str:
    """Return the judgement as JSON, with every query and its values."""
    roll_back = list(way_back(result.phase)) if result.outcome is Outcome.FAIL else []
    document = {
        "midpipe": __version__,
        "schema": 1,
        **msgspec.to_builtins(result),
        "roll_back": roll_back,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def canary_markdown(result: CanaryResult) -> str:
    """Return the judgement as Markdown: the last measurement, with every query."""
    lines = [f"# Canary: {result.outcome}", ""]
    lines += [f"- {reason}" for reason in result.reasons]
    if result.outcome is Outcome.FAIL:
        lines += ["", *way_back(result.phase)]
    if result.measurements:
        last = result.measurements[-1]
        lines += ["", f"Measurement {last.number}, over {last.window_s:,.0f} s:", ""]
        lines += ["| rule | outcome | reason | PromQL | value |", "| --- | --- | --- | --- | --- |"]
        lines += [
            table_row((judged.rule, judged.outcome, judged.reason, code(asked.query), asked.shown))
            for judged in last.judged
            for asked in judged.asked
        ]
    return "\n".join([*lines, ""])


def _asked(judged: Judged) -> list[str]:
    return [f"{asked.query} = {asked.shown}" for asked in judged.asked]
