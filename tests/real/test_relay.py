"""A relay between two sockets: bytes pass unread, in order and whole, whatever either side does."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.relay import Relay

MEGABYTES = b"0123456789abcdef" * 500_000
"""More than the buffers of both sockets hold."""


@dataclass
class Bench:
    """A relay whose far ends are the test's: the client's and the server's."""

    loop: Loop
    client: socket.socket
    server: socket.socket
    relay: Relay
    closed: list[Relay]

    def step(self) -> None:
        for _ in range(20):
            self.loop.step(0.0)

    def read_all(self, end: socket.socket) -> bytes:
        """Read until the stream ends, letting the relay work in between."""
        found = bytearray()
        while True:
            self.loop.step(0.0)
            try:
                data = end.recv(1_000_000)
            except BlockingIOError:
                continue
            if not data:
                return bytes(found)
            found += data


@pytest.fixture
def bench() -> Iterator[Bench]:
    (client, its_client), (server, its_server) = socket.socketpair(), socket.socketpair()
    closed: list[Relay] = []
    with closing(Loop()) as loop, client, server:
        client.setblocking(False)
        server.setblocking(False)
        relay = Relay(loop, its_client, its_server, closed.append)
        yield Bench(loop, client, server, relay, closed)
        relay.close()


def test_bytes_pass_both_ways(bench: Bench) -> None:
    bench.client.send(b"ping")
    bench.step()
    assert bench.server.recv(100) == b"ping"
    bench.server.send(b"pong")
    bench.step()
    assert bench.client.recv(100) == b"pong"


def filled(bench: Bench) -> int:
    """Send from the server until nothing more is taken; return how many bytes were."""
    taken = 0
    while taken < 10 * len(MEGABYTES):
        try:
            taken += bench.server.send(MEGABYTES)
        except BlockingIOError:
            return taken
        bench.step()
    return taken


def test_a_server_that_disconnects_ends_the_client_s_stream_after_its_last_byte(
    bench: Bench,
) -> None:
    taken = filled(bench)
    bench.server.close()
    assert len(bench.read_all(bench.client)) == taken
    assert bench.closed == [bench.relay]


def test_a_client_that_does_not_read_stops_the_relay_from_reading_the_server(bench: Bench) -> None:
    assert filled(bench) < len(MEGABYTES)
    # The client's own commands still pass.
    bench.client.send(b"ping")
    bench.step()
    assert bench.server.recv(100) == b"ping"


def test_a_client_that_disconnects_closes_both_sides(bench: Bench) -> None:
    bench.client.close()
    bench.step()
    assert bench.closed == [bench.relay]
    assert bench.server.recv(100) == b""


def test_a_turn_begins_with_the_client_s_first_bytes_after_the_server_s(bench: Bench) -> None:
    bench.relay.close()
    turns = []

    def noting(relay: Relay, data: bytes, to_client: bool) -> None:
        if relay.begins_turn:
            turns.append(data)
        relay.pass_on(data, to_client)

    (client, its_client), (server, its_server) = socket.socketpair(), socket.socketpair()
    relay = Relay(bench.loop, its_client, its_server, bench.closed.append, noting)
    with client, server:
        for end, data in ((client, b"1"), (client, b"1b"), (server, b"r"), (client, b"2")):
            end.send(data)
            bench.step()
        relay.close()
    assert turns == [b"1", b"2"]


def test_detached_sockets_are_no_longer_read(bench: Bench) -> None:
    client, server = bench.relay.detach()
    bench.client.send(b"ping")
    bench.step()
    assert client.recv(100) == b"ping"
    client.close()
    server.close()
