"""A connection's set-up, said to the server before its client says it, because its client always says the same.

A driver greets the server in four round trips before its first command, at every connection. Here all of that goes to
the server in one piece as soon as the client has connected, and as the client says it, command by command, it gets what
the server has answered on this very connection. Nothing is made up, and set-up touches no data; but half of a case's
round trips to the server are saved. A client that says something else than the last time gets a new connection to the
server, which has heard from it only what it has said. Once the set-up is over, a link goes on.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import takewhile

from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.reading import received
from midpipe.faultinject.wire.readers import ReplyReader
from midpipe.faultinject.wire.resp import Command, ProtocolError, Reply

_GREETINGS = frozenset((b"HELLO", b"AUTH", b"SELECT"))
_OF_CLIENT = frozenset((b"SETINFO", b"SETNAME", b"MAINT_NOTIFICATIONS"))

Connect = Callable[[], socket.socket]
HandOver = Callable[["HandshakePrefetch", bytes], None]


def rehearsable(set_up: Iterable[Command]) -> tuple[Command, ...]:
    """Return the commands of a set-up until one that matters to others than its own connection, or is not answered."""
    return tuple(takewhile(_is_rehearsable, set_up))


def _is_rehearsable(command: Command) -> bool:
    name = command.name
    return name in _GREETINGS or (
        name == b"CLIENT" and len(command.args) > 1 and command.args[1].upper() in _OF_CLIENT
    )


class HandshakePrefetch:
    """A new connection, as long as its set-up lasts. It makes both sockets non-blocking.

    Attributes:
        said: what the client has said and got an answer to.
        is_over: the set-up has come to its end.

    Args:
        set_up: what the client is expected to say.
        connect: makes another connection to the server. Raises OSError if it is gone.
        hand_over: told when the set-up is over, or the client has gone, and of what it has said that was not answered.
            Both sockets are the link's from then on, to watch and to close.
        on_closed: told when the server has closed the connection before.
    """

    def __init__(
        self,
        loop: Loop,
        client: socket.socket,
        server: socket.socket,
        set_up: tuple[Command, ...],
        connect: Connect,
        hand_over: HandOver,
        on_closed: Callable[[HandshakePrefetch], None],
    ) -> None:
        self._loop = loop
        self.client, self.server = client, server
        self._to_come = deque(set_up)
        self._connect = connect
        self._hand_over = hand_over
        self._on_closed = on_closed
        self._heard = b""
        self._reader = ReplyReader()
        self._replies: deque[Reply] = deque()
        self._unwanted = 0
        self.is_over = False
        self.said: list[Command] = []
        client.setblocking(False)
        loop.watch_readable(client, self._client_readable)
        self._say(server, set_up)

    def close(self) -> None:
        """End both sides."""
        for end in (self.client, self.server):
            self._loop.forget(end)
            end.close()
        self._on_closed(self)

    def _say(self, server: socket.socket, commands: Iterable[Command]) -> None:
        self.server = server
        server.setblocking(False)
        # One that is gone tells by its own readable event; and the first bytes on a connection find room.
        with suppress(OSError):
            server.send(b"".join(command.raw for command in commands))
        self._loop.watch_readable(server, self._server_readable)

    def _client_readable(self) -> None:
        data = received(self.client)
        if data == b"":
            self._hand_over(self, self._heard)
        elif data is not None:
            self._heard += data
            self._go_on()

    def _server_readable(self) -> None:
        data = received(self.server)
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
            self._go_on()

    def _go_on(self) -> None:
        while self._to_come and self._heard.startswith(self._to_come[0].raw):
            if not self._replies:
                return
            command = self._to_come.popleft()
            self.said.append(command)
            self._heard = self._heard[len(command.raw) :]
            with suppress(OSError):
                self.client.send(self._replies.popleft().raw)
        if (
            self._to_come
            and not self._to_come[0].raw.startswith(self._heard)
            and not self._begins_anew()
        ):
            return
        if not self._to_come and len(self._replies) >= self._unwanted:
            self.is_over = True
            self._hand_over(self, self._heard)

    def _begins_anew(self) -> bool:
        """Say to another connection what the client has said; it has had the answers. Return whether there is one."""
        self._to_come.clear()
        self._reader, self._unwanted = ReplyReader(), len(self.said)
        self._replies.clear()
        self._loop.forget(self.server)
        self.server.close()
        try:
            server = self._connect()
        except OSError:
            self.close()
            return False
        self._say(server, self.said)
        return True
