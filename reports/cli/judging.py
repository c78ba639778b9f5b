"""Running the gate, or a part of it, for a command: progress, verdict, reports, exit code."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from midpipe import __version__
from midpipe.faultinject.errors import MidpipeError
from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.reports.cli.progress import ProgressSink
from midpipe.reports.server_table import OWN_QUEUES
from midpipe.reports.sinks.terminal import render_verdict, results, say
from midpipe.reports.sinks.writing import check_writable, write_reports
from midpipe.scenarios.gate.gate import EXPLORING, Gate
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.model.matrix import merged
from midpipe.scenarios.model.verdict import Outcome, Severity, Verdict, merge

EXIT_CODES = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.UNKNOWN: 3}


def judge(
    options: Options,
    out: Path,
    fail_on: str = "LOW",
    others: Sequence[ServerSpec] = (),
) -> int:
    """Run, write the reports, show the verdict; return the exit code.

    Args:
        fail_on: findings less severe than this do not fail the run.
        others: further servers to judge the subject on, after that of the options.
    """
    check_writable(out)
    command = without_secrets(shlex.join(["midpipe", *sys.argv[1:]]))
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    with ProgressSink() as progress:
        runs = (options, *(_elsewhere(options, other) for other in others))
        gates, failed = _run(runs, progress)
    judged = [gate for gate in gates if gate.has_results]
    if failed is not None and not judged:
        raise failed
    verdict = merged([gate.verdict(__version__, command, started_at) for gate in judged])
    if len(judged) <= len(others):
        verdict = _cut_short(verdict, len(judged), 1 + len(others))
    write_reports(verdict, out)
    console = results()
    render_verdict(verdict, console)
    say(console, f"Reports: {out}")
    if options.checkpoint is not None and options.checkpoint.exists():
        say(console, "The run is not complete: the same command with --resume continues it.")
    if failed is not None:
        say(console, "The verdict is partial.", "yellow")
        raise failed
    return exit_code(verdict, fail_on)


def _run(
    runs: Sequence[Options], progress: ProgressSink
) -> tuple[list[Gate], BaseException | None]:
    """Run gate after gate until one fails, is interrupted or has found enough; return those begun, and the error."""
    gates: list[Gate] = []
    for options in runs:
        gate = Gate(options, progress.listen)
        gates.append(gate)
        try:
            gate.run()
        except (KeyboardInterrupt, MidpipeError) as error:
            return gates, error
        if gate.has_enough:
            break
    return gates, None


def _elsewhere(options: Options, server: ServerSpec) -> Options:
    parts = tuple(part for part in options.parts if part not in OWN_QUEUES)
    return replace(options, server=server, parts=parts)


def _cut_short(verdict: Verdict, judged: int, asked: int) -> Verdict:
    """Return a verdict that does not pass for servers that were never asked."""
    return replace(
        verdict,
        outcome=merge((verdict.outcome, Outcome.UNKNOWN)),
        warnings=(f"Only {judged} of {asked} servers were reached.", *verdict.warnings),
        partial=True,
    )


def without_secrets(command: str) -> str:
    """Return the command with the user and password of every URL left out."""
    return re.sub(r"(\w+://)[^/@\s]*@", r"\1***@", command)


def exit_code(verdict: Verdict, fail_on: str) -> int:
    """Return the exit code of a verdict, given the least severity that fails it."""
    if verdict.outcome is Outcome.FAIL and not _is_grave(verdict, Severity(fail_on)):
        outcomes = [row.outcome for row in verdict.parts]
        is_whole = not verdict.partial and Outcome.UNKNOWN not in outcomes
        return EXIT_CODES[Outcome.PASS if is_whole else Outcome.UNKNOWN]
    return EXIT_CODES[verdict.outcome]


def _is_grave(verdict: Verdict, least: Severity) -> bool:
    """Whether a failed verdict fails for more than findings less severe than that."""
    other_parts = [row.outcome for row in verdict.parts if row.name not in EXPLORING]
    return (
        not verdict.findings
        or any(finding.severity.counts_from(least) for finding in verdict.findings)
        or any(row.torn for row in verdict.power_loss)
        or Outcome.FAIL in other_parts
    )
