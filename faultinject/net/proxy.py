"""The proxy: one listener per client, each connection twinned with one to the server.

Loopback only; the system chooses the ports. A listener without a director passes bytes through unread (for
midpipe's own fault-free client). Refusing is real: the listener stops listening, so that the kernel answers
a connection attempt with a reset, while a second socket keeps the port ours.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress

from midpipe.faultinject.net.handshake_prefetch import HandshakePrefetch, rehearsable
from midpipe.faultinject.net.link import Director, Link
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.vocabulary import Address
from midpipe.faultinject.wire.commands import CommandTable
from midpipe.faultinject.wire.resp import Command

Upstream = Callable[[], Address]
"""Where the server listens now: one that is started again may listen somewhere else."""
LOOPBACK = "127.0.0.1"
_READ_BYTES = 65536
_SEND_TIMEOUT_S = 10.0


def connect_upstream(address: Address) -> socket.socket:
    """Open a connection to the server. Raises OSError if it is gone."""
    if address.path:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            server.connect(address.path)
        except OSError:
            server.close()
            raise
    else:
        server = socket.create_connection((address.host, address.port), timeout=_SEND_TIMEOUT_S)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server.settimeout(_SEND_TIMEOUT_S)
    return server


def accepted(
    listening: socket.socket, upstream: Address
) -> tuple[socket.socket, socket.socket] | None:
    """Return a client that has connected, and a connection to the server for it; None if either is gone."""
    try:
        client, _ = listening.accept()
    except OSError:
        return None
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        return client, connect_upstream(upstream)
    except OSError:
        client.close()
        return None


class Listener:
    """Where one client connects. ``director`` is set for each case; None passes bytes through.

    Attributes:
        dry_runs_for: the director that lets every set-up pass, so that one may be taken to be what the last one was.
    """

    def __init__(self, loop: Loop, upstream: Upstream, table: CommandTable) -> None:
        self._loop = loop
        self._upstream = upstream
        self._table = table
        self.director: Director | None = None
        self.dry_runs_for: Director | None = None
        self.links: list[Link] = []
        self._set_up: tuple[Command, ...] = ()
        self._rehearsals: list[HandshakePrefetch] = []
        self._pipes: list[_Pipe] = []
        self._keeper = bound(0)
        self.port: int = self._keeper.getsockname()[1]
        self._socket: socket.socket | None = None
        self.accept_again()

    def refuse(self) -> None:
        """Refuse connections from now on."""
        listening, self._socket = self._socket, None
        if listening is not None:
            self._loop.forget(listening)
            listening.close()

    def accept_again(self) -> None:
        """Accept connections again; fine if nothing was refused."""
        if self._socket is not None:
            return
        self._socket = bound(self.port)
        self._socket.listen(64)
        self._loop.watch_readable(self._socket, self._accept)

    def close_links(self) -> None:
        """End every connection of the case before."""
        for rehearsal in tuple(self._rehearsals):
            rehearsal.close()
        for link in tuple(self.links):
            link.close()
        self.links.clear()

    def close(self) -> None:
        """Give the port back and end every connection."""
        self.refuse()
        self.close_links()
        for pipe in tuple(self._pipes):
            pipe.close()
        self._keeper.close()

    def _accept(self) -> None:
        if self._socket is None:
            return
        ends = accepted(self._socket, self._upstream())
        if ends is None:
            return
        client, server = ends
        if self.director is None:
            self._pipes.append(_Pipe(self._loop, client, server, self._pipes))
        elif self._set_up and self.dry_runs_for is self.director:
            self._rehearsals.append(self._rehearsal(client, server))
        else:
            link = Link(self._loop, client, server, self._table, self.director, self._gone)
            self.links.append(link)

    def _rehearsal(self, client: socket.socket, server: socket.socket) -> HandshakePrefetch:
        director = self.director
        assert director is not None

        def go_on(rehearsal: HandshakePrefetch, data: bytes) -> None:
            self._rehearsals.remove(rehearsal)
            ends = rehearsal.client, rehearsal.server
            link = Link(self._loop, *ends, self._table, director, self._gone)
            link.conversation.set_up += rehearsal.said
            self.links.append(link)
            if rehearsal.is_over:
                link.take_over(data)
            else:
                link.close()
                director.client_gone(link, mid_command=bool(data))

        return HandshakePrefetch(
            self._loop,
            client,
            server,
            self._set_up,
            lambda: connect_upstream(self._upstream()),
            go_on,
            self._rehearsals.remove,
        )

    def _gone(self, link: Link) -> None:
        if link.conversation.is_set_up:
            self._set_up = rehearsable(link.conversation.set_up)
        # A link whose command is held outlives its client; the case closes it.
        if link.held is None:
            with suppress(ValueError):
                self.links.remove(link)


class Proxy:
    """The listeners of one worker, by client name."""

    def __init__(self, loop: Loop, upstream: Upstream, table: CommandTable) -> None:
        self._loop = loop
        self._upstream = upstream
        self._table = table
        self._listeners: dict[str, Listener] = {}

    def listener(self, client: str) -> Listener:
        """Return the client's listener, made at first use."""
        if client not in self._listeners:
            self._listeners[client] = Listener(self._loop, self._upstream, self._table)
        return self._listeners[client]

    def has_server_hung_up(self, within_s: float) -> bool:
        """Whether the server has closed every connection of every client; waits for each of them if need be."""
        return all(
            link.has_server_hung_up(within_s)
            for listener in self._listeners.values()
            for link in listener.links
        )

    def close(self) -> None:
        """Close every listener and connection."""
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()


class _Pipe:
    """A connection whose bytes pass unread."""

    def __init__(
        self, loop: Loop, client: socket.socket, server: socket.socket, siblings: list[_Pipe]
    ) -> None:
        self._loop = loop
        self._ends = (client, server)
        self._siblings = siblings
        for end in self._ends:
            end.setblocking(False)
        loop.watch_readable(client, lambda: self._pass(client, server))
        loop.watch_readable(server, lambda: self._pass(server, client))

    def _pass(self, source: socket.socket, to: socket.socket) -> None:
        try:
            data = source.recv(_READ_BYTES)
            if data:
                send_whole(to, data, _SEND_TIMEOUT_S)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()

    def close(self) -> None:
        for end in self._ends:
            self._loop.forget(end)
            end.close()
        with suppress(ValueError):
            self._siblings.remove(self)


def send_whole(to: socket.socket, data: bytes, within_s: float) -> None:
    """Send all of the data on a socket that does not block; wait in place for a peer that does not read for a while.

    Raises:
        OSError: the peer is gone, or has read nothing for so long.
    """
    try:
        sent = to.send(data)
    except BlockingIOError:
        sent = 0
    if sent < len(data):
        to.settimeout(within_s)
        try:
            to.sendall(data[sent:])
        finally:
            to.setblocking(False)


def bound(port: int) -> socket.socket:
    """Return a socket on a loopback port; 0 lets the system choose one. Several may share a port."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    found.bind((LOOPBACK, port))
    return found
