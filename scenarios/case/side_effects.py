"""What a fault does beyond the connection: to the listener, the server and the client's process, and how it ends.

A side effect that lasts ends with the client's operation. An outage ends after OUTAGE_S as well, and a pause after
PAUSE_S, for a client that waits until the server serves it again before its operation ends. Leases are kept here too,
because waiting for their end is what takes time in a case. Knows no schedule and no history.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

from midpipe.faultinject.clock.port import Clock
from midpipe.faultinject.errors import ServerError, UsageError
from midpipe.faultinject.faults.effects import (
    ClockEffects,
    Deliver,
    Effects,
    Replacement,
    WireEffects,
)
from midpipe.faultinject.net.proxy import Proxy
from midpipe.scenarios.case.client_wire import ClientWire
from midpipe.scenarios.case.operator import Operator
from midpipe.scenarios.case.time_flow import TimeFlow
from midpipe.scenarios.model.evidence import SHORTEST_DEFAULT_LEASE_S
from midpipe.scenarios.model.history import Json, is_over_at_once
from midpipe.scenarios.programs.program import Answer

SHORT_LEASE_S = 0.02
OUTAGE_S = 0.8
"""How long an outage lasts at most, in time that its client waits. Few libraries try again after exactly so long."""
PAUSE_S = 2.0
"""The same for a paused server: longer than every time-out that midpipe gives a client."""
_MOMENT_S = 0.001
_MOST_HANG_UPS, _HANGS_UP_WITHIN_S = 20, 0.5
_ENDED_AFTER_LEASES = 1.5
"""After so many times its length, a lease has surely ended."""
_MARGIN_S = 1.0
"""Some queues count the time in whole seconds."""
_ZERO_LEASE_ENDED_AFTER_S = 0.003
"""The server counts whole milliseconds: a key lives for at least one, and counts as expired in the next."""
SERVER_PAUSED = WireEffects(deliver=Deliver.UNANSWERED, reply_passes=False, waits=True)
"""What becomes of a command while the server is paused."""


class SideEffects:
    """The side effects of one case.

    Args:
        lease_s: how long every claim's lease is made, so that waiting for its end is cheap; None leaves it as it is. On
            a stepped clock waiting is cheap: then any number means that leases are to end, at their own length.
    """

    def __init__(
        self,
        operator: Operator,
        proxy: Proxy,
        time: TimeFlow,
        clock: Clock,
        *,
        lease_s: float | None = None,
    ) -> None:
        self._operator = operator
        self._proxy = proxy
        self._time = time
        self._clock = clock
        self._lease_s = lease_s
        self._leases_began_s: float | None = None
        self._has_leases = False
        self._asked_s: list[float] = []
        self._began_s = time.now_s()
        self._zero_lease_ended_s = 0.0
        self._undo: defaultdict[str, tuple[tuple[str, ...], ...]] = defaultdict(tuple)
        self._paused_by: ClientWire | None = None
        self._snapshots_failed_by: ClientWire | None = None
        self._replica_delayed_by: ClientWire | None = None
        # Of processes whose wall clock is off: by pid, the client whose operation ends that; None: the case does.
        self._skewed: dict[int, str | None] = {}
        self._outages_s: dict[str, float] = {}
        time.skewed_s = 0.0

    @property
    def is_server_paused(self) -> bool:
        return self._paused_by is not None

    def begin(self, wire: ClientWire, effects: Effects) -> None:
        """Begin what the effects say, before the client's command is carried out."""
        client_id = wire.client_id
        if effects.wire.waits or effects.wire.deliver is Deliver.HELD:
            self.allow_leases_to_end()
        if effects.wire.refuse:
            self._proxy.listener(client_id).refuse()
        self._operator.operate(effects.server.before)
        if effects.server.hangs_up:
            self._await_hang_up(effects.server.before)
        self._undo[client_id] += effects.server.after
        if effects.server.snapshots_fail:
            self._operator.server.fail_snapshots(self._operator.control)
            self._snapshots_failed_by = wire
        if effects.wire.refuse or effects.server.after or effects.server.snapshots_fail:
            self._outages_s[client_id] = OUTAGE_S
        if effects.server.replica_lags:
            self._operator.replica.fall_behind()
            self._replica_delayed_by = wire
        if effects.server.pauses:
            self._operator.server.suspend()
            self._paused_by, wire.may_time_out = wire, True
            self._outages_s[client_id] = PAUSE_S

    def _await_hang_up(self, commands: tuple[tuple[str, ...], ...]) -> None:
        """Wait until the server has closed the clients' connections. Raises ServerError if it does not.

        Args:
            commands: what closes them. They run again for a connection that the server had not accepted before.
        """
        for _ in range(_MOST_HANG_UPS):
            if self._proxy.has_server_hung_up(_HANGS_UP_WITHIN_S):
                return
            self._operator.operate(commands)
        raise ServerError(
            "The server did not close the clients' connections, as a fault demanded, "
            f"within {_MOST_HANG_UPS * _HANGS_UP_WITHIN_S:.0f} s."
        )

    def move_clock(self, wire: ClientWire, pid: int, effects: ClockEffects) -> None:
        """Let time pass, and set the clock of the client's process.

        Raises:
            UsageError: the clock can't be moved here.
        """
        if not self._time.is_stepped:
            raise UsageError(
                "A fault of the clock needs a clock that midpipe moves, and here it is the machine's: "
                f"{self._clock.reason}."
            )
        self._time.wait(effects.elapse_s)
        if effects.skew_s:
            self._clock.skew(pid, effects.skew_s)
            self._time.skewed_s = abs(effects.skew_s)
            self._skewed[pid] = wire.client_id if effects.ends_with_operation else None

    def correct_clocks(self, client_id: str | None = None) -> None:
        """Set the clocks right that are off until this client's operation ends; None: every clock."""
        for pid, until in tuple(self._skewed.items()):
            if client_id is None or until == client_id:
                del self._skewed[pid]
                if self._clock.follows(pid):
                    self._clock.skew(pid, 0.0)

    def end(self, wire: ClientWire) -> bool:
        """End what the client's operation began; return whether a paused server went on, so its state may differ."""
        was_paused = self._resume_server(wire)
        self._end_outage(wire)
        self.correct_clocks(wire.client_id)
        if self._replica_delayed_by is wire:
            self._replica_delayed_by = None
            self._operator.replica.catch_up()
        return was_paused

    def _resume_server(self, wire: ClientWire) -> bool:
        """Let the server continue that was paused at a command of this client; return whether it was."""
        if self._paused_by is not wire:
            return False
        self._paused_by, wire.may_time_out = None, False
        self._operator.server.resume()
        self._operator.await_server()
        return True

    def outage_left_s(self, wire: ClientWire) -> float:
        """Return for how much longer the client may wait before its outage ends; infinite if it has none."""
        return self._outages_s.get(wire.client_id, math.inf)

    def wait_through_outage(self, wire: ClientWire, seconds: float) -> bool:
        """Count seconds that the client has waited in its outage; return whether that has ended it now."""
        if wire.client_id not in self._outages_s:
            return False
        self._outages_s[wire.client_id] -= seconds
        if self._outages_s[wire.client_id] > _MOMENT_S:
            return False
        self._resume_server(wire)
        self._end_outage(wire)
        return True

    def _end_outage(self, wire: ClientWire) -> None:
        """Accept the client's connections again, and let the server take writes."""
        self._outages_s.pop(wire.client_id, None)
        self._proxy.listener(wire.client_id).accept_again()
        self._operator.operate(self._undo.pop(wire.client_id, ()))
        if self._snapshots_failed_by is wire:
            self._snapshots_failed_by = None
            self._operator.server.restore_snapshots(self._operator.control)

    def replace_server(self, effects: Effects) -> str:
        """Kill the server if the effects say so; return a sentence on what became of it, or an empty string."""
        if effects.server.replacement is Replacement.RESTARTED:
            self._operator.restart()
            return "the server is killed and restarted with the data that it kept"
        if effects.server.replacement is Replacement.READDRESSED:
            self._operator.readdress()
            return (
                "the server is killed and restarted at another address with the data that it kept"
            )
        if effects.server.replacement is Replacement.FROM_DISK:
            self._operator.lose_power()
            return "the power is lost, and the server starts again with what was surely on the disk"
        if effects.server.replacement is Replacement.REPLICA:
            self._operator.fail_over()
            return "the server is killed, and its replica takes over with the data that it received"
        return ""

    @property
    def leases_have_ended(self) -> bool:
        """Whether leases of the program's calls have ended, while it ran or afterwards."""
        if not self._time.is_stepped:
            return self._lease_s is not None
        passed_s = self._time.now_s() - self._began_s
        return passed_s >= min(self._asked_s, default=SHORTEST_DEFAULT_LEASE_S)

    @property
    def has_lease_ended_unplanned(self) -> bool:
        """Whether a lease may have ended although no client had to wait: the machine was too slow."""
        if self._time.is_stepped or self._leases_began_s is None or self._lease_s is None:
            return False
        return self._time.now_s() - self._leases_began_s > self._lease_s

    def shorten_lease(self, arguments: dict[str, Json]) -> None:
        """Make the lease that a call asks for short, in its arguments, if leases are to be short."""
        if "lease_s" not in arguments:
            return
        if self._time.is_stepped and isinstance(arguments["lease_s"], int | float):
            if not is_over_at_once(arguments):
                self._asked_s.append(arguments["lease_s"])
            return
        if self._lease_s is None:
            return
        if not is_over_at_once(arguments):
            arguments["lease_s"] = self._lease_s
            self._has_leases = True
            self._leases_began_s = self._leases_began_s or self._time.now_s()

    def note_write(self, arguments: Mapping[str, Json | Answer]) -> None:
        """Note that the server ran a write of a call with these arguments: a lease or back-off of no time began now."""
        if is_over_at_once(arguments) or arguments.get("back_off_s") == 0:
            self._zero_lease_ended_s = self._time.now_s() + _ZERO_LEASE_ENDED_AFTER_S
            # On a slow machine nothing is left to wait for, and what was begun before is as old all the same.
            self._time.has_passed = True

    def await_zero_leases(self) -> None:
        """Wait until leases of no time have ended, so that the machine does not decide what the next command finds."""
        self._time.wait(self._zero_lease_ended_s - self._time.now_s())

    def allow_leases_to_end(self) -> None:
        """A client now waits for a time-out, and leases may end meanwhile: that is planned."""
        self._leases_began_s = None

    def await_leases(self) -> None:
        """Wait until every lease has ended, if they are short or one has ended. There is no event to wait for."""
        has_ended_one = self._time.is_stepped and self.leases_have_ended
        if self._asked_s and (self._lease_s is not None or has_ended_one):
            # One that was renewed after time had passed has not ended yet.
            self._time.wait(max(self._asked_s) + _MARGIN_S)
        elif self._lease_s is not None and self._has_leases:
            self._time.wait(self._lease_s * _ENDED_AFTER_LEASES)
        self.await_zero_leases()
        self.allow_leases_to_end()
