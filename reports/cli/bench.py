"""midpipe bench: how long the calls take, compared with a baseline and a floor."""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import Progress

from midpipe import __version__
from midpipe.faultinject.errors import MidpipeError
from midpipe.reports.cli.exit_code import code_of, written
from midpipe.reports.cli.extras import require_extra
from midpipe.reports.cli.invocation import command_line, safe_text
from midpipe.reports.cli.options import OUT, Duration, server_from, subject_from, subject_options
from midpipe.reports.latency_picture import of_network, through_outage
from midpipe.reports.sinks.bench_page import bench_page
from midpipe.reports.sinks.console import results, say
from midpipe.reports.sinks.latency import render_bench
from midpipe.reports.sinks.latency_markdown import bench_markdown
from midpipe.reports.sinks.writing import check_writable, write_file
from midpipe.scenarios.latency.bench import BenchPlan, LatencyBench
from midpipe.scenarios.latency.entrants import entrants_for
from midpipe.scenarios.latency.networks import NETWORKS
from midpipe.scenarios.latency.results import Bench
from midpipe.scenarios.model.safe_text import map_text
from midpipe.scenarios.model.spec import SubjectSpec, parse_subject
from midpipe.scenarios.model.verdict import Outcome, merge


@click.command()
@subject_options
@OUT
@click.option(
    "--baseline",
    default=None,
    metavar="MODULE:CLASS",
    help="What to compare the subject with; by default the subject itself with the old schema only.",
)
@click.option(
    "--all",
    "with_known",
    is_flag=True,
    help="Also measure the phases of the reference queue's migration, and the queues of reproduce.",
)
@click.option(
    "--network",
    "networks",
    multiple=True,
    type=click.Choice(list(NETWORKS)),
    help="The network between clients and server; may be repeated; by default loopback.",
)
@click.option(
    "--rate",
    "rates",
    multiple=True,
    metavar="PER_SECOND",
    type=click.FloatRange(min=1.0),
    help="Also measure calls that are due at this fixed rate, timed from when they were due; may be repeated.",
)
@click.option(
    "--rounds",
    default=20,
    show_default=True,
    type=click.IntRange(5, 10_000),
    help="How often each queue is measured.",
)
@click.option(
    "--calls",
    default=200,
    show_default=True,
    type=click.IntRange(10, 100_000),
    help="Enqueues per round.",
)
@click.option(
    "--max-p99-ratio",
    default=None,
    metavar="RATIO",
    type=click.FloatRange(min=0.0, min_open=True),
    help="Fail if the p99 of a call is certainly more than so many times the baseline's; unknown if noise hides it.",
)
@click.option(
    "--outage",
    "outage_s",
    default=0.0,
    metavar="TIME",
    type=Duration(0.0),
    help="Also enqueue through an outage of this duration, and measure when calls succeed again.",
)
@click.option(
    "--failover",
    is_flag=True,
    help="Also enqueue through a failover: midpipe kills the primary, and Sentinels promote its replica.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=int,
    help="Seed of the order of the rounds and of the network's delays.",
)
@click.pass_context
def bench(
    ctx: click.Context,
    /,
    out: Path,
    baseline: str | None,
    with_known: bool,
    networks: tuple[str, ...],
    rates: tuple[float, ...],
    rounds: int,
    calls: int,
    max_p99_ratio: float | None,
    outage_s: float,
    failover: bool,
    seed: int,
    **values: Any,
) -> None:
    """Measure how long each call takes, for the subject, a baseline and the floor, in interleaved rounds on one server.

    Only figures of one run can be compared, so every comparison is a ratio with a confidence interval. The round trips
    of each call are counted on the wire: they explain most of the differences.

    A bench runs on the machine's clock, because it measures how long calls take.

    \b
    midpipe bench --all --network same-zone --rate 200 --outage 3s --failover
    midpipe bench --subject new.py:Jobs --baseline old.py:Jobs --max-p99-ratio 1.1
    """
    require_extra("bench", "bench")
    folder = out / "bench"
    check_writable(folder)
    subject = subject_from(values)
    plan = BenchPlan(
        entrants=entrants_for(subject, _baseline(baseline, values), with_known=with_known),
        networks=networks or ("loopback",),
        rates=rates,
        rounds=rounds,
        calls=calls,
        max_p99_ratio=max_p99_ratio,
        outage_s=outage_s,
        failover=failover,
        seed=seed,
    )
    started_at, begun_s = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    running = LatencyBench(server_from(values), plan)
    try:
        ended = _run(running)
        result = _result(running, plan, started_at, begun_s, is_partial=ended is not None)
    finally:
        running.close()
    result = map_text(result, safe_text())
    if ended is not None and not result.rows:
        raise ended
    console = results()
    render_bench(result, console)
    is_written = written(lambda: _write(result, folder))
    if is_written:
        say(console, f"Reports: {folder}")
    if ended is not None:
        say(console, "The result is partial: not every round was run.", "yellow")
        raise ended
    ctx.exit(code_of(result.outcome, is_written=is_written))


def _baseline(text: str | None, values: dict[str, Any]) -> SubjectSpec | None:
    if text is None:
        return None
    paths, environment = tuple(values["paths"]), tuple(values["environment"])
    return parse_subject(
        text, paths, values["python"], environment=environment, patience_s=values["patience_s"]
    )


def _result(
    running: LatencyBench, plan: BenchPlan, started_at: str, begun_s: float, *, is_partial: bool
) -> Bench:
    """Return what was measured; a bench that was interrupted is unknown at best."""
    ratios = running.ratios()
    outcomes = [ratio.outcome for ratio in ratios]
    return Bench(
        midpipe=__version__,
        command=command_line(),
        machine=_machine(),
        server=running.server.name,
        started_at=started_at,
        seconds=round(time.monotonic() - begun_s, 1),
        rounds=plan.rounds,
        outcome=merge([*outcomes, Outcome.UNKNOWN] if is_partial else outcomes),
        rows=running.rows(),
        ratios=ratios,
        outages=tuple(running.outages),
    )


def _machine() -> str:
    python = platform.python_version()
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {python}"


def _run(running: LatencyBench) -> BaseException | None:
    """Run the bench with a progress bar on stderr; return what ended it early."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("bench", total=running.rounds)
        try:
            for description in running.run():
                progress.update(task, advance=1, description=description)
        except (KeyboardInterrupt, MidpipeError) as error:
            return error
    return None


def _write(bench: Bench, folder: Path) -> None:
    write_file(
        folder / "bench.json", msgspec.json.format(msgspec.json.encode(bench), indent=2).decode()
    )
    write_file(folder / "bench.md", bench_markdown(bench))
    write_file(folder / "bench.html", bench_page(bench))
    for network in dict.fromkeys(row.network for row in bench.rows):
        write_file(folder / f"latency-{network}.svg", of_network(bench, network))
    for outage in bench.outages:
        name = f"{outage.cause}-{outage.subject.replace(' ', '-')}.svg"
        write_file(folder / name, through_outage(outage))
