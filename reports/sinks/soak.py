"""A soak on the terminal: what became of the jobs, injected faults, latencies, and each lost or duplicated job."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from midpipe.reports.sinks.console import say
from midpipe.scenarios.model.verdict import Outcome
from midpipe.scenarios.soak.results import Progress, SimulatedDays, SoakResult

_STYLE = {Outcome.PASS: "bold green", Outcome.UNKNOWN: "bold yellow", Outcome.FAIL: "bold red"}


def progress_line(now: Progress) -> str:
    """Return a progress report as one line, for a log."""
    faults = sum(count for _, count in now.faults)
    day = f"day {now.days:.1f}  " if now.days else ""
    # On a clock that is moved, a call may take minutes.
    enqueue = "" if now.days else f"enqueue {now.enqueue_ms:.2f} ms  "
    return (
        f"{day}segment {now.segment}/{now.segments} {now.phase:<5} {now.jobs:>9,} of {now.jobs_total:,} jobs  "
        f"{now.rate:>6,.0f}/s  depth {now.depth:,}  {enqueue}faults {faults:,}  "
        f"lost {now.lost} duplicated {now.duplicated} in {now.checked} checked segments  {now.seconds:.0f} s"
    )


def progress_table(now: Progress) -> Table:
    """Return a progress report as a table, for a terminal."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    faults = " · ".join(f"{name} {count:,}" for name, count in now.faults) or "none yet"
    lost = Text(
        f"{now.lost} lost, {now.duplicated} duplicated in {now.checked} checked segments",
        style="bold red" if now.lost or now.duplicated else "",
    )
    if now.days:
        table.add_row("day", f"{now.days:.1f}")
    for name, cell in (
        ("jobs", f"{now.jobs:,} of {now.jobs_total:,}, {now.rate:,.0f} a second"),
        ("segment", f"{now.segment} of {now.segments}: {now.phase}, {now.seconds:,.0f} s"),
        ("depth", f"{now.depth:,} jobs wait"),
        *(() if now.days else (("enqueue", f"{now.enqueue_ms:.2f} ms on average"),)),
        ("faults", faults),
        ("so far", lost),
    ):
        table.add_row(name, cell)
    return table


def render_soak(result: SoakResult, console: Console) -> None:
    """Print the result of a soak; the outcome last."""
    say(
        console,
        f"{result.subject} on {result.server} · chaos {result.chaos} · seed {result.seed} · {result.clients} clients, "
        f"{result.workers} workers ({result.taking}) · {len(result.segments)} segments of at most "
        f"{result.segment_jobs:,} jobs",
    )
    console.print(_jobs(result))
    if result.faults:
        console.print(_faults(result))
    if result.latencies:
        console.print(_latencies(result))
    for suspect in result.suspects:
        say(console, f"{suspect.job_id} was {suspect.what} in segment {suspect.segment}:", "red")
        for line in suspect.history:
            say(console, f"  {line}")
    load_s = sum(segment.load_s for segment in result.segments)
    rate = result.tally.acknowledged / load_s if load_s else 0.0
    if result.days is None:
        say(
            console,
            f"{rate:,.0f} jobs a second under load, which is why it ran on the machine's clock; "
            f"{result.seconds:,.0f} s in all",
        )
    else:
        _say_days(result.days, result.seconds, console)
    violated = sorted({suspect.segment for suspect in result.suspects})
    if violated and result.days is None:
        say(
            console,
            f"To run one segment again by the same plan, repeat the command with --segment {violated[0]}",
        )
    for reason in result.reasons:
        say(console, f"· {reason}")
    say(console, f"midpipe: {result.outcome.upper()}", _STYLE[result.outcome])


def _say_days(days: SimulatedDays, seconds: float, console: Console) -> None:
    repeated = days.repeated
    say(
        console,
        f"{days.passed:g} of {days.planned} simulated days on a stepped clock, in {seconds:,.0f} s: "
        f"{days.expired_keys:,} keys expired, "
        f"{days.ended_leases:,} leases ended before their jobs were completed, "
        f"the server was killed and started again {days.restarts:,} times, "
        f"and its replica took over {days.failovers:,} times",
    )
    say(
        console,
        f"requests that were made again: {repeated.known:,} while the queue had to know them, "
        f"{repeated.expired:,} after it had to forget them",
    )


def _jobs(result: SoakResult) -> Table:
    tally = result.tally
    table = Table(title="Jobs", title_justify="left", box=box.SIMPLE_HEAD, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for name, count, meaning in (
        ("attempts", f"{tally.attempts:,}", "calls of enqueue, including the caller's retries"),
        ("acknowledged", f"{tally.acknowledged:,}", "jobs for which an enqueue returned"),
        ("unanswered", f"{tally.unanswered:,}", "jobs for which no enqueue returned"),
        ("delivered", f"{tally.delivered:,}", "jobs that a worker has done"),
        ("recovered", f"{tally.recovered:,}", "delivered, though no enqueue of them returned"),
        ("lost", str(tally.lost), "acknowledged and never delivered"),
        ("duplicated", str(tally.duplicated), "delivered more than once, which nothing allows"),
        (
            "redelivered",
            f"{tally.redelivered:,}",
            "handed out again after a crash or an ended lease, which is allowed",
        ),
        ("refused", f"{tally.refused:,}", "completions that came after the lease had ended"),
        (
            "given up",
            f"{tally.given_up:,}",
            "failed for good, by the queue's own limit of attempts",
        ),
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
