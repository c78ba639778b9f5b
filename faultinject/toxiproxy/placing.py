"""The director of a proxy's links: places its wire toxics at the commands that they name.

What a fault needs beyond the connection is the route's to do: to refuse connections for a while, and to deliver a
command that was held back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from midpipe.faultinject.faults.effects import PASS, Deliver, WireEffects
from midpipe.faultinject.net.link import Link
from midpipe.faultinject.toxiproxy.api_state import ToxicSpec
from midpipe.faultinject.toxiproxy.toxics.toxic import Dice
from midpipe.faultinject.toxiproxy.wire_toxics import WIRE_TOXICS, Tally, matches
from midpipe.faultinject.vocabulary import Executed
from midpipe.faultinject.wire.conversation import ReceivedCommand
from midpipe.faultinject.wire.resp import ProtocolError, Reply


class Placement(Protocol):
    """What the director asks the proxy for."""

    def wire_toxics(self) -> tuple[ToxicSpec, ...]:
        """Return those that are on the proxy now, in order."""

    def keys_of(self, args: tuple[bytes, ...]) -> tuple[bytes, ...] | None:
        """Return a command's keys, None if they can't be told."""

    def refuse_for(self, seconds: float) -> None:
        """Refuse connections for so long; 0 is until the toxic goes."""


class Held:
    """The commands of a proxy that are held back, and after how many further ones each is delivered."""

    def __init__(self) -> None:
        self._links: dict[Link, int] = {}

    def hold(self, link: Link, after: int) -> None:
        """Hold a link's command for so many further commands; 0: until its client has gone."""
        self._links[link] = after

    def passed(self) -> None:
        """One more command has been dealt with on the proxy."""
        for link, left in tuple(self._links.items()):
            if left == 1:
                self._deliver(link)
            elif left:
                self._links[link] = left - 1

    def client_gone(self, link: Link) -> None:
        """The client has hung up."""
        if self._links.get(link) == 0:
            self._deliver(link)

    def _deliver(self, link: Link) -> None:
        del self._links[link]
        link.release_held(lambda reply: None)


class Placing:
    """Directs one connection's link.

    Args:
        number: of the connection on its proxy.
        tally_of: the count of a toxic, by its name.
    """

    def __init__(
        self,
        number: int,
        proxy: Placement,
        held: Held,
        tally_of: Callable[[str], Tally],
        rng_of: Callable[[str], Dice],
    ) -> None:
        self._number = number
        self._proxy = proxy
        self._held = held
        self._tally_of = tally_of
        self._rng_of = rng_of
        self._rng: dict[str, Dice] = {}
        self._delivers_late = False

    def is_passthrough(self, heard: ReceivedCommand) -> bool:
        """No toxic that is on the proxy now names such a command."""
        return not any(
            matches(spec, WIRE_TOXICS[spec.type].fault, heard, self._proxy.keys_of)
            for spec in self._proxy.wire_toxics()
        )

    def setup(self, link: Link, heard: ReceivedCommand) -> WireEffects:
        return self._effects(link, heard)

    def inside(self, link: Link, heard: ReceivedCommand) -> WireEffects:
        return self._effects(link, heard)

    def parked(self, link: Link, heard: ReceivedCommand) -> None:
        link.carry_out(heard, self._effects(link, heard))

    def done(
        self, link: Link, heard: ReceivedCommand, executed: Executed, reply: Reply | None
    ) -> None:
        if link.held is None:
            self._held.passed()

    def client_gone(self, link: Link, *, mid_command: bool) -> None:
        self._held.client_gone(link)

    def violated_protocol(self, link: Link, error: ProtocolError) -> None:
        """Not Redis' protocol: the link closes the connection by itself."""

    def _effects(self, link: Link, heard: ReceivedCommand) -> WireEffects:
        for spec in self._proxy.wire_toxics():
            toxic = WIRE_TOXICS[spec.type]
            if not matches(spec, toxic.fault, heard, self._proxy.keys_of):
                continue
            rng = self._rng.setdefault(spec.name, self._rng_of(spec.name))
            if not self._tally_of(spec.name).fires(spec, self._number, rng):
                continue
            parameter = spec.number(toxic.parameter) if toxic.parameter else 0
            effects = toxic.fault.effects(len(heard.command.raw), parameter or None).wire
            if effects.deliver is Deliver.HELD:
                self._held.hold(link, parameter)
            if effects.refuse:
                self._proxy.refuse_for(parameter / 1000)
            return effects
        return PASS
