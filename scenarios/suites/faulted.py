"""A server, and a proxy before it that a test can ask for faults: both on a thread of their own.

The proxy is midpipe's, with Toxiproxy's API; a test's faults are its toxics. Knows no subject and no program.
"""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from queue import SimpleQueue

import msgspec

from midpipe.faultinject.decide.schedule import did_you_mean
from midpipe.faultinject.errors import MidpipeError, UsageError
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.loopback import LOOPBACK
from midpipe.faultinject.net.proxy import Proxy
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.opening import open_server, parse_server_spec
from midpipe.faultinject.servers.reaper import RunDirectory
from midpipe.faultinject.toxiproxy.exchange import Answer, Request
from midpipe.faultinject.toxiproxy.service import FaultProxy
from midpipe.faultinject.toxiproxy.wire_toxics import WIRE_TOXICS
from midpipe.faultinject.wire.commands import parse_command_table

_WITHIN_S = 30.0


class TestRedis:
    """A server that tests may write to. Close it with ``close``.

    Args:
        where: as ``--redis`` takes it.

    Attributes:
        url: where it is.

    Raises:
        MidpipeError: it can't be started or reached, or is not to be touched.
    """

    __test__ = False

    def __init__(self, where: str) -> None:
        self._run = RunDirectory()
        try:
            self._server = open_server(parse_server_spec(where), self._run)
        except BaseException:
            self._run.close()
            raise
        server = self._server
        self._control = Control(server.address, server.password, server.username, server.database)
        self._loop = Loop()
        table = parse_command_table(self._control.call("COMMAND"))
        self._proxy = Proxy(self._loop, lambda: server.address, table)
        self._port = self._proxy.listener("test").port
        self._faults = FaultProxy(self._loop, port=0)
        self._number = 0
        self._asked: SimpleQueue[tuple[Request, SimpleQueue[Answer]]] = SimpleQueue()
        self._bell, self._ears = socket.socketpair()
        self._loop.watch_readable(self._ears, self._answer)
        self._ends = False
        self._thread = threading.Thread(target=self._work, name="midpipe-proxy", daemon=True)
        self._thread.start()
        self.url = self._url_at(self._port)

    def reset(self) -> None:
        """Empty it."""
        self._server.reset(self._control)

    def faulted(self) -> FaultedRedis:
        """Return a way to it that faults can be placed on."""
        self._number += 1
        name = f"test-{self._number}"
        made = self.ask(
            "POST",
            "/proxies",
            name=name,
            listen=f"{LOOPBACK}:0",
            upstream=f"{LOOPBACK}:{self._port}",
        )
        listen = msgspec.json.decode(made.body)["listen"]
        return FaultedRedis(self, name, self._url_at(int(listen.rpartition(":")[2])))

    def ask(self, method: str, path: str, **body: object) -> Answer:
        """Ask the proxy's API. Raises MidpipeError if it refuses."""
        answered: SimpleQueue[Answer] = SimpleQueue()
        self._asked.put((Request(method, path, {}, msgspec.json.encode(body)), answered))
        self._bell.send(b".")
        answer = answered.get(timeout=_WITHIN_S)
        if answer.status >= 400:
            raise MidpipeError(f"The proxy refuses {method} {path}: {answer.body.decode()}")
        return answer

    def close(self) -> None:
        """End the proxy and the server."""
        self._ends = True
        self._bell.send(b".")
        self._thread.join()
        self._faults.close()
        self._proxy.close()
        self._control.close()
        self._loop.close()
        self._bell.close()
        self._ears.close()
        self._server.stop()
        self._run.close()

    def _work(self) -> None:
        while not self._ends:
            self._loop.step(_WITHIN_S)

    def _answer(self) -> None:
        """Answer what was asked from another thread, in this one."""
        self._ears.recv(1)
        if not self._ends:
            request, answered = self._asked.get()
            answered.put(self._faults.answer(request))

    def _url_at(self, port: int) -> str:
        return f"redis://{LOOPBACK}:{port}/{self._server.database}"


@dataclass(frozen=True, slots=True)
class Placed:
    """A fault that was asked for.

    Args:
        name: of the proxy's toxic.
        text: what was asked for, for people.
    """

    way: FaultedRedis
    name: str
    text: str

    @property
    def fired(self) -> int:
        """How often it has happened."""
        return self.way.fired(self.name)


class FaultedRedis:
    """A way to the server on which faults can be placed.

    Attributes:
        url: where to connect.
    """

    def __init__(self, redis: TestRedis, name: str, url: str) -> None:
        self._redis = redis
        self._path = f"/proxies/{name}"
        self._placed: list[Placed] = []
        self.url = url

    def place(
        self, fault: str, *, command: str = "", key: str = "", nth: int = 1, times: int = 1
    ) -> Placed:
        """Place a fault at a command: what the test does next meets it.

        Args:
            fault: ``cut-before``, ``lost-reply``, ``torn-middle``, ``late``, ``stall``, ``black-hole``, …
            command: a name, or a glob of names; empty is any but those that set a connection up.
            key: a glob that one of the command's keys must match.
            nth: at which match from now on it happens, counted over all connections.
            times: how often it happens in all; 0 is without end.

        Raises:
            UsageError: there is no such fault, or a proxy alone can't make it.
        """
        if fault not in WIRE_TOXICS:
            raise UsageError(f"A proxy can't make {fault!r}.{did_you_mean(fault, WIRE_TOXICS)}")
        name = f"fault-{len(self._placed) + 1}"
        attributes = {"command": command, "key": key, "nth": nth, "times": times, "scope": "proxy"}
        self._redis.ask(
            "POST", f"{self._path}/toxics", name=name, type=fault, attributes=attributes
        )
        at = f" at match {nth} of {command or 'any command'}{f' on {key}' if key else ''}"
        self._placed.append(Placed(self, name, fault + at))
        return self._placed[-1]

    def fired(self, name: str) -> int:
        """Return how often a fault has happened."""
        shown = self._redis.ask("GET", f"{self._path}/toxics/{name}")
        return int(msgspec.json.decode(shown.body)["fired"])

    def end(self) -> tuple[str, ...]:
        """Close the way; return what was placed and did not happen."""
        idle = tuple(placed.text for placed in self._placed if not placed.fired)
        self._redis.ask("DELETE", self._path)
        return idle
