"""Whether a history of a job's status could be that of a register in which statuses go forward. Pure.

The register holds one status. Setting one that is further on is done; setting another is done or ignored, which is the
queue's choice. A call that raised may have happened or not, until its end, which may be open.

Whether the calls have an order, each within its time, is searched for as by Wing and Gong ("Testing and Verifying
Concurrent Objects", 1993), with Lowe's memory of what was tried before ("Testing for linearizability", 2017). What it
costs grows with the number of calls at once, and hardly with that of calls; beyond a bound the answer is UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from midpipe.scenarios.invariants.linearizability import Answer, Checked

RANKS = {"pending": 0, "running": 1, "completed": 2, "failed": 2}
MOST_CONFIGURATIONS = 200_000


@dataclass(frozen=True, slots=True)
class Set:
    """A status set between two moments; if not ``surely``, it may not have happened."""

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
# How many calls from the start are in order, which of those after them are, and the status.
_Configuration = tuple[int, int, str]


def check_status(
    events: Sequence[Event], initial: str = "pending", most: int = MOST_CONFIGURATIONS
) -> Checked:
    """Check the history of one job.

    Args:
        initial: the status before the first call.
        most: how many configurations are tried before the answer is UNKNOWN.
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
            return Checked(Answer.UNKNOWN, f"more than {most} orders would have to be tried")
        for following in _following(ordered, first, later, status):
            if following not in known:
                known.add(following)
                waiting.append(following)
    return Checked(Answer.VIOLATED, _told(ordered[furthest]))


def _following(
    ordered: Sequence[Event], first: int, later: int, status: str
) -> list[_Configuration]:
    """Return the configurations that one more call leads to."""
    found = []
    # Whatever begins after another call's end comes after that call.
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
    """Return what the status may be after a call; nothing if the call can't come now."""
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


def _told(event: Event) -> str:
    if isinstance(event, Seen):
        return f"no order of the calls explains that {event.status} was read"
    return f"no order of the calls explains what was read around the change to {event.status}"
