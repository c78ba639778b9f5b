"""The time of a rig's cases: waits for something to happen, and lets time pass once nothing else can happen.

On the machine's clock, waiting is all there is. A stepped clock is moved to the next deadline as soon as every process
of the rig sleeps and nothing is on its way between them: then only time can change anything. So a time-out of five
seconds, and a lease of an hour, take a moment, and a busy machine makes no time-out that the schedule did not make.

Blind to: a subject that waits for something other than its server and its own processes. Its time-out comes early.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection

from midpipe.faultinject.clock.port import Clock, NotFollowedError, Waiter
from midpipe.faultinject.clock.sleeping import are_asleep, descendants, seem_asleep
from midpipe.faultinject.net.loop import Loop

_EVENT_WITHIN_S, _LONGEST_PAUSE_S = 0.001, 0.016
"""Real time in which something usually happens; then the processes are asked whether they sleep. While they do not,
they are asked less and less often, so that this takes no processor from them."""
_WORTH_A_STEP_S = 0.002
"""A step takes about so long, so that shorter times may as well pass by themselves."""
_AT_MOST_S = 30.0
"""Real time after which a wait is over: a process that polls can make as many steps as there are polls."""
_STILL_FOR_S = 10.0
"""Real time at most for which processes have to sleep, before it counts that no wait of theirs is known. A library that
calls the system without the C library may wait for a time all the same."""


class TimeFlow:
    """Waits, on the loop's clock or by steps.

    Args:
        clock: the clock of the server's and the subject's processes.
        server_pids: returns the server's processes, if they are on that clock.
        client_pids: returns the processes that host the subject.
        server_wait_ends_s: returns when, on this clock, the server ends the next wait that one of midpipe's own clients
            asked for.
        is_opening: returns whether a client's connection is being opened; the kernel then acts in real time.

    Attributes:
        has_passed: time has passed since the clients of this case began, or the end of a lease will have.
        skewed_s: by how much the clock of a client was off at most in this case.
        parked: returns the processes whose next step is up to midpipe: no time passes for them.
        passed: called after each step with the seconds that passed.
        waited_s: how many seconds midpipe has let pass, and no client had asked for.
        waited: called with the seconds of each of these waits.
    """

    def __init__(
        self,
        loop: Loop,
        clock: Clock,
        server_pids: Callable[[], Collection[int]],
        client_pids: Callable[[], Collection[int]],
        server_wait_ends_s: Callable[[], float],
        is_opening: Callable[[], bool],
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._server_pids = server_pids
        self._client_pids = client_pids
        self._server_wait_ends_s = server_wait_ends_s
        self._is_opening = is_opening
        self._following: set[int] = set()
        self.has_passed = False
        self.skewed_s = 0.0
        self.parked: Callable[[], Collection[int]] = tuple
        self.passed: Callable[[float], object] = _ignore
        self.waited_s = 0.0
        self.waited: Callable[[float], object] = _ignore

    @property
    def is_stepped(self) -> bool:
        return self._clock.is_stepped

    def now_s(self) -> float:
        """Return the monotonic clock of the processes, in seconds."""
        return self._clock.now_s() if self.is_stepped else self._loop.clock()

    def clients_s(self) -> float:
        """Return the same without the waits of midpipe's own: by it, a client may be too slow."""
        return self.now_s() - self.waited_s

    def wait(self, seconds: float) -> None:
        """Let so many seconds pass."""
        if seconds <= 0.0:
            return
        if self.is_stepped:
            self._step(seconds)
        else:
            self._loop.run_until(lambda: False, seconds)
            self.has_passed = True
        self.waited_s += seconds
        self.waited(seconds)

    def run_until(
        self,
        satisfied: Callable[[], bool],
        within_s: float,
        *,
        due_s: Callable[[], float] = lambda: math.inf,
    ) -> bool:
        """Run until a condition holds; return whether it does, after at most ``within_s`` seconds.

        Args:
            due_s: returns when, on this clock, the server ends the next wait that a client of the program asked for.
        """
        if not self.is_stepped:
            return self._loop.run_until(satisfied, within_s)
        until_s, began_s = self.now_s() + within_s, time.monotonic()
        active_s, pause_s = began_s, _EVENT_WITHIN_S
        while not self._loop.run_until(satisfied, pause_s):
            left_s, real_s = until_s - self.now_s(), time.monotonic()
            if left_s <= 0.0 or real_s > began_s + _AT_MOST_S:
                return False
            pause_s = min(4 * pause_s, _LONGEST_PAUSE_S)
            servers, hosts = self._server_pids(), self._client_pids()
            # Reading every thread costs what a command costs, so the threads that most often work are asked before.
            if not hosts or not seem_asleep((*hosts, *servers)):
                active_s = real_s
                continue
            clients, parked = descendants(hosts), self.parked()
            waits = self.waits_if_still(
                (*clients, *servers), [pid for pid in hosts if pid not in parked]
            )
            if waits is None:
                active_s = real_s
                continue
            pause_s = _EVENT_WITHIN_S
            self.check_following(clients)
            ends_s = min(due_s(), self._server_wait_ends_s())
            next_s = min((ends_s - self.now_s(), *(max(0.0, wait.left_s) for wait in waits)))
            if math.isfinite(next_s):
                active_s = real_s
                if next_s > _WORTH_A_STEP_S:
                    self._step(min(next_s, left_s))
            elif real_s > active_s + min(within_s, _STILL_FOR_S):
                self._step(left_s)
        return True

    def waits_if_still(
        self, pids: tuple[int, ...], among: Collection[int]
    ) -> tuple[Waiter, ...] | None:
        """Return the waits that only time can end; None while something else can happen.

        Args:
            pids: every process that has to sleep.
            among: the processes whose waits are returned, with those of their children. Those of stopped ones are not.
        """
        # Read before and after: in between, a wait may end by itself, and the thread begin another one.
        before = self._clock.waiters(among)
        if not self._are_still(pids):
            return None
        after = self._clock.waiters(among)
        if {(wait.thread, wait.deadline_ns) for wait in before} != {
            (wait.thread, wait.deadline_ns) for wait in after
        }:
            return None
        return tuple(wait for wait in after if not wait.is_stopped)

    def _are_still(self, pids: tuple[int, ...]) -> bool:
        """Whether every process sleeps, and nothing is on its way between them."""
        # Whatever a process sends to another one comes through this loop. So none can have woken another between the
        # two readings if nothing arrived here.
        return (
            not self._loop.has_timers
            and are_asleep(pids)
            and not self._loop.step(0.0)
            and are_asleep(pids)
            and not self._is_opening()
        )

    def check_following(self, pids: tuple[int, ...]) -> None:
        """Raise NotFollowedError if the clock can't be moved, because one of the processes would not notice."""
        for pid in pids:
            if pid not in self._following and not self._clock.follows(pid):
                raise NotFollowedError(
                    "A program that the subject has started does not read the stepped clock."
                )
            self._following.add(pid)

    def _step(self, seconds: float) -> None:
        self._clock.advance(seconds, suspended=self.parked())
        self.has_passed = True
        self.passed(seconds)


def _ignore(seconds: float) -> None:
    """Do nothing with the seconds."""
