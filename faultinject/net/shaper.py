"""A simulated network between clients and the server: bytes arrive later, in order and unread.

Each chunk is delayed by what ``delay_s`` returns when it is read, and never overtakes an earlier one. The directions
are independent. Knows no protocol: what a client sends in one write stays together. Round trips are counted as turns
of the conversation: bytes from the client after bytes from the server.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.proxy import accepted, bound
from midpipe.faultinject.vocabulary import Address

_READ_BYTES = 65536

Delay = Callable[[bool], float]
"""Returns the delay of the next chunk, in seconds; the argument says whether the chunk goes to the client."""


class Shaper:
    """A loopback port that leads to the server over a simulated network. Close it with ``close``.

    Attributes:
        upstream: where new connections lead to; may be replaced at any time.
        delay_s: asked for every chunk; may be replaced at any time.
        round_trips: the number so far, over all connections.
    """

    def __init__(self, loop: Loop, upstream: Address, delay_s: Delay) -> None:
        self._loop = loop
        self.upstream = upstream
        self.delay_s = delay_s
        self.round_trips = 0
        self._connections: list[_Connection] = []
        self._keeper = bound(0)
        self.port: int = self._keeper.getsockname()[1]
        self._listening: socket.socket | None = None
        self.mend()

    def cut(self) -> None:
        """Begin an outage: close every connection and refuse new ones."""
        listening, self._listening = self._listening, None
        if listening is not None:
            self._loop.forget(listening)
            listening.close()
        for connection in tuple(self._connections):
            connection.close()

    def mend(self) -> None:
        """End the outage; does nothing if there is none."""
        if self._listening is None:
            self._listening = bound(self.port)
            self._listening.listen(64)
            self._loop.watch_readable(self._listening, self._accept)

    def close(self) -> None:
        """Free the port and close every connection."""
        self.cut()
        self._keeper.close()

    def _accept(self) -> None:
        if self._listening is None:
            return
        ends = accepted(self._listening, self.upstream)
        if ends is None:
            return
        client, server = ends
        self._connections.append(_Connection(self, self._loop, client, server))

    def forget(self, connection: _Connection) -> None:
        """A connection has ended."""
        with suppress(ValueError):
            self._connections.remove(connection)


class _Connection:
    def __init__(
        self, shaper: Shaper, loop: Loop, client: socket.socket, server: socket.socket
    ) -> None:
        self._shaper = shaper
        self._loop = loop
        self._ends = {True: client, False: server}
        self._under_way: dict[bool, deque[bytes]] = {True: deque(), False: deque()}
        self._arrives_s = {True: 0.0, False: 0.0}
        self._server_spoke = True
        self._is_open = True
        loop.watch_readable(client, lambda: self._pass(to_client=False))
        loop.watch_readable(server, lambda: self._pass(to_client=True))

    def _pass(self, *, to_client: bool) -> None:
        try:
            data = self._ends[not to_client].recv(_READ_BYTES)
        except OSError:
            data = b""
        if data:
            self._shaper.round_trips += self._server_spoke and not to_client
            self._server_spoke = to_client
        else:
            # The end of the stream is delayed like the bytes before it.
            self._loop.forget(self._ends[not to_client])
        now_s = self._loop.clock()
        due_s = max(now_s + self._shaper.delay_s(to_client), self._arrives_s[to_client])
        self._arrives_s[to_client] = due_s
        under_way = self._under_way[to_client]
        under_way.append(data)
        if due_s <= now_s:
            self._deliver(under_way.popleft(), to_client=to_client)
        else:
            # Timers due at the same moment fire in any order, so the timer takes the oldest chunk.
            self._loop.call_later(
                due_s - now_s, lambda: self._deliver(under_way.popleft(), to_client=to_client)
            )

    def _deliver(self, data: bytes, *, to_client: bool) -> None:
        if not self._is_open:
            return
        try:
            self._ends[to_client].sendall(data)
        except OSError:
            data = b""
        if not data:
            self.close()

    def close(self) -> None:
        """Close both sockets."""
        self._is_open = False
        for end in self._ends.values():
            self._loop.forget(end)
            end.close()
        self._shaper.forget(self)
