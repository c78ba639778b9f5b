"""Injects the planned server, process and clock faults of one segment while its load runs.

Knows no wire fault and no job. ``elapse`` lets leases end while the load runs, with every time-out in progress; the
other faults of the clock set the wall clock of one process wrong: for a while, or for a moment in the middle of its
calls.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence

from midpipe.faultinject.faults.clock import CLOCK_STEP, ELAPSE, SKEW_AHEAD, SKEW_BEHIND, SKEW_S
from midpipe.faultinject.faults.failover import FAILOVER
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.soak.expired_keys import ExpiredKeys
from midpipe.scenarios.soak.load_processes import LoadProcess
from midpipe.scenarios.soak.pace import Pace
from midpipe.scenarios.soak.plan import CLIENT_KILL, CRASH, FREEZE, KILL, PAUSE, PlannedFault

_SKEWED_FOR_S, _STEPPED_FOR_S = 900.0, 0.03
_SKEWS = {
    SKEW_AHEAD.name: (SKEW_S, _SKEWED_FOR_S),
    SKEW_BEHIND.name: (-SKEW_S, _SKEWED_FOR_S),
    CLOCK_STEP.name: (SKEW_S, _STEPPED_FOR_S),
}
"""By how much the wall clock is off, and for how many seconds."""
_HALTS_WITHIN_S, _LONG_S = 3.0, 1.0
"""Longer than any time-out of a client."""
_KILL_CLIENTS = ("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


class ChaosDriver:
    """The server and process faults of one segment.

    Args:
        pace: the clock by which faults end.
        faults: in the order in which they are due.
        expired_keys: counts them over each kill of the server.
        on_crash: called with each load process that was killed and started again.
        pause_s: how long the server is stopped; more than the clients' socket time-out.
        freeze_s: how long a load process is stopped; more than its lease.

    Attributes:
        server_is_paused: the server is stopped at the moment.
        fired: how often each fault was injected, by name.
    """

    def __init__(
        self,
        rig: Rig,
        pace: Pace,
        processes: Sequence[LoadProcess],
        faults: Sequence[PlannedFault],
        *,
        expired_keys: ExpiredKeys,
        on_crash: Callable[[LoadProcess], None],
        pause_s: float,
        freeze_s: float,
    ) -> None:
        self._rig = rig
        self._pace = pace
        self._processes = tuple(processes)
        self._pending = deque(faults)
        self._expired_keys = expired_keys
        self._on_crash = on_crash
        self._pause_s = pause_s
        self._freeze_s = freeze_s
        self.server_is_paused = False
        self._skewed: set[int] = set()
        self.fired: Counter[str] = Counter()

    @property
    def is_done(self) -> bool:
        """No fault is pending and none is in progress."""
        frozen = any(process.is_frozen for process in self._processes)
        return not (self._pending or self.server_is_paused or frozen or self._skewed)

    def cancel_pending(self) -> None:
        """Drop every fault that was not injected yet."""
        self._pending.clear()

    def inject_due(self, jobs: int) -> None:
        """Inject what is due once ``jobs`` jobs of the segment are acknowledged; nothing while the server is paused."""
        while self._pending and self._pending[0].due_jobs <= jobs and not self.server_is_paused:
            planned = self._pending.popleft()
            if not self._inject(planned):
                self._pending.append(planned)
                return
            self.fired[planned.fault] += 1

    def _inject(self, planned: PlannedFault) -> bool:
        """Inject a fault; return False if it is not possible at the moment."""
        fault = planned.fault
        if fault == KILL:
            self._kill_server()
        elif fault == FAILOVER.name:
            return self._fail_over()
        elif fault == PAUSE:
            self._rig.server.suspend()
            self.server_is_paused = True
            self._pace.call_later(self._pause_s, self._resume_server)
        elif fault == CLIENT_KILL:
            self._rig.control.call(*_KILL_CLIENTS)
        elif fault == CRASH:
            self._crash(self._processes[planned.client % len(self._processes)])
        elif fault == FREEZE:
            return self._freeze(planned.client)
        elif fault == ELAPSE.name:
            self._rig.clock.advance(self._freeze_s)
        elif fault in _SKEWS:
            return self._skew(planned.client, *_SKEWS[fault])
        return True

    def _kill_server(self) -> None:
        self._replace_server(self._rig.operator.restart)

    def _fail_over(self) -> bool:
        """Kill the server and have its replica take over; return False if the load could not be halted for that.

        Replication is asynchronous, so what is acknowledged at that moment may be lost. That is no flaw of a queue, so
        the load halts until the replica has all writes.
        """
        working = [process for process in self._processes if process.works]
        for process in working:
            process.works = False
        is_halted = self._rig.loop.run_until(self._is_halted, _HALTS_WITHIN_S)
        if is_halted:
            self._replace_server(self._rig.operator.fail_over)
        for process in working:
            process.works = True
            process.begin_step()
        return is_halted

    def _replace_server(self, replace: Callable[[], None]) -> None:
        """Kill the server, and refuse connections until there is one again."""
        with self._expired_keys.across_a_kill():
            for process in self._processes:
                process.proxy.refuse()
            replace()
            for process in self._processes:
                process.proxy.accept_again()

    def _is_halted(self) -> bool:
        """Whether no process is in a step; a worker that holds a job for long sleeps in one."""
        busy = [process.host.pid for process in self._processes if process.is_busy]
        is_held = any(process.proxy.late for process in self._processes)
        return not is_held and all(self._sleeps_for_long(pid) for pid in busy)

    def _sleeps_for_long(self, pid: int) -> bool:
        return any(
            wait.is_stopped or wait.left_s > _LONG_S
            for wait in self._rig.clock.waiters(among=[pid])
        )

    def _resume_server(self) -> None:
        self._rig.server.resume()
        self.server_is_paused = False

    def _crash(self, process: LoadProcess) -> None:
        process.crash()
        self._on_crash(process)

    def _freeze(self, client: int) -> bool:
        """Stop a process for a while; return False if all are starting, which would have to wait for it."""
        # Prefer workers: only they hold a lease that can end meanwhile.
        targets = [one for one in self._processes if not one.is_producer] or self._processes
        started = [one for one in targets if one.is_open]
        if not started:
            return False
        process = started[client % len(started)]
        process.freeze()
        self._pace.call_later(self._freeze_s, process.unfreeze)
        return True

    def _skew(self, client: int, seconds: float, lasts_s: float) -> bool:
        """Set the wall clock of a process off for a while; return False if every process's is off already."""
        pids = [process.host.pid for process in self._processes]
        free = [pid for pid in pids if pid not in self._skewed and self._rig.clock.follows(pid)]
        if not free:
            return False
        pid = free[client % len(free)]
        self._rig.clock.skew(pid, seconds)
        self._skewed.add(pid)
        self._pace.call_later(lasts_s, lambda: self._set_right(pid))
        return True

    def _set_right(self, pid: int) -> None:
        self._skewed.discard(pid)
        # Its process may have been killed meanwhile.
        if self._rig.clock.follows(pid):
            self._rig.clock.skew(pid, 0.0)
