"""Checks whether the history of a job's status is linearizable as a register in which statuses go forward. Pure.

The register holds one status. Setting a further status takes effect; setting any other takes effect or is ignored, as
the queue chooses. A call that raised may or may not have taken effect, and may still be pending. Beyond a bound on the
number of orders the answer is UNKNOWN.

Blind to: everything about a job but its status.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from midpipe.scenarios.invariants.linearizability import Checked
from midpipe.scenarios.invariants.order_search import MOST_CONFIGURATIONS, search_order

RANKS = {"pending": 0, "running": 1, "completed": 2, "failed": 2}


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


def check_status(
    events: Sequence[Event], initial: str = "pending", most: int = MOST_CONFIGURATIONS
) -> Checked:
    """Check the history of one job's status.

    Args:
        events: in any order.
        initial: the status before the first call.
        most: number of configurations that are tried before the answer is UNKNOWN.
    """
    found = search_order(events, initial, _after, most)
    if found.stuck_at is None:
        return Checked(found.answer)
    # A status can always be set next, so the call that no order reaches is a read.
    return Checked(
        found.answer, f"no order of the calls explains a read of {found.stuck_at.status}"
    )


def _after(event: Event, status: str) -> tuple[str, ...]:
    """Return the statuses that are possible after a call; none if the call can't come next."""
    if isinstance(event, Seen):
        return (status,) if event.status == status else ()
    forward = RANKS.get(event.status, 0) > RANKS.get(status, 0)
    if event.surely and forward:
        return (event.status,)
    return tuple(dict.fromkeys((event.status, status)))
