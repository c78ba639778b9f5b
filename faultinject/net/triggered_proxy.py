"""The proxy of a client under load: bytes pass through unread, except where a fault is due.

Parsing every command costs more than passing it, so the proxy counts turns of the conversation (bytes from the client
after bytes from the server: one command or one pipeline), and parses a connection from the turn on that a trigger
names. Turns are counted over all of the client's connections, so a trigger survives reconnects. Knows no queue.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from midpipe.faultinject.faults import effects_of
from midpipe.faultinject.faults.effects import PASS, Deliver, WireEffects
from midpipe.faultinject.net.link import Link
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.loopback import LoopbackPort
from midpipe.faultinject.net.relay import Relay
from midpipe.faultinject.vocabulary import (
    Address,
    Executed,
    FaultRef,
    Position,
    WireEvent,
    WireIndex,
)
from midpipe.faultinject.wire.commands import CommandTable
from midpipe.faultinject.wire.received import Kind, ReceivedCommand
from midpipe.faultinject.wire.resp import ProtocolError, Reply


@dataclass(frozen=True, slots=True)
class Trigger:
    """The next fault and its place.

    Args:
        after: the number of turns that pass before it.
        fault: what happens at the command.
        lasts_s: how long connections are refused, or a late command is held, in seconds.
    """

    after: int
    fault: FaultRef
    lasts_s: float = 0.0


class TriggeredProxy:
    """A loopback port that leads to the server, with faults where triggers say; the director of its own links.

    Args:
        upstream: returns where the server listens now.

    Attributes:
        fired: how often each fault happened, by name.
        late: the number of commands that are held now.
        invalid_reason: why the run is invalid; empty if it is valid.
    """

    def __init__(self, loop: Loop, upstream: Callable[[], Address], table: CommandTable) -> None:
        self._loop = loop
        self._table = table
        self.fired: Counter[str] = Counter()
        self.late = 0
        self.invalid_reason = ""
        self._relays: set[Relay] = set()
        self._links: set[Link] = set()
        self._triggers: Iterator[Trigger] = iter(())
        self._trigger: Trigger | None = None
        self._turns_left = 0
        self._port = LoopbackPort(loop, upstream, self._accepted)
        self.port = self._port.number

    def place(self, triggers: Iterator[Trigger]) -> None:
        """Place faults from now on; each trigger is drawn when the one before it has fired."""
        self._triggers = triggers
        self._draw()

    def refuse(self) -> None:
        """Refuse connections from now on."""
        self._port.refuse()

    def accept_again(self) -> None:
        """Accept connections again; does nothing if none were refused."""
        self._port.accept_again()

    def close(self) -> None:
        """Free the port and close every connection."""
        self._port.close()
        for relay in tuple(self._relays):
            relay.close()
        for link in tuple(self._links):
            link.close()

    # --- the director of a link ----------------------------------------------------------------------

    def is_passthrough(self, received: ReceivedCommand) -> bool:
        """Whether no fault is due at this command."""
        return received.kind is Kind.INSIDE or self._trigger is None or self._turns_left > 0

    def setup(self, link: Link, received: ReceivedCommand) -> WireEffects:
        """Handshake commands pass, and count as no turn."""
        return PASS

    def inside(self, link: Link, received: ReceivedCommand) -> WireEffects:
        """A MULTI … EXEC block counts once, at its end."""
        return PASS

    def parked(self, link: Link, received: ReceivedCommand) -> None:
        """Carry out a command, with the fault that is due at it."""
        trigger = self._trigger
        if trigger is None or not self._is_due():
            link.carry_out(received, PASS)
            return
        effects = effects_of(trigger.fault, _event(received)).wire
        self._draw()
        if effects.refuse:
            self.refuse()
            self._loop.call_later(trigger.lasts_s, self.accept_again)
        if effects.deliver is not Deliver.HELD:
            self.fired[trigger.fault.name] += 1
        link.carry_out(received, effects)
        if link.held is not None:
            self.late += 1
            self._loop.call_later(trigger.lasts_s, lambda: self._release(link, trigger.fault.name))

    def done(
        self, link: Link, received: ReceivedCommand, executed: Executed, reply: Reply | None
    ) -> None:
        """Commands are not recorded."""

    def client_gone(self, link: Link, *, mid_command: bool) -> None:
        """The link has closed its sockets; a command that it holds is still delivered."""

    def violated_protocol(self, link: Link, error: ProtocolError) -> None:
        """Record that the run is invalid."""
        self.invalid_reason = f"a client or the server sent bytes that are not RESP: {error}"

    def _release(self, link: Link, fault: str) -> None:
        def delivered(reply: Reply | None) -> None:
            self.late -= 1
            # Without a reply the server was gone before the command arrived, so the fault did not happen.
            self.fired[fault] += reply is not None
            link.close()
            self._links.discard(link)

        link.release_held(delivered)

    def _link_closed(self, link: Link) -> None:
        # A link that holds a command outlives its client.
        if link.held is None:
            self._links.discard(link)

    def _is_due(self) -> bool:
        """Count a turn; return whether a fault is due at it."""
        if self._trigger is None:
            return False
        self._turns_left -= 1
        return self._turns_left < 0

    def _draw(self) -> None:
        self._trigger = next(self._triggers, None)
        self._turns_left = self._trigger.after if self._trigger else 0

    def _accepted(self, client: socket.socket, server: socket.socket) -> None:
        self._relays.add(Relay(self._loop, client, server, self._relays.discard, self._on_data))

    def _on_data(self, relay: Relay, data: bytes, to_client: bool) -> None:
        if data and relay.begins_turn and self._is_due() and relay.is_drained:
            self._relays.discard(relay)
            self._parse_from(data, *relay.detach())
        else:
            relay.pass_on(data, to_client)

    def _parse_from(self, data: bytes, client: socket.socket, server: socket.socket) -> None:
        """Have a link parse the commands of a connection, from these bytes on."""
        link = Link(
            self._loop,
            client=client,
            server=server,
            table=self._table,
            director=self,
            on_closed=self._link_closed,
        )
        self._links.add(link)
        # The turn was counted when it began; the link counts commands.
        self._turns_left = max(self._turns_left, 0)
        link.take_over(data)


def _event(received: ReceivedCommand) -> WireEvent:
    """Return the event, as far as a fault's effects depend on it."""
    name = received.command.name.decode("ascii", "replace")
    return WireEvent(
        position=Position("A", 1, received.inside),
        index=WireIndex(1, 1, 1, name, ""),
        args=received.command.args,
        size=len(received.command.raw),
        is_write=True,
        keys=None,
    )
