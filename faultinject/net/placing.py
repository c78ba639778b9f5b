"""The director of proxies that no schedule drives (`midpipe proxy`, the pytest fixtures): faults placed at commands.

What a fault needs beyond the connection is the proxy's part: it refuses connections, and knows a command's keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from midpipe.faultinject.faults.effects import PASS, Deliver, WireEffects
from midpipe.faultinject.net.link import Link
from midpipe.faultinject.net.placement import Placement, Rng, Tally, shown
from midpipe.faultinject.vocabulary import Executed
from midpipe.faultinject.wire.received import ReceivedCommand
from midpipe.faultinject.wire.resp import ProtocolError, Reply


class HeldCommands:
    """The commands that ``late`` holds on one proxy, and after how many further commands each is delivered."""

    def __init__(self) -> None:
        self._links: dict[Link, int] = {}

    def hold(self, link: Link, after: int) -> None:
        """Hold a link's command for so many further commands; 0 holds it until its client has disconnected."""
        self._links[link] = after

    def count_command(self) -> None:
        """One more command on the proxy is done."""
        for link, left in tuple(self._links.items()):
            if left == 1:
                self._deliver(link)
            elif left:
                self._links[link] = left - 1

    def client_gone(self, link: Link) -> None:
        """The link's client has disconnected."""
        if self._links.get(link) == 0:
            self._deliver(link)

    def _deliver(self, link: Link) -> None:
        del self._links[link]
        link.release_held(lambda reply: None)


class PlacedOn(Protocol):
    """The proxy whose commands a PlacingDirector decides about."""

    @property
    def placements(self) -> Mapping[str, Placement]:
        """The placements that are on the proxy now, by name, in order."""

    def tally(self, name: str) -> Tally:
        """Return the tally of a placement."""

    def keys_of(self, args: tuple[bytes, ...]) -> tuple[bytes, ...] | None:
        """Return a command's keys; None if they are not known."""

    def refuse_for(self, seconds: float) -> None:
        """Refuse connections for so long; 0 is until the placement is removed."""


class PlacingDirector:
    """Decides about the commands of one connection.

    Args:
        proxy: where the faults are placed.
        held: the commands that are held on the proxy.
        connection: the number of the connection on the proxy.
        rng_of: returns the random numbers of a placement, by its name.
    """

    def __init__(
        self, proxy: PlacedOn, held: HeldCommands, connection: int, rng_of: Callable[[str], Rng]
    ) -> None:
        self._proxy = proxy
        self._held = held
        self._connection = connection
        self._rng_of = rng_of
        self._rng: dict[str, Rng] = {}

    def is_passthrough(self, received: ReceivedCommand) -> bool:
        """Whether no placement matches the command."""
        return not any(
            placement.matches(received, self._proxy.keys_of)
            for placement in self._proxy.placements.values()
        )

    def setup(self, link: Link, received: ReceivedCommand) -> WireEffects:
        """Return the effects of the placement that fires, if one does."""
        return self._effects(link, received)

    def inside(self, link: Link, received: ReceivedCommand) -> WireEffects:
        """Return the effects of the placement that fires, if one does."""
        return self._effects(link, received)

    def parked(self, link: Link, received: ReceivedCommand) -> None:
        """Carry the command out at once, with the effects of the placement that fires."""
        link.carry_out(received, self._effects(link, received))

    def done(
        self, link: Link, received: ReceivedCommand, executed: Executed, reply: Reply | None
    ) -> None:
        """Count the command for those that are held."""
        if link.held is None:
            self._held.count_command()

    def client_gone(self, link: Link, *, mid_command: bool) -> None:
        """Deliver the command that waited for that."""
        self._held.client_gone(link)

    def violated_protocol(self, link: Link, error: ProtocolError) -> None:
        """Do nothing: the link closes a connection that does not speak RESP."""

    def _effects(self, link: Link, received: ReceivedCommand) -> WireEffects:
        for name, placement in self._proxy.placements.items():
            if not placement.matches(received, self._proxy.keys_of):
                continue
            rng = self._rng.setdefault(name, self._rng_of(name))
            tally = self._proxy.tally(name)
            if not tally.fires(placement, self._connection, rng):
                continue
            tally.last_hit = shown(received)
            effects = placement.effects(len(received.command.raw))
            if effects.deliver is Deliver.HELD:
                self._held.hold(link, placement.parameter or 0)
            if effects.refuse:
                self._proxy.refuse_for(placement.refused_for_s)
            return effects
        return PASS
