"""midpipe network: a queue's calls through a Toxiproxy, a real one or midpipe's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from midpipe.faultinject.errors import MidpipeError
from midpipe.reports.cli.exit_code import code_of, written
from midpipe.reports.cli.extras import require_extra
from midpipe.reports.cli.invocation import command_line, safe_text
from midpipe.reports.cli.options import OUT, server_from, subject_from, subject_options
from midpipe.reports.sinks.console import results, say
from midpipe.reports.sinks.writing import check_writable, write_file
from midpipe.scenarios.model.safe_text import map_text
from midpipe.scenarios.programs.registry import program_named

_PROGRAM = "enqueue-with-request-id"


@click.command()
@subject_options
@OUT
@click.option(
    "--via",
    default="toxiproxy",
    show_default=True,
    metavar="WHICH",
    help="What causes the faults: toxiproxy (found on PATH, or built once with Go), midpipe (its own proxy with the "
    "same API), or the URL of a running server's API, http://host:port.",
)
@click.option(
    "--toxiproxy",
    "binary",
    default="",
    envvar="MIDPIPE_TOXIPROXY",
    show_envvar=True,
    metavar="FILE",
    help="The program of a Toxiproxy server.",
)
@click.option(
    "--upstream",
    default="",
    metavar="HOST:PORT",
    help="Where the Toxiproxy reaches the server, if not where midpipe does: in a network of containers, for example.",
)
@click.option(
    "--listen",
    default="127.0.0.1:0",
    show_default=True,
    metavar="HOST:PORT",
    help="The address that the Toxiproxy listens on.",
)
@click.option(
    "--reach",
    default="",
    metavar="HOST:PORT",
    help="Where clients reach --listen, if it is not the same address: a mapped port, for example.",
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

    Needs the extra 'proxy'. Byte limits are placed after the handshake: the call is measured first, and limit_data cuts
    each of its commands and replies. Each case is judged by the invariants of the gate. A case whose fault was not
    observed to happen is unknown, never a pass.

    The suite runs on the machine's clock, because the delays of a Toxiproxy can't be skipped.

    \b
    midpipe network --subject shop/jobs.py:JobQueue
    midpipe network --via midpipe --fault limit-data:1:EVALSHA:after
    midpipe network --via http://127.0.0.1:8474 --upstream redis:6379 \\
      --listen 0.0.0.0:8666 --reach 127.0.0.1:8666
    """
    require_extra("proxy", "network")
    from midpipe.reports.sinks.network import render_network, row_line
    from midpipe.scenarios.network.run import NetworkRun
    from midpipe.scenarios.network.source import Via

    folder = out / "network"
    check_writable(folder)
    run = NetworkRun(
        server=server_from(values),
        subject=subject_from(values),
        program=program_named(program),
        via=Via(via, binary, upstream, listen, reach),
        bound_ms=values["latency_bound_s"] * 1000,
        only=frozenset(faults),
        notify=lambda text: click.echo(f"midpipe: {text}", err=True),
    )
    ended: BaseException | None = None
    safe = safe_text()
    try:
        for row in run.run():
            click.echo(safe(row_line(row)), err=True)
    except (KeyboardInterrupt, MidpipeError) as error:
        ended = error
    finally:
        run.close()
    result = map_text(run.result(is_partial=ended is not None), safe)
    if ended is not None and not result.rows:
        raise ended
    target = folder / "network.json"
    document = msgspec.json.format(msgspec.json.encode(result), indent=2).decode()
    console = results()
    render_network(result, _again(), console)
    is_written = written(lambda: write_file(target, document))
    if is_written:
        say(console, f"Report: {target}")
    if ended is not None:
        say(console, "The result is partial: not every case was run.", "yellow")
        raise ended
    ctx.exit(code_of(result.outcome, is_written=is_written))


def _again() -> str:
    """Return this command line without its --fault options."""
    words = iter(sys.argv[1:])
    kept = []
    for word in words:
        if word == "--fault":
            next(words, None)
        elif not word.startswith("--fault="):
            kept.append(word)
    return command_line(kept)
