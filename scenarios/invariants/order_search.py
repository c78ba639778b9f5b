"""Searches for an order of concurrent calls that a sequential object explains: linearizability. Pure.

The search follows Wing and Gong ("Testing and Verifying Concurrent Objects", 1993), with Lowe's memoization of
configurations ("Testing for linearizability", 2017). Its cost grows with the number of concurrent calls and hardly with
the total number. What the object is, is given by a function: it returns the states that are possible after a call, and
none if the call can't come next. Knows no queue.

Blind to: histories with so many concurrent calls that the bound on configurations is reached; these are UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from midpipe.scenarios.invariants.linearizability import Answer

MOST_CONFIGURATIONS = 200_000


class Timed(Protocol):
    """A call between two moments; ``end`` is NEVER if it may still be pending."""

    @property
    def start(self) -> float:
        """When it began."""

    @property
    def end(self) -> float:
        """When it ended."""


Call = TypeVar("Call", bound=Timed)
State = TypeVar("State", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Searched(Generic[Call]):
    """The result; ``stuck_at`` is the call that no order reached, if there is no order."""

    answer: Answer
    stuck_at: Call | None = None


def search_order(
    calls: Sequence[Call],
    initial: State,
    after: Callable[[Call, State], Sequence[State]],
    most: int = MOST_CONFIGURATIONS,
) -> Searched[Call]:
    """Look for an order of the calls in which each takes effect between its two moments.

    Args:
        calls: in any order.
        initial: the state before the first call.
        after: the states that are possible after a call in a state.
        most: number of configurations that are tried before the answer is UNKNOWN.
    """
    ordered = sorted(calls, key=lambda call: (call.start, call.end))
    # The length of the prefix of calls that are placed, a bit mask of placed calls after it, and the state.
    waiting: list[tuple[int, int, State]] = [(0, 0, initial)]
    known = set(waiting)
    furthest = 0
    while waiting:
        first, later, state = waiting.pop()
        furthest = max(furthest, first)
        if first == len(ordered):
            return Searched(Answer.HOLDS)
        if len(known) > most:
            return Searched(Answer.UNKNOWN)
        for number in _next_calls(ordered, first, later):
            placed = _advanced(first, later | 1 << number)
            for following in after(ordered[first + number], state):
                configuration = (*placed, following)
                if configuration not in known:
                    known.add(configuration)
                    waiting.append(configuration)
    return Searched(Answer.VIOLATED, ordered[furthest])


def _next_calls(ordered: Sequence[Timed], first: int, later: int) -> list[int]:
    """Return the calls that may come next, as numbers after the first: they began before any other one ended."""
    first_end = min(
        call.end
        for number, call in enumerate(ordered[first : first + later.bit_length() + 1])
        if not later >> number & 1
    )
    found, number = [], 0
    while first + number < len(ordered) and ordered[first + number].start <= first_end:
        if not later >> number & 1:
            first_end = min(first_end, ordered[first + number].end)
            found.append(number)
        number += 1
    return found


def _advanced(first: int, later: int) -> tuple[int, int]:
    while later & 1:
        first, later = first + 1, later >> 1
    return first, later
