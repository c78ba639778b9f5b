"""Running the gate, or a part of it, for a command: progress, verdict, reports, exit code."""

from __future__ import annotations

import re
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path

from faultinject.errors import MidpipeError
from midpipe import __version__
from reports.cli.progress import ProgressSink
from reports.sinks.terminal import render_verdict, results, say
from reports.sinks.writing import check_writable, write_reports
from scenarios.engine.gate import Gate
from scenarios.engine.options import Options
from scenarios.verdict import Outcome, Severity, Verdict

EXIT_CODES = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.UNKNOWN: 3}


def judge(options: Options, out: Path, fail_on: str = "LOW") -> int:
    """Run, write the reports, show the verdict; return the exit code.

    Args:
        fail_on: findings less severe than this do not fail the run.
    """
    check_writable(out)
    command = without_secrets(shlex.join(["midpipe", *sys.argv[1:]]))
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    failed: BaseException | None = None
    with ProgressSink() as progress:
        gate = Gate(options, progress.listen)
        try:
            gate.run()
        except (KeyboardInterrupt, MidpipeError) as error:
            failed = error
    if failed is not None and not gate.has_results:
        raise failed
    verdict = gate.verdict(__version__, command, started_at)
    write_reports(verdict, out)
    console = results()
    render_verdict(verdict, console)
    say(console, f"Reports: {out}")
    if failed is not None:
        say(console, "The verdict is partial.", "yellow")
        raise failed
    return exit_code(verdict, fail_on)


def without_secrets(command: str) -> str:
    """Return the command with the user and password of every URL left out."""
    return re.sub(r"(\w+://)[^/@\s]*@", r"\1***@", command)


def exit_code(verdict: Verdict, fail_on: str) -> int:
    """Return the exit code of a verdict, given the least severity that fails it."""
    if verdict.outcome is Outcome.FAIL and verdict.findings and fail_on != "LOW":
        order = list(Severity)
        grave = [
            f for f in verdict.findings if order.index(f.severity) <= order.index(Severity(fail_on))
        ]
        others = [outcome for part, outcome in verdict.parts if part != "sweep"]
        if not grave and Outcome.FAIL not in others:
            return 3 if Outcome.UNKNOWN in others else 0
    return EXIT_CODES[verdict.outcome]
