"""One connection of a proxy: two directions, each with its chain of toxics between two sockets.

The thin shell around ``chain``: it reads, asks the chain, and writes. Without toxics, bytes pass unread. As in
Toxiproxy there is no half-closing: when a stream ends, the socket that it leads to is closed for both directions.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from midpipe.faultinject.net.loop import Loop, Timer
from midpipe.faultinject.net.stream import Stream
from midpipe.faultinject.toxiproxy.api_state import DIRECTIONS, DOWNSTREAM, UPSTREAM, ToxicSpec
from midpipe.faultinject.toxiproxy.chain import Chain
from midpipe.faultinject.toxiproxy.toxics.toxic import MOST_BYTES

ChainOf = Callable[[str], Chain]


class Connection:
    """A client's connection and the one to the upstream; it makes both sockets non-blocking, and closes them.

    Attributes:
        directions: by name.
        is_parsed: a link in front of it parses the client's commands.

    Args:
        chain_of: returns a new chain for a direction.
        on_closed: called once both ends are closed.
        resets: both ends are closed by a reset, for whatever reason they are closed.
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
        self._loop = loop
        self._on_closed = on_closed
        self._spoke_last: str | None = None
        self.is_parsed = False
        # Each direction reads from its own end, and writes to the other's.
        self._ends = {
            UPSTREAM: self._stream(UPSTREAM, client),
            DOWNSTREAM: self._stream(DOWNSTREAM, server),
        }
        if resets:
            for end in self._ends.values():
                end.reset_on_close()
        self.directions = {name: Direction(self, loop, name, chain_of(name)) for name in DIRECTIONS}
        for direction in self.directions.values():
            direction.pump()

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is under way, and the last bytes were the end of a reply; or no bytes have passed yet."""
        if set(self._ends) != set(DIRECTIONS) or not all(
            direction.is_at_rest for direction in self.directions.values()
        ):
            return False
        up, down = self.directions[UPSTREAM], self.directions[DOWNSTREAM]
        return not up.received or (self._spoke_last == DOWNSTREAM and down.tail == b"\r\n")

    def replace_client(self, replacement: socket.socket) -> socket.socket:
        """Use another socket in place of the client's, which is returned; only at rest."""
        client = self._ends[UPSTREAM].detach()
        self._ends[UPSTREAM] = self._stream(UPSTREAM, replacement)
        self.is_parsed = True
        for direction in self.directions.values():
            direction.pump()
        return client

    def source(self, direction: str) -> Stream | None:
        """Return the end that a direction reads from; None once it is closed."""
        return self._ends.get(direction)

    def sink(self, direction: str) -> Stream | None:
        """Return the end that a direction writes to; None once it is closed."""
        return self._ends.get(_other(direction))

    def close_end(self, reading: str) -> None:
        """Close the end that a direction reads from; that direction's stream ends."""
        end = self._ends.pop(reading, None)
        if end is None:
            return
        end.close()
        self.directions[reading].end()
        if not self._ends:
            self._closed()

    def close(self) -> None:
        """Close both ends at once; bytes under way are lost."""
        ends = tuple(self._ends.values())
        self._ends.clear()
        for end in ends:
            end.close()
        if ends:
            self._closed()

    def _stream(self, reading: str, end: socket.socket) -> Stream:
        def data_arrived(data: bytes) -> None:
            if data:
                self._spoke_last = reading
                self.directions[reading].feed(data)
            else:
                self.close_end(reading)

        return Stream(
            self._loop, end, data_arrived, lambda: self.directions[_other(reading)].pump()
        )

    def _closed(self) -> None:
        for direction in self.directions.values():
            direction.stop()
        self._on_closed(self)


class Direction:
    """One direction of a connection: its bytes pass through a chain.

    Attributes:
        received, sent: the numbers of bytes so far.
        tail: the last two bytes received.
    """

    def __init__(self, connection: Connection, loop: Loop, name: str, chain: Chain) -> None:
        self._connection = connection
        self._loop = loop
        self._name = name
        self._chain = chain
        self._timer: Timer | None = None
        self._timer_due_s = 0.0
        self._has_ended = False
        self._is_stopped = False
        self.received = self.sent = 0
        self.tail = b""

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is under way."""
        sink = self._connection.sink(self._name)
        return (
            self._chain.is_at_rest and not self._has_ended and sink is not None and sink.is_drained
        )

    def add(self, toxic: ToxicSpec) -> None:
        """Append a toxic to the chain."""
        self._chain.add(toxic, self._loop.clock())
        self.pump()

    def update(self, toxic: ToxicSpec) -> None:
        """Change a toxic of the chain."""
        self._chain.update(toxic, self._loop.clock())
        self.pump()

    def remove(self, name: str) -> None:
        """Remove a toxic from the chain."""
        self._chain.remove(name, self._loop.clock())
        self.pump()

    def feed(self, data: bytes) -> None:
        """Take bytes that were read."""
        self.received += len(data)
        self.tail = data[-2:]
        if self._chain.is_empty:
            self.sent += len(data)
            sink = self._connection.sink(self._name)
            if sink is not None and not sink.send(data):
                self._read(wanted=False)
            return
        self._chain.feed(data, self._loop.clock())
        self.pump()

    def end(self) -> None:
        """The source has ended."""
        if not self._has_ended and not self._is_stopped:
            self._has_ended = True
            self._chain.feed(None, self._loop.clock())
            self.pump()

    def pump(self) -> None:
        """Let the chain do what is due, send its output, and wait for what comes next."""
        if self._is_stopped:
            return
        chain, sink = self._chain, self._connection.sink(self._name)
        chain.advance(self._loop.clock())
        # What comes through for an end that is closed is dropped.
        while chain.output and (sink is None or sink.is_drained):
            was_full = chain.is_full
            data = chain.output.popleft()
            self.sent += len(data)
            if sink is not None:
                sink.send(data)
            if was_full:
                chain.advance(self._loop.clock())
        if self._is_stopped:
            return
        is_drained = sink is None or sink.is_drained
        if chain.has_ended and not chain.output and is_drained:
            self._connection.close_end(_other(self._name))
            return
        self._read(wanted=chain.wants_input and is_drained)
        self._set_timer()

    def stop(self) -> None:
        """Do nothing any more."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _read(self, *, wanted: bool) -> None:
        source = self._connection.source(self._name)
        if source is not None and not self._has_ended:
            source.limit(None if self._chain.is_empty else MOST_BYTES)
            source.read(wanted=wanted)

    def _set_timer(self) -> None:
        due_s = self._chain.due_s
        if self._timer is not None:
            if self._timer_due_s == due_s:
                return
            self._timer.cancel()
            self._timer = None
        if due_s is not None:
            self._timer_due_s = due_s
            self._timer = self._loop.call_later(
                max(0.0, due_s - self._loop.clock()), self._timer_fired
            )

    def _timer_fired(self) -> None:
        self._timer = None
        self.pump()


def _other(direction: str) -> str:
    return DOWNSTREAM if direction == UPSTREAM else UPSTREAM
