"""Whether a history of puts and takes with unique values could be that of a first-in-first-out queue. Pure.

For unique values four patterns are all there is to look for (Henzinger, Sezgin, Vafeiadis, "Aspect-Oriented
Linearizability Proofs", CONCUR 2013): a value nobody put, a value taken twice, two values taken in the wrong order, and
an empty answer while something was there all along. Each is one sweep over sorted ends, so the whole is O(n log n)
in the number of operations. An operation without an answer may have happened or not; where it decides, the answer is
UNKNOWN.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

NEVER = math.inf


class Answer(StrEnum):
    """What a history can be."""

    HOLDS = "holds"
    VIOLATED = "violated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Put:
    """A value put into the queue between two moments; ``end`` is NEVER if no answer came."""

    value: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Take:
    """An attempt to take: the value, or None for an empty queue; if ``end`` is NEVER, nobody knows which."""

    value: str | None
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Checked:
    """The answer, and what shows it as one sentence; empty if it holds."""

    answer: Answer
    why: str = ""


def check_queue(puts: Iterable[Put], takes: Iterable[Take]) -> Checked:
    """Check a history.

    Args:
        puts: each value once.
        takes: in any order.

    Raises:
        ValueError: a value is put twice.
    """
    by_value: dict[str, Put] = {}
    for put in puts:
        if put.value in by_value:
            raise ValueError(f"{put.value!r} is put twice")
        by_value[put.value] = put
    answered = [take for take in takes if take.end != NEVER]
    open_since = min((take.start for take in takes if take.end == NEVER), default=NEVER)
    taken: dict[str, Take] = {}
    for take in answered:
        if take.value is None:
            continue
        if take.value in taken:
            return Checked(Answer.VIOLATED, f"{take.value} was taken twice")
        if take.value not in by_value or take.end < by_value[take.value].start:
            return Checked(Answer.VIOLATED, f"{take.value} was taken before anybody put it")
        taken[take.value] = take
    found = (
        _overtaken(by_value, taken, open_since),
        _empty_while_full(by_value, taken, [t for t in answered if t.value is None], open_since),
    )
    worst = {checked.answer: checked for checked in found}
    return worst.get(Answer.VIOLATED) or worst.get(Answer.UNKNOWN) or Checked(Answer.HOLDS)


def _overtaken(puts: dict[str, Put], taken: dict[str, Take], open_since: float) -> Checked:
    """Look for two values, one put before the other and surely taken after it, or never."""
    ended = sorted((put for put in puts.values() if put.end != NEVER), key=lambda put: put.end)
    later = sorted(taken, key=lambda value: puts[value].start)
    unknown = Checked(Answer.HOLDS)
    last_taken, slowest, never_taken, number = -NEVER, "", "", 0
    for value in later:
        while number < len(ended) and ended[number].end < puts[value].start:
            before = ended[number].value
            if before not in taken:
                never_taken = never_taken or before
            elif taken[before].start > last_taken:
                last_taken, slowest = taken[before].start, before
            number += 1
        if last_taken > taken[value].end:
            return Checked(
                Answer.VIOLATED, f"{value} was taken before {slowest}, which was put before it"
            )
        if never_taken:
            why = f"{value} was taken, and {never_taken}, which was put before it, never was"
            if open_since == NEVER:
                return Checked(Answer.VIOLATED, why)
            unknown = Checked(Answer.UNKNOWN, f"{why}, unless by a call that was not answered")
    return unknown


def _empty_while_full(
    puts: dict[str, Put], taken: dict[str, Take], empties: Sequence[Take], open_since: float
) -> Checked:
    """Look for an empty answer at whose every moment something was surely in the queue."""
    sure: list[tuple[float, float]] = []
    maybe: list[tuple[float, float]] = []
    for put in puts.values():
        take = taken.get(put.value)
        stays = (put.end, take.start if take else NEVER)
        if stays[0] < stays[1]:
            (sure if take or open_since == NEVER else maybe).append(stays)
    if _first_covered(empties, sure):
        return Checked(Answer.VIOLATED, "the queue was told empty while something was in it")
    if maybe and _first_covered(empties, [*sure, *maybe]):
        return Checked(
            Answer.UNKNOWN,
            "the queue was told empty, and something was in it unless a call that was not answered took it",
        )
    return Checked(Answer.HOLDS)


def _first_covered(
    empties: Sequence[Take], stays: Sequence[tuple[float, float]]
) -> tuple[float, float] | None:
    """Return the first of the empty answers that lies within the union of the stays."""
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
