"""The proxy: one listener per client, and one connection to the server for each connection that comes in.

Loopback only; the system chooses the ports. A listener without a director passes bytes through unread (for midpipe's
own fault-free client). Refusing is real: the listener stops listening, so the kernel answers a connection attempt with
a reset, while a second bound socket reserves the port.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress

from midpipe.faultinject.net.director import Director
from midpipe.faultinject.net.handshake_prefetch import HandshakePrefetch, prefetchable
from midpipe.faultinject.net.link import Link
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.vocabulary import Address
from midpipe.faultinject.wire.commands import CommandTable
from midpipe.faultinject.wire.resp import Command

Upstream = Callable[[], Address]
"""Returns where the server listens now; a restart may have moved it."""
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
    """Accept a client and connect to the server for it; return both sockets, or None if either is gone."""
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
    """A loopback port for one client, leading to the server. Close it with ``close``.

    Attributes:
        director: decides about connections made from now on; None passes their bytes through unread.
        prefetches_for: the director that lets every handshake pass, so that handshakes may be prefetched for it.
        links: the connections that a director decides about.

    Args:
        table: the server's command table.
    """

    def __init__(self, loop: Loop, upstream: Upstream, table: CommandTable) -> None:
        self._loop = loop
        self._upstream = upstream
        self._table = table
        self.director: Director | None = None
        self.prefetches_for: Director | None = None
        self.links: list[Link] = []
        self._handshake: tuple[Command, ...] = ()
        self._prefetches: list[HandshakePrefetch] = []
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
        """Accept connections again; does nothing if none were refused."""
        if self._socket is not None:
            return
        self._socket = bound(self.port)
        self._socket.listen(64)
        self._loop.watch_readable(self._socket, self._accept)

    def close_links(self) -> None:
        """Close every connection that a director decides about."""
        for prefetch in tuple(self._prefetches):
            prefetch.close()
        for link in tuple(self.links):
            link.close()
        self.links.clear()

    def close(self) -> None:
        """Free the port and close every connection."""
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
        elif self._handshake and self.prefetches_for is self.director:
            self._prefetches.append(self._prefetch(client, server, self.director))
        else:
            self._link(client, server, self.director)

    def _link(self, client: socket.socket, server: socket.socket, director: Director) -> Link:
        link = Link(
            self._loop,
            client=client,
            server=server,
            table=self._table,
            director=director,
            on_closed=self._link_closed,
        )
        self.links.append(link)
        return link

    def _prefetch(
        self, client: socket.socket, server: socket.socket, director: Director
    ) -> HandshakePrefetch:
        def hand_over(prefetch: HandshakePrefetch, data: bytes) -> None:
            self._prefetches.remove(prefetch)
            link = self._link(prefetch.client, prefetch.server, director)
            link.conversation.handshake += prefetch.answered
            if prefetch.is_complete:
                link.take_over(data)
            else:
                link.close()
                director.client_gone(link, mid_command=bool(data))

        return HandshakePrefetch(
            self._loop,
            client=client,
            server=server,
            expected=self._handshake,
            connect=lambda: connect_upstream(self._upstream()),
            hand_over=hand_over,
            on_closed=self._prefetches.remove,
        )

    def _link_closed(self, link: Link) -> None:
        if link.conversation.is_handshake_over:
            self._handshake = prefetchable(link.conversation.handshake)
        # A link that holds a command outlives its client; ``close_links`` ends it.
        if link.held is None:
            with suppress(ValueError):
                self.links.remove(link)


class Proxy:
    """The listeners of one worker process, by client. Close it with ``close``.

    Args:
        table: the server's command table.
    """

    def __init__(self, loop: Loop, upstream: Upstream, table: CommandTable) -> None:
        self._loop = loop
        self._upstream = upstream
        self._table = table
        self._listeners: dict[str, Listener] = {}

    def listener(self, client: str) -> Listener:
        """Return the client's listener, created at first use."""
        if client not in self._listeners:
            self._listeners[client] = Listener(self._loop, self._upstream, self._table)
        return self._listeners[client]

    def has_server_hung_up(self, within_s: float) -> bool:
        """Whether the server has closed every connection of every client.

        Args:
            within_s: how long to wait for each connection, in seconds.
        """
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
    """Send all of the data on a non-blocking socket, blocking while the peer does not read.

    Args:
        within_s: how long to block, in seconds.

    Raises:
        OSError: the peer is gone, or did not read in time.
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
    """Return a socket bound to a loopback port; 0 lets the system choose one. Several sockets may share a port."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    found.bind((LOOPBACK, port))
    return found
