"""midpipe's proxy against a real Toxiproxy: added latency and throughput, idle and with a latency toxic, in one run.

Both run as processes of their own, before one echo server in a process of its own; rounds are interleaved in an order
that turns, so that whatever the machine does meets all alike. Only the ratios of one run mean something.

Latency: one byte there and back, through a proxy and past it; what the proxy adds is the difference of the medians.
Throughput: as many bytes as pass in a round, echoed. ``pytest tests/benchmarks/test_toxiproxy_speed.py`` runs it.
"""

from __future__ import annotations

import selectors
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.toxiproxy.client import ToxiproxyClient
from tests.real.toxiproxies import BOTH, OURS, REAL, api_of

DIRECT = "direct"
ROUNDS = 12
REQUESTS = 300
STREAM_BYTES = 24_000_000
LATENCY_MS = 5
CHUNK = b"x" * 65536

ECHO = """
import selectors, socket, sys
listener = socket.create_server(("127.0.0.1", 0), backlog=256)
print(listener.getsockname()[1], flush=True)
ready = selectors.DefaultSelector()
ready.register(listener, selectors.EVENT_READ)
while True:
    for key, _ in ready.select():
        if key.fileobj is listener:
            end, _ = listener.accept()
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ready.register(end, selectors.EVENT_READ, end)
            continue
        try:
            data = key.fileobj.recv(262144)
            key.fileobj.sendall(data)
        except OSError:
            data = b""
        if not data:
            ready.unregister(key.fileobj)
            key.fileobj.close()
"""


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways to one echo server, by name, and the clients of the proxies on them."""

    ports: Mapping[str, int]
    clients: Mapping[str, ToxiproxyClient]


@pytest.fixture(scope="module")
def ways() -> Iterator[Ways]:
    with ExitStack() as opened:
        run = opened.enter_context(RunDirectory())
        echo = subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True)
        opened.callback(_end, echo)
        run.guard(echo.pid)
        assert echo.stdout is not None
        port = int(echo.stdout.readline())
        ports, clients = {DIRECT: port}, {}
        for name in BOTH:
            clients[name] = ToxiproxyClient(opened.enter_context(api_of(name, run)))
            opened.callback(clients[name].close)
            listen = clients[name].create("echo", f"127.0.0.1:{port}")
            ports[name] = int(listen.rpartition(":")[2])
        yield Ways(ports, clients)


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def connections(port: int, count: int, opened: ExitStack) -> list[socket.socket]:
    found = []
    for _ in range(count):
        end = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found.append(end)
    return found


def round_trips(port: int, count: int, requests: int) -> list[float]:
    """Keep one request under way on each connection; return how long each took, in seconds."""
    times: list[float] = []
    with ExitStack() as opened, selectors.DefaultSelector() as ready:
        sent_s: dict[socket.socket, float] = {}
        for end in connections(port, count, opened):
            end.sendall(b"w")
            end.recv(1)
            ready.register(end, selectors.EVENT_READ, end)
            sent_s[end] = time.perf_counter()
            end.sendall(b"x")
        while len(times) < requests:
            for key, _ in ready.select():
                end = key.data
                end.recv(1)
                now_s = time.perf_counter()
                times.append(now_s - sent_s[end])
                sent_s[end] = now_s
                end.sendall(b"x")
    return times


def streamed(port: int, count: int, size: int) -> float:
    """Send so many bytes in all over the connections, and read their echo; return bytes per second."""
    each = size // count
    with ExitStack() as opened, selectors.DefaultSelector() as ready:
        left = {end: [each, each] for end in connections(port, count, opened)}
        for end in left:
            end.setblocking(False)
            ready.register(end, selectors.EVENT_READ | selectors.EVENT_WRITE, end)
        begun_s = time.perf_counter()
        unread = each * count
        while unread:
            for key, events in ready.select():
                end = key.data
                if events & selectors.EVENT_WRITE and left[end][0]:
                    left[end][0] -= end.send(CHUNK[: left[end][0]])
                    if not left[end][0]:
                        ready.modify(end, selectors.EVENT_READ, end)
                if events & selectors.EVENT_READ:
                    got = len(end.recv(262144))
                    left[end][1] -= got
                    unread -= got
        return each * count / (time.perf_counter() - begun_s)


@pytest.fixture(params=["idle", "latency"])
def toxic(request: pytest.FixtureRequest, ways: Ways) -> Iterator[str]:
    """With a latency toxic on the way back of both proxies, or with none."""
    for client in ways.clients.values():
        if request.param == "latency":
            client.add_toxic("echo", "latency", {"latency": LATENCY_MS})
    yield str(request.param)
    for client in ways.clients.values():
        client.reset()


def turns(names: tuple[str, ...], rounds: int) -> Iterator[str]:
    """Each name once a round, beginning with another one each time."""
    for number in range(rounds):
        shift = number % len(names)
        yield from names[shift:] + names[:shift]


@pytest.mark.parametrize("count", [1, 50])
def test_added_latency_against_a_real_toxiproxy(
    benchmark: Any, ways: Ways, toxic: str, count: int
) -> None:
    requests = REQUESTS if toxic == "idle" else 20 * count

    def measure() -> dict[str, list[float]]:
        found: dict[str, list[float]] = {DIRECT: [], OURS: [], REAL: []}
        for name in turns((DIRECT, OURS, REAL), ROUNDS):
            found[name].append(statistics.median(round_trips(ways.ports[name], count, requests)))
        return found

    found = benchmark.pedantic(measure, rounds=1, iterations=1, warmup_rounds=0)
    median = {name: statistics.median(times) for name, times in found.items()}
    added = {name: median[name] - median[DIRECT] for name in BOTH}
    benchmark.extra_info.update(
        direct_us=round(median[DIRECT] * 1e6, 1),
        midpipe_us=round(median[OURS] * 1e6, 1),
        toxiproxy_us=round(median[REAL] * 1e6, 1),
        added_latency_ratio=round(added[OURS] / added[REAL], 3),
        round_trip_ratio=round(median[OURS] / median[REAL], 3),
        ratio_by_round=[
            round(ours / real, 3) for ours, real in zip(found[OURS], found[REAL], strict=True)
        ],
    )


@pytest.mark.parametrize("count", [1, 50])
def test_throughput_against_a_real_toxiproxy(
    benchmark: Any, ways: Ways, toxic: str, count: int
) -> None:
    size = STREAM_BYTES if toxic == "idle" else STREAM_BYTES // 4

    def measure() -> dict[str, list[float]]:
        found: dict[str, list[float]] = {DIRECT: [], OURS: [], REAL: []}
        for name in turns((DIRECT, OURS, REAL), ROUNDS // 2):
            found[name].append(streamed(ways.ports[name], count, size))
        return found

    found = benchmark.pedantic(measure, rounds=1, iterations=1, warmup_rounds=0)
    median = {name: statistics.median(rates) for name, rates in found.items()}
    benchmark.extra_info.update(
        {f"{name}_mb_s": round(rate / 1e6, 1) for name, rate in median.items()},
        throughput_ratio=round(median[OURS] / median[REAL], 3),
        ratio_by_round=[
            round(ours / real, 3) for ours, real in zip(found[OURS], found[REAL], strict=True)
        ],
    )
