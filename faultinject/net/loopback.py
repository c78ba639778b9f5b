"""A loopback port that leads to the server, and that can refuse connections. Knows no protocol.

Refusing is real: the port stops listening, so the kernel answers a connection attempt with a reset, while a second
bound socket reserves the number.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.vocabulary import Address

LOOPBACK = "127.0.0.1"
_CONNECT_WITHIN_S = 10.0
_BACKLOG = 256

Upstream = Callable[[], Address]
"""Returns where the server listens now; a restart may have moved it."""
Accepted = Callable[[socket.socket, socket.socket], None]
"""Takes the socket of a client and the one to the server."""


class LoopbackPort:
    """Accepts clients, and connects to the server for each. Close it with ``close``.

    Attributes:
        number: the port, chosen by the system.

    Args:
        upstream: asked for every connection.
        accepted: called for every connection. A client for which there is no server is hung up on.
    """

    def __init__(self, loop: Loop, upstream: Upstream, accepted: Accepted) -> None:
        self._loop = loop
        self._upstream = upstream
        self._accepted = accepted
        self._reserved = _bind(0)
        self.number: int = self._reserved.getsockname()[1]
        self._listening: socket.socket | None = None
        self.accept_again()

    def refuse(self) -> None:
        """Refuse connections from now on."""
        listening, self._listening = self._listening, None
        if listening is not None:
            self._loop.forget(listening)
            listening.close()

    def accept_again(self) -> None:
        """Accept connections again; does nothing if none were refused."""
        if self._listening is None:
            self._listening = _bind(self.number)
            self._listening.listen(_BACKLOG)
            self._loop.watch_readable(self._listening, self._accept)

    def close(self) -> None:
        """Free the port; accepted connections stay."""
        self.refuse()
        self._reserved.close()

    def _accept(self) -> None:
        if self._listening is None:
            return
        try:
            client, _ = self._listening.accept()
        except OSError:
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            server = connect_upstream(self._upstream())
        except OSError:
            client.close()
            return
        self._accepted(client, server)


def connect_upstream(address: Address) -> socket.socket:
    """Open a connection to the server. Raises OSError if the server is gone."""
    if not address.path:
        where = (address.host, address.port)
        server = socket.create_connection(where, _CONNECT_WITHIN_S, address.source_address)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return server
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        server.connect(address.path)
    except OSError:
        server.close()
        raise
    return server


def _bind(port: int) -> socket.socket:
    """Return a socket bound to a loopback port; 0 lets the system choose one. Several sockets may share a port."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((LOOPBACK, port))
    return bound
