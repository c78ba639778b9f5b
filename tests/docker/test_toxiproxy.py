"""A real Toxiproxy and a Redis in containers: toxics at byte counts, and what the server executed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from midpipe.faultinject.servers.container import ContainerServer
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.toxiproxy.client import ToxiproxyClient
from midpipe.faultinject.wire.resp import encode_command
from tests.support.toxiproxy_container import LISTEN_PORTS, ToxiproxyContainer

pytestmark = pytest.mark.docker
LISTEN = LISTEN_PORTS[0]
INCR = encode_command("INCR", "counter")


@pytest.fixture
def client(toxiproxy: ToxiproxyContainer, server: ContainerServer) -> Iterator[ToxiproxyClient]:
    """Drives a Toxiproxy that has a proxy ``redis`` to the empty server, without toxics."""
    made = ToxiproxyClient(toxiproxy.api)
    made.create("redis", toxiproxy.upstream, f"0.0.0.0:{LISTEN}")
    with closing(Control(server.address)) as control:
        server.reset(control)
    yield made
    made.destroy("redis")
    made.close()


def value(server: ContainerServer) -> object:
    """Return the counter, read directly from the server."""
    with closing(Control(server.address)) as control:
        return control.call("GET", "counter")


def connected(toxiproxy: ToxiproxyContainer) -> socket.socket:
    where = toxiproxy.address(LISTEN)
    return socket.create_connection((where.host, where.port), timeout=10.0)


def received_to_the_end(end: socket.socket) -> bytes:
    """Return all bytes received until the connection ends."""
    received = b""
    with suppress(ConnectionResetError):
        while chunk := end.recv(100):
            received += chunk
    return received


@pytest.mark.usefixtures("client")
def test_without_a_toxic_the_server_answers(
    toxiproxy: ToxiproxyContainer, server: ContainerServer
) -> None:
    with closing(Control(toxiproxy.address(LISTEN))) as control:
        assert control.call("INCR", "counter") == 1
    assert value(server) == b"1"


def test_a_command_whose_reply_is_cut_off_has_been_executed(
    client: ToxiproxyClient, toxiproxy: ToxiproxyContainer, server: ContainerServer
) -> None:
    client.add_toxic("redis", "limit_data", {"bytes": 2})
    with connected(toxiproxy) as end:
        end.sendall(INCR)
        assert received_to_the_end(end) == b":1"
    assert value(server) == b"1"


def test_a_command_that_is_cut_off_is_never_executed(
    client: ToxiproxyClient, toxiproxy: ToxiproxyContainer, server: ContainerServer
) -> None:
    client.add_toxic("redis", "limit_data", {"bytes": 2 * len(INCR) - 1}, stream="upstream")
    with connected(toxiproxy) as end:
        end.sendall(INCR)
        assert end.recv(100) == b":1\r\n"
        end.sendall(INCR)
        assert received_to_the_end(end) == b""
    assert value(server) == b"1"


def test_a_disabled_proxy_passes_nothing(
    client: ToxiproxyClient, toxiproxy: ToxiproxyContainer, server: ContainerServer
) -> None:
    client.enable("redis", enabled=False)
    received = b""
    # The engine's own listener may accept the connection, and close it.
    with suppress(OSError), connected(toxiproxy) as end:
        end.sendall(INCR)
        received = received_to_the_end(end)
    assert (received, value(server)) == (b"", None)


@pytest.mark.usefixtures("client")
def test_the_proxy_reaches_the_server_again_after_it_was_killed(
    toxiproxy: ToxiproxyContainer, server: ContainerServer
) -> None:
    server.restart()
    with closing(Control(toxiproxy.address(LISTEN))) as control:
        assert control.call("INCR", "counter") == 1
    assert value(server) == b"1"
