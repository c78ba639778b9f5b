"""Where the network faults come from: a Toxiproxy, real or midpipe's own, and the one proxy on it that is used.

The clients' way is client -> Toxiproxy -> server, with nothing of midpipe's in between, lest a reset lose its nature.
Only a server that listens on no TCP port of its own has a plain forwarder before it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.net.front import Front
from midpipe.faultinject.servers.reaper import RunDirectory
from midpipe.faultinject.toxiproxy.binary import ToxiproxyProcess
from midpipe.faultinject.toxiproxy.client import ToxiproxyClient
from midpipe.faultinject.toxiproxy.served import ServedFaultProxy
from midpipe.faultinject.vocabulary import Address
from midpipe.faultinject.wire.commands import CommandTable
from midpipe.scenarios.network.placements import NetworkFault

MIDPIPE, TOXIPROXY = "midpipe", "toxiproxy"


@dataclass(frozen=True, slots=True)
class Via:
    """Which Toxiproxy, and how things are reached by way of it.

    Args:
        kind: MIDPIPE, TOXIPROXY (a process of our own) or the URL of an API.
        binary: of a process of our own; empty looks for one.
        upstream: the server as the Toxiproxy reaches it, ``host:port``; empty for one that is on this machine.
        listen: where the Toxiproxy is to listen, as it sees it.
        reach: the same as clients reach it; empty if they see it alike.
    """

    kind: str = TOXIPROXY
    binary: str = ""
    upstream: str = ""
    listen: str = "127.0.0.1:0"
    reach: str = ""


class Route:
    """A proxy on a Toxiproxy, and the faults on it.

    Attributes:
        address: where clients connect.
        what: the Toxiproxy, for reports.
    """

    def __init__(self, client: ToxiproxyClient, via: Via, upstream: str) -> None:
        self._client = client
        self._name = f"midpipe-{secrets.token_hex(4)}"
        self.what = f"{via.kind} {client.version()}"
        listen = client.create(self._name, upstream, via.listen)
        self.address = parse_address(via.reach or listen)

    def put(self, fault: NetworkFault) -> None:
        """Have the fault happen from now on."""
        if fault.is_down:
            self._client.enable(self._name, enabled=False)
        for number, (kind, stream, attributes) in enumerate(fault.toxics):
            self._client.add_toxic(
                self._name, kind, attributes, stream=stream, name=f"fault-{number}"
            )

    def mend(self) -> None:
        """End every fault."""
        for name in self._client.toxics(self._name):
            self._client.remove_toxic(self._name, name)
        if not self._client.is_up(self._name):
            self._client.enable(self._name, enabled=True)

    def hang_up(self) -> None:
        """End every connection; what is under way is lost."""
        self._client.enable(self._name, enabled=False)
        self._client.enable(self._name, enabled=True)

    def close(self) -> None:
        """Remove the proxy; the Toxiproxy stays as it was."""
        self._client.destroy(self._name)


@contextmanager
def opened(via: Via, server: Address, run: RunDirectory) -> Iterator[Route]:
    """Open a route to a server.

    Args:
        server: where it is reached from here.

    Raises:
        ServerError: there is no Toxiproxy, or it refuses.
        UsageError: the kind is none.
    """
    with _api(via, run) as api, _upstream(via, server) as upstream:
        client = ToxiproxyClient(api)
        try:
            route = Route(client, via, upstream)
            try:
                yield route
            finally:
                route.close()
        finally:
            client.close()


@contextmanager
def _api(via: Via, run: RunDirectory) -> Iterator[Address]:
    if via.kind == MIDPIPE:
        served = ServedFaultProxy()
        try:
            yield served.api
        finally:
            served.close()
    elif via.kind == TOXIPROXY:
        process = ToxiproxyProcess(run, via.binary)
        try:
            yield process.api
        finally:
            process.close()
    else:
        found = re.fullmatch(r"http://([^/]+:\d+)/?", via.kind)
        if found is None:
            raise UsageError(
                f"--via takes midpipe, toxiproxy or the URL of an API, http://host:port; got {via.kind!r}."
            )
        yield parse_address(found[1])


@contextmanager
def _upstream(via: Via, server: Address) -> Iterator[str]:
    if via.upstream:
        yield via.upstream
    elif server.path:
        front = Front([server], CommandTable({}))
        try:
            yield f"127.0.0.1:{front.ports[0]}"
        finally:
            front.close()
    else:
        yield str(server)


def parse_address(text: str) -> Address:
    """Return the address that ``host:port`` names. Raises UsageError."""
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isdigit()):
        raise UsageError(f"{text!r} is no address; write host:port.")
    return Address(host=host.strip("[]"), port=int(port))
