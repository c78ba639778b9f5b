"""The audit's connection: every batch waits for the throttle, and errors that concern the whole audit are raised."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from midpipe.faultinject.errors import ServerError, UsageError
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.server import fields_of
from midpipe.faultinject.wire.resp import ErrorReply, Value
from midpipe.scenarios.audit.access import lag_s
from midpipe.scenarios.audit.reading import Command
from midpipe.scenarios.audit.stream_walk import is_missing
from midpipe.scenarios.audit.throttle import Decision, Limits, Measured, Throttle

_INFO_EVERY_S = 1.0
_MOST_COMMANDS = 200
_LONGEST_SLEEP_S = 0.25
_COSTS_OF_A_MEMBER = 0.02


class LoadError(ServerError):
    """The server's load is critical, so the audit ends; with a state file it can be continued."""


class StoppedError(Exception):
    """The audit was asked to stop."""


class ThrottledConnection:
    """Sends reads, throttled.

    Args:
        control: the connection.
        limits: of the throttle.
        pause_file: the audit waits while it exists.
        on_wait: called while it waits, with the reason; an empty reason ends that.
        should_stop: whether the audit is to stop.
        has_to_be_replica: end if the server becomes a primary: nothing else has kept the user from writing.

    Attributes:
        ops: commands sent.
        throttled_s: how long it waited, by reason.
        most_added_ms: the greatest added latency of a PING, in ms.
        most_lag_s: how far the replica was behind at most, in seconds; None if the server is none.

    Raises:
        UsageError: a limit is of a field that the server's INFO does not have.
    """

    def __init__(
        self,
        control: Control,
        limits: Limits,
        pause_file: Path | None = None,
        on_wait: Callable[[str], None] = lambda reason: None,
        should_stop: Callable[[], bool] = lambda: False,
        *,
        has_to_be_replica: bool = False,
    ) -> None:
        self._control = control
        self._throttle = Throttle(limits, time.monotonic())
        self._pause_file = pause_file
        self._on_wait = on_wait
        self._should_stop = should_stop
        self._has_to_be_replica = has_to_be_replica
        self._lag_s: float | None = None
        self.most_lag_s: float | None = None
        self._numbers: Mapping[str, float] = {}
        self._informed_s = 0.0
        self._inform()
        if unknown := sorted({*limits.load, *limits.critical} - {*self._numbers}):
            raise UsageError(
                f"The server's INFO has no number {unknown[0]!r}, so it can't limit the audit. It has, for example, "
                "instantaneous_ops_per_sec, connected_clients and used_memory."
            )
        self.ops = 0
        self.throttled_s: defaultdict[str, float] = defaultdict(float)
        self.most_added_ms = 0.0

    def __call__(self, commands: Sequence[Command]) -> Sequence[Value]:
        """Send commands and return their answers, in order.

        Raises:
            LoadError: the server's load is critical.
            ServerError: the connection is gone, or the server refuses to answer at all.
            StoppedError: the audit was asked to stop.
        """
        answers: list[Value] = []
        for first in range(0, len(commands), _MOST_COMMANDS):
            self._wait()
            batch = commands[first : first + _MOST_COMMANDS]
            replies = self._control.pipeline(batch)
            for words, reply in zip(batch, replies, strict=True):
                _check(words, reply)
            answers += replies
            self.ops += len(batch)
            self._throttle.spent(sum(map(_cost, replies)), time.monotonic())
        return answers

    def sleep(self, seconds: float, reason: str) -> None:
        """Wait, and stay responsive. Raises StoppedError."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            if self._should_stop():
                raise StoppedError
            self._on_wait(reason)
            time.sleep(min(left_s, _LONGEST_SLEEP_S))

    def now_s(self) -> float:
        """Return the server's time, in seconds since 1970."""
        reply = self._control.call("TIME")
        if not isinstance(reply, tuple):
            return time.time()
        seconds, microseconds = (int(item) for item in reply if isinstance(item, bytes))
        return seconds + microseconds / 1e6

    def _wait(self) -> None:
        while True:
            if self._should_stop():
                raise StoppedError
            decision = self._decide()
            if decision.ends:
                raise LoadError(f"The audit ended at {decision.reason}.")
            if decision.wait_s <= 0:
                self._on_wait("")
                return
            self.throttled_s[_kind(decision.reason)] += decision.wait_s
            self.sleep(decision.wait_s, decision.reason)

    def _decide(self) -> Decision:
        begun_s = time.monotonic()
        self._control.call("PING")
        now_s = time.monotonic()
        if now_s - self._informed_s > _INFO_EVERY_S:
            self._inform()
        decision = self._throttle.decide(
            Measured(
                now_s=now_s,
                ping_ms=1000 * (now_s - begun_s),
                info=self._numbers,
                lag_s=self._lag_s,
                is_paused=self._pause_file is not None and self._pause_file.exists(),
            )
        )
        self.most_added_ms = max(self.most_added_ms, self._throttle.added_ms)
        return decision

    def _inform(self) -> None:
        self._informed_s = time.monotonic()
        fields = fields_of(self._control.call("INFO"))
        self._numbers = {name: float(value) for name, value in fields.items() if _is_number(value)}
        self._lag_s = lag_s(fields)
        if self._lag_s is not None:
            self.most_lag_s = max(self._lag_s, self.most_lag_s or 0.0)
        elif self._has_to_be_replica:
            raise ServerError(
                "The replica has become a primary, on which the audit's user may write. Name another replica, or make "
                "a user who may not write."
            )


def _check(words: Command, reply: Value) -> None:
    """Raise ServerError for an error that concerns the whole audit; one about a single key is an answer."""
    if isinstance(reply, ErrorReply) and reply.code != "WRONGTYPE" and not is_missing(reply):
        raise ServerError(f"The server answered {words[0]!s} with: {reply.message}")


def _cost(reply: Value) -> float:
    """Return how many operations an answer counts as."""
    return 1.0 + (_COSTS_OF_A_MEMBER * len(reply) if isinstance(reply, tuple) else 0.0)


def _kind(reason: str) -> str:
    """Return a reason without its changing numbers."""
    if "PING" in reason:
        return "latency"
    if "behind" in reason:
        return "replica lag"
    return reason


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
