"""A process together with everything that it has started: frozen, resumed and killed as one.

A subject may start processes of its own, and these may leave its process group by a double fork and ``setsid``. They
stay its descendants all the same, because a host process is a child subreaper: on Linux an orphan below it becomes its
own child instead of init's. So ``/proc`` lists them. Most kernels list the children of a process, which takes no longer
if many processes run on the machine; elsewhere all processes are read.

Blind to: what a service manager or a container engine starts for the subject; what has left the process group of a
subject that ended by itself; and, where there is no ``/proc``, whatever has left the process group.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress

from midpipe.faultinject.clock.sleeping import are_asleep, has_ended
from midpipe.faultinject.clock.sleeping import descendants as tree_of

_PR_SET_CHILD_SUBREAPER = 36
_MOST_WAITS = 12
_LISTS_CHILDREN = os.path.exists(f"/proc/self/task/{os.getpid()}/children")
_PRCTL = getattr(ctypes.CDLL(None), "prctl", None)


def become_subreaper() -> None:
    """Make orphans among this process's descendants its own children; does nothing where that is unknown."""
    if _PRCTL is not None:
        _PRCTL(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(pid: int) -> tuple[int, ...]:
    """Return the running processes below a process, parents first."""
    if _LISTS_CHILDREN:
        return tuple(member for member in tree_of((pid,))[1:] if not has_ended(member))
    children: dict[int, list[int]] = {}
    for child, parent in _running():
        children.setdefault(parent, []).append(child)
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return tuple(found[1:])


def freeze(pid: int) -> tuple[int, ...]:
    """Stop a process and its descendants, those too that it starts meanwhile; return all of them, itself first."""
    frozen: dict[int, None] = {}
    while new := [member for member in (pid, *descendants(pid)) if member not in frozen]:
        _send(new, signal.SIGSTOP)
        frozen |= dict.fromkeys(new)
    return tuple(frozen)


def resume(frozen: Iterable[int]) -> None:
    """Let processes continue that were frozen."""
    _send(frozen, signal.SIGCONT)


def kill(pid: int) -> int:
    """Kill a process, its descendants and the rest of its group; return the number of its descendants."""
    # Only of a process that is stopped does the kernel list the children reliably.
    others = freeze(pid)[1:]
    # The process itself comes last: if midpipe is killed meanwhile, its reaper finds the others below it.
    _send((*others, pid), signal.SIGKILL)
    kill_group(pid)
    return len(others)


def kill_group(pid: int) -> None:
    """Kill what is left of the process group that a process leads or has led."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _running() -> Iterable[tuple[int, int]]:
    """Yield each running process with its parent."""
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb", buffering=0) as file:
                    stat = file.read()
            except OSError:
                stat = b""
            if b")" not in stat:
                # It has ended meanwhile.
                continue
            # Behind the name, which may hold anything: state, parent, …
            state, parent = stat[stat.rindex(b")") + 2 :].split(None, 2)[:2]
            if state not in (b"Z", b"X"):
                yield int(entry), int(parent)


def _send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def is_over_while_computing(pid: int, is_over: Callable[[], bool]) -> bool:
    """Wait for something that a process does, and continue to wait while the process computes.

    A process that computes is slowed down by the machine; it does not hang. Where the system does not report whether a
    process computes, this waits once.

    Args:
        is_over: waits for a while; returns whether the process has done it.

    Returns:
        Whether the process has done it.
    """
    for _ in range(_MOST_WAITS):
        if is_over():
            return True
        if are_asleep((pid, *descendants(pid))):
            return False
    return False
