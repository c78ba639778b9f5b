"""The findings as SARIF 2.1.0, for code scanning on GitHub and for editors.

GitHub rejects a whole file if one result has no location, so a finding without a known line of code points to the
subject's file, or to ``pyproject.toml`` if the subject is not a file. GitHub and GitLab look for files from the root of
the repository, and midpipe may have run in a folder of it. Fingerprints are made from what does not move when lines do:
the invariant, the program, the faults and the command. The story is the result's code flow.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from midpipe.reports.explain import advice_for, consequences_of, explained
from midpipe.reports.titles import title_of
from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.spec import replay_command
from midpipe.scenarios.model.story import SourceLine, StoryStep
from midpipe.scenarios.model.verdict import Finding, Severity, Verdict

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MOST_STEPS = 1_000
"""GitHub shows no more steps of a code flow."""
_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
}
_SCORES = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.0",
    Severity.LOW: "2.0",
}


def sarif(verdict: Verdict, folder: str = "") -> str:
    """Return the findings of a verdict as a SARIF document.

    Args:
        folder: the folder in which midpipe ran, relative to the root of the repository; empty for the root.
    """
    rules = sorted({finding.invariant for finding in verdict.findings})
    document = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "midpipe",
                        "semanticVersion": verdict.midpipe,
                        "rules": [_rule(rule, verdict) for rule in rules],
                    }
                },
                "automationDetails": {"id": f"midpipe/{verdict.subject}/"},
                "results": [
                    _result(finding, rules, verdict, folder) for finding in verdict.findings
                ],
            }
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _rule(invariant: str, verdict: Verdict) -> dict[str, Any]:
    finding = next(finding for finding in verdict.findings if finding.invariant == invariant)
    claim = INVARIANTS[invariant].claim if invariant in INVARIANTS else finding.claim
    advice = advice_for(finding)
    return {
        "id": invariant,
        "shortDescription": {"text": claim},
        "fullDescription": {"text": claim},
        "help": {"text": advice, "markdown": advice},
        "defaultConfiguration": {"level": _LEVELS[finding.severity]},
        "properties": {"security-severity": _SCORES[finding.severity], "tags": ["reliability"]},
    }


def _result(finding: Finding, rules: list[str], verdict: Verdict, folder: str) -> dict[str, Any]:
    line = finding.source
    replay = replay_command(finding.replay, verdict.again, finding.on)
    sentences = (f"{title_of(finding)}.", *explained(finding), *consequences_of(finding))
    text = "\n".join((*sentences, f"Replay it: {replay}"))
    result: dict[str, Any] = {
        "ruleId": finding.invariant,
        "ruleIndex": rules.index(finding.invariant),
        "level": _LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [
            _location(file_of(finding.source, verdict, folder), line.line if line else 1)
        ],
        "partialFingerprints": {"primaryLocationLineHash": fingerprint(finding)},
    }
    steps = list(_flow(finding, folder))[:MOST_STEPS]
    if steps:
        result["codeFlows"] = [{"threadFlows": [{"locations": steps}]}]
    return result


def _location(file: str, line: int) -> dict[str, Any]:
    # A URI: a space or a letter outside ASCII in a file's name is not valid in it.
    artifact = {"uri": quote(file)}
    return {"physicalLocation": {"artifactLocation": artifact, "region": {"startLine": line}}}


def file_of(line: SourceLine | None, verdict: Verdict, folder: str = "") -> str:
    """Return a finding's file, relative to the root of the repository: the subject's if no line is known.

    Args:
        folder: as in ``sarif``.
    """
    where, _, _ = verdict.subject.rpartition(":")
    return in_repository(
        line.file if line else where if where.endswith(".py") else "pyproject.toml", folder
    )


def in_repository(file: str, folder: str) -> str:
    """Return a file's path from the root of the repository; only the name of a file that lies elsewhere.

    Args:
        file: absolute, or relative to the folder in which midpipe ran.
        folder: as in ``sarif``.
    """
    path = PurePosixPath(file)
    return path.name if path.is_absolute() or ".." in path.parts else str(folder / path)


def _flow(finding: Finding, folder: str) -> Iterator[dict[str, Any]]:
    """Yield the story's commands whose lines are known, in order."""
    for step in finding.story.steps if finding.story else ():
        line = step.command.source.sent if step.command and step.command.source else None
        if line is None:
            continue
        place = _location(in_repository(line.file, folder), line.line)
        yield {"location": {**place, "message": {"text": _step_text(step)}}}


def _step_text(step: StoryStep) -> str:
    command = step.command
    assert command is not None
    fault = f", fault: {command.fault}" if command.fault else ""
    return f"{command.position} {' '.join(command.words)}{fault}"


def fingerprint(finding: Finding) -> str:
    """Return what identifies a finding from run to run, also if its line has moved."""
    faults = (f"{placed.fault}@{placed.place}" for placed in finding.faults)
    function = finding.source.function if finding.source else ""
    parts = (finding.invariant, finding.program, finding.operation, function, *faults)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32] + ":1"
