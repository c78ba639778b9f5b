"""The source of network faults: a Toxiproxy, real or midpipe's own, and the one proxy on it that the suite uses.

Clients connect to the Toxiproxy, and it connects to the server, with nothing of midpipe in between that could turn a
reset into an orderly close. Only a server without a TCP port has a plain forwarder in front of it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.net.front import Front
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.toxiproxy.binary import Notify, ToxiproxyProcess
from midpipe.faultinject.toxiproxy.client import ToxiproxyClient
from midpipe.faultinject.toxiproxy.serving import ServedFaultProxy
from midpipe.faultinject.vocabulary import Address
from midpipe.faultinject.wire.commands import CommandTable
from midpipe.scenarios.network.placements import NetworkFault

MIDPIPE, TOXIPROXY = "midpipe", "toxiproxy"


@dataclass(frozen=True, slots=True)
class Via:
    """Which Toxiproxy to use, and the addresses around it.

    Args:
        kind: MIDPIPE, TOXIPROXY (a process that midpipe starts) or the URL of an API, ``http://host:port``.
        binary: the program of that process; empty looks for one.
        upstream: the server's ``host:port`` as the Toxiproxy reaches it; empty if it is the same as from here.
        listen: the address that the Toxiproxy listens on.
        reach: the ``host:port`` at which clients reach ``listen``; empty if it is the same.

    Raises:
        UsageError: the kind or an address is malformed.
    """

    kind: str = TOXIPROXY
    binary: str = ""
    upstream: str = ""
    listen: str = "127.0.0.1:0"
    reach: str = ""

    def __post_init__(self) -> None:
        if self.kind not in (MIDPIPE, TOXIPROXY):
            self.api_address()
        for text in (self.upstream, self.reach):
            if text:
                parse_address(text)

    def api_address(self) -> Address:
        """Return the address in the URL of an API. Raises UsageError for a kind that is no URL."""
        found = re.fullmatch(r"http://([^/]+:\d+)/?", self.kind)
        if found is None:
            raise UsageError(
                f"--via takes {MIDPIPE}, {TOXIPROXY} or the URL of an API, http://host:port; "
                f"got {self.kind!r}."
            )
        return parse_address(found[1])


class Route:
    """A proxy on a Toxiproxy, and the faults on it.

    Attributes:
        address: where clients connect.
        what: the Toxiproxy, for reports.

    Raises:
        ServerError: the Toxiproxy refuses to create the proxy.
    """

    def __init__(self, client: ToxiproxyClient, via: Via, upstream: str) -> None:
        self._client = client
        self._name = f"midpipe-{secrets.token_hex(4)}"
        self.what = f"{via.kind} {client.version()}"
        listen = client.create(self._name, upstream, via.listen)
        self.address = parse_address(via.reach or listen)

    def put(self, fault: NetworkFault) -> None:
        """Start a fault."""
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
        """Close every connection; bytes under way are lost."""
        self._client.enable(self._name, enabled=False)
        self._client.enable(self._name, enabled=True)

    def close(self) -> None:
        """Remove the proxy from the Toxiproxy."""
        self._client.destroy(self._name)


@contextmanager
def open_route(via: Via, api: Address, server: Address) -> Iterator[Route]:
    """Open a route to a server.

    Args:
        api: where the Toxiproxy's API answers.
        server: where midpipe reaches the server.

    Raises:
        ServerError: the Toxiproxy does not answer, or refuses.
    """
    with _upstream(via, server) as upstream:
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
def open_toxiproxy(via: Via, run: RunDirectory, notify: Notify) -> Iterator[Address]:
    """Start the Toxiproxy, unless it runs already; yields where its API answers.

    Args:
        notify: called before the Toxiproxy is built.

    Raises:
        ServerError: there is none, or it does not start.
    """
    if via.kind == MIDPIPE:
        served = ServedFaultProxy()
        try:
            yield served.api
        finally:
            served.close()
    elif via.kind == TOXIPROXY:
        process = ToxiproxyProcess(run, via.binary, notify)
        try:
            yield process.api
        finally:
            process.close()
    else:
        yield via.api_address()


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
    """Return the address that ``host:port`` names, an IPv6 host in brackets. Raises UsageError."""
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isdigit()):
        raise UsageError(f"{text!r} is not an address; write host:port.")
    return Address(host=host.strip("[]"), port=int(port))
