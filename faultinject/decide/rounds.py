"""Which cases come first, so that a time budget cuts off those that find least. Pure.

Cases with fewer faults come before those with more. Cases with equally many faults come in rounds, by ``Priority``:
what finds the most bugs first, what has to wait last. In each round, commands that run unanswered come first.
"""

from __future__ import annotations

from midpipe.faultinject.decide.schedule import Schedule
from midpipe.faultinject.faults import Priority, loses_answer, priority_of


def round_of(schedule: Schedule) -> int:
    """Return the round of a case: by the number of its faults, then by the slowest of them."""
    faults = [fault for _, fault in schedule.placed]
    slowest = max(map(priority_of, faults), default=Priority.FINDS_MOST)
    return max(0, len(faults) - 1) * len(Priority) + slowest


def place_in_round(schedule: Schedule) -> tuple[int, bool]:
    """Return by what cases are sorted: their round, and in it whether each command with a fault runs unanswered."""
    return round_of(schedule), not all(loses_answer(fault) for _, fault in schedule.placed)
