"""Checks whether the history of a job's status is linearizable as a register in which statuses go forward. Pure.

The register holds one status. Setting a further status takes effect; setting any other takes effect or is ignored, as
the queue chooses. A call that raised may or may not have taken effect, and may still be pending.

The search for an order of the calls follows Wing and Gong ("Testing and Verifying Concurrent Objects", 1993), with
Lowe's memoization of configurations ("Testing for linearizability", 2017). Its cost grows with the number of concurrent
calls and hardly with the total number; beyond a bound the answer is UNKNOWN.

Blind to: everything about a job but its status.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from midpipe.scenarios.invariants.linearizability import Answer, Checked

RANKS = {"pending": 0, "running": 1, "completed": 2, "failed": 2}
MOST_CONFIGURATIONS = 200_000


@dataclass(frozen=True, slots=True)
class Set:
    """A status set between two moments; unless ``surely``, the call may have had no effect."""

    status: str
    start: float
    end: float
    surely: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """A status read between two moments."""

    status: str
    start: float
    end: float


Event = Set | Seen
# The length of the prefix of calls that are placed, a bit mask of placed calls after it, and the status.
_Configuration = tuple[int, int, str]


def check_status(
    events: Sequence[Event], initial: str = "pending", most: int = MOST_CONFIGURATIONS
) -> Checked:
    """Check the history of one job's status.

    Args:
        events: in any order.
        initial: the status before the first call.
        most: number of configurations that are tried before the answer is UNKNOWN.
    """
    ordered = sorted(events, key=lambda event: (event.start, event.end))
    waiting: list[_Configuration] = [(0, 0, initial)]
    known = set(waiting)
    furthest = 0
    while waiting:
        first, later, status = waiting.pop()
        furthest = max(furthest, first)
        if first == len(ordered):
            return Checked(Answer.HOLDS)
        if len(known) > most:
            return Checked(Answer.UNKNOWN, f"more than {most} orders of the calls are possible")
        for following in _following(ordered, first, later, status):
            if following not in known:
                known.add(following)
                waiting.append(following)
    return Checked(Answer.VIOLATED, _reason(ordered[furthest]))


def _following(
    ordered: Sequence[Event], first: int, later: int, status: str
) -> list[_Configuration]:
    """Return the configurations after one more call."""
    found = []
    # A call that begins after another one's end comes after it.
    first_end = min(
        event.end
        for number, event in enumerate(ordered[first : first + later.bit_length() + 1])
        if not later >> number & 1
    )
    number = 0
    while first + number < len(ordered) and ordered[first + number].start <= first_end:
        event = ordered[first + number]
        if not later >> number & 1:
            first_end = min(first_end, event.end)
            done = _advanced(first, later | 1 << number)
            found += [(*done, after) for after in _after(event, status)]
        number += 1
    return found


def _after(event: Event, status: str) -> tuple[str, ...]:
    """Return the statuses that are possible after a call; none if the call can't come next."""
    if isinstance(event, Seen):
        return (status,) if event.status == status else ()
    forward = RANKS.get(event.status, 0) > RANKS.get(status, 0)
    if event.surely and forward:
        return (event.status,)
    return tuple(dict.fromkeys((event.status, status)))


def _advanced(first: int, later: int) -> tuple[int, int]:
    while later & 1:
        first, later = first + 1, later >> 1
    return first, later


def _reason(event: Event) -> str:
    if isinstance(event, Seen):
        return f"no order of the calls explains a read of {event.status}"
    return f"no order of the calls explains the reads around the change to {event.status}"
