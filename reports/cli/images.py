"""midpipe images: container images from packages, where no registry can be reached."""

from __future__ import annotations

import click

from midpipe.faultinject.servers.images import DEBIAN, GO, build_redis, build_toxiproxy
from midpipe.reports.sinks.terminal import results, say


@click.command()
@click.option(
    "--redis",
    "redis",
    default=DEBIAN,
    show_default=True,
    metavar="FROM",
    help="debian (redis-server on PATH, else its packages), wheel (the embedded server), or a path.",
)
@click.option(
    "--toxiproxy",
    default=GO,
    show_default=True,
    metavar="FROM",
    help="go (built from its module), or a path.",
)
@click.option(
    "--only", type=click.Choice(["redis", "toxiproxy"]), default=None, help="Just one of them."
)
def images(redis: str, toxiproxy: str, only: str | None) -> None:
    """Build the images midpipe/redis:air-gapped and midpipe/toxiproxy:air-gapped from packages.

    \b
    midpipe images
    midpipe gate --redis docker:midpipe/redis:air-gapped

    No registry is asked. Each image is FROM scratch: one program and the libraries that it loads.
    """
    if only != "toxiproxy":
        say(results(), build_redis(redis))
    if only != "redis":
        say(results(), build_toxiproxy(toxiproxy))
