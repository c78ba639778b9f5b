"""Checks whether a history of puts and takes with unique values is linearizable as a FIFO or priority queue. Pure.

For unique values a history is linearizable unless it shows one of four patterns (Henzinger, Sezgin, Vafeiadis,
"Aspect-Oriented Linearizability Proofs", CONCUR 2013): a value taken but never put, a value taken twice, two values
taken in the wrong order, and an empty answer while the queue surely held a value. Each pattern takes one pass over
sorted interval ends, so the check is O(n log n) in the number of operations. A pending operation may or may not have
taken effect; if the result depends on that, it is UNKNOWN.

Each put may have a rank. A value of a higher rank that was surely in the queue when a take began comes before what
that take returned, whichever was put first.

Blind to: histories in which a value is put more than once; of ranks, an order that only three values or more rule out.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

NEVER = math.inf


class Answer(StrEnum):
    """The result of a check."""

    HOLDS = "holds"
    VIOLATED = "violated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Put:
    """A value put into the queue between two moments; ``end`` is NEVER if the call is pending."""

    value: str
    start: float
    end: float
    rank: float = 0


@dataclass(frozen=True, slots=True)
class Take:
    """An attempt to take: the value, or None for an empty queue; unknown if the call is pending (``end`` is NEVER)."""

    value: str | None
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Checked:
    """The result, and the reason as one clause; empty if the history holds."""

    answer: Answer
    why: str = ""


def check_queue(puts: Iterable[Put], takes: Iterable[Take], *, is_fifo: bool = True) -> Checked:
    """Check a history for the four patterns.

    Args:
        puts: with a different value each.
        takes: in any order.
        is_fifo: values of the same rank are to come in the order in which they were put.

    Raises:
        ValueError: a value is put twice.
    """
    by_value: dict[str, Put] = {}
    for put in puts:
        if put.value in by_value:
            raise ValueError(f"{put.value!r} is put twice")
        by_value[put.value] = put
    takes = tuple(takes)
    open_since = min((take.start for take in takes if take.end == NEVER), default=NEVER)
    taken: dict[str, Take] = {}
    for take in takes:
        if take.value is None:
            continue
        if take.value in taken:
            return Checked(Answer.VIOLATED, f"{take.value} was taken twice")
        if take.value not in by_value or take.end < by_value[take.value].start:
            return Checked(Answer.VIOLATED, f"{take.value} was taken before it was put")
        taken[take.value] = take
    found = [_empty_while_full(by_value, taken, [t for t in takes if t.value is None], open_since)]
    for rank in {put.rank for put in by_value.values()}:
        of_rank = [put for put in by_value.values() if put.rank == rank]
        higher = [put for put in by_value.values() if put.rank > rank]
        if is_fifo:
            since = {put.value: put.start for put in of_rank if put.value in taken}
            found.append(_overtaken(of_rank, since, taken, open_since, "was put before it"))
        since = {put.value: taken[put.value].start for put in of_rank if put.value in taken}
        found.append(
            _overtaken(higher, since, taken, open_since, "has a higher priority and was waiting")
        )
    worst = {checked.answer: checked for checked in found}
    return worst.get(Answer.VIOLATED) or worst.get(Answer.UNKNOWN) or Checked(Answer.HOLDS)


def _overtaken(
    earlier: Iterable[Put],
    since: Mapping[str, float],
    taken: Mapping[str, Take],
    open_since: float,
    reason: str,
) -> Checked:
    """Look for a value that comes before another one, and was taken after it or never.

    Args:
        earlier: the values that come first, if their put had ended by then.
        since: of each taken value that they come before, the moment by which.
        reason: why they come first, as the end of a clause.
    """
    ended = sorted(earlier, key=lambda put: put.end)
    unknown = Checked(Answer.HOLDS)
    last_taken, slowest, never_taken, number = -NEVER, "", "", 0
    for value in sorted(since, key=lambda value: since[value]):
        # A call that ends in the moment in which it began has an end before its start.
        while number < len(ended) and ended[number].end < since[value]:
            before = ended[number].value
            if before not in taken:
                never_taken = before
            elif taken[before].start > last_taken:
                last_taken, slowest = taken[before].start, before
            number += 1
        if last_taken > taken[value].end:
            return Checked(Answer.VIOLATED, f"{value} was taken before {slowest}, which {reason}")
        if never_taken:
            why = f"{value} was taken, but {never_taken}, which {reason}, never was"
            if open_since == NEVER:
                return Checked(Answer.VIOLATED, why)
            unknown = Checked(Answer.UNKNOWN, f"{why}, unless a pending call took it")
    return unknown


def _empty_while_full(
    puts: dict[str, Put], taken: dict[str, Take], empties: Sequence[Take], open_since: float
) -> Checked:
    """Look for an empty answer during all of which the queue surely held a value."""
    sure: list[tuple[float, float]] = []
    maybe: list[tuple[float, float]] = []
    for put in puts.values():
        take = taken.get(put.value)
        stays = (put.end, take.start if take else NEVER)
        (sure if take or open_since == NEVER else maybe).append(stays)
    if _first_covered(empties, sure):
        return Checked(Answer.VIOLATED, "a claim found the queue empty while it held a job")
    if _first_covered(empties, [*sure, *maybe]):
        return Checked(
            Answer.UNKNOWN,
            "a claim found the queue empty while it held a job, unless a pending call took that job",
        )
    return Checked(Answer.HOLDS)


def _first_covered(
    empties: Sequence[Take], stays: Sequence[tuple[float, float]]
) -> tuple[float, float] | None:
    """Return the first interval of the merged stays that covers an empty answer.

    A stay that ends before it begins covers nothing, and nothing covers an answer that never came.
    """
    merged: list[tuple[float, float]] = []
    for start, end in sorted(stays):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    starts = [start for start, _ in merged]
    for empty in empties:
        number = bisect_right(starts, empty.start) - 1
        if number >= 0 and merged[number][1] > empty.end:
            return merged[number]
    return None
