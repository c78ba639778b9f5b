"""midpipe network: a queue's calls through a Toxiproxy, a real one or midpipe's own."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from midpipe.reports.cli.judging import EXIT_CODES, without_secrets
from midpipe.reports.cli.options import OUT, server_from, subject_from, subject_options
from midpipe.reports.sinks.network import render_network, row_line
from midpipe.reports.sinks.terminal import results, say
from midpipe.reports.sinks.writing import check_writable, write_file
from midpipe.scenarios.network.run import NetworkRun
from midpipe.scenarios.network.source import MIDPIPE, TOXIPROXY, Via
from midpipe.scenarios.programs.registry import program_named

_PROGRAM = "enqueue-with-request-id"


@click.command()
@subject_options
@OUT
@click.option(
    "--via",
    default=TOXIPROXY,
    show_default=True,
    metavar="WHICH",
    help=f"Where the faults come from: {TOXIPROXY} (found on PATH, or built once with Go), {MIDPIPE} (its own proxy "
    "with the same API), or the URL of a running one's API, http://host:port.",
)
@click.option(
    "--toxiproxy",
    "binary",
    default="",
    envvar="MIDPIPE_TOXIPROXY",
    show_envvar=True,
    metavar="FILE",
    help="The server binary of a Toxiproxy.",
)
@click.option(
    "--upstream",
    default="",
    metavar="HOST:PORT",
    help="The server as the Toxiproxy reaches it, if that is not as midpipe does: in a network of containers, say.",
)
@click.option(
    "--listen",
    default="127.0.0.1:0",
    show_default=True,
    metavar="HOST:PORT",
    help="Where the Toxiproxy is to listen, as it sees it.",
)
@click.option(
    "--reach",
    default="",
    metavar="HOST:PORT",
    help="Where clients reach what it listens on, if that is not the same: a mapped port, say.",
)
@click.option(
    "--program",
    default=_PROGRAM,
    show_default=True,
    metavar="NAME",
    help="What the client does.",
)
@click.option(
    "--fault", "faults", multiple=True, metavar="NAME", help="Only this fault; may be repeated."
)
@click.pass_context
def network(
    ctx: click.Context,
    /,
    out: Path,
    via: str,
    binary: str,
    upstream: str,
    listen: str,
    reach: str,
    program: str,
    faults: tuple[str, ...],
    **values: Any,
) -> None:
    """Run a queue's calls through a Toxiproxy: latency, jitter, bandwidth, slices, time-outs, resets, cuts, down.

    Faults of bytes are put beyond the handshake: the call is measured first, and limit_data cuts into each of its
    commands and replies. Each case is judged by the invariants of the gate. A fault that was not seen to happen makes
    its case unknown, never a pass.

    \b
    midpipe network --subject src/queue.py:SimpleQueue
    midpipe network --via midpipe --fault limit-data:1:EVALSHA:after
    midpipe network --via http://127.0.0.1:8474 --upstream redis:6379 --listen 0.0.0.0:8666 --reach 127.0.0.1:8666
    """
    check_writable(out)
    where = Via(via, binary, upstream, listen, reach)
    run = NetworkRun(
        server_from(values),
        subject_from(values),
        program_named(program),
        where,
        values["latency_bound_s"] * 1000,
        frozenset(faults),
    )
    try:
        for row in run.run():
            click.echo(row_line(row), err=True)
        result = run.result()
    finally:
        run.close()
    target = out / "network.json"
    write_file(target, msgspec.json.format(msgspec.json.encode(result), indent=2).decode())
    console = results()
    render_network(result, _again(), console)
    say(console, f"Report: {target}")
    ctx.exit(EXIT_CODES[result.outcome])


def _again() -> str:
    """This command line without its faults."""
    words = iter(sys.argv[1:])
    kept = []
    for word in words:
        if word == "--fault":
            next(words, None)
        elif not word.startswith("--fault="):
            kept.append(word)
    return without_secrets(shlex.join(["midpipe", *kept]))
