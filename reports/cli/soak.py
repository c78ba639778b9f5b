"""midpipe soak: many jobs under load and faults, every one accounted for."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.live import Live

from midpipe import __version__
from midpipe.faultinject.errors import MidpipeError
from midpipe.reports.cli.judging import EXIT_CODES, without_secrets
from midpipe.reports.cli.options import OUT, Duration, server_from, subject_from, subject_options
from midpipe.reports.sinks.soak import progress_line, progress_table, render_soak
from midpipe.reports.sinks.terminal import results, say
from midpipe.reports.sinks.writing import check_writable, write_file
from midpipe.scenarios.latency.figures import percentiles
from midpipe.scenarios.soak.plan import CHAOS, SoakPlan
from midpipe.scenarios.soak.results import Progress, SoakResult
from midpipe.scenarios.soak.soak import Soak

_PLAIN_EVERY_S = 5.0


@click.command()
@subject_options
@OUT
@click.option(
    "--jobs-total",
    default=1_000_000,
    show_default=True,
    type=click.IntRange(1, 1_000_000_000),
    help="Jobs that are enqueued, in all.",
)
@click.option(
    "--clients", default=8, show_default=True, type=click.IntRange(1, 200), help="Producers."
)
@click.option(
    "--workers", default=8, show_default=True, type=click.IntRange(1, 200), help="Workers."
)
@click.option(
    "--chaos",
    default="heavy",
    show_default=True,
    type=click.Choice(list(CHAOS)),
    help="How much goes wrong: nothing; cuts, lost replies, crashes, pauses; or everything, server kills included.",
)
@click.option(
    "--leg-jobs",
    default=20_000,
    show_default=True,
    type=click.IntRange(100, 200_000),
    help="After so many jobs the queue is drained and checked, and the server emptied.",
)
@click.option(
    "--leg", "only_leg", default=0, type=click.IntRange(0), help="Run this leg only, from 1."
)
@click.option(
    "--time-budget",
    "time_budget_s",
    default=None,
    metavar="TIME",
    type=Duration(1.0),
    help="No job is enqueued after that; what was enqueued is drained and checked.",
)
@click.option("--seed", default=0, show_default=True, type=int, help="Same seed, same plan.")
@click.pass_context
def soak(
    ctx: click.Context,
    /,
    out: Path,
    jobs_total: int,
    clients: int,
    workers: int,
    chaos: str,
    leg_jobs: int,
    only_leg: int,
    time_budget_s: float | None,
    seed: int,
    **values: Any,
) -> None:
    """Put many jobs through the queue for a long time, while all kinds of faults happen, and account for every one.

    Producers and workers run in processes of their own, which are killed and frozen; the server is killed and stopped,
    with an append-only file that is synced at every write; and commands meet faults on the wire. The history is kept
    on disk and checked leg by leg. A kind of fault that never fired makes the outcome unknown. Ctrl-C drains, and
    checks what there is.

    \b
    midpipe soak --jobs-total 100_000 --chaos heavy --seed 7
    midpipe soak --subject src/queue.py:SimpleQueue --time-budget 10m
    """
    percentiles(())
    check_writable(out)
    plan = SoakPlan(
        jobs=jobs_total,
        clients=clients,
        workers=workers,
        chaos=CHAOS[chaos],
        seed=seed,
        leg_jobs=leg_jobs,
        time_budget_s=time_budget_s,
        only_leg=only_leg,
    )
    if only_leg and only_leg > -(-jobs_total // leg_jobs):
        raise click.UsageError(f"There is no leg {only_leg} of {-(-jobs_total // leg_jobs)}.")
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    soaking = Soak(
        server_from(values), subject_from(values), plan, out / "soak", values["latency_bound_s"]
    )
    click.echo(f"midpipe: seed {seed}, chaos {plan.chaos}", err=True)
    failed: MidpipeError | None = None
    try:
        with _ends_in_order(soaking), _shown() as show:
            for look in soaking.run():
                show(look)
    except MidpipeError as error:
        failed = error
        soaking.is_partial = True
    finally:
        soaking.close()
    result = soaking.result()
    _write(result, out, started_at)
    if failed is not None:
        # What the legs before have shown is kept, and so is why there is no more.
        raise failed
    console = results()
    render_soak(result, console)
    say(console, f"Reports: {out / 'soak.json'}; history: {out / 'soak'}")
    if result.is_partial:
        say(console, "The soak is partial: it was interrupted.", "yellow")
        raise KeyboardInterrupt
    ctx.exit(EXIT_CODES[result.outcome])


@contextmanager
def _ends_in_order(soaking: Soak) -> Iterator[None]:
    """Have Ctrl-C (and SIGTERM) end the load first; the second one ends everything at once."""
    signals = (signal.SIGINT, signal.SIGTERM)

    def stop(_number: int, _frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, signal.default_int_handler)
        click.echo("midpipe: draining and checking what there is; once more ends at once", err=True)
        soaking.stop()

    before = {each: signal.signal(each, stop) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def _shown() -> Iterator[Callable[[Progress], None]]:
    """Give what shows a look: a live line on a terminal, plain lines now and then elsewhere."""
    console = Console(stderr=True)
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            yield lambda look: live.update(progress_table(look))
        return
    last_s = time.monotonic() - _PLAIN_EVERY_S

    def show(look: Progress) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= _PLAIN_EVERY_S:
            last_s = time.monotonic()
            click.echo(f"midpipe: {progress_line(look)}", err=True)

    yield show


def _write(result: SoakResult, out: Path, started_at: str) -> None:
    document = {
        "midpipe": __version__,
        "command": without_secrets(shlex.join(["midpipe", *sys.argv[1:]])),
        "started_at": started_at,
        **msgspec.to_builtins(result),
    }
    write_file(
        out / "soak.json", msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
    )
