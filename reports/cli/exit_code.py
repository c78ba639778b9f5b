"""The exit code of a command: 0 pass, 1 fail, 3 unknown, and what unwritten reports make of it."""

from __future__ import annotations

from collections.abc import Callable

import click

from midpipe.reports.cli.invocation import safe_text
from midpipe.reports.sinks.writing import OutputError
from midpipe.scenarios.gate.options import EXPLORING
from midpipe.scenarios.model.verdict import Outcome, Severity, Verdict

EXIT_CODES = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.UNKNOWN: 3}


def written(write: Callable[[], object]) -> bool:
    """Write reports. Return False after a message on standard error if they can't be written."""
    try:
        write()
    except OutputError as error:
        click.echo(f"midpipe: {safe_text()(str(error))}", err=True)
        return False
    return True


def code_of(outcome: Outcome, *, is_written: bool) -> int:
    """Return the exit code of a command whose reports were written, or not."""
    return _unless_unwritten(EXIT_CODES[outcome], is_written=is_written)


def code_of_verdict(verdict: Verdict, fail_on: str, *, is_written: bool) -> int:
    """Return the exit code of a command that judged, given the lowest severity that fails it."""
    return _unless_unwritten(exit_code(verdict, fail_on), is_written=is_written)


def _unless_unwritten(code: int, *, is_written: bool) -> int:
    """Return the exit code, but that of an OutputError if the reports of a run that did not fail are missing."""
    return code if is_written or code == EXIT_CODES[Outcome.FAIL] else OutputError.exit_code


def exit_code(verdict: Verdict, fail_on: str) -> int:
    """Return the exit code of a verdict, given the lowest severity that fails it."""
    if verdict.outcome is Outcome.FAIL and not _fails(verdict, Severity(fail_on)):
        outcomes = [row.outcome for row in verdict.parts]
        is_whole = not verdict.partial and Outcome.UNKNOWN not in outcomes
        return EXIT_CODES[Outcome.PASS if is_whole else Outcome.UNKNOWN]
    return EXIT_CODES[verdict.outcome]


def _fails(verdict: Verdict, least: Severity) -> bool:
    """Whether a failed verdict fails for anything but findings less severe than ``least``."""
    other_parts = [row.outcome for row in verdict.parts if row.name not in EXPLORING]
    return (
        not verdict.findings
        or any(finding.severity.counts_from(least) for finding in verdict.findings)
        or any(row.torn for row in verdict.power_loss)
        or Outcome.FAIL in other_parts
    )
