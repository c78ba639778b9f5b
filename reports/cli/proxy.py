"""midpipe proxy: the fault proxy by itself, driven over Toxiproxy's HTTP API."""

from __future__ import annotations

import os
from pathlib import Path

import click

from midpipe.faultinject.errors import UsageError
from midpipe.reports.cli.extras import require_extra

_DEFAULT_PORT = 8474
_TOKEN_VARIABLE = "MIDPIPE_PROXY_TOKEN"
_STEP_S = 60.0


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Where the API listens. Any address but the loopback's needs a --token.",
)
@click.option(
    "--port",
    default=_DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The API's port. 0 takes any free one; the first line of output shows it.",
)
@click.option(
    "--config",
    default=None,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='Proxies to start with, a JSON file as for Toxiproxy: [{"name":…,"listen":…,"upstream":…}].',
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=int,
    help="Of the random numbers for toxicity, jitter and slicing: the same seed and traffic give the same faults.",
)
@click.option(
    "--token",
    default=None,
    envvar=_TOKEN_VARIABLE,
    show_envvar=True,
    metavar="SECRET",
    help="Answer only requests with 'Authorization: Bearer SECRET'. Proxies may then listen on any address.",
)
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="Answer requests whose Host header has this name, besides an IP address, localhost or --host. Repeatable.",
)
@click.option("--proxy-metrics", is_flag=True, help="Serve /metrics for Prometheus.")
def proxy(
    host: str,
    port: int,
    config: Path | None,
    seed: int,
    token: str | None,
    hosts: tuple[str, ...],
    proxy_metrics: bool,
) -> int:
    """Run the fault proxy by itself, with the HTTP API of Toxiproxy 2.12. Needs the extra 'proxy'.

    Any client of Toxiproxy, in any language, can drive it. Besides Toxiproxy's toxics it has a type for each fault of
    midpipe that a proxy can cause, placed at a command: cut-before, torn-first, torn-middle, torn-last, lost-reply,
    lost-reply-fin, stall, black-hole, refuse, late, slow, slice, command-bandwidth. Their attributes are command, key,
    argument, nth, scope (connection or proxy) and times. In their JSON, "fired" counts how often the fault has
    happened, and "last_hit" is the command at which it last did.

    \b
    midpipe proxy &
    curl localhost:8474/proxies -d \\
      '{"name":"redis","listen":"127.0.0.1:26379","upstream":"127.0.0.1:6379"}'
    curl localhost:8474/proxies/redis/toxics -d \\
      '{"type":"lost-reply","attributes":{"command":"EXEC","nth":2}}'

    Stop it with Ctrl-C.
    """
    require_extra("proxy", "proxy")
    from midpipe.faultinject.net.loop import Loop
    from midpipe.faultinject.toxiproxy.access import Access, is_loopback
    from midpipe.faultinject.toxiproxy.service import FaultProxy
    from midpipe.faultinject.toxiproxy.serving import serve_api

    # click takes an empty variable for an unset one, but its user wants a token.
    access = Access(os.environ.get(_TOKEN_VARIABLE) if token is None else token, (host, *hosts))
    if access.token is None and not is_loopback(host):
        raise UsageError(
            f"--host {host} lets other machines use the API, and so connect anywhere through this one. "
            "Give a --token as well, or leave --host out."
        )
    loop = Loop()
    served = FaultProxy(loop, access, seed=seed, serves_metrics=proxy_metrics)
    try:
        api = serve_api(loop, served, host, port)
        try:
            if config is not None:
                served.populate(config)
            click.echo(f"midpipe proxy: the API listens on http://{api.listen}")
            while True:
                loop.step(_STEP_S)
        finally:
            api.close()
    except KeyboardInterrupt:
        return 130
    finally:
        served.close()
        loop.close()
