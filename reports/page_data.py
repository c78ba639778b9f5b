"""What the page of a verdict shows, as plain values that JSON can hold. Pure: it draws nothing.

The page is one file, so its size counts: a story's steps are lists in the order of STEP, and no value that a reader
does not see is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from midpipe.faultinject.decide.ledger import Covered, LedgerRow
from midpipe.reports.explain import advice_for, consequences_of, explained, source_text
from midpipe.reports.titles import title_of
from midpipe.reports.view import full_call, marked, short_call
from midpipe.scenarios.model.spec import replay_command
from midpipe.scenarios.model.story import SourceLine, StepKind, Story, StoryCommand, StoryStep
from midpipe.scenarios.model.verdict import Finding, Verdict

STEP = (
    "kind",
    "client",
    "position",
    "text",
    "fault",
    "executed",
    "reply",
    "source",
    "changes",
    "marked",
    "queued",
)
"""The values of a step, in order.

``source`` holds file, line and function of the subject's own frames, ``queued`` those of the lines that put commands
into a pipeline, ``changes`` key, before and after.
"""
COVERED: Mapping[Covered, str] = MappingProxyType(
    {
        Covered.VIOLATED: "v",
        Covered.INVALID: "i",
        Covered.NOT_REACHED: "n",
        Covered.RUN: "r",
        Covered.PRUNED: "p",
    }
)
LANES = (
    StepKind.CALL,
    StepKind.COMMAND,
    StepKind.LATE_COMMAND,
    StepKind.RETURN,
    StepKind.RAISE,
)


def page_data(verdict: Verdict) -> dict[str, Any]:
    """Return the findings with their stories, the coverage of each program and fault, and the code that is shown."""
    return {
        "findings": [finding_data(verdict, finding) for finding in verdict.findings],
        "coverage": coverage_data(verdict),
        "code": code_data(verdict.findings),
    }


def code_data(findings: Iterable[Finding]) -> dict[str, dict[int, str]]:
    """Return the text of each line of code that a finding shows, by file and number; each once."""
    code: dict[str, dict[int, str]] = {}
    for finding in findings:
        for line in finding.code:
            code.setdefault(line.file, {})[line.line] = line.text
    return code


def finding_data(verdict: Verdict, finding: Finding) -> dict[str, Any]:
    """Return one finding with its story and that of its neighbour."""
    neighbour = finding.neighbour
    return {
        "id": finding.id,
        "severity": str(finding.severity),
        "title": title_of(finding),
        "source": source_text(finding),
        "at": [finding.source.file, finding.source.line] if finding.source else None,
        "sentences": [*explained(finding), *consequences_of(finding)],
        "advice": advice_for(finding),
        "invariants": list(finding.invariants),
        "replay": replay_command(finding.replay, verdict.again, finding.on),
        "story": story_data(finding.story),
        "neighbour": story_data(neighbour),
        "passes": replay_command(neighbour.replay, verdict.again, finding.on) if neighbour else "",
    }


def story_data(story: Story | None) -> dict[str, Any] | None:
    """Return a story's clients, steps and violations; None if there is no story."""
    if story is None:
        return None
    return {
        "clients": sorted({step.client for step in story.steps if step.kind in LANES}),
        "steps": [_step(step) for step in story.steps],
        "violations": [
            [violation.invariant, violation.observed, violation.position]
            for violation in story.violations
        ],
    }


def _step(step: StoryStep) -> list[Any]:
    command = step.command or StoryCommand(())
    values: Mapping[str, Any] = {
        "kind": str(step.kind),
        "client": step.client if step.kind in LANES else "",
        "position": command.position,
        "text": _text(step),
        "fault": command.fault,
        "marked": marked(command.fault) if command.fault else "",
        "executed": command.executed,
        "reply": command.reply,
        "source": _lines(command.source.frames if command.source else ()),
        "queued": _lines(command.source.queued if command.source else ()),
        "changes": [[change.key, change.before, change.after] for change in step.changes],
    }
    return [values[name] for name in STEP]


def _lines(lines: Iterable[SourceLine]) -> list[list[Any]]:
    return [[line.file, line.line, line.function] for line in lines]


def _text(step: StoryStep) -> str:
    if step.kind is StepKind.RAISE and step.error is not None:
        return f"raised {step.error.type}: {step.error.message}"
    if step.kind is StepKind.RETURN:
        return f"→ {step.value}"
    if step.command is not None:
        block = (("MULTI",), *step.command.block) if step.command.block else ()
        lines = (*block, step.command.words)
        return "; ".join(" ".join(words) for words in lines)
    if step.call is None:
        return step.text
    if step.kind is StepKind.CALL:
        again = f" (attempt {step.call.attempt})" if step.call.attempt > 1 else ""
        version = f" [{step.call.version}]" if step.call.version else ""
        standby = " (stand-by worker)" if step.call.standby else ""
        return f"{short_call(step.call)}{again}{standby}{version}"
    if step.kind is StepKind.PREPARATION:
        return full_call(step.call)
    result = f"{step.error.type}: {step.error.message}" if step.error else step.value
    return f"{full_call(step.call)} → {result}"


def coverage_data(verdict: Verdict) -> dict[str, Any]:
    """Return the ledger as a map: programs down, faults across, and what became of the cases of each.

    ``cells`` has the counts of each program and fault, ``places`` a row for each place in a program: the program's
    number, the place, and a character of COVERED for each fault, or ``.`` where the fault is not injected there.
    """
    programs = _in_order(row.program for row in verdict.ledger)
    faults = _in_order(row.fault for row in verdict.ledger)
    cells = [
        [
            programs.index(row.program),
            faults.index(row.fault),
            row.run,
            row.pruned,
            row.not_reached,
            row.invalid,
            row.violated,
        ]
        for row in verdict.ledger
    ]
    return {
        "programs": list(programs),
        "faults": list(faults),
        "cells": cells,
        "places": [
            [number, place, letters]
            for number, program in enumerate(programs)
            for place, letters in _places(verdict.ledger, program, faults)
        ],
    }


def _places(
    ledger: Sequence[LedgerRow], program: str, faults: Sequence[str]
) -> Iterator[tuple[str, str]]:
    rows = {row.fault: row.places for row in ledger if row.program == program}
    for place in sorted({place for places in rows.values() for place in places}, key=_in_program):
        yield (
            place,
            "".join(
                COVERED[rows[fault][place]] if place in rows.get(fault, {}) else "."
                for fault in faults
            ),
        )


def _in_program(place: str) -> tuple[str, bool, tuple[int, ...], str]:
    """Return the sort key of a place: the client, the handshake first, the numbers, the command."""
    position, _, command = place.partition(":")
    is_setup = position[1:2] == "s"
    numbers = tuple(int(number) for number in re.findall(r"\d+", position))
    return position[:1], not is_setup, numbers, command


def _in_order(names: Iterable[str]) -> Sequence[str]:
    return tuple(dict.fromkeys(names))
