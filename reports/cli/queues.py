"""midpipe queues: the released libraries that midpipe judges by name."""

from __future__ import annotations

import click

from midpipe.reports.sinks.console import results, say
from midpipe.scenarios.queues import LIBRARIES


@click.command(short_help="The released libraries that --queue takes by name.")
def queues() -> int:
    """List the released libraries that --queue takes by name: their promises, where those are documented, and what
    midpipe sets instead of a default.

    \b
    midpipe gate --queue rq
    midpipe sweep --queue rq==2.12.0 --program work
    """
    console = results()
    for library in LIBRARIES.values():
        promises = ", ".join(f"{name} {value}" for name, value in library.promises.items())
        say(console, f"{library.name}: {promises}")
        say(console, f"    {library.documented}")
        if library.settings:
            say(console, f"    {library.settings_sentence}")
    return 0
