"""A client's connection and the one to the server, between which bytes pass unread.

A user that delays or interrupts them takes each chunk (``on_data``), and passes it on or not. A turn of the
conversation begins with bytes from the client after bytes from the server. Knows no protocol.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.stream import Stream


class Relay:
    """Two sockets and the bytes between them. Close it with ``close``.

    Attributes:
        is_open: the sockets are not closed and not detached.
        begins_turn: whether the chunk that ``on_data`` is called with is the first of a turn.

    Args:
        on_closed: called once both sockets are closed.
        on_data: called with the relay, a chunk (``b""`` at the end of the stream), and whether it goes to the client.
            None passes every chunk on at once.
    """

    __slots__ = (
        "_closing",
        "_on_closed",
        "_on_data",
        "_server_spoke",
        "_streams",
        "begins_turn",
        "is_open",
    )

    def __init__(
        self,
        loop: Loop,
        client: socket.socket,
        server: socket.socket,
        on_closed: Callable[[Relay], None],
        on_data: OnData | None = None,
    ) -> None:
        self._on_closed = on_closed
        self._on_data = on_data or Relay.pass_on
        self._server_spoke = True
        self._closing = False
        self.is_open = True
        self.begins_turn = False
        # By whether the chunks that are written go to the client.
        self._streams = {
            True: Stream(loop, client, self._client_data, self._client_drained),
            False: Stream(loop, server, self._server_data, self._server_drained),
        }
        for stream in self._streams.values():
            stream.read()

    @property
    def is_drained(self) -> bool:
        """Whether both sockets have taken all bytes."""
        return all(stream.is_drained for stream in self._streams.values())

    def pass_on(self, data: bytes, to_client: bool) -> None:
        """Send a chunk, or close both sides at the end of a stream, once all before it has been taken."""
        sink, source = self._streams[to_client], self._streams[not to_client]
        if data:
            if not sink.send(data):
                source.read(wanted=False)
        elif sink.is_drained:
            self.close()
        else:
            self._closing = True
            source.read(wanted=False)

    def close(self) -> None:
        """Close both sockets; bytes that are still buffered are lost. Safe to call twice."""
        if not self.is_open:
            return
        self.is_open = False
        for stream in self._streams.values():
            stream.close()
        self._on_closed(self)

    def detach(self) -> tuple[socket.socket, socket.socket]:
        """Stop relaying; return the client's and the server's socket, which are the caller's from now on."""
        self.is_open = False
        return self._streams[True].detach(), self._streams[False].detach()

    def _client_data(self, data: bytes) -> None:
        self.begins_turn = self._server_spoke
        self._server_spoke = False
        self._on_data(self, data, False)

    def _server_data(self, data: bytes) -> None:
        self.begins_turn = False
        self._server_spoke = True
        self._on_data(self, data, True)

    def _client_drained(self) -> None:
        self._drained(to_client=True)

    def _server_drained(self) -> None:
        self._drained(to_client=False)

    def _drained(self, *, to_client: bool) -> None:
        if self._closing:
            self.close()
        else:
            self._streams[not to_client].read()


OnData = Callable[[Relay, bytes, bool], None]
