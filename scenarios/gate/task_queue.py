"""The order in which the tasks of a part are run: pass after pass, round after round. Plain counting, no clock.

A task that was stopped is continued in a later pass, after all others, so that every program gets its turn. A task that
has come to the end of a round waits until all others have.
"""

from __future__ import annotations

from collections import deque


class TaskQueue:
    """The tasks of a part, by number.

    Args:
        size: number of tasks.
        least_slice_s: the shortest time for which it is worth starting one of them, in seconds.
        least_share: the same as a share of the time that all of them have left.

    Attributes:
        round: the round that is run now.
    """

    def __init__(self, size: int, least_slice_s: float = 0.0, least_share: float = 0.0) -> None:
        self.least_slice_s = least_slice_s
        self.least_share = least_share
        self.round = 0
        self._pass = deque(range(size))
        self._not_started = set(range(size))
        self._running: set[int] = set()
        self._put_back: dict[int, int] = {}

    @property
    def left_in_pass(self) -> int:
        """Number of tasks that have not been handed out in this pass."""
        return len(self._pass)

    @property
    def not_started(self) -> frozenset[int]:
        """The tasks that were never handed out."""
        return frozenset(self._not_started)

    @property
    def unfinished(self) -> frozenset[int]:
        """The tasks that were handed out and have not come to their end."""
        waiting = set(self._pass) - self._not_started
        return frozenset(waiting | self._running | self._put_back.keys())

    @property
    def has_more(self) -> bool:
        """Whether a task can be handed out."""
        return bool(self._pass or self._put_back)

    def next(self) -> int | None:
        """Hand out a task; None if none is waiting."""
        if not self._pass:
            self._begin_pass()
        if not self._pass:
            return None
        number = self._pass.popleft()
        self._not_started.discard(number)
        self._running.add(number)
        return number

    def put_back(self, number: int, next_round: int = 0) -> None:
        """Take a task back that is to be continued.

        Args:
            next_round: the round of its next case.
        """
        self._running.discard(number)
        self._put_back[number] = next_round

    def ended(self, number: int) -> None:
        """Note that a task has come to its end, unless it was put back."""
        self._running.discard(number)

    def _begin_pass(self) -> None:
        if not self._put_back:
            return
        self.round = max(self.round, min(self._put_back.values()))
        ready = sorted(number for number, due in self._put_back.items() if due <= self.round)
        for number in ready:
            del self._put_back[number]
        self._pass.extend(ready)


def cut_off_phrase(total: str, unfinished: int, not_started: int) -> str:
    """Return how much of a part was not run: ``24 programs: 12 unfinished, 3 not started``; empty if nothing.

    Args:
        total: ``24 programs``, say.
    """
    counts = ((unfinished, "unfinished"), (not_started, "not started"))
    phrases = [f"{number} {how}" for number, how in counts if number]
    return f"{total}: {', '.join(phrases)}" if phrases else ""
