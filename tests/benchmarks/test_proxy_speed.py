"""What the proxy costs: a request and its reply, and a pipeline of a hundred, through it and past it, in one run."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from midpipe.faultinject.net.director import PassingDirector
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.loopback import LOOPBACK
from midpipe.faultinject.net.proxy import Proxy
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.embedded import EmbeddedServer
from midpipe.faultinject.vocabulary import Address
from midpipe.faultinject.wire.commands import parse_command_table

ROUNDS = 2_000


@dataclass(frozen=True, slots=True)
class Paths:
    """Two ways to one server."""

    direct: Address
    proxied: Address


@pytest.fixture(scope="module")
def paths() -> Iterator[Paths]:
    with RunDirectory() as run:
        server = EmbeddedServer(None, run)
        control = Control(server.address)
        loop = Loop()
        proxy = Proxy(loop, lambda: server.address, parse_command_table(control.call("COMMAND")))
        listener = proxy.listener("A")
        listener.director = PassingDirector()
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                loop.step(0.05)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Paths(server.address, Address(host=LOOPBACK, port=listener.port))
        stop.set()
        thread.join()
        proxy.close()
        loop.close()
        control.close()
        server.stop()


def medians_s(
    addresses: Sequence[Address], job: Callable[[Control], object], rounds: int
) -> list[float]:
    """Return the median time at each address; they take turns, so that a busy machine is busy for all of them."""
    controls = [Control(address) for address in addresses]
    times: list[list[float]] = [[] for _ in controls]
    for _ in range(rounds):
        for control, taken in zip(controls, times, strict=True):
            begun = time.perf_counter()
            job(control)
            taken.append(time.perf_counter() - begun)
    for control in controls:
        control.close()
    return [statistics.median(taken) for taken in times]


@pytest.mark.parametrize("commands", [1, 100])
def test_commands_through_the_proxy_against_direct(
    benchmark: Any, paths: Paths, commands: int
) -> None:
    pipeline = [("SET", "k", "v")] * commands
    rounds = ROUNDS // commands**0.5

    def both() -> list[float]:
        addresses = (paths.direct, paths.proxied)
        return medians_s(addresses, lambda control: control.pipeline(pipeline), int(rounds))

    direct_s, proxied_s = benchmark.pedantic(both, rounds=1, iterations=1, warmup_rounds=1)
    benchmark.extra_info.update(
        direct_us=round(direct_s * 1e6, 1),
        proxied_us=round(proxied_s * 1e6, 1),
        ratio=round(proxied_s / direct_s, 2),
        commands_per_second=round(commands / proxied_s),
    )
