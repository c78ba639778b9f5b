"""Waiting for what no event announces: that a process has ended, a directory has gone."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil


def wait_until(satisfied: Callable[[], bool], within_s: float = 30.0) -> None:
    """Wait until it is so. Raises AssertionError."""
    deadline_s = time.monotonic() + within_s
    while not satisfied():
        assert time.monotonic() < deadline_s, "it never came to be"
        time.sleep(0.005)


def is_running(pid: int) -> bool:
    """Whether there is such a process. One that has ended is not running, even if no parent has waited for it."""
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
