"""The machine's processes, as psutil tells them: a small image has no ps."""

from __future__ import annotations

import psutil


def running_with(text: str) -> list[str]:
    """Return the command lines of running processes that hold a text."""
    commands = [" ".join(found.info["cmdline"] or ()) for found in psutil.process_iter(["cmdline"])]
    # One that has ended and was not waited for has no command line any more.
    return [command for command in commands if text in command]


def started_by(pid: int) -> dict[int, str]:
    """Return the processes that a process has started, by pid, with their command lines."""
    return {found.pid: " ".join(found.cmdline()) for found in psutil.Process(pid).children()}
