"""Opening a connection to the upstream on the loop. Knows no proxy."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.toxiproxy.addresses import AddressError, lookup, parse


class Dial:
    """Connects to the upstream without blocking, trying its addresses in order.

    Args:
        upstream: as in ``addresses``.
        connected: called with the connected socket, or with None once no address is left.
    """

    def __init__(
        self, loop: Loop, upstream: str, connected: Callable[[socket.socket | None], None]
    ) -> None:
        self._loop = loop
        self._upstream = upstream
        self._connected = connected
        self._socket: socket.socket | None = None

    def begin(self) -> None:
        """Start connecting."""
        try:
            self._left = list(lookup(parse(self._upstream)))
        except AddressError:
            self._left = []
        self._next()

    def give_up(self) -> None:
        """Stop, and report that there is no connection."""
        self._left = []
        if self._socket is not None:
            self._loop.forget(self._socket)
            self._socket.close()
            self._socket = None
        self._connected(None)

    def _next(self) -> None:
        while self._left:
            family, at = self._left.pop(0)
            server = socket.socket(family, socket.SOCK_STREAM)
            server.setblocking(False)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            code = server.connect_ex(at)
            if code == 0:
                self._connected(server)
                return
            if code == errno.EINPROGRESS:
                self._socket = server
                self._loop.watch_writable(server, self._completed)
                return
            server.close()
        self._connected(None)

    def _completed(self) -> None:
        server, self._socket = self._socket, None
        if server is None:
            return
        self._loop.forget(server)
        if server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            self._connected(server)
            return
        server.close()
        self._next()
