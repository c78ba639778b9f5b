"""Waiting for what no event tells: that a process has ended, a directory has gone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable


def wait_until(satisfied: Callable[[], bool], within_s: float = 10.0) -> None:
    """Wait until it is so. Raises AssertionError."""
    deadline_s = time.monotonic() + within_s
    while not satisfied():
        assert time.monotonic() < deadline_s, "it never came to be"
        time.sleep(0.005)


def is_running(pid: int) -> bool:
    """Whether there is such a process; one that has ended and was not waited for counts."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
