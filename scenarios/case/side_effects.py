"""What a fault does beyond the connection, to the listener, the server and the client's process, and how it ends.

Knows no schedule and no history. What lasts, lasts until the client's operation has ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from midpipe.faultinject.faults.effects import Deliver, Effects, Replacement, WireEffects
from midpipe.scenarios.case.client import ClientWire
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.model.history import Json, is_over_at_once
from midpipe.scenarios.programs.program import Answer

SHORT_LEASE_S = 0.02
_ENDED_AFTER_LEASES = 1.5
_NO_TIME_IS_OVER_AFTER_S = 0.003
"""The server counts whole milliseconds, has no key expire in less than one, and takes it for expired in the next."""
STANDING_STILL = WireEffects(deliver=Deliver.UNANSWERED, reply_passes=False, waits=True)


class SideEffects:
    """The outages of one case.

    Args:
        lease_s: how long claims are made for, so that it costs little to wait until they have ended; None: as they are.
    """

    def __init__(self, rig: Rig, lease_s: float | None = None) -> None:
        self._rig = rig
        self._lease_s = lease_s
        self._leases_from_s: float | None = None
        self._has_leases = False
        self._over_s = 0.0
        self._undo: defaultdict[str, tuple[tuple[str, ...], ...]] = defaultdict(tuple)
        self._stopped_for: ClientWire | None = None
        self._mends_for: ClientWire | None = None
        self._lags_for: ClientWire | None = None

    @property
    def server_stands_still(self) -> bool:
        return self._stopped_for is not None

    def begin(self, wire: ClientWire, effects: Effects) -> None:
        """Begin what the effects say, before the client's command is carried out."""
        client_id = wire.client_id
        if effects.wire.waits or effects.wire.deliver is Deliver.HELD:
            self.time_passes()
        if effects.wire.refuse:
            self._rig.listener(client_id).refuse()
        self._rig.operate(effects.server.before)
        if effects.server.hangs_up:
            self._rig.await_hang_up()
        self._undo[client_id] += effects.server.after
        if effects.server.snapshots_fail:
            self._rig.server.fail_snapshots(self._rig.control)
            self._mends_for = wire
        if effects.server.replica_lags:
            self._rig.pair.fall_behind()
            self._lags_for = wire
        if effects.server.pauses:
            self._rig.server.stand_still()
            self._stopped_for, wire.may_give_up = wire, True

    def end(self, wire: ClientWire) -> bool:
        """End the client's outages; return whether the server has gone on, so that its state may be another one."""
        self._rig.listener(wire.client_id).accept_again()
        self._rig.operate(self._undo.pop(wire.client_id, ()))
        if self._mends_for is wire:
            self._mends_for = None
            self._rig.server.mend_snapshots(self._rig.control)
        if self._lags_for is wire:
            self._lags_for = None
            self._rig.pair.catch_up()
        if self._stopped_for is not wire:
            return False
        self._stopped_for, wire.may_give_up = None, False
        self._rig.server.go_on()
        self._rig.await_server()
        return True

    def replace_server(self, effects: Effects) -> str:
        """Kill the server if the effects say so; return what came of it, in a few words, or nothing."""
        if effects.server.replacement is Replacement.RESTARTED:
            self._rig.restart_server()
            return "the server is killed, and comes back with what it had kept"
        if effects.server.replacement is Replacement.READDRESSED:
            self._rig.readdress_server()
            return "the server is killed, and comes back at another address with what it had kept"
        if effects.server.replacement is Replacement.REPLICA:
            self._rig.fail_over()
            return "the server is killed, and its replica takes over with what it has got"
        return ""

    @property
    def leases_are_short(self) -> bool:
        return self._lease_s is not None

    @property
    def lease_ended_unplanned(self) -> bool:
        """Whether a lease may have ended only because the machine was slow."""
        if self._leases_from_s is None or self._lease_s is None:
            return False
        return self._rig.loop.clock() - self._leases_from_s > self._lease_s

    def shorten_lease(self, arguments: dict[str, Json]) -> None:
        """Make a claim's lease short, if leases are."""
        if self._lease_s is None or "lease_s" not in arguments:
            return
        if not is_over_at_once(arguments):
            arguments["lease_s"] = self._lease_s
            self._has_leases = True
            self._leases_from_s = self._leases_from_s or self._rig.loop.clock()

    def lease_begins(self, arguments: Mapping[str, Json | Answer]) -> None:
        """A command has written for a call with these arguments; a lease or a back-off of no time has to end first."""
        if is_over_at_once(arguments) or arguments.get("back_off_s") == 0:
            self._over_s = self._rig.loop.clock() + _NO_TIME_IS_OVER_AFTER_S

    def end_leases_of_no_time(self) -> None:
        """Wait until a lease of no time has ended: else it would depend on the machine what the next command meets."""
        left_s = self._over_s - self._rig.loop.clock()
        if left_s > 0.0:
            self._rig.loop.run_until(lambda: False, left_s)

    def time_passes(self) -> None:
        """A client waits until something times out, and leases may end meanwhile: that is the plan."""
        self._leases_from_s = None

    def wait_for_leases(self) -> None:
        """Wait until every short lease has ended; the server's clock tells, so there is no event."""
        if self._lease_s is not None and self._has_leases:
            self._rig.loop.run_until(lambda: False, self._lease_s * _ENDED_AFTER_LEASES)
        self.end_leases_of_no_time()
        self.time_passes()
