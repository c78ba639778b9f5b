"""Decides before each batch of reads whether the audit goes on, waits or ends, by the state of the server. Pure.

Any one reason is enough to wait and none overrides another, as in gh-ost; a critical load ends the audit. Latency
that the audit adds shows in its own PING, between two batches, measured against its first PINGs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from statistics import median

_BASELINE_PINGS = 20
_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 0.01, 2.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much load the audit may put on a server.

    Args:
        ops_s: commands per second; a member read from a list counts as a fiftieth.
        latency_ms: how much slower than at the beginning a PING may become, in ms.
        lag_s: how far a replica may be behind, in seconds.
        load: by field of INFO: above this number it waits.
        critical: by field of INFO: above this number it ends.
        critical_latency_ms: above this added latency it ends, if that lasts.
    """

    ops_s: float = 2000.0
    latency_ms: float = 5.0
    lag_s: float = 30.0
    load: Mapping[str, float] = field(default_factory=dict)
    critical: Mapping[str, float] = field(default_factory=dict)
    critical_latency_ms: float = 1000.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of the server at one moment.

    Args:
        now_s: monotonic, in seconds.
        ping_ms: how long a PING took, in ms.
        info: numbers of INFO; empty if INFO was not sent.
        lag_s: how far a replica is behind, in seconds; None if it is no replica.
        is_paused: whether the pause file exists.
    """

    now_s: float
    ping_ms: float
    info: Mapping[str, float] = field(default_factory=dict)
    lag_s: float | None = None
    is_paused: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now.

    Args:
        wait_s: how long to wait before the next batch, in seconds; 0 goes on.
        reason: what throttles, or why it ends; empty if it goes on at once.
        ends: whether the audit ends here.
    """

    wait_s: float = 0.0
    reason: str = ""
    ends: bool = False


class Throttle:
    """Counts the commands that were sent, and decides.

    Args:
        limits: see there.
        began_s: when the audit began, on the clock of ``Measured.now_s``.
    """

    def __init__(self, limits: Limits, began_s: float) -> None:
        self._limits = limits
        self._baseline: list[float] = []
        self._recent: deque[float] = deque(maxlen=5)
        self._free_s = began_s
        self._back_off_s = _SHORTEST_WAIT_S
        self._critical_pings = 0

    @property
    def added_ms(self) -> float:
        """The latency that a PING has now, in ms above that at the beginning."""
        if not self._recent or not self._baseline:
            return 0.0
        return max(0.0, median(self._recent) - median(self._baseline))

    def spent(self, ops: float, now_s: float) -> None:
        """Take that so many commands were sent."""
        # No credit for the time in which nothing was sent, or a pause would end in a burst.
        self._free_s = max(self._free_s, now_s) + ops / self._limits.ops_s

    def decide(self, seen: Measured) -> Decision:
        """Return what to do before the next batch."""
        if len(self._baseline) < _BASELINE_PINGS:
            self._baseline.append(seen.ping_ms)
        self._recent.append(seen.ping_ms)
        limits = self._limits
        for name, most in limits.critical.items():
            if seen.info.get(name, 0.0) > most:
                return Decision(0.0, f"critical load: {name} is above {most:g}", ends=True)
        is_critical = seen.ping_ms - median(self._baseline) > limits.critical_latency_ms
        self._critical_pings = self._critical_pings + 1 if is_critical else 0
        if self._critical_pings >= 3:
            return Decision(
                0.0,
                f"critical load: PING is slower by {limits.critical_latency_ms:g} ms",
                ends=True,
            )
        if reason := self._reason(seen):
            wait_s, self._back_off_s = (
                self._back_off_s,
                min(2 * self._back_off_s, _LONGEST_WAIT_S),
            )
            return Decision(wait_s, reason)
        self._back_off_s = _SHORTEST_WAIT_S
        wait_s = self._free_s - seen.now_s
        return (
            Decision(wait_s, f"{limits.ops_s:g} operations a second") if wait_s > 0 else Decision()
        )

    def _reason(self, seen: Measured) -> str:
        limits = self._limits
        if seen.is_paused:
            return "the pause file exists"
        if seen.lag_s == inf:
            return "the replica's link to its primary is down"
        if seen.lag_s is not None and seen.lag_s > limits.lag_s:
            return f"the replica is {seen.lag_s:.0f} s behind"
        for name, most in limits.load.items():
            if seen.info.get(name, 0.0) > most:
                return f"load: {name} is above {most:g}"
        if self.added_ms > limits.latency_ms:
            return f"a PING takes {self.added_ms:.1f} ms longer than at the beginning"
        return ""
