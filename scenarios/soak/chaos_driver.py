"""Carries out the planned faults of the server and of processes while the load runs."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence

from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.soak.load_processes import LoadProcess
from midpipe.scenarios.soak.plan import CLIENT_KILL, CRASH, FREEZE, KILL, PAUSE, Planned

_KILL_CLIENTS = ("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


class ChaosDriver:
    """One leg's faults.

    Args:
        crashed: told of a hand whose process was killed and is started again.
        pause_s: how long the server, and a frozen process, stand still: past the time-out, past the lease.
    """

    def __init__(
        self,
        rig: Rig,
        hands: Sequence[LoadProcess],
        faults: Sequence[Planned],
        crashed: Callable[[LoadProcess], None],
        pause_s: float,
        freeze_s: float,
    ) -> None:
        self._rig = rig
        self._hands = tuple(hands)
        self._waiting = deque(faults)
        self._crashed = crashed
        self._pause_s = pause_s
        self._freeze_s = freeze_s
        self.stands_still = False
        self.fired: Counter[str] = Counter()

    @property
    def is_over(self) -> bool:
        """Nothing is planned any more, and nothing lasts."""
        return not (
            self._waiting or self.stands_still or any(hand.is_frozen for hand in self._hands)
        )

    def forget_the_rest(self) -> None:
        """Carry out nothing more."""
        self._waiting.clear()

    def carry_out_due(self, jobs: int) -> None:
        """Carry out what is due when so many jobs of the leg are acknowledged; one after the other."""
        while self._waiting and self._waiting[0].due_jobs <= jobs and not self.stands_still:
            self._carry_out(self._waiting.popleft())

    def _carry_out(self, planned: Planned) -> None:
        fault = planned.fault
        if fault == KILL:
            self._kill_server()
        elif fault == PAUSE:
            self._rig.server.stand_still()
            self.stands_still = True
            self._rig.loop.call_later(self._pause_s, self._server_goes_on)
        elif fault == CLIENT_KILL:
            self._rig.control.call(*_KILL_CLIENTS)
        elif fault == CRASH:
            self._crash(self._hands[planned.client % len(self._hands)])
        elif fault == FREEZE:
            # Workers first: only they have a lease that can end meanwhile.
            able = [hand for hand in self._hands if not hand.produces] or list(self._hands)
            self._freeze(able[planned.client % len(able)])
        self.fired[fault] += 1

    def _kill_server(self) -> None:
        for hand in self._hands:
            hand.passage.refuse()
        self._rig.restart_server()
        for hand in self._hands:
            hand.passage.accept_again()

    def _server_goes_on(self) -> None:
        self._rig.server.go_on()
        self.stands_still = False

    def _crash(self, hand: LoadProcess) -> None:
        hand.crash()
        self._crashed(hand)

    def _freeze(self, hand: LoadProcess) -> None:
        hand.freeze()
        self._rig.loop.call_later(self._freeze_s, hand.thaw)
