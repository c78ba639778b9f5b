"""A simulated network between clients and the server: bytes arrive later, in order and unread.

Each chunk is delayed by what ``delay_s`` returns when it is read, and never overtakes an earlier one. The directions
are independent. Knows no protocol: what a client sends in one write stays together.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable

from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.loopback import LoopbackPort
from midpipe.faultinject.net.relay import Relay
from midpipe.faultinject.vocabulary import Address

Delay = Callable[[bool], float]
"""Returns the delay of the next chunk, in seconds; the argument says whether the chunk goes to the client."""


class Shaper:
    """A loopback port that leads to the server over a simulated network. Close it with ``close``.

    Attributes:
        upstream: where new connections lead to; may be replaced at any time.
        delay_s: asked for every chunk; may be replaced at any time.
        round_trips: the number of turns of the conversation so far, over all connections.
        port: its number, chosen by the system.
    """

    def __init__(self, loop: Loop, upstream: Address, delay_s: Delay) -> None:
        self._loop = loop
        self.upstream = upstream
        self.delay_s = delay_s
        self.round_trips = 0
        self._connections: dict[Relay, tuple[_Direction, _Direction]] = {}
        self._silent: list[socket.socket] = []
        self._port = LoopbackPort(loop, lambda: self.upstream, self._accepted)
        self.port = self._port.number

    def cut(self) -> None:
        """Begin an outage: close every connection and refuse new ones."""
        self._port.refuse()
        for relay in tuple(self._connections):
            relay.close()

    def silence(self) -> None:
        """Close the server's side of every connection, and leave the client's open: no byte arrives there any more."""
        for relay in tuple(self._connections):
            client, server = relay.detach()
            server.close()
            self._silent.append(client)
            self._closed(relay)

    def mend(self) -> None:
        """End the outage; does nothing if there is none."""
        self._port.accept_again()

    def close(self) -> None:
        """Free the port and close every connection."""
        self.cut()
        self._port.close()
        while self._silent:
            self._silent.pop().close()

    def _accepted(self, client: socket.socket, server: socket.socket) -> None:
        relay = Relay(self._loop, client, server, self._closed, self._on_data)
        self._connections[relay] = (_Direction(), _Direction())

    def _closed(self, relay: Relay) -> None:
        del self._connections[relay]

    def _on_data(self, relay: Relay, data: bytes, to_client: bool) -> None:
        self.round_trips += bool(data) and relay.begins_turn
        direction = self._connections[relay][to_client]
        now_s = self._loop.clock()
        direction.arrives_s = max(now_s + self.delay_s(to_client), direction.arrives_s)
        direction.under_way.append(data)

        def deliver() -> None:
            # Timers due at the same moment fire in any order, so each takes the oldest chunk.
            chunk = direction.under_way.popleft()
            if relay.is_open:
                relay.pass_on(chunk, to_client)

        if direction.arrives_s <= now_s:
            deliver()
        else:
            self._loop.call_later(direction.arrives_s - now_s, deliver)


class _Direction:
    """The chunks under way in one direction of a connection, and when the last of them arrives."""

    __slots__ = ("arrives_s", "under_way")

    def __init__(self) -> None:
        self.arrives_s = 0.0
        self.under_way: deque[bytes] = deque()
