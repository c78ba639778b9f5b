"""The load of simulated days: how many jobs are due by which hour. Pure.

Each hour's jobs are due at once when it begins: little at night, most from the late morning to the afternoon.
"""

from __future__ import annotations

HOUR_S, DAY_S = 3_600.0, 86_400.0
HOURS_A_SEGMENT = 8
"""Three segments a day; in a longer one, the times of a history would not fit into its records."""
SEGMENTS_A_DAY = 24 // HOURS_A_SEGMENT
_JOBS_BY_HOUR = (2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 12, 11, 9, 11, 12, 11, 10, 8, 6, 5, 4, 3, 3, 2)


def jobs_before(hour: int, jobs: int, days: int) -> int:
    """Return how many jobs are due before an hour begins.

    Args:
        hour: counted from the first midnight; 0 is the first hour.
        jobs: of all days together.
    """
    whole_days, hour_of_day = divmod(hour, 24)
    of_a_day = sum(_JOBS_BY_HOUR)
    share = whole_days * of_a_day + sum(_JOBS_BY_HOUR[:hour_of_day])
    return min(jobs, jobs * share // (days * of_a_day))
