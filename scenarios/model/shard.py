"""A shard: one of several parts of a run, each for a machine of its own.

Every order of a program belongs to one shard, and programs are dealt out in turn. The cases of a sweep are divided by a
hash of their text, and random orders by their number, among a few shards; not among all, because each first runs every
program that it has cases of without faults. So every machine knows its own without asking the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from midpipe.faultinject.errors import UsageError

MOST_SHARDS = 10_000
_TICKETS = 3
"""So many parts of programs a shard has: more would even out their sizes, and cost runs without faults."""
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard of a run.

    Args:
        number: from 1.
        count: number of shards; 1 is the whole run.
    """

    number: int = 1
    count: int = 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def is_whole(self) -> bool:
        return self.count == 1

    @property
    def is_first(self) -> bool:
        """Whether it has what is run once, whatever the number of shards."""
        return self.number == 1

    def dealt(self, items: Sequence[_Item]) -> tuple[_Item, ...]:
        """Return this shard's part of what is dealt out in turn, in an order that every machine knows."""
        return tuple(items[self.number - 1 :: self.count])

    def shares(self, workers: int) -> tuple[tuple[int, int], ...]:
        """Return a share of the whole run for each of a number of workers, as (index, count); together the shard."""
        return tuple(
            (self.number - 1 + self.count * worker, self.count * workers)
            for worker in range(workers)
        )

    def divided(
        self, weights: Mapping[str, int], workers: int
    ) -> tuple[tuple[str, tuple[int, int]], ...]:
        """Return this shard's shares of programs: a program, and which part of its cases, as (index, count).

        Args:
            weights: of each program, about how many cases it has compared with the others.
            workers: each share is divided by so many.
        """
        tickets = _TICKETS * self.count / max(1, sum(weights.values()))
        shares: list[tuple[str, tuple[int, int]]] = []
        dealt = 0
        for program, weight in sorted(weights.items(), key=lambda item: (-item[1], item[0])):
            count = min(self.count, max(1, round(tickets * weight)))
            index = (self.number - 1 - dealt) % self.count
            dealt += count
            if index < count:
                own = Shard(index + 1, count)
                shares += [(program, share) for share in own.shares(workers)]
        return tuple(shares)


def parse_shard(text: str) -> Shard:
    """Read ``2/3``, the second of three shards. Raises UsageError."""
    found = re.fullmatch(r"([0-9]{1,5})/([0-9]{1,5})", text)
    number, count = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= count <= MOST_SHARDS:
        raise UsageError(
            f"{text!r} is not a shard; write I/N, as 2/3 for the second of three, with at most {MOST_SHARDS} shards."
        )
    return Shard(number, count)
