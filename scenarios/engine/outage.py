"""What a fault does beyond the connection, to the listener, the server and the client's process, and how it ends.

Knows no schedule and no history. What lasts, lasts until the client's operation has ended.
"""

from __future__ import annotations

from collections import defaultdict

from faultinject.faults.effects import Deliver, Effects
from scenarios.engine.client import ClientWire
from scenarios.engine.rig import Rig

SHORT_LEASE_S = 0.02
_LEASES_ENDED_S = 0.03
STANDING_STILL = Effects(deliver=Deliver.UNANSWERED, reply_passes=False, waits=True)


class Outages:
    """The outages of one case."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._undo: defaultdict[str, tuple[tuple[str, ...], ...]] = defaultdict(tuple)
        self._stopped_for: ClientWire | None = None

    @property
    def server_stands_still(self) -> bool:
        return self._stopped_for is not None

    def begin(self, wire: ClientWire, effects: Effects) -> None:
        """Begin what the effects say, before the client's command is carried out."""
        letter = wire.letter
        if effects.refuse:
            self._rig.listener(letter).refuse()
        self._rig.operate(effects.server_before)
        self._undo[letter] += effects.server_after
        if effects.pauses_server:
            self._rig.server.stand_still()
            self._stopped_for, wire.may_give_up = wire, True

    def end(self, wire: ClientWire) -> bool:
        """End the client's outages; return whether the server has gone on, so that its state may be another one."""
        self._rig.listener(wire.letter).accept_again()
        self._rig.operate(self._undo.pop(wire.letter, ()))
        if self._stopped_for is not wire:
            return False
        self._stopped_for, wire.may_give_up = None, False
        self._rig.server.go_on()
        self._rig.await_server()
        return True

    def wait_for_leases(self) -> None:
        """Wait until every lease of SHORT_LEASE_S has ended; the server's clock tells, so there is no event."""
        self._rig.loop.run_until(lambda: False, _LEASES_ENDED_S)
