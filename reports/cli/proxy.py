"""midpipe proxy: the fault proxy by itself, driven over Toxiproxy's HTTP API."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import click

from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.toxiproxy.service import DEFAULT_PORT

_STEP_S = 60.0


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Where the API listens. Anything but the loopback needs a --token.",
)
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The API's port; 0 takes any that is free, and the first line of output tells which.",
)
@click.option(
    "--config",
    default=None,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='Proxies to begin with, a JSON file as for Toxiproxy: [{"name":…,"listen":…,"upstream":…}].',
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=int,
    help="Of the dice of toxicity, jitter and slicing: the same seed and traffic give the same faults.",
)
@click.option(
    "--token",
    default="",
    envvar="MIDPIPE_PROXY_TOKEN",
    show_envvar=True,
    metavar="SECRET",
    help="Answer only requests with 'Authorization: Bearer SECRET'.",
)
@click.option("--proxy-metrics", is_flag=True, help="Serve /metrics for Prometheus.")
def proxy(
    host: str, port: int, config: Path | None, seed: int, token: str, proxy_metrics: bool
) -> int:
    """Run the fault proxy by itself, with the HTTP API of Toxiproxy 2.12.

    Any client of Toxiproxy, in any language, can drive it. Beyond Toxiproxy's own toxics it has one type for each
    fault of midpipe that a proxy can make, placed at a command: cut-before, torn-first, torn-middle, torn-last,
    lost-reply, lost-reply-fin, stall, black-hole, refuse, late, slow, slice, throttle. Their attributes are command,
    key, nth, scope (connection or proxy) and times; "fired" in their JSON tells how often it has happened.

    \b
    midpipe proxy &
    curl -d '{"name":"redis","listen":"127.0.0.1:26379","upstream":"127.0.0.1:6379"}' localhost:8474/proxies
    curl -d '{"type":"lost-reply","attributes":{"command":"EXEC","nth":2}}' localhost:8474/proxies/redis/toxics

    Stop it with Ctrl-C.
    """
    from midpipe.faultinject.net.loop import Loop
    from midpipe.faultinject.toxiproxy.service import FaultProxy

    if not token and not _is_loopback(host):
        raise UsageError(
            f"--host {host} lets others in, who could then lead connections anywhere. "
            "Give a --token as well, or leave --host out."
        )
    loop = Loop()
    served = FaultProxy(
        loop, host=host, port=port, token=token, seed=seed, proxy_metrics=proxy_metrics
    )
    try:
        if config is not None:
            served.populate(config)
        click.echo(f"midpipe proxy: the API listens on http://{served.address}")
        while True:
            loop.step(_STEP_S)
    except KeyboardInterrupt:
        return 130
    finally:
        served.close()
        loop.close()


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
