"""One connection of a proxy: two directions, each with its chain of toxics between two sockets.

The thin shell around ``chain``: it reads, asks, and writes. Without toxics, bytes go from socket to socket unread. As
in the original there is no half-closing: when a stream ends, the socket that it leads to is closed, both ways.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

from midpipe.faultinject.net.loop import Loop, Timer
from midpipe.faultinject.net.outbox import Outbox
from midpipe.faultinject.toxiproxy.api_state import DOWNSTREAM, UPSTREAM, ToxicSpec
from midpipe.faultinject.toxiproxy.chain import Chain
from midpipe.faultinject.toxiproxy.toxics.toxic import MOST_BYTES

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_LEAST_BYTES, _MOST_BYTES = 16_384, 262_144
"""To read at once: a large buffer for a small message costs three times the message's way."""
_MOST_READS = 16
"""In one go, of one socket, before the others have their turn."""

ChainOf = Callable[[str], Chain]


class Connection:
    """A client's connection and its twin to the upstream; both sockets are non-blocking and are closed by it.

    Args:
        chain_of: a fresh chain for a direction.
        resets: both ends are closed by a reset, however they come to be closed.
        on_closed: both ends are closed.
    """

    def __init__(
        self,
        loop: Loop,
        client: socket.socket,
        server: socket.socket,
        chain_of: ChainOf,
        on_closed: Callable[[Connection], None],
        *,
        resets: bool = False,
    ) -> None:
        self._on_closed = on_closed
        self._has_ended = False
        self._is_read = False
        self.spoke_last: Direction | None = None
        if resets:
            for end in (client, server):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.directions = {
            UPSTREAM: Direction(self, loop, client, server, chain_of(UPSTREAM)),
            DOWNSTREAM: Direction(self, loop, server, client, chain_of(DOWNSTREAM)),
        }
        self._ends = {client: self.directions[UPSTREAM], server: self.directions[DOWNSTREAM]}
        self._loop = loop
        for direction in self.directions.values():
            direction.begin()

    @property
    def is_open(self) -> bool:
        """One end at least is not closed."""
        return bool(self._ends)

    @property
    def is_read(self) -> bool:
        """Something stands before it that reads what passes."""
        return self._is_read

    @property
    def is_at_rest(self) -> bool:
        """Nothing is under way, and the server spoke last, to the end of a line; or nobody has spoken yet."""
        up, down = self.directions[UPSTREAM], self.directions[DOWNSTREAM]
        if not self._ends or not (up.is_at_rest and down.is_at_rest):
            return False
        return not up.received or (self.spoke_last is down and down.tail == b"\r\n")

    def exchange_client(self, its: socket.socket) -> socket.socket:
        """Take another socket for the client's, and return that one; only at rest."""
        up, down = self.directions[UPSTREAM], self.directions[DOWNSTREAM]
        client = next(end for end, direction in self._ends.items() if direction is up)
        self._loop.forget(client)
        del self._ends[client]
        self._ends[its] = up
        self._is_read = True
        down.lead_to(its)
        up.read_from(its)
        return client

    def end(self, which: socket.socket) -> None:
        """Close one end; the direction that reads from it comes to its end."""
        reads = self._ends.pop(which, None)
        if reads is None:
            return
        self._loop.forget(which)
        which.close()
        reads.source_ended()
        if not self._ends and not self._has_ended:
            self._closed()

    def close(self) -> None:
        """Close both ends at once; what is under way is lost."""
        ends = tuple(self._ends)
        self._ends.clear()
        for end in ends:
            self._loop.forget(end)
            end.close()
        if ends:
            self._closed()

    def _closed(self) -> None:
        self._has_ended = True
        for direction in self.directions.values():
            direction.stop()
        self._on_closed(self)


class Direction:
    """From one socket to the other, through a chain."""

    def __init__(
        self,
        connection: Connection,
        loop: Loop,
        source: socket.socket,
        sink: socket.socket,
        chain: Chain,
    ) -> None:
        self._connection = connection
        self._loop = loop
        self._source = source
        self._sink = sink
        self.chain = chain
        self._outbox = Outbox(loop, sink, self._pump, self._sink_is_gone)
        self._timer: Timer | None = None
        self._timer_for_s = 0.0
        self._reads = False
        self._source_ended = False
        self._stopped = False
        self.received = self.sent = 0
        self.tail = b""
        self._read_bytes = _LEAST_BYTES

    @property
    def is_at_rest(self) -> bool:
        """Nothing is under way."""
        return self.chain.is_at_rest and self._outbox.is_empty and not self._source_ended

    def lead_to(self, sink: socket.socket) -> None:
        """Write to another socket from now on."""
        self._sink = sink
        self._outbox = Outbox(self._loop, sink, self._pump, self._sink_is_gone)

    def read_from(self, source: socket.socket) -> None:
        """Read from another socket from now on."""
        self._source = source
        self._reads = False
        self._pump()

    def begin(self) -> None:
        """Start to read, and let the chain's clock run."""
        self._pump()

    def stop(self) -> None:
        """Do nothing any more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def add(self, toxic: ToxicSpec) -> None:
        """Put a toxic at the end of the chain."""
        self.chain.add(toxic, self._loop.clock())
        self._pump()

    def update(self, toxic: ToxicSpec) -> None:
        """Change a toxic of the chain."""
        self.chain.update(toxic, self._loop.clock())
        self._pump()

    def remove(self, name: str) -> None:
        """Take a toxic out of the chain."""
        self.chain.remove(name, self._loop.clock())
        self._pump()

    def source_ended(self) -> None:
        """Nothing more comes from the source."""
        if not self._source_ended and not self._stopped:
            self._source_ended = True
            self._reads = False
            self.chain.feed(None, self._loop.clock())
            self._pump()

    def _readable(self) -> None:
        is_empty = self.chain.is_empty
        size = self._read_bytes if is_empty else MOST_BYTES
        for _ in range(_MOST_READS if is_empty else 1):
            try:
                data = self._source.recv(size)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._connection.end(self._source)
                return
            self.received += len(data)
            self.tail = data[-2:]
            self._connection.spoke_last = self
            if not is_empty:
                self.chain.feed(data, self._loop.clock())
                self._pump()
                return
            self.sent += len(data)
            if not self._outbox.send(data):
                self._read_while(wanted=False)
                return
            if len(data) < size:
                self._read_bytes = _LEAST_BYTES
                return
            self._read_bytes = size = min(2 * size, _MOST_BYTES)

    def _pump(self) -> None:
        """Let the chain do what is due, send what came through, and wait for what comes next."""
        if self._stopped:
            return
        chain = self.chain
        chain.advance(self._loop.clock())
        while chain.output and self._outbox.is_empty:
            was_full = chain.is_full
            data = chain.output.popleft()
            self.sent += len(data)
            self._outbox.send(data)
            if was_full:
                chain.advance(self._loop.clock())
        if self._stopped:
            return
        if chain.has_ended and not chain.output and self._outbox.is_empty:
            self._connection.end(self._sink)
            return
        self._read_while(wanted=chain.wants_input and self._outbox.is_empty)
        self._set_timer()

    def _read_while(self, *, wanted: bool) -> None:
        wanted = wanted and not self._source_ended
        if wanted != self._reads:
            self._reads = wanted
            if wanted:
                self._loop.watch_readable(self._source, self._readable)
            else:
                self._loop.forget_readable(self._source)

    def _set_timer(self) -> None:
        due_s = self.chain.due_s
        if self._timer is not None:
            if self._timer_for_s == due_s:
                return
            self._timer.cancel()
            self._timer = None
        if due_s is not None:
            self._timer_for_s = due_s
            self._timer = self._loop.call_later(
                max(0.0, due_s - self._loop.clock()), self._timer_due
            )

    def _timer_due(self) -> None:
        self._timer = None
        self._pump()

    def _sink_is_gone(self) -> None:
        self._connection.end(self._sink)
