"""A Redis server for tests, and proxies in front of it on which a test places faults. One thread serves the proxies.

Knows no subject and no program.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeVar

from midpipe.faultinject.closeable import Closeable
from midpipe.faultinject.decide.schedule import did_you_mean
from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.loopback import LOOPBACK
from midpipe.faultinject.net.placement import PROXY_FAULTS, Placement, Tally
from midpipe.faultinject.net.placing import HeldCommands, PlacingDirector
from midpipe.faultinject.net.proxy import Listener
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.opening import open_server, parse_server_spec
from midpipe.faultinject.wire.commands import CommandTable, parse_command_table

_WITHIN_S = 30.0
_Result = TypeVar("_Result")


class RedisServer(Closeable):
    """A real server that tests may write to. Close it, or use it in a ``with`` statement.

    Args:
        where: as the option ``--redis`` takes it: ``embedded`` (the server that is installed with midpipe),
            ``embedded:/path/to/redis-server``, ``docker``, ``docker:IMAGE``, or ``redis://…`` of an empty database.

    Attributes:
        url: where a client connects that no fault shall reach.

    Raises:
        MidpipeError: it can't be started or reached, or its database is not empty.

    Example:
        >>> from midpipe import RedisServer
        >>> import redis
        >>> with RedisServer() as server, redis.Redis.from_url(server.url) as client:
        ...     client.rpush("jobs", "job-1")
        1
    """

    def __init__(self, where: str = "embedded") -> None:
        self._run = RunDirectory()
        try:
            self._server = open_server(parse_server_spec(where), self._run, has_other_clients=True)
        except BaseException:
            self._run.close()
            raise
        server = self._server
        self._control = Control(server.address, server.password, server.username, server.database)
        self._table = parse_command_table(self._control.call("COMMAND"))
        self._loop = Loop()
        self._listener = self._listen()
        self._requests: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._wake, self._woken = socket.socketpair()
        self._loop.watch_readable(self._woken, self._carry_out)
        self._is_closing = False
        self._thread = threading.Thread(target=self._serve, name="midpipe-proxy", daemon=True)
        self._thread.start()
        self.url = self._url_at(self._listener.port)

    def reset(self) -> None:
        """Delete all data. Raises MidpipeError if the server does not answer."""
        self._server.reset(self._control)

    def proxy(self) -> RedisProxy:
        """Return a new proxy in front of the server. It passes everything on until a fault is placed."""
        placements = self._in_loop(lambda: _Placements(self._loop, self._listen(), self._table))
        listener = placements.listener
        return RedisProxy(
            self._url_at(listener.port), placements, lambda: self._in_loop(listener.close)
        )

    def close(self) -> None:
        """End the proxies and the server."""
        self._is_closing = True
        self._wake.send(b".")
        self._thread.join()
        self._listener.close()
        self._control.close()
        self._loop.close()
        self._wake.close()
        self._woken.close()
        self._server.stop()
        self._run.close()

    def _url_at(self, port: int) -> str:
        return f"redis://{LOOPBACK}:{port}/{self._server.database}"

    def _in_loop(self, work: Callable[[], _Result]) -> _Result:
        """Run a function in the thread that serves the proxies, and return its result."""
        results: SimpleQueue[_Result] = SimpleQueue()
        self._requests.put(lambda: results.put(work()))
        self._wake.send(b".")
        return results.get(timeout=_WITHIN_S)

    def _listen(self) -> Listener:
        return Listener(self._loop, lambda: self._server.address, self._table)

    def _serve(self) -> None:
        while not self._is_closing:
            self._loop.step(_WITHIN_S)

    def _carry_out(self) -> None:
        self._woken.recv(1)
        if not self._is_closing:
            self._requests.get()()


@dataclass(frozen=True, slots=True)
class PlacedFault:
    """A fault that a test has placed. Returned by ``RedisProxy.place``.

    Args:
        text: the fault and its position, for messages.

    Example:
        >>> from midpipe import RedisServer
        >>> with RedisServer() as server, server.proxy() as proxy:
        ...     proxy.place("lost-reply", command="RPUSH").fired
        0
    """

    text: str
    _tally: Tally

    @property
    def fired(self) -> int:
        """How often it has happened so far."""
        return self._tally.fired


class RedisProxy(Closeable):
    """A proxy in front of a RedisServer, on which faults can be placed. Made by ``RedisServer.proxy``.

    Attributes:
        url: where a client connects to meet the faults.

    Example:
        >>> from midpipe import RedisServer
        >>> import redis
        >>> with RedisServer() as server, server.proxy() as proxy:
        ...     lost = proxy.place("lost-reply", command="RPUSH")
        ...     client = redis.Redis.from_url(proxy.url, retry=None)
        ...     try:
        ...         client.rpush("jobs", "job-1")
        ...     except redis.ConnectionError:
        ...         print("no reply, and", client.llen("jobs"), "job")
        ...     client.close()
        ...     lost.fired
        no reply, and 1 job
        1
    """

    def __init__(self, url: str, placements: _Placements, close: Callable[[], None]) -> None:
        self._placements = placements
        self._close = close
        self._placed: list[PlacedFault] = []
        self.url = url

    def place(
        self, fault: str, *, command: str = "", key: str = "", nth: int = 1, times: int = 1
    ) -> PlacedFault:
        """Place a fault at a command that the test sends from now on.

        Args:
            fault: ``cut-before``, ``lost-reply``, ``torn-middle``, ``late``, ``stall``, ``black-hole``, …
            command: a glob of command names; empty matches every command outside the handshake.
            key: a glob that one of the command's keys must match.
            nth: the first matching command that meets the fault, counted over all connections.
            times: how often the fault happens in all; 0 is no limit.

        Raises:
            UsageError: there is no such fault, or a proxy alone can't cause it.
        """
        if fault not in PROXY_FAULTS:
            raise UsageError(f"A proxy can't cause {fault!r}.{did_you_mean(fault, PROXY_FAULTS)}")
        if nth < 1 or times < 0:
            raise UsageError(f"nth must be at least 1 and times at least 0; got {nth} and {times}.")
        placement = Placement(fault=fault, command=command, key=key, nth=nth, times=times)
        at = f" at match {nth} of {command or 'any command'}{f' on {key}' if key else ''}"
        self._placed.append(PlacedFault(fault + at, self._placements.add(placement)))
        return self._placed[-1]

    def close(self) -> tuple[str, ...]:
        """Close the proxy; return the faults that were placed and did not happen."""
        self._close()
        return tuple(placed.text for placed in self._placed if not placed.fired)


class _Placements:
    """The faults that are placed on one proxy, as its director asks for them."""

    def __init__(self, loop: Loop, listener: Listener, table: CommandTable) -> None:
        self._loop = loop
        self._table = table
        self._tallies: dict[str, Tally] = {}
        self.listener = listener
        self.placements: Mapping[str, Placement] = {}
        listener.director = PlacingDirector(self, HeldCommands(), 0, lambda name: _certain)

    def add(self, placement: Placement) -> Tally:
        """Place a fault; return the count of how often it happens."""
        name = f"fault-{len(self._tallies) + 1}"
        self._tallies[name] = Tally()
        # The serving thread reads the mapping, so it is replaced and not changed.
        self.placements = {**self.placements, name: placement}
        return self._tallies[name]

    def tally(self, name: str) -> Tally:
        return self._tallies[name]

    def keys_of(self, args: tuple[bytes, ...]) -> tuple[bytes, ...] | None:
        return self._table.keys(args)

    def refuse_for(self, seconds: float) -> None:
        self.listener.refuse()
        self._loop.call_later(seconds, self.listener.accept_again)


def _certain() -> float:
    """Return the random number with which every placed fault happens."""
    return 0.0
