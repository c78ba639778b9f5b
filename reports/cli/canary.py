"""midpipe canary: judges a roll-out by the metrics of its canary."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from midpipe.reports.cli.exit_code import code_of, written
from midpipe.reports.cli.invocation import safe_text
from midpipe.reports.cli.options import OUT, Duration, ParamType
from midpipe.reports.cli.signals import stop_asked
from midpipe.reports.sinks.canary import (
    canary_json,
    canary_markdown,
    render_canary,
    render_measurement,
)
from midpipe.reports.sinks.console import results, say
from midpipe.reports.sinks.writing import check_writable, write_file
from midpipe.scenarios.canary.canary import Canary, CanaryResult, Schedule, plan_named
from midpipe.scenarios.canary.prometheus import Prometheus
from midpipe.scenarios.canary.rollback import PHASES
from midpipe.scenarios.model.safe_text import map_text

_TOKEN = "PROMETHEUS_TOKEN"


class _Moment(ParamType):
    """A time in ISO 8601, UTC if it names no zone."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the time in seconds since 1970."""
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a time; write 2026-01-31T12:00:00Z.", param, ctx)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@click.command()
@click.option(
    "--prometheus",
    "url",
    required=True,
    metavar="URL",
    help="Prometheus, or what speaks its API: http://[user:password@]host:port. A bearer token is taken from "
    f"the variable {_TOKEN}.",
)
@click.option(
    "--plan",
    "plan_name",
    default="reviewed",
    show_default=True,
    metavar="NAME|FILE",
    help="The rules: reviewed, or a file of your own.",
)
@click.option(
    "--canary",
    "canary_labels",
    required=True,
    metavar="LABELS",
    help="The new fleet, as label matchers of PromQL: 'fleet=\"canary\"'.",
)
@click.option(
    "--baseline",
    "baseline_labels",
    required=True,
    metavar="LABELS",
    help="The old fleet, started at the same time: 'fleet=\"old\"'.",
)
@click.option(
    "--phase",
    default="dual-read-old",
    show_default=True,
    type=click.Choice(list(PHASES)),
    help="The phase of the migration that the canary is in.",
)
@click.option(
    "--interval",
    "interval_s",
    default="5m",
    show_default=True,
    metavar="TIME",
    type=Duration(0.1),
    help="Between two measurements.",
)
@click.option(
    "--count", default=12, show_default=True, type=click.IntRange(1), help="Number of measurements."
)
@click.option(
    "--failure-limit",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="So many measurements may fail by latency; a counter that rises is never tolerated.",
)
@click.option(
    "--initial-delay",
    "initial_delay_s",
    default=0.0,
    metavar="TIME",
    type=Duration(0.0),
    help="Before the first measurement; latency until then is left out.  [default: none]",
)
@click.option(
    "--since",
    "since_s",
    default=0.0,
    metavar="TIME",
    type=Duration(0.0),
    help="Judge also what happened so long before now.  [default: nothing]",
)
@click.option(
    "--step",
    "step_s",
    default="1m",
    show_default=True,
    metavar="TIME",
    type=Duration(0.1),
    help="Between two values of a latency.",
)
@click.option(
    "--at",
    "at_s",
    default=None,
    metavar="TIME",
    type=_Moment(),
    help="Judge as of this time, with one measurement, by what Prometheus has stored. Needs --since.",
)
@OUT
@click.pass_context
def canary(
    ctx: click.Context,
    /,
    url: str,
    plan_name: str,
    canary_labels: str,
    baseline_labels: str,
    phase: str,
    out: Path,
    **schedule: Any,
) -> None:
    """Judge a roll-out by its metrics: pass, unknown or fail, and after a failure the way back that is safe.

    Counters of what must not happen must not rise; the latency of the canary is compared with that of the old fleet;
    and no data is unknown, never pass. Ends at the first failure that is not tolerated.

    \b
    midpipe canary --prometheus http://prometheus:9090 \\
      --canary 'fleet="canary"' --baseline 'fleet="old"'
    """
    if schedule["at_s"] is not None and not schedule["since_s"]:
        raise click.UsageError("--at needs --since: the time that is judged.")
    _check_labels(canary_labels, baseline_labels)
    check_writable(out)
    console = results()
    with stop_asked() as asked:
        judging = Canary(
            prometheus=Prometheus(url, os.environ.get(_TOKEN, "")),
            plan=plan_named(plan_name),
            schedule=Schedule(**schedule),
            canary=canary_labels,
            baseline=baseline_labels,
            phase=phase,
            sleep=lambda seconds: not asked.wait(seconds),
        )
        count = 1 if schedule["at_s"] is not None else schedule["count"]
        for measured in judging.run():
            render_measurement(map_text(measured, safe_text()), count, console)
    result = map_text(judging.result(), safe_text())
    render_canary(result, console)
    is_written = written(lambda: _write(result, out))
    if is_written:
        say(console, f"Reports: {out / 'canary'}")
    if result.is_partial:
        raise KeyboardInterrupt
    ctx.exit(code_of(result.outcome, is_written=is_written))


def _check_labels(canary_labels: str, baseline_labels: str) -> None:
    """Raise click.UsageError unless there are two fleets: one compared with itself is never slower."""
    for option, labels in (("--canary", canary_labels), ("--baseline", baseline_labels)):
        if not labels.strip():
            raise click.UsageError(f"{option} takes label matchers, such as 'fleet=\"canary\"'.")
    if canary_labels.strip() == baseline_labels.strip():
        raise click.UsageError("--canary and --baseline name the same workers; name the old fleet.")


def _write(result: CanaryResult, out: Path) -> None:
    write_file(out / "canary" / "canary.json", canary_json(result))
    write_file(out / "canary" / "canary.md", canary_markdown(result))
