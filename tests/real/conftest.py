"""Real parts for tests that claim something about Redis: one server per module, a proxy, a client on raw bytes.

A module that needs a part of another kind (another server, a subject of its own) overrides the fixture by its name.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis

from midpipe.faultinject.faults import effects_of
from midpipe.faultinject.faults.effects import PASS, Deliver, WireEffects
from midpipe.faultinject.net.link import Link
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.loopback import LOOPBACK
from midpipe.faultinject.net.proxy import Proxy
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.opening import WALL, ServerSpec, open_server, parse_server_spec
from midpipe.faultinject.servers.origins import FromBinary
from midpipe.faultinject.servers.sentinel import SentinelGroup
from midpipe.faultinject.servers.server import Server
from midpipe.faultinject.vocabulary import Executed, FaultRef, Position, WireEvent, WireIndex
from midpipe.faultinject.wire.commands import parse_command_table
from midpipe.faultinject.wire.received import ReceivedCommand
from midpipe.faultinject.wire.resp import ProtocolError, Reply, encode_command
from midpipe.reference import Queue
from midpipe.reference.migration import Phase
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.subjects.hosting import HostProcess
from tests.support.cluster import Cluster
from tests.support.replicated import cluster_of, sentinels_of


@pytest.fixture(scope="module")
def run_directory() -> Iterator[RunDirectory]:
    run = RunDirectory()
    yield run
    run.close()


@pytest.fixture(scope="module")
def server(run_directory: RunDirectory) -> Iterator[Server]:
    started = open_server(parse_server_spec("embedded"), run_directory)
    yield started
    started.stop()


@pytest.fixture
def control(server: Server) -> Iterator[Control]:
    connection = Control(server.address)
    server.reset(connection)
    yield connection
    connection.close()


@dataclass
class PlannedDirector:
    """Lets everything pass at once, but for the faults planned at the n-th command or the k-th inside a block."""

    planned: dict[tuple[int, int], FaultRef] = field(default_factory=dict)
    done_commands: list[tuple[str, Executed]] = field(default_factory=list)
    held: list[Link] = field(default_factory=list)
    refused: bool = False
    gone: int = 0
    gave_up: int = 0
    count: int = 0
    looks_ahead: bool = False

    def is_passthrough(self, received: ReceivedCommand) -> bool:
        begins = received.inside == 1 or not (received.inside or received.block)
        return self.looks_ahead and (self.count + begins, received.inside) not in self.planned

    def setup(self, link: Link, received: ReceivedCommand) -> WireEffects:
        return PASS

    def inside(self, link: Link, received: ReceivedCommand) -> WireEffects:
        if received.inside == 1:
            self.count += 1
        return self._effects(received, received.inside)

    def parked(self, link: Link, received: ReceivedCommand) -> None:
        if not received.block:
            self.count += 1
        effects = self._effects(received, 0)
        if effects.deliver is Deliver.HELD:
            self.held.append(link)
        self.refused = self.refused or effects.refuse
        link.carry_out(received, effects)

    def done(
        self, link: Link, received: ReceivedCommand, executed: Executed, reply: Reply | None
    ) -> None:
        self.done_commands.append((received.command.name.decode(), executed))

    def client_gone(self, link: Link, *, mid_command: bool) -> None:
        self.gone += 1
        self.gave_up += mid_command

    def violated_protocol(self, link: Link, error: ProtocolError) -> None:
        raise error

    def _effects(self, received: ReceivedCommand, inside: int) -> WireEffects:
        fault = self.planned.get((self.count, inside))
        if fault is None:
            return PASS
        name = received.command.name.decode()
        event = WireEvent(
            position=Position("A", self.count, inside),
            index=WireIndex(1, 1, self.count, name, ""),
            args=received.command.args,
            size=len(received.command.raw),
            is_write=True,
            keys=None,
        )
        return effects_of(fault, event).wire


class Wire:
    """A proxy in front of the server, and a client that speaks raw bytes."""

    def __init__(self, server: Server, control: Control) -> None:
        self.loop = Loop()
        table = parse_command_table(control.call("COMMAND"))
        self._proxy = Proxy(self.loop, lambda: server.address, table)
        self.listener = self._proxy.listener("A")
        self.director = PlannedDirector()
        self.listener.director = self.director
        self._sockets: list[socket.socket] = []

    def place(self, fault: str, ordinal: int = 1, inside: int = 0) -> None:
        name, _, parameter = fault.partition("=")
        self.director.planned[ordinal, inside] = FaultRef(
            name, int(parameter) if parameter else None
        )

    def connect(self) -> socket.socket:
        client = socket.create_connection((LOOPBACK, self.listener.port), timeout=0.05)
        self._sockets.append(client)
        return client

    def send(self, client: socket.socket, *commands: tuple[str | bytes, ...]) -> None:
        client.sendall(b"".join(encode_command(*command) for command in commands))

    def turn(self, seconds: float = 0.02) -> None:
        """Let the proxy work until nothing has happened for a moment."""
        self.loop.run_until(lambda: False, seconds)

    def run_until_done(self, commands: int) -> bool:
        return self.loop.run_until(lambda: len(self.director.done_commands) >= commands, 5.0)

    def close(self) -> None:
        for client in self._sockets:
            client.close()
        self._proxy.close()
        self.loop.close()


@pytest.fixture(params=[False, True], ids=["one-by-one", "together"])
def wire(request: pytest.FixtureRequest, server: Server, control: Control) -> Iterator[Wire]:
    """A wire whose director is shown each command when those before it are over, or ahead of that."""
    bench = Wire(server, control)
    bench.director.looks_ahead = request.param
    yield bench
    bench.close()


@pytest.fixture
def driver(server: Server, control: Control) -> Iterator[Any]:
    """A driver that no fault gets at, on a server that is empty and knows no script."""
    control.call("SCRIPT", "FLUSH")
    client = redis.Redis(unix_socket_path=server.address.path, decode_responses=True)
    yield client
    client.close()


@pytest.fixture
def queue(driver: Any) -> Queue:
    """The reference, in the phase that writes both schemas, without a fault."""
    return Queue(client=driver, phase=Phase.DUAL_READ_NEW)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """A worker that runs cases in this process, on an embedded server of its own."""
    with closing(Worker(ServerSpec())) as started:
        yield started


@pytest.fixture(scope="module")
def wall_worker() -> Iterator[Worker]:
    """A worker whose server and subjects are on the machine's clock."""
    with closing(Worker(ServerSpec(clock=WALL))) as started:
        yield started


@pytest.fixture
def killed_sentinels(run_directory: RunDirectory) -> Iterator[SentinelGroup]:
    """Sentinels and servers for one test, which kills the primary."""
    with sentinels_of(FromBinary(None, run_directory)) as group:
        yield group


@pytest.fixture
def killed_cluster(run_directory: RunDirectory) -> Iterator[Cluster]:
    """A Cluster for one test, which kills a primary."""
    with cluster_of(FromBinary(None, run_directory)) as started:
        yield started


@pytest.fixture
def hosted(tmp_path: Path) -> Iterator[Callable[..., HostProcess]]:
    """Host a class ``Q`` whose source is given; the host ends with the test."""
    loop, run = Loop(), RunDirectory()
    hosts: list[HostProcess] = []

    def start(source: str, *, patience_s: float = 20.0, **environment: str) -> HostProcess:
        file = tmp_path / "subject.py"
        file.write_text(source)
        spec = SubjectSpec(
            f"{file}:Q", environment=tuple(environment.items()), patience_s=patience_s
        )
        host = HostProcess(spec, loop, run)
        hosts.append(host)
        return host

    yield start
    for host in hosts:
        host.kill()
    loop.close()
    run.close()
