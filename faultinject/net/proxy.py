"""The proxy: one listener per client, and one connection to the server for each connection that comes in.

A listener without a director passes bytes through unread, for midpipe's own fault-free client.
"""

from __future__ import annotations

import socket
from contextlib import suppress

from midpipe.faultinject.net.director import Director
from midpipe.faultinject.net.handshake_prefetch import HandshakePrefetch, prefetchable
from midpipe.faultinject.net.link import Link
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.loopback import LoopbackPort, Upstream, connect_upstream
from midpipe.faultinject.net.relay import Relay
from midpipe.faultinject.wire.commands import CommandTable
from midpipe.faultinject.wire.resp import Command

_MOST_UNANSWERED = 65_536


class Listener:
    """A loopback port for one client, leading to the server. Close it with ``close``.

    Attributes:
        port: its number, chosen by the system.
        director: decides about connections made from now on; None passes their bytes through unread.
        prefetches_for: the director that lets every handshake pass, so that handshakes may be prefetched for it.
        links: the connections that a director decides about.
        bytes_unread: how many bytes clients have sent over connections whose bytes pass unread.
        unanswered: what clients have sent over these since the server's last byte, at most 64 KiB for each; the keys
            differ for everything that is sent.

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
        self.bytes_unread = 0
        self._handshake: tuple[Command, ...] = ()
        self._prefetches: list[HandshakePrefetch] = []
        self._relays: list[Relay] = []
        self._unanswered: dict[Relay, tuple[int, bytes]] = {}
        self._port = LoopbackPort(loop, upstream, self._accepted)
        self.port = self._port.number

    @property
    def unanswered(self) -> dict[tuple[int, int], bytes]:
        return {(self.port, number): data for number, data in self._unanswered.values()}

    def refuse(self) -> None:
        """Refuse connections from now on."""
        self._port.refuse()

    def accept_again(self) -> None:
        """Accept connections again; does nothing if none were refused."""
        self._port.accept_again()

    def close_links(self) -> None:
        """Close every connection that a director decides about."""
        for prefetch in tuple(self._prefetches):
            prefetch.close()
        for link in tuple(self.links):
            link.close()
        self.links.clear()

    def let_all_pass(self) -> None:
        """Let everything pass that clients send from now on; see ``Link.let_all_pass``."""
        self.director = self.prefetches_for = None
        for link in tuple(self.links):
            link.let_all_pass()

    def close(self) -> None:
        """Free the port and close every connection."""
        self._port.close()
        self.close_links()
        for relay in tuple(self._relays):
            relay.close()

    def _accepted(self, client: socket.socket, server: socket.socket) -> None:
        if self.director is None:
            relay = Relay(self._loop, client, server, self._relay_closed, self._pass_on)
            self._relays.append(relay)
        elif self._handshake and self.prefetches_for is self.director:
            self._prefetches.append(self._prefetch(client, server, self.director))
        else:
            self._link(client, server, self.director)

    def _pass_on(self, relay: Relay, data: bytes, to_client: bool) -> None:
        if to_client:
            self._unanswered.pop(relay, None)
        else:
            self.bytes_unread += len(data)
            _, before = self._unanswered.get(relay, (0, b""))
            self._unanswered[relay] = self.bytes_unread, (before + data)[:_MOST_UNANSWERED]
        relay.pass_on(data, to_client)

    def _relay_closed(self, relay: Relay) -> None:
        self._relays.remove(relay)
        self._unanswered.pop(relay, None)

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
                link.was_closed_by_client = True
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

    @property
    def ports(self) -> frozenset[int]:
        """The port of every listener."""
        return frozenset(listener.port for listener in self._listeners.values())

    def listener(self, client: str) -> Listener:
        """Return the client's listener, created at first use."""
        if client not in self._listeners:
            self._listeners[client] = Listener(self._loop, self._upstream, self._table)
        return self._listeners[client]

    @property
    def unanswered(self) -> dict[tuple[int, int], bytes]:
        """What clients have sent since the server's last byte, over connections whose bytes pass unread."""
        listeners = self._listeners.values()
        return {key: data for each in listeners for key, data in each.unanswered.items()}

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

    def let_all_pass(self) -> None:
        """Let everything pass that clients send from now on."""
        for listener in self._listeners.values():
            listener.let_all_pass()

    def close(self) -> None:
        """Close every listener and connection."""
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()
