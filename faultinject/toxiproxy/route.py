"""One enabled proxy: its listening socket, and the connections that come in by it.

Each connection is twinned with one to the upstream, which is opened when it comes in. The thin shell around
``connection`` and, where a fault is placed at a command, around ``midpipe.faultinject.net.link``.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from random import Random

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.net.link import Link
from midpipe.faultinject.net.loop import Loop, Timer
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.toxiproxy.addresses import AddressError, bound_to, listening, lookup, parse
from midpipe.faultinject.toxiproxy.api_state import DIRECTIONS, ProxySpec, ToxicSpec
from midpipe.faultinject.toxiproxy.chain import Chain
from midpipe.faultinject.toxiproxy.connection import Connection
from midpipe.faultinject.toxiproxy.metrics import Traffic
from midpipe.faultinject.toxiproxy.placing import Held, Placing
from midpipe.faultinject.toxiproxy.toxics import TOXICS
from midpipe.faultinject.toxiproxy.toxics.toxic import Dice
from midpipe.faultinject.toxiproxy.wire_toxics import WIRE_TOXICS, Tally
from midpipe.faultinject.vocabulary import Address
from midpipe.faultinject.wire.commands import CommandTable, parse_command_table

_RETRY_S = 0.02
_TABLE_WITHIN_S = 1.0


class Route:
    """A proxy that listens. Close it with ``close``.

    Args:
        spec: the proxy; without a port the system chooses one.
        seed: of all dice of this proxy.
        tally_of: the count of a wire toxic, by its name.

    Raises:
        AddressError: it can't listen there.
    """

    def __init__(
        self, loop: Loop, spec: ProxySpec, seed: int, tally_of: Callable[[str], Tally]
    ) -> None:
        self._loop = loop
        self._seed = seed
        self._tally_of = tally_of
        self.spec = spec
        self._accepted = 0
        self._connections: dict[int, Connection] = {}
        self._dialling: dict[int, _Dial] = {}
        self._links: set[Link] = set()
        self._held = Held()
        self._refusal: Timer | None = None
        self._table: CommandTable | None = None
        self._listener: socket.socket | None = listening(spec.listen)
        self._is_closed = False
        self.listen = bound_to(self._listener)
        self._received = dict.fromkeys(DIRECTIONS, 0)
        self._sent = dict.fromkeys(DIRECTIONS, 0)
        loop.watch_readable(self._listener, self._accept)

    @property
    def traffic(self) -> Traffic:
        """The bytes of all its connections so far."""
        received, sent = dict(self._received), dict(self._sent)
        for connection in self._connections.values():
            for name, direction in connection.directions.items():
                received[name] += direction.received
                sent[name] += direction.sent
        return Traffic(received, sent)

    def add(self, toxic: ToxicSpec) -> None:
        """Put a toxic at the end of its direction, on every connection."""
        self.spec = self.spec.with_toxic(toxic)
        if toxic.type in TOXICS:
            for connection in tuple(self._connections.values()):
                connection.directions[toxic.direction].add(toxic)
        else:
            for number, connection in tuple(self._connections.items()):
                self._read_along(number, connection)

    def update(self, toxic: ToxicSpec) -> None:
        """Change a toxic, on every connection."""
        self.spec = self.spec.with_toxic(toxic)
        if toxic.type in TOXICS:
            for connection in tuple(self._connections.values()):
                connection.directions[toxic.direction].update(toxic)

    def remove(self, name: str) -> None:
        """Take a toxic out, on every connection."""
        toxic = self.spec.toxic(name)
        self.spec = self.spec.without_toxic(name)
        if toxic is None:
            return
        if toxic.type in WIRE_TOXICS and toxic.type == "refuse":
            self._accept_again()
        if toxic.type in TOXICS:
            for connection in tuple(self._connections.values()):
                connection.directions[toxic.direction].remove(name)

    def close(self) -> None:
        """Listen no more, and end every connection."""
        self._is_closed = True
        self._refuse()
        if self._refusal is not None:
            self._refusal.cancel()
        for link in tuple(self._links):
            link.close()
        for dial in tuple(self._dialling.values()):
            dial.give_up()
        for connection in tuple(self._connections.values()):
            connection.close()

    def wire_toxics(self) -> tuple[ToxicSpec, ...]:
        """Return the toxics that are placed at commands."""
        return tuple(toxic for toxic in self.spec.toxics if toxic.type in WIRE_TOXICS)

    def keys_of(self, args: tuple[bytes, ...]) -> tuple[bytes, ...] | None:
        """Return a command's keys after the upstream's own table; None if they can't be told."""
        if self._table is None:
            self._table = _table_of(self.spec.upstream)
        return self._table.keys(args)

    def refuse_for(self, seconds: float) -> None:
        """Refuse connections for so long; 0 is until the toxic goes."""
        self._refuse()
        if self._refusal is not None:
            self._refusal.cancel()
        if seconds:
            self._refusal = self._loop.call_later(seconds, self._accept_again)

    def _refuse(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            self._loop.forget(listener)
            listener.close()

    def _accept_again(self) -> None:
        if self._listener is not None or self._is_closed:
            return
        try:
            self._listener = listening(self.listen)
        except AddressError:
            # Somebody else took the port meanwhile; it is ours again once they have left it.
            self._refusal = self._loop.call_later(_RETRY_S, self._accept_again)
            return
        self._loop.watch_readable(self._listener, self._accept)

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._accepted += 1
        number = self._accepted

        def connected(server: socket.socket | None) -> None:
            self._dialling.pop(number, None)
            if server is None:
                client.close()
            else:
                self._join(number, client, server)

        self._dialling[number] = _Dial(self._loop, self.spec.upstream, connected)
        self._dialling[number].begin()

    def _join(self, number: int, client: socket.socket, server: socket.socket) -> None:
        toxics = [toxic for toxic in self.spec.toxics if toxic.type in TOXICS]
        resets = any(TOXICS[toxic.type].resets for toxic in toxics)

        def chain_of(direction: str) -> Chain:
            return Chain(
                [toxic for toxic in toxics if toxic.direction == direction],
                TOXICS.__getitem__,
                lambda name: self._rng(f"{number} {direction} {name}"),
                self._loop.clock(),
            )

        def closed(connection: Connection) -> None:
            self._connections.pop(number, None)
            for name, direction in connection.directions.items():
                self._received[name] += direction.received
                self._sent[name] += direction.sent

        connection = Connection(self._loop, client, server, chain_of, closed, resets=resets)
        self._connections[number] = connection
        if self.wire_toxics():
            self._read_along(number, connection)

    def _read_along(self, number: int, connection: Connection) -> None:
        """Put a link before a connection, if it is at rest and has none: from now on its commands are read."""
        if connection.is_read or not connection.is_at_rest:
            return
        ours, its = socket.socketpair()
        its.setblocking(False)
        client = connection.exchange_client(its)
        director = Placing(
            number, self, self._held, self._tally_of, lambda name: self._rng(f"{number} {name}")
        )
        table = self._table or CommandTable({})
        link = Link(
            self._loop,
            client=client,
            server=ours,
            table=table,
            director=director,
            on_closed=self._links.discard,
        )
        self._links.add(link)

    def _rng(self, what: str) -> Dice:
        # Text as a seed, and random() alone, give the same numbers under every Python.
        return Random(f"{self._seed} {self.spec.name} {what}").random


def _table_of(upstream: str) -> CommandTable:
    """Return the upstream's table of commands; an empty one if it does not tell."""
    try:
        endpoint = parse(upstream)
        control = Control(
            Address(host=endpoint.host, port=endpoint.port), timeout_s=_TABLE_WITHIN_S
        )
    except (AddressError, ServerError):
        return CommandTable({})
    try:
        return parse_command_table(control.call("COMMAND"))
    except ServerError:
        return CommandTable({})
    finally:
        control.close()


class _Dial:
    """A connection to the upstream that is being opened, without blocking; the addresses are tried in order."""

    def __init__(
        self, loop: Loop, upstream: str, connected: Callable[[socket.socket | None], None]
    ) -> None:
        self._loop = loop
        self._upstream = upstream
        self._connected = connected
        self._socket: socket.socket | None = None

    def begin(self) -> None:
        """Try to connect; ``connected`` is called with the socket, or with None once nothing is left to try."""
        try:
            self._left = list(lookup(parse(self._upstream)))
        except AddressError:
            self._left = []
        self._next()

    def give_up(self) -> None:
        """Stop trying."""
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
                self._loop.watch_writable(server, self._decided)
                return
            server.close()
        self._connected(None)

    def _decided(self) -> None:
        server, self._socket = self._socket, None
        if server is None:
            return
        self._loop.forget(server)
        if server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            self._connected(server)
            return
        server.close()
        self._next()
