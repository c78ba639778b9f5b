"""Sends a connection's handshake to the server before the client sends it, because a client always sends the same one.

A driver makes four round trips (HELLO, AUTH, SELECT, CLIENT …) before its first command, on every connection. The
prefetch sends all of them to the server in one write when the client connects, and answers the client's own handshake,
command by command, with what the server replied on this very connection. No reply is invented, and a handshake touches
no data; half of a case's round trips to the server are saved.

A client that departs from the expected handshake gets a new server connection, which receives only what the client
sent. After the handshake a link takes the connection over.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import takewhile

from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.reading import receive
from midpipe.faultinject.wire.readers import ReplyReader
from midpipe.faultinject.wire.resp import Command, ProtocolError, Reply

_HANDSHAKE = frozenset((b"HELLO", b"AUTH", b"SELECT"))
_CLIENT_SUBCOMMANDS = frozenset((b"SETINFO", b"SETNAME", b"MAINT_NOTIFICATIONS"))

Connect = Callable[[], socket.socket]
HandOver = Callable[["HandshakePrefetch", bytes], None]


def prefetchable(handshake: Iterable[Command]) -> tuple[Command, ...]:
    """Return the leading commands that affect only their own connection and are answered by one reply each."""
    return tuple(takewhile(_is_prefetchable, handshake))


def _is_prefetchable(command: Command) -> bool:
    name = command.name
    return name in _HANDSHAKE or (
        name == b"CLIENT"
        and len(command.args) > 1
        and command.args[1].upper() in _CLIENT_SUBCOMMANDS
    )


class HandshakePrefetch:
    """A new connection during its handshake. Makes both sockets non-blocking.

    Attributes:
        answered: the client's handshake commands that have been answered.
        is_complete: the handshake is over.

    Args:
        expected: the commands that the client is expected to send.
        connect: opens another connection to the server. Raises OSError if the server is gone.
        hand_over: called when the handshake is over or the client has disconnected, with the client's bytes that were
            not answered. From then on both sockets belong to the callee, to watch and to close.
        on_closed: called when the connection was closed instead.
    """

    def __init__(
        self,
        loop: Loop,
        *,
        client: socket.socket,
        server: socket.socket,
        expected: tuple[Command, ...],
        connect: Connect,
        hand_over: HandOver,
        on_closed: Callable[[HandshakePrefetch], None],
    ) -> None:
        self._loop = loop
        self.client, self.server = client, server
        self._expected = deque(expected)
        self._connect = connect
        self._hand_over = hand_over
        self._on_closed = on_closed
        self._unanswered = b""
        self._reader = ReplyReader()
        self._replies: deque[Reply] = deque()
        self._replies_to_discard = 0
        self.is_complete = False
        self.answered: list[Command] = []
        client.setblocking(False)
        loop.watch_readable(client, self._client_readable)
        self._send_to(server, expected)

    def close(self) -> None:
        """Close both sockets."""
        for end in (self.client, self.server):
            self._loop.forget(end)
            end.close()
        self._on_closed(self)

    def _send_to(self, server: socket.socket, commands: Iterable[Command]) -> None:
        self.server = server
        server.setblocking(False)
        # The first bytes on a connection fit the socket's buffer; a server that is gone shows as a readable event.
        with suppress(OSError):
            server.send(b"".join(command.raw for command in commands))
        self._loop.watch_readable(server, self._server_readable)

    def _client_readable(self) -> None:
        data = receive(self.client)
        if data == b"":
            self._hand_over(self, self._unanswered)
        elif data is not None:
            self._unanswered += data
            self._advance()

    def _server_readable(self) -> None:
        data = receive(self.server)
        if data == b"":
            self.close()
        elif data is not None:
            self._reader.feed(data)
            try:
                while (reply := self._reader.next_reply()) is not None:
                    self._replies.append(reply)
            except ProtocolError:
                self.close()
                return
            self._advance()

    def _advance(self) -> None:
        while self._expected and self._unanswered.startswith(self._expected[0].raw):
            if not self._replies:
                return
            command = self._expected.popleft()
            self.answered.append(command)
            self._unanswered = self._unanswered[len(command.raw) :]
            with suppress(OSError):
                self.client.send(self._replies.popleft().raw)
        departs = self._expected and not self._expected[0].raw.startswith(self._unanswered)
        if departs and not self._reconnect():
            return
        if not self._expected and len(self._replies) >= self._replies_to_discard:
            self.is_complete = True
            self._hand_over(self, self._unanswered)

    def _reconnect(self) -> bool:
        """Replace the server connection by one that receives only what the client sent; return whether it could.

        The client has its answers to those commands, so the new connection's replies to them are discarded.
        """
        self._expected.clear()
        self._reader, self._replies_to_discard = ReplyReader(), len(self.answered)
        self._replies.clear()
        self._loop.forget(self.server)
        self.server.close()
        try:
            server = self._connect()
        except OSError:
            self.close()
            return False
        self._send_to(server, self.answered)
        return True
