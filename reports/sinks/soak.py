"""A soak on the terminal: what became of the jobs, the faults that fired, the latencies, and each job that was lost."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from midpipe.reports.sinks.terminal import say
from midpipe.scenarios.model.verdict import Outcome
from midpipe.scenarios.soak.results import Progress, SoakResult

_STYLE = {Outcome.PASS: "bold green", Outcome.UNKNOWN: "bold yellow", Outcome.FAIL: "bold red"}


def progress_line(look: Progress) -> str:
    """Return a look as one line."""
    return (
        f"leg {look.leg}/{look.legs} {look.phase:<5} {look.jobs:>9,} of {look.jobs_total:,} jobs  "
        f"{look.rate:>6,.0f}/s  depth {look.depth:,}  enqueue {look.enqueue_ms:.2f} ms  faults {_total(look):,}  "
        f"lost {look.lost} doubled {look.doubled} in {look.checked} checked legs  {look.seconds:.0f} s"
    )


def progress_table(look: Progress) -> Table:
    """Return a look as what a terminal shows while the soak runs."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    faults = " · ".join(f"{name} {count:,}" for name, count in look.faults) or "none yet"
    lost = Text(
        f"{look.lost} lost, {look.doubled} doubled in {look.checked} checked legs",
        style="bold red" if look.lost or look.doubled else "",
    )
    for name, cell in (
        ("jobs", f"{look.jobs:,} of {look.jobs_total:,}, {look.rate:,.0f} a second"),
        ("leg", f"{look.leg} of {look.legs}: {look.phase}, {look.seconds:,.0f} s"),
        ("depth", f"{look.depth:,} jobs wait"),
        ("enqueue", f"{look.enqueue_ms:.2f} ms on average"),
        ("faults", faults),
        ("so far", lost),
    ):
        table.add_row(name, cell)
    return table


def _total(look: Progress) -> int:
    return sum(count for _, count in look.faults)


def render_soak(result: SoakResult, console: Console) -> None:
    """Show a whole soak; the outcome last."""
    say(
        console,
        f"{result.subject} on {result.server} · chaos {result.chaos} · seed {result.seed} · {result.clients} clients, "
        f"{result.workers} workers ({result.taking}) · {len(result.legs)} legs of {result.leg_jobs:,} jobs at most",
    )
    console.print(_jobs(result))
    if result.faults:
        console.print(_faults(result))
    if result.latencies:
        console.print(_latencies(result))
    for suspect in result.suspects:
        say(console, f"{suspect.job_id} was {suspect.what} in leg {suspect.leg}:", "red")
        for line in suspect.known:
            say(console, f"  {line}")
    load_s = sum(leg.load_s for leg in result.legs)
    rate = result.tally.acknowledged / load_s if load_s else 0.0
    say(console, f"{rate:,.0f} jobs a second under load; {result.seconds:,.0f} s in all")
    if violated_invariants := sorted({suspect.leg for suspect in result.suspects}):
        say(
            console,
            f"One leg again, by the same plan: the same command with --leg {violated_invariants[0]}",
        )
    for reason in result.reasons:
        say(console, f"· {reason}")
    say(console, f"midpipe: {result.outcome.upper()}", _STYLE[result.outcome])


def _jobs(result: SoakResult) -> Table:
    tally = result.tally
    table = Table(title="Jobs", title_justify="left", box=box.SIMPLE_HEAD, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for name, count, meaning in (
        ("attempts", f"{tally.attempts:,}", "calls of enqueue, the caller's retries among them"),
        ("acknowledged", f"{tally.acknowledged:,}", "jobs for which one of them answered"),
        ("unanswered", f"{tally.unanswered:,}", "jobs for which none did"),
        ("delivered", f"{tally.delivered:,}", "jobs"),
        ("recovered", f"{tally.recovered:,}", "delivered, and nobody was told that they were in"),
        ("lost", str(tally.lost), "acknowledged, and never delivered"),
        ("doubled", str(tally.doubled), "delivered twice, and nothing allows it"),
        (
            "again",
            f"{tally.again:,}",
            "handed out again after a crash or an ended lease, as allowed",
        ),
        ("refused", f"{tally.refused:,}", "completions that came after the lease had ended"),
        ("given up", f"{tally.given_up:,}", "failed for good, after the queue's own most attempts"),
    ):
        table.add_row(name, count, meaning)
    return table


def _faults(result: SoakResult) -> Table:
    table = Table(title="Faults", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("fault", no_wrap=True)
    table.add_column("planned", justify="right")
    table.add_column("fired", justify="right")
    for count in result.faults:
        planned = "" if count.planned is None else f"{count.planned:,}"
        table.add_row(count.fault, planned, f"{count.fired:,}")
    return table


def _latencies(result: SoakResult) -> Table:
    table = Table(title="Latency in ms, under chaos", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("call", no_wrap=True)
    for heading in ("p50", "p90", "p99", "p99.9", "max", "calls"):
        table.add_column(heading, justify="right", no_wrap=True)
    for latency in result.latencies:
        found = latency.percentiles
        times = (found.p50, found.p90, found.p99, found.p999, found.longest)
        table.add_row(latency.method, *(f"{ms:,.2f}" for ms in times), f"{found.count:,}")
    return table
