"""Child processes of tests: their signals have the default effect, and none is left when the test ends.

A shell that runs a command in the background, and ``nohup``, start it with signals ignored, and a program inherits
that. Without this module a test that interrupts its child would pass or fail by how pytest was started.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

INHERITED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


@contextmanager
def default_signals() -> Iterator[None]:
    """Let what is started here begin with default handlers and no blocked signals. Main thread only.

    A signal that this process handles is reset to its default in a program that it starts, while one that it ignores
    stays ignored there. So a signal that is ignored gets a handler for a moment.
    """
    ignored = [number for number in INHERITED if signal.getsignal(number) is signal.SIG_IGN]
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, INHERITED)
    try:
        for number in ignored:
            signal.signal(number, lambda _number, _frame: None)
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def start(words: Sequence[str], **options: Any) -> subprocess.Popen[str]:
    """Start a program with default signals, its pipes in text mode. The caller has to ``reap`` it.

    Args:
        words: the program and its arguments.
        options: as ``subprocess.Popen`` takes them.
    """
    with default_signals():
        return subprocess.Popen(words, text=True, **options)


def reap(process: subprocess.Popen[str]) -> None:
    """Kill a child if it is still there, wait for it, and close its pipes. It may have been reaped before."""
    process.kill()
    with process:
        pass


@contextmanager
def running(words: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a program with default signals; yields it, and reaps it however the test ends."""
    process = start(words, **options)
    try:
        yield process
    finally:
        reap(process)
