"""One enabled proxy: its listening socket and its connections.

For each client it opens a connection to the upstream. The thin shell around ``connection`` and, where a fault is placed
at a command, around ``midpipe.faultinject.net.link``.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from random import Random

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.net.link import Link
from midpipe.faultinject.net.loop import Loop, Timer
from midpipe.faultinject.net.placement import Placement, Rng, Tally
from midpipe.faultinject.net.placing import HeldCommands, PlacingDirector
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.toxiproxy.addresses import AddressError, bound_to, listening, parse
from midpipe.faultinject.toxiproxy.api_state import DIRECTIONS, ProxySpec, ToxicSpec
from midpipe.faultinject.toxiproxy.chain import Chain
from midpipe.faultinject.toxiproxy.connection import Connection
from midpipe.faultinject.toxiproxy.dialling import Dial
from midpipe.faultinject.toxiproxy.metrics import Traffic
from midpipe.faultinject.toxiproxy.toxics import TOXICS
from midpipe.faultinject.toxiproxy.wire_toxics import WIRE_TOXICS, placement_of
from midpipe.faultinject.vocabulary import Address
from midpipe.faultinject.wire.commands import CommandTable, parse_command_table

_RETRY_S = 0.02
_TABLE_WITHIN_S = 1.0


class Route:
    """A proxy that listens. Close it with ``close``.

    Args:
        spec: the proxy; with port 0 the system chooses one.
        seed: of all random numbers of this proxy.
        tally_of: returns the tally of a wire toxic, by its name.

    Attributes:
        listen: the address that it listens on.
        placements: the faults that its wire toxics place, by their names.

    Raises:
        AddressError: it can't listen there.
    """

    def __init__(
        self, loop: Loop, spec: ProxySpec, seed: int, tally_of: Callable[[str], Tally]
    ) -> None:
        self._loop = loop
        self._seed = seed
        self._tally_of = tally_of
        self._spec = spec
        self._accepted = 0
        self._connections: dict[int, Connection] = {}
        self._dialling: dict[int, Dial] = {}
        self._links: set[Link] = set()
        self._held = HeldCommands()
        self._refusal: Timer | None = None
        self._table: CommandTable | None = None
        self._listener: socket.socket | None = listening(spec.listen)
        self._is_closed = False
        self.listen = bound_to(self._listener)
        self._received = dict.fromkeys(DIRECTIONS, 0)
        self._sent = dict.fromkeys(DIRECTIONS, 0)
        self.placements: Mapping[str, Placement] = {}
        self._set(spec)
        loop.watch_readable(self._listener, self._accept)

    @property
    def traffic(self) -> Traffic:
        """The numbers of bytes of all its connections so far."""
        received, sent = dict(self._received), dict(self._sent)
        for connection in self._connections.values():
            for name, direction in connection.directions.items():
                received[name] += direction.received
                sent[name] += direction.sent
        return Traffic(received, sent)

    def add(self, toxic: ToxicSpec) -> None:
        """Append a toxic to its direction, on every connection."""
        self._set(self._spec.with_toxic(toxic))
        if toxic.type in TOXICS:
            for connection in tuple(self._connections.values()):
                connection.directions[toxic.direction].add(toxic)
        else:
            for number, connection in tuple(self._connections.items()):
                self._parse(number, connection)

    def update(self, toxic: ToxicSpec) -> None:
        """Change a toxic, on every connection."""
        self._set(self._spec.with_toxic(toxic))
        if toxic.type in TOXICS:
            for connection in tuple(self._connections.values()):
                connection.directions[toxic.direction].update(toxic)

    def remove(self, name: str) -> None:
        """Remove a toxic, on every connection."""
        toxic = self._spec.toxic(name)
        self._set(self._spec.without_toxic(name))
        if toxic is None:
            return
        if toxic.type == "refuse":
            self._accept_again()
        if toxic.type in TOXICS:
            for connection in tuple(self._connections.values()):
                connection.directions[toxic.direction].remove(name)

    def close(self) -> None:
        """Stop listening, and close every connection."""
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

    def tally(self, name: str) -> Tally:
        """Return the tally of a wire toxic."""
        return self._tally_of(name)

    def keys_of(self, args: tuple[bytes, ...]) -> tuple[bytes, ...] | None:
        """Return a command's keys, as the upstream's own command table says; None if they are not known."""
        if self._table is None:
            self._table = _table_of(self._spec.upstream)
        return self._table.keys(args)

    def refuse_for(self, seconds: float) -> None:
        """Refuse connections for so long; 0 is until the toxic is removed."""
        self._refuse()
        if self._refusal is not None:
            self._refusal.cancel()
        if seconds:
            self._refusal = self._loop.call_later(seconds, self._accept_again)

    def _set(self, spec: ProxySpec) -> None:
        self._spec = spec
        self.placements = {
            toxic.name: placement_of(toxic) for toxic in spec.toxics if toxic.type in WIRE_TOXICS
        }

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
            # Another process took the port meanwhile; try until it is free again.
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
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._accepted += 1
        number = self._accepted

        def connected(server: socket.socket | None) -> None:
            self._dialling.pop(number, None)
            if server is None:
                client.close()
            else:
                self._join(number, client, server)

        self._dialling[number] = Dial(self._loop, self._spec.upstream, connected)
        self._dialling[number].begin()

    def _join(self, number: int, client: socket.socket, server: socket.socket) -> None:
        toxics = [toxic for toxic in self._spec.toxics if toxic.type in TOXICS]
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
        if self.placements:
            self._parse(number, connection)

    def _parse(self, number: int, connection: Connection) -> None:
        """Put a link in front of a connection at rest, so that its commands are parsed from now on."""
        if connection.is_parsed or not connection.is_at_rest:
            return
        near, far = socket.socketpair()
        client = connection.replace_client(far)
        director = PlacingDirector(
            self, self._held, number, lambda name: self._rng(f"{number} {name}")
        )
        table = self._table or CommandTable({})
        link = Link(
            self._loop,
            client=client,
            server=near,
            table=table,
            director=director,
            on_closed=self._links.discard,
        )
        self._links.add(link)

    def _rng(self, what: str) -> Rng:
        # random() seeded by a text returns the same numbers under every Python version.
        return Random(f"{self._seed} {self._spec.name} {what}").random


def _table_of(upstream: str) -> CommandTable:
    """Return the upstream's command table; an empty one if it has none."""
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
