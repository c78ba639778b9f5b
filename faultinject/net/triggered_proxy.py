"""A client's way to the server under load: bytes pass unread until a fault's spot comes, and only then are they read.

Reading each command costs more than passing it, so a passage counts turns of the conversation (bytes from the client
after bytes from the server, which is one command or one pipeline) and makes the connection a link for the one where a
fault is planned. Spots count the client's turns, not a connection's, so they survive reconnects. Knows no queue.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from midpipe.faultinject.faults import effects_of
from midpipe.faultinject.faults.effects import Deliver, Effects
from midpipe.faultinject.net.link import PASS, Link
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.proxy import accepted, bound
from midpipe.faultinject.vocabulary import (
    Address,
    Executed,
    FaultRef,
    Position,
    WireEvent,
    WireIndex,
)
from midpipe.faultinject.wire.commands import CommandTable
from midpipe.faultinject.wire.conversation import Kind, ReceivedCommand
from midpipe.faultinject.wire.resp import ProtocolError, Reply

_READ_BYTES = 65536
_SEND_WITHIN_S = 10.0
_BACKLOG = 256


@dataclass(frozen=True, slots=True)
class Trigger:
    """Where the next fault goes.

    Args:
        after: so many turns pass before it.
        lasts_s: how long a refusal lasts, or a late command is held.
    """

    after: int
    fault: FaultRef
    lasts_s: float = 0.0


class TriggeredProxy:
    """A loopback port that leads to the server, with faults at the spots given; the director of its own links.

    Attributes:
        fired: how often each fault happened, by name.
        late: commands that are held now.
    """

    def __init__(self, loop: Loop, upstream: Address, table: CommandTable) -> None:
        self._loop = loop
        self._upstream = upstream
        self._table = table
        self.fired: Counter[str] = Counter()
        self.late = 0
        self.invalid_reason = ""
        self._pipes: set[_Pipe] = set()
        self._links: set[Link] = set()
        self._spots: Iterator[Trigger] = iter(())
        self._spot: Trigger | None = None
        self._turns_left = 0
        self._keeper = bound(0)
        self.port: int = self._keeper.getsockname()[1]
        self._listening: socket.socket | None = None
        self.accept_again()

    def place(self, spots: Iterator[Trigger]) -> None:
        """Put faults at these spots from now on, drawn as they are needed; an iterator that is at its end ends them."""
        self._spots = spots
        self._draw()

    def refuse(self) -> None:
        """Refuse connections from now on."""
        listening, self._listening = self._listening, None
        if listening is not None:
            self._loop.forget(listening)
            listening.close()

    def accept_again(self) -> None:
        """Accept connections again; fine if nothing was refused."""
        if self._listening is None:
            self._listening = bound(self.port)
            self._listening.listen(_BACKLOG)
            self._loop.watch_readable(self._listening, self._accept)

    def close(self) -> None:
        """Give the port back and end every connection."""
        self.refuse()
        for pipe in tuple(self._pipes):
            pipe.close()
        for link in tuple(self._links):
            link.close()
        self._keeper.close()

    def has_spot(self) -> bool:
        """Count a turn; return whether a fault goes there."""
        if self._spot is None:
            return False
        self._turns_left -= 1
        return self._turns_left < 0

    def read_from(self, pipe: _Pipe, data: bytes) -> None:
        """Turn a pipe into a link, whose next turn begins with this data."""
        self._pipes.discard(pipe)
        client, server = pipe.client, pipe.server
        for side in (client, server):
            side.settimeout(_SEND_WITHIN_S)
        link = Link(self._loop, client, server, self._table, self, self._link_closed)
        self._links.add(link)
        # The turn was counted when it began; the link counts commands.
        self._turns_left = max(self._turns_left, 0)
        link.take_over(data)

    def forget(self, pipe: _Pipe) -> None:
        """A connection has ended."""
        self._pipes.discard(pipe)

    # --- the director of a link ----------------------------------------------------------------------

    def is_passthrough(self, heard: ReceivedCommand) -> bool:
        """All but the command at the next spot."""
        return heard.kind is Kind.INSIDE or self._spot is None or self._turns_left > 0

    def setup(self, link: Link, heard: ReceivedCommand) -> Effects:
        """Set-up passes, and is no turn."""
        return PASS

    def inside(self, link: Link, heard: ReceivedCommand) -> Effects:
        """A block counts once, at its end."""
        return PASS

    def parked(self, link: Link, heard: ReceivedCommand) -> None:
        """Carry a command out, with the fault if its spot has come."""
        spot = self._spot
        if spot is None or not self.has_spot():
            link.carry_out(heard, PASS)
            return
        effects = effects_of(spot.fault, _event(heard))
        self._draw()
        if effects.refuse:
            self.refuse()
            self._loop.call_later(spot.lasts_s, self.accept_again)
        if effects.deliver is not Deliver.HELD:
            self.fired[spot.fault.name] += 1
        link.carry_out(heard, effects)
        if link.held is not None:
            self.late += 1
            self._loop.call_later(spot.lasts_s, lambda: self._release(link, spot.fault.name))

    def done(
        self, link: Link, heard: ReceivedCommand, executed: Executed, reply: Reply | None
    ) -> None:
        """Nothing is kept of a command."""

    def client_gone(self, link: Link, *, mid_command: bool) -> None:
        """The link has closed what is to be closed; a command that is held, or late, still comes."""

    def violated_protocol(self, link: Link, error: ProtocolError) -> None:
        """Keep it for whoever asks."""
        self.invalid_reason = f"a client or the server broke the protocol: {error}"

    def _release(self, link: Link, fault: str) -> None:
        def received(reply: Reply | None) -> None:
            self.late -= 1
            # Without a reply the server was gone before the command came, so nothing came late.
            self.fired[fault] += reply is not None
            link.close()
            self._links.discard(link)

        link.release_held(received)

    def _link_closed(self, link: Link) -> None:
        # A link whose command is held outlives its client.
        if link.held is None:
            self._links.discard(link)

    def _draw(self) -> None:
        self._spot = next(self._spots, None)
        self._turns_left = self._spot.after if self._spot else 0

    def _accept(self) -> None:
        if self._listening is None:
            return
        ends = accepted(self._listening, self._upstream)
        if ends is None:
            return
        client, server = ends
        self._pipes.add(_Pipe(self, self._loop, client, server))


class _Pipe:
    """A connection whose bytes pass unread, turn by turn."""

    __slots__ = ("_loop", "_passage", "_server_spoke", "client", "server")

    def __init__(
        self, passage: TriggeredProxy, loop: Loop, client: socket.socket, server: socket.socket
    ) -> None:
        self._passage = passage
        self._loop = loop
        self.client, self.server = client, server
        self._server_spoke = True
        client.setblocking(False)
        server.setblocking(False)
        loop.watch_readable(client, self._client_readable)
        loop.watch_readable(server, self._server_readable)

    def close(self) -> None:
        for end in (self.client, self.server):
            self._loop.forget(end)
            end.close()
        self._passage.forget(self)

    def _client_readable(self) -> None:
        try:
            data = self.client.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        if self._server_spoke:
            self._server_spoke = False
            if self._passage.has_spot():
                self._loop.forget(self.client)
                self._loop.forget(self.server)
                self._passage.read_from(self, data)
                return
        self._send(self.server, data)

    def _server_readable(self) -> None:
        try:
            data = self.server.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._server_spoke = True
        self._send(self.client, data)

    def _send(self, to: socket.socket, data: bytes) -> None:
        try:
            sent = to.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        if sent < len(data):
            # A peer that does not read for a while; rare, so it may wait in place.
            to.settimeout(_SEND_WITHIN_S)
            with suppress(OSError):
                to.sendall(data[sent:])
            to.setblocking(False)


def _event(heard: ReceivedCommand) -> WireEvent:
    """The event as far as a fault's effects depend on it."""
    name = heard.command.name.decode("ascii", "replace")
    return WireEvent(
        position=Position("A", 1, heard.inside),
        index=WireIndex(1, 1, 1, name, ""),
        args=heard.command.args,
        size=len(heard.command.raw),
        is_write=True,
        keys=None,
    )
