"""Ask the kernel whether processes do anything at all: read the state of each of their threads in ``/proc``."""

from __future__ import annotations

import os
from collections.abc import Iterable

_NOT_RUNNING = "STtZXI"
"""Sleeps, is stopped, has ended; everything else runs, could run, or waits for a disk."""


def descendants(pids: Iterable[int]) -> tuple[int, ...]:
    """Return the processes and all that these have started and that still run, each once."""
    found = dict.fromkeys(pids)
    for pid in (todo := list(found)):
        for child in _children_of(pid):
            if child not in found:
                found[child] = None
                todo.append(child)
    return tuple(found)


def are_asleep(pids: Iterable[int]) -> bool:
    """Whether no thread of these processes runs, could run, or waits for a disk. A process that has ended sleeps."""
    return all(_state(pid, thread) in _NOT_RUNNING for pid in pids for thread in _threads_of(pid))


def seem_asleep(pids: Iterable[int]) -> bool:
    """Whether the main thread of each process sleeps: cheaper than ``are_asleep``, and true whenever that is."""
    return all(_state(pid, str(pid)) in _NOT_RUNNING for pid in pids)


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or only waits for its parent to notice that it has ended."""
    return _state(pid, str(pid)) in "ZX"


def _threads_of(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def _children_of(pid: int) -> list[int]:
    children: list[int] = []
    for thread in _threads_of(pid):
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:
                children += map(int, file.read().split())
        except OSError:
            continue
    return children


def _state(pid: int, thread: str) -> str:
    # A file object takes longer than the three calls, and this is called several times for each call of a subject.
    try:
        file = os.open(f"/proc/{pid}/task/{thread}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return "X"
    try:
        text = os.read(file, 512)
    except OSError:
        return "X"
    finally:
        os.close(file)
    # The name before it may hold any character.
    return chr(text[text.rindex(b")") + 2])
