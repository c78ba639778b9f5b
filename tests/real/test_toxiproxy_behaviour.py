"""Each toxic on a real Toxiproxy and on midpipe's proxy: the same bytes in the same order, and connections end alike.

Times are only ever held from below: what must be late is late, and nothing is said of what must be soon.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.toxiproxy.client import ToxiproxyClient
from tests.real.peers import FIN, OPEN, QUIET_S, RST, Seen, connected, seen_by, upstream
from tests.real.toxiproxies import BOTH, api_of

DATA = bytes(range(256)) * 4

# The first test may have to build a Toxiproxy.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def clients(run_directory: RunDirectory) -> Iterator[dict[str, ToxiproxyClient]]:
    with api_of(BOTH[0], run_directory) as real, api_of(BOTH[1], run_directory) as ours:
        made = {BOTH[0]: ToxiproxyClient(real), BOTH[1]: ToxiproxyClient(ours)}
        yield made
        for client in made.values():
            client.close()


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation through a proxy, as the client and as the upstream saw it."""

    client: Seen
    server: Seen

    @property
    def outcome(self) -> tuple[tuple[bytes, str], tuple[bytes, str]]:
        return self.client.outcome, self.server.outcome


Step = Callable[[ToxiproxyClient, socket.socket], Seen]


def conversation(
    client: ToxiproxyClient, before: Callable[[ToxiproxyClient], None], step: Step
) -> Conversation:
    """Run a conversation through a new proxy.

    Args:
        before: what is done to the proxy ``p`` before the client connects.
        step: what the client does; returns what it saw.
    """
    with upstream() as server:
        listen = client.create("p", str(server.address))
        try:
            before(client)
            with connected(listen) as end:
                seen = step(client, end)
            return Conversation(seen, server.seen())
        finally:
            client.destroy("p")


def alike(
    clients: dict[str, ToxiproxyClient],
    before: Callable[[ToxiproxyClient], None],
    step: Step,
) -> Conversation:
    """Run the conversation on both, assert that the outcomes are equal, and return midpipe's."""
    real, ours = (conversation(clients[name], before, step) for name in BOTH)
    assert ours.outcome == real.outcome
    return ours


def toxic(
    kind: str, stream: str = "downstream", **attributes: int
) -> Callable[[ToxiproxyClient], None]:
    def add(client: ToxiproxyClient) -> None:
        client.add_toxic("p", kind, attributes, stream=stream)

    return add


def nothing(client: ToxiproxyClient) -> None:
    """Do not change the proxy."""


def asks(_: ToxiproxyClient, end: socket.socket) -> Seen:
    """Send, and read as many bytes as were sent."""
    begun_s = time.monotonic()
    end.sendall(DATA)
    return seen_by(end, enough=len(DATA), since_s=begun_s)


def asks_to_the_end(_: ToxiproxyClient, end: socket.socket) -> Seen:
    """Send, and read until the connection ends."""
    begun_s = time.monotonic()
    end.sendall(DATA)
    return seen_by(end, since_s=begun_s)


def asks_in_vain(_: ToxiproxyClient, end: socket.socket) -> Seen:
    """Send, and read until nothing has arrived for a while."""
    end.sendall(DATA)
    return seen_by(end, QUIET_S)


ECHOED = ((DATA, OPEN), (DATA, FIN))


@pytest.mark.parametrize(
    "before",
    [
        nothing,
        toxic("noop"),
        toxic("bandwidth", rate=5000),
        toxic("slow_close"),
        toxic("latency", latency=50, jitter=40),
        toxic("slicer", average_size=100, size_variation=30, delay=1000),
        toxic("slicer", "upstream", average_size=64, size_variation=0, delay=0),
        toxic("limit_data", bytes=len(DATA) + 1),
    ],
    ids=[
        "nothing",
        "noop",
        "wide",
        "slow-close",
        "jitter",
        "slices",
        "slices-up",
        "below-limit",
    ],
)
def test_a_lossless_toxic_loses_no_byte_on_either(
    clients: dict[str, ToxiproxyClient], before: Callable[[ToxiproxyClient], None]
) -> None:
    assert alike(clients, before, asks).outcome == ECHOED


@pytest.mark.parametrize(
    ("before", "at_least_s"),
    [
        (toxic("latency", latency=300), 0.3),
        (toxic("latency", "upstream", latency=300), 0.3),
        (toxic("bandwidth", rate=5), 0.2),
        (toxic("slicer", average_size=128, size_variation=0, delay=40_000), 0.2),
    ],
    ids=["latency", "latency-up", "bandwidth", "slices"],
)
def test_a_delaying_toxic_delays_on_both(
    clients: dict[str, ToxiproxyClient],
    before: Callable[[ToxiproxyClient], None],
    at_least_s: float,
) -> None:
    for name in BOTH:
        seen = conversation(clients[name], before, asks)
        assert seen.outcome == ECHOED
        assert seen.client.after_s >= at_least_s


@pytest.mark.parametrize("limit", [0, 1, 100, len(DATA) - 1, len(DATA)])
@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_limit_data_passes_so_many_bytes_and_closes(
    clients: dict[str, ToxiproxyClient], stream: str, limit: int
) -> None:
    def bytes_seen(name: str) -> tuple[bytes, bytes]:
        seen = conversation(
            clients[name], toxic("limit_data", stream, bytes=limit), asks_to_the_end
        )
        assert seen.client.end in (FIN, RST)
        return seen.client.data, seen.server.data

    real, ours = (bytes_seen(name) for name in BOTH)
    # How much of the echo of a cut request arrives depends on which end was faster, on both.
    assert ours[1] == real[1]
    if stream == "downstream":
        assert ours == real == (DATA[:limit], DATA)
    else:
        assert DATA[:limit].startswith(ours[0])


def test_a_bandwidth_of_0_holds_everything_until_it_is_removed(
    clients: dict[str, ToxiproxyClient],
) -> None:
    def step(client: ToxiproxyClient, end: socket.socket) -> Seen:
        assert asks_in_vain(client, end).outcome == (b"", OPEN)
        client.remove_toxic("p", "bandwidth_downstream")
        return seen_by(end, enough=len(DATA))

    assert alike(clients, toxic("bandwidth"), step).outcome == ECHOED


def test_reset_peer_resets_a_connection_opened_after_it(
    clients: dict[str, ToxiproxyClient],
) -> None:
    seen = alike(clients, toxic("reset_peer"), asks_to_the_end)
    assert seen.client.outcome == (b"", RST)


def test_reset_peer_waits_for_its_timeout(clients: dict[str, ToxiproxyClient]) -> None:
    for name in BOTH:
        seen = conversation(clients[name], toxic("reset_peer", timeout=300), asks_to_the_end)
        assert seen.client.end == RST
        assert seen.client.after_s >= 0.3


def test_reset_peer_closes_a_connection_opened_before_it_in_order(
    clients: dict[str, ToxiproxyClient],
) -> None:
    def step(client: ToxiproxyClient, end: socket.socket) -> Seen:
        asks(client, end)
        client.add_toxic("p", "reset_peer", {"timeout": 0})
        return asks_to_the_end(client, end)

    assert alike(clients, nothing, step).client.outcome == (b"", FIN)


def test_timeout_is_silent_and_then_closes(clients: dict[str, ToxiproxyClient]) -> None:
    for name in BOTH:
        seen = conversation(clients[name], toxic("timeout", timeout=400), asks_to_the_end)
        assert seen.client.outcome == (b"", FIN)
        assert seen.client.after_s >= 0.4


def test_a_timeout_of_0_is_silent_until_its_removal_closes_the_connection(
    clients: dict[str, ToxiproxyClient],
) -> None:
    def step(client: ToxiproxyClient, end: socket.socket) -> Seen:
        assert asks_in_vain(client, end).outcome == (b"", OPEN)
        client.remove_toxic("p", "timeout_downstream")
        return seen_by(end)

    assert alike(clients, toxic("timeout"), step).client.outcome == (b"", FIN)


def test_slow_close_keeps_the_other_side_open_for_its_delay(
    clients: dict[str, ToxiproxyClient],
) -> None:
    def ends_late(name: str) -> float:
        with upstream() as server:
            listen = clients[name].create("p", str(server.address))
            clients[name].add_toxic("p", "slow_close", {"delay": 400}, stream="upstream")
            with connected(listen) as end:
                asks(clients[name], end)
                hangs_up_s = time.monotonic()
            assert server.seen().outcome == (DATA, FIN)
            late_s = time.monotonic() - hangs_up_s
            clients[name].destroy("p")
            return late_s

    assert min(ends_late(name) for name in BOTH) >= 0.4


def test_a_disabled_proxy_closes_its_connections_and_refuses_new_ones(
    clients: dict[str, ToxiproxyClient],
) -> None:
    def step(client: ToxiproxyClient, end: socket.socket) -> Seen:
        asks(client, end)
        listen = "{}:{}".format(*end.getpeername())
        client.enable("p", enabled=False)
        with pytest.raises(ConnectionRefusedError):
            connected(listen)
        return seen_by(end)

    seen = alike(clients, nothing, step)
    assert seen.outcome == ((b"", FIN), (DATA, FIN))


def test_an_unreachable_upstream_ends_the_connection(
    clients: dict[str, ToxiproxyClient],
) -> None:
    ends = set()
    for name in BOTH:
        listen = clients[name].create("p", "127.0.0.1:1")
        with connected(listen) as end:
            ends.add(seen_by(end).outcome)
        clients[name].destroy("p")
    assert ends == {(b"", FIN)}


def test_a_client_that_closes_its_half_closes_the_connection(
    clients: dict[str, ToxiproxyClient],
) -> None:
    def step(client: ToxiproxyClient, end: socket.socket) -> Seen:
        asks(client, end)
        end.shutdown(socket.SHUT_WR)
        return seen_by(end)

    assert alike(clients, nothing, step).outcome == ((b"", FIN), (DATA, FIN))


def test_a_toxic_added_to_an_open_connection_acts_on_it(
    clients: dict[str, ToxiproxyClient],
) -> None:
    def step(client: ToxiproxyClient, end: socket.socket) -> Seen:
        asks(client, end)
        client.add_toxic("p", "limit_data", {"bytes": 10})
        return asks_to_the_end(client, end)

    assert alike(clients, nothing, step).client.data == DATA[:10]


def test_a_toxicity_of_0_does_nothing(clients: dict[str, ToxiproxyClient]) -> None:
    def before(client: ToxiproxyClient) -> None:
        client.add_toxic("p", "limit_data", {"bytes": 0}, toxicity=0.0)

    assert alike(clients, before, asks).outcome == ECHOED


def test_megabytes_pass_whole_through_a_chain(clients: dict[str, ToxiproxyClient]) -> None:
    payload = DATA * 2048

    def before(client: ToxiproxyClient) -> None:
        for stream in ("upstream", "downstream"):
            client.add_toxic("p", "latency", {"latency": 5, "jitter": 4}, stream=stream)

    def step(_: ToxiproxyClient, end: socket.socket) -> Seen:
        end.setblocking(False)
        sent, found = 0, bytearray()
        deadline_s = time.monotonic() + 60
        while len(found) < len(payload) and time.monotonic() < deadline_s:
            try:
                sent += end.send(payload[sent : sent + 65536]) if sent < len(payload) else 0
            except BlockingIOError:
                time.sleep(0.001)
            try:
                found += end.recv(65536)
            except BlockingIOError:
                time.sleep(0.001)
        return Seen(bytes(found), OPEN, 0.0)

    seen = alike(clients, before, step)
    assert seen.outcome == ((payload, OPEN), (payload, FIN))
