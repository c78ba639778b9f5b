"""A real Toxiproxy in a container beside a Redis in one: its toxics at byte counts, and what the server had run."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

from faultinject.servers.container import ContainerServer
from faultinject.servers.control import Control
from faultinject.servers.toxiproxy import LISTEN_PORTS, ToxiproxyContainer
from faultinject.wire.resp import encode_command

pytestmark = pytest.mark.docker
LISTEN = LISTEN_PORTS[0]
INCR = encode_command("INCR", "counter")


@pytest.fixture(scope="module")
def container(server: ContainerServer, toxiproxy_image: str) -> ToxiproxyContainer:
    return ToxiproxyContainer(toxiproxy_image, server)


@pytest.fixture
def proxy(container: ToxiproxyContainer, server: ContainerServer) -> Iterator[Any]:
    """A proxy to the empty server, without toxics."""
    toxiproxy = pytest.importorskip("toxiproxy")
    client = toxiproxy.Toxiproxy()
    client.update_api_consumer(container.api.host, container.api.port)
    made = client.create(name="redis", listen=f"0.0.0.0:{LISTEN}", upstream=container.upstream)
    with closing(Control(server.address)) as control:
        server.reset(control)
    yield made
    made.destroy()


def value(server: ContainerServer) -> object:
    """Return the counter, read past the proxy."""
    with closing(Control(server.address)) as control:
        return control.call("GET", "counter")


def connected(container: ToxiproxyContainer) -> socket.socket:
    where = container.address(LISTEN)
    return socket.create_connection((where.host, where.port), timeout=10.0)


def received_to_the_end(client: socket.socket) -> bytes:
    """Return all that comes back until the connection ends."""
    received = b""
    with suppress(ConnectionResetError):
        while chunk := client.recv(100):
            received += chunk
    return received


@pytest.mark.usefixtures("proxy")
def test_without_a_toxic_the_server_answers(
    container: ToxiproxyContainer, server: ContainerServer
) -> None:
    with closing(Control(container.address(LISTEN))) as control:
        assert control.call("INCR", "counter") == 1
    assert value(server) == b"1"


def test_a_reply_cut_off_at_a_byte_leaves_what_the_server_ran(
    proxy: Any, container: ToxiproxyContainer, server: ContainerServer
) -> None:
    proxy.add_toxic(name="cut", type="limit_data", stream="downstream", attributes={"bytes": 2})
    with connected(container) as client:
        client.sendall(INCR)
        assert received_to_the_end(client) == b":1"
    assert value(server) == b"1"


def test_a_command_cut_off_at_a_byte_never_runs(
    proxy: Any, container: ToxiproxyContainer, server: ContainerServer
) -> None:
    cut = {"bytes": 2 * len(INCR) - 1}
    proxy.add_toxic(name="cut", type="limit_data", stream="upstream", attributes=cut)
    with connected(container) as client:
        client.sendall(INCR)
        assert client.recv(100) == b":1\r\n"
        client.sendall(INCR)
        assert received_to_the_end(client) == b""
    assert value(server) == b"1"


def test_a_proxy_that_is_down_lets_nothing_through(
    proxy: Any, container: ToxiproxyContainer, server: ContainerServer
) -> None:
    proxy.disable()
    received = b""
    # The engine's own listener may take the connection, and hang up.
    with suppress(OSError), connected(container) as client:
        client.sendall(INCR)
        received = received_to_the_end(client)
    assert (received, value(server)) == (b"", None)


@pytest.mark.usefixtures("proxy")
def test_the_server_is_found_again_after_it_was_killed(
    container: ToxiproxyContainer, server: ContainerServer
) -> None:
    server.restart()
    with closing(Control(container.address(LISTEN))) as control:
        assert control.call("INCR", "counter") == 1
    assert value(server) == b"1"
