"""Reads a list in chunks while others push and pop, without missing a member that is in it throughout. Pure.

The walk begins at the end where members are put in and counts positions from there, so a pop at the other end moves
nothing that is still to be read, and a push only moves what was read already. Each chunk overlaps the one before; what
was read last has to be found in the overlap, else something was removed there, and the walk begins again:

    list, pushed at the tail     a b c d e f          first chunk: d e f
    g is pushed, e removed       a b c d f g          second chunk b c d overlaps by one: d is known, b c are new

A member that is moved from the unread part to the end where the walk began is missed; its job has changed meanwhile, so
it is read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

OVERLAP = 32
_MOST_RESTARTS = 5


@dataclass(slots=True)
class ListWalk:
    """One walk over one list.

    Args:
        pushed_at: the end where members are put in, ``head`` or ``tail``.
        chunk: members per read.

    Attributes:
        is_done: the whole list was read, or ``is_torn``.
        is_torn: members were removed from the middle again and again, so the walk proves nothing.
        restarts: how often it has begun again; what was read before has to be forgotten then.
    """

    pushed_at: str
    chunk: int = 1000
    is_done: bool = False
    is_torn: bool = False
    restarts: int = 0
    _next: int = 0
    _last: tuple[bytes, ...] = ()

    def next_range(self) -> tuple[int, int]:
        """Return the range to read next, as LRANGE takes it."""
        nearest, furthest = self._next, self._next + self.chunk + len(self._last) - 1
        return (nearest, furthest) if self.pushed_at == "head" else (-furthest - 1, -nearest - 1)

    def take(self, members: Sequence[bytes]) -> tuple[bytes, ...]:
        """Take the answer to the range; return the members that are new, the latest first."""
        # From the end where the walk began: the oldest members are last.
        read = tuple(members) if self.pushed_at == "head" else tuple(reversed(members))
        is_end = len(read) < self.chunk + len(self._last)
        known = _known(self._last, read)
        if known is None and is_end:
            # What was read last is gone, and so may be the place where to go on.
            self.restarts += 1
            self.is_torn = self.is_done = self.restarts > _MOST_RESTARTS
            self._next, self._last = 0, ()
            return ()
        if known is None:
            # Pushes have moved it further from the end: seek it there.
            self._next += self.chunk
            return ()
        new = read[known:]
        self._last = (*self._last, *new)[-OVERLAP:]
        self._next += len(read) - len(self._last)
        self.is_done = is_end
        return new


def _known(last: tuple[bytes, ...], read: tuple[bytes, ...]) -> int | None:
    """Return how many members at the beginning were read before; None if it does not show what was read last."""
    if not last:
        return 0
    for end in range(len(last), len(read) + 1):
        if read[end - len(last) : end] == last:
            return end
    # Members nearer to the end were removed: only the rest of them is left.
    for end in range(min(len(last), len(read)), 0, -1):
        if read[:end] == last[-end:]:
            return end
    return None


class Repeats:
    """Counts members that name no job, up to a number of different ones.

    Args:
        most: how many it keeps; ``left_out`` counts the others.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: set[str] = set()
        self.left_out = 0

    def count(self, member: str) -> int:
        """Return 2 for a member that was seen before, else 1."""
        if member in self._seen:
            return 2
        if len(self._seen) >= self._most:
            self.left_out += 1
        else:
            self._seen.add(member)
        return 1
