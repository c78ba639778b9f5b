"""midpipe queues: the released libraries that midpipe judges by name."""

from __future__ import annotations

import click

from midpipe.reports.sinks.terminal import results, say
from midpipe.scenarios.queues import LIBRARIES


@click.command(short_help="The released libraries that --queue takes by name.")
def queues() -> int:
    """List the released libraries that --queue takes by name, with what their documentation promises.

    \b
    midpipe gate --queue rq
    midpipe sweep --queue rq==2.12.0 --program work
    """
    console = results()
    for library in LIBRARIES.values():
        say(console, f"{library.name:<10} {library.documented}")
    return 0
