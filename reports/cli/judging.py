"""Runs the gate, or a part of it, for a command: progress, verdict, reports, exit code."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from midpipe import __version__
from midpipe.faultinject.errors import MidpipeError, UsageError
from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.reports.baseline_file import read_baseline
from midpipe.reports.cli.exit_code import code_of_verdict
from midpipe.reports.cli.invocation import command_line, safe_text, started_s
from midpipe.reports.cli.progress import ProgressSink
from midpipe.reports.cli.reporting import report_verdict
from midpipe.reports.server_table import OWN_QUEUES
from midpipe.reports.since import changes_since
from midpipe.reports.sinks.console import results, say
from midpipe.reports.sinks.writing import check_writable
from midpipe.scenarios.gate.gate import Gate
from midpipe.scenarios.gate.options import EXPLORING, Options
from midpipe.scenarios.model.accepted import NO_BASELINE
from midpipe.scenarios.model.baseline import held_against
from midpipe.scenarios.model.matrix import merged
from midpipe.scenarios.model.verdict import Outcome, Verdict, merge

REPORTS_SHARE = 0.3
"""Writing the reports takes so much of the time that the command took to load: both only compute."""


def judge(
    options: Options,
    out: Path,
    fail_on: str = "LOW",
    others: Sequence[ServerSpec] = (),
    baseline: Path | None = None,
    since: Verdict | None = None,
) -> int:
    """Run the gate, show the verdict, write the reports; return the exit code.

    The verdict is shown first, so it is not lost if the reports can't be written.

    Args:
        out: folder for the reports; those of an earlier run of the same command are replaced.
        fail_on: findings less severe than this do not fail the run.
        others: further servers to judge the subject on, after that of the options.
        baseline: file of the findings that are accepted; None accepts none.
        since: an earlier verdict; what has changed is shown. None shows nothing.

    Raises:
        UsageError: the baseline can't be read, or the run is to stop at the first finding, accepted or not.
        MidpipeError, KeyboardInterrupt: the run ended early; the verdict on what it has done is shown and written.
    """
    accepted = read_baseline(baseline) if baseline else NO_BASELINE
    if baseline and options.fail_fast:
        raise UsageError(
            "--fail-fast would stop at a finding that the baseline accepts. Leave one of the two out."
        )
    if baseline and not options.shard.is_whole:
        raise UsageError(
            "A shard is not held against a baseline. Give --baseline to midpipe merge."
        )
    _check_servers_take_faults(options, others)
    check_writable(out)
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    budget_s = options.time_budget_s
    ends_s = None if budget_s is None else started_s() + budget_s
    with ProgressSink(stages=(*options.parts, "stories"), ends_s=ends_s) as progress:
        runs = (options, *(_on(server, options) for server in others))
        gates, failed = _run(runs, progress)
    judged = [gate for gate in gates if gate.has_results]
    verdicts = [
        gate.verdict(__version__, command_line(), started_at) for gate in judged or gates[:1]
    ]
    verdict = held_against(merged(verdicts), accepted, EXPLORING)
    if isinstance(failed, MidpipeError) or not judged:
        verdict = _with_reason(verdict, failed)
    if len(judged) <= len(others):
        verdict = _cut_short(verdict, len(judged), 1 + len(others))
    console = results()
    # An error that ended the run before any result says more than an empty verdict would.
    is_written = report_verdict(verdict, out, console, is_shown=bool(judged) or failed is None)
    for line in changes_since(since, verdict) if since else ():
        say(console, line)
    if options.checkpoint is not None and options.checkpoint.exists():
        say(console, "The run is not complete: the same command with --resume continues it.")
    if failed is not None:
        if judged:
            say(console, "The verdict is partial.", "yellow")
        raise failed
    return code_of_verdict(verdict, fail_on, is_written=is_written)


def _check_servers_take_faults(options: Options, others: Sequence[ServerSpec]) -> None:
    """Raise UsageError if every fault that is asked for needs a server that midpipe starts, and one has a URL."""
    faults = options.aim.faults
    if not faults or not all(CATALOGUE[name].needs_own_server for name in faults):
        return
    if any(server.is_shared for server in (options.server, *others)):
        raise UsageError(
            f"{', '.join(faults)}: midpipe does not do that to a server that it did not start. Leave --redis out, or "
            "name a binary or an image: --redis embedded:redis-server, --redis docker."
        )


def _run(
    runs: Sequence[Options], progress: ProgressSink
) -> tuple[list[Gate], BaseException | None]:
    """Run a gate for each server, until one fails, is interrupted or has found enough, and leave time for the reports.

    Returns:
        The gates that were begun, and the error that ended the last one.
    """
    gates: list[Gate] = []
    began_s = started_s()
    reports_s = REPORTS_SHARE * (time.monotonic() - began_s)
    for number, options in enumerate(runs):
        spent_s = time.monotonic() - began_s + reports_s
        gate = Gate(_with_share(options, spent_s, len(runs) - number), progress.listen)
        gates.append(gate)
        try:
            gate.run()
        except (KeyboardInterrupt, MidpipeError) as error:
            return gates, error
        if gate.has_enough:
            break
    return gates, None


def _with_share(options: Options, spent_s: float, runs_left: int) -> Options:
    """Return the options with an equal share of the time budget that is left, if there is one."""
    if options.time_budget_s is None:
        return options
    return replace(options, time_budget_s=max(0.0, options.time_budget_s - spent_s) / runs_left)


def _on(server: ServerSpec, options: Options) -> Options:
    """Return the options for a further server, on which midpipe's own queues are not run again."""
    parts = tuple(part for part in options.parts if part not in OWN_QUEUES)
    return replace(options, server=server, parts=parts)


def _with_reason(verdict: Verdict, failed: BaseException | None) -> Verdict:
    """Return the verdict with a warning that says why the run ended early; the gate itself knows only where."""
    if failed is None:
        return verdict
    interrupted = isinstance(failed, KeyboardInterrupt)
    reason = "The run was interrupted." if interrupted else f"The run ended early: {failed}"
    return replace(verdict, warnings=(safe_text()(reason), *verdict.warnings))


def _cut_short(verdict: Verdict, judged: int, planned: int) -> Verdict:
    """Return the verdict of a run that did not reach every server; it is never a pass."""
    return replace(
        verdict,
        outcome=merge((verdict.outcome, Outcome.UNKNOWN)),
        warnings=(f"Only {judged} of {planned} servers were reached.", *verdict.warnings),
        partial=True,
    )
