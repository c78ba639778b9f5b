"""The drain: what a further worker would get of a queue, one job after the other, until there is nothing left. Pure.

A worker that gets nothing may get a job later, once a key or a time-out has expired. That is waited for as long as a
job is missing which a worker may still have to receive. Knows no server and no subject: functions take and wait.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

MAX_DELIVERIES = 20
_TAKES_PER_WAIT = 4
"""How many takes there may be for each wait: what the periodic work puts back is taken again."""


def drained(
    take: Callable[[int], str | None],
    due: tuple[float, ...],
    awaited: Collection[str],
    wait_until: Callable[[float], object],
    now_s: Callable[[], float],
    *,
    back_after_s: float = math.inf,
    put_back: Callable[[], object] | None = None,
    finish: Callable[[], bool] | None = None,
) -> tuple[tuple[str, ...], float | None]:
    """Return the jobs in the order in which they came, and when the last one did; None if none came.

    Args:
        take: returns the id of the job that a further worker gets, None if it gets none; called with its number.
        due: when what may keep a job back expires, the earliest first.
        awaited: the jobs for which it is worth waiting until then.
        wait_until: waits until a time that is due.
        back_after_s: how long a job stays away that was taken and not completed, as the queue promises.
        put_back: does the queue's periodic work, which may put jobs back; None if it has none.
        finish: completes what was taken since the last time, as a worker would, because a queue may hand out only so
            many jobs at a time; returns whether there was anything. None if the queue's jobs can't be completed.
    """
    last_s = None
    still_due = list(due)
    delivered: list[str] = []
    taken_s: dict[str, float] = {}
    may_put_back, has_put_back = put_back is not None, False
    for number in range(1, 2 * MAX_DELIVERIES + _TAKES_PER_WAIT * len(due) + 1):
        if len(delivered) == MAX_DELIVERIES + len(due):
            break
        job_id = take(number)
        if job_id is not None:
            # What the drain itself has taken may return to it: by the periodic work, or after a time-out of the queue's
            # own, as promised, which may have passed on a busy machine although nothing was waited for.
            at_s = now_s()
            may_return = (
                has_put_back
                or len(still_due) < len(due)
                or at_s - taken_s.get(job_id, at_s) >= back_after_s
            )
            if job_id not in delivered or not may_return:
                delivered.append(job_id)
                last_s = taken_s[job_id] = at_s
        elif not set(awaited) - set(delivered):
            break
        elif finish is not None and finish():
            continue
        elif put_back is not None and may_put_back:
            put_back()
            may_put_back, has_put_back = False, True
        elif still_due:
            wait_until(still_due.pop(0))
            may_put_back = True
        else:
            break
    return tuple(delivered), last_s
