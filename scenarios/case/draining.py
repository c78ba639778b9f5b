"""The drain: what a further worker would get of a queue, one job after the other, until there is nothing left. Pure.

A worker that gets nothing may get a job later, once a key or a time-out has expired. That is waited for as long as a
job is missing which a worker may still have to receive. Knows no server and no subject: functions take and wait.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

MAX_DELIVERIES = 20


def drained(
    take: Callable[[int], str | None],
    due: tuple[float, ...],
    awaited: Collection[str],
    wait_until: Callable[[float], object],
    now_s: Callable[[], float],
    back_after_s: float = math.inf,
) -> tuple[tuple[str, ...], float | None]:
    """Return the jobs in the order in which they came, and when the last one did; None if none came.

    Args:
        take: returns the id of the job that a further worker gets, None if it gets none; called with its number.
        due: when what may keep a job back expires, the earliest first.
        awaited: the jobs for which it is worth waiting until then.
        wait_until: waits until a time that is due.
        back_after_s: how long a job stays away that was taken and not completed, as the queue promises.
    """
    last_s = None
    still_due = list(due)
    delivered: list[str] = []
    taken_s: dict[str, float] = {}
    for number in range(1, MAX_DELIVERIES + len(due) + 1):
        job_id = take(number)
        if job_id is not None:
            # What the drain itself has taken may return to it after a time-out of the queue's own, as promised. On a
            # busy machine that may have passed although nothing was waited for.
            at_s = now_s()
            has_waited = (
                len(still_due) < len(due) or at_s - taken_s.get(job_id, at_s) >= back_after_s
            )
            if job_id not in delivered or not has_waited:
                delivered.append(job_id)
                last_s = taken_s[job_id] = at_s
        elif still_due and set(awaited) - set(delivered):
            wait_until(still_due.pop(0))
        else:
            break
    return tuple(delivered), last_s
