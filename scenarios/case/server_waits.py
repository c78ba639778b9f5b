"""When the server ends the waits that midpipe's own clients have asked for: BLPOP and its kin in recovery.

The clients of a program are parked at each command, and the case knows what they wait for. The bytes of midpipe's own
clients pass unread, so a blocking command is found in what the server has not answered, once everything is still.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from midpipe.faultinject.wire.blocking import TICK_S, blocks_for_s
from midpipe.faultinject.wire.readers import CommandReader
from midpipe.faultinject.wire.resp import Command, ProtocolError

_ANSWERS_WITHIN_S = 1.0
"""A server that has not answered so long after the end of a wait will not do so for the time that passes."""


class ServerWaits:
    """The blocking commands that the server has not answered.

    Args:
        unanswered: returns what clients have sent since the server's last byte, by connection and number.
        now_s: the clock of the server's process, in seconds.
    """

    def __init__(
        self,
        unanswered: Callable[[], Mapping[tuple[int, int], bytes]],
        now_s: Callable[[], float],
    ) -> None:
        self._unanswered = unanswered
        self._now_s = now_s
        self._ends_s: dict[tuple[int, int], float] = {}

    def next_end_s(self) -> float:
        """Return when the server ends the next wait by itself, on its clock; infinite if none ends.

        To be asked before time passes, as a wait begins when its command is seen here for the first time.
        """
        now_s, unanswered = self._now_s(), self._unanswered()
        self._ends_s = {
            key: self._ends_s.get(key, now_s + _waits_for_s(data))
            for key, data in unanswered.items()
        }
        return min(
            (end_s for end_s in self._ends_s.values() if end_s > now_s - _ANSWERS_WITHIN_S),
            default=math.inf,
        )


def _waits_for_s(data: bytes) -> float:
    """Return how long the first blocking command in these bytes waits, in seconds; infinite if none ends."""
    times = (blocks_for_s(command.args) for command in _commands(data))
    return next(filter(math.isfinite, times), math.inf) + TICK_S


def _commands(data: bytes) -> Iterator[Command]:
    reader = CommandReader()
    reader.feed(data)
    try:
        while (command := reader.next_command()) is not None:
            yield command
    except ProtocolError:
        return
