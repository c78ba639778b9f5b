"""The machine's processes, listed by psutil because a small image has no ps."""

from __future__ import annotations

from contextlib import suppress

import psutil


def running_with(text: str) -> list[str]:
    """Return the command lines of running processes that hold a text."""
    commands = [" ".join(found.info["cmdline"] or ()) for found in psutil.process_iter(["cmdline"])]
    # One that has ended and was not waited for has no command line any more.
    return [command for command in commands if text in command]


def started_by(pid: int) -> dict[int, str]:
    """Return the running processes that a process has started, by pid, with their command lines."""
    return _commands(psutil.Process(pid).children())


def descended_from(pid: int) -> dict[int, str]:
    """Return the running processes that a process and its descendants have started, likewise; none if it has ended."""
    with suppress(psutil.NoSuchProcess):
        return _commands(psutil.Process(pid).children(recursive=True))
    return {}


def _commands(processes: list[psutil.Process]) -> dict[int, str]:
    commands = {}
    for process in processes:
        # One that has ended is not running, whether its parent has waited for it or not.
        with suppress(psutil.NoSuchProcess):
            commands[process.pid] = " ".join(process.cmdline())
    return commands
