"""A run's directory and its processes, on a leash: whatever ends midpipe ends them too.

A small shell waits for the end of its standard input, which comes when midpipe closes it or dies, by SIGKILL
too. Then it kills every process that is still guarded, runs the commands it was given for the end (those that remove
what an engine keeps elsewhere, say), and removes the directory. No atexit hook does that:
they don't run in a killed process, nor in a worker that leaves by ``os._exit``.
"""

from __future__ import annotations

import itertools
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from midpipe.faultinject.servers.ports import free_ports

_REAPER = """
PATH="${PATH:+$PATH:}/usr/bin:/bin"
trap "" INT HUP TERM
pids=""
while read -r line; do
    case "$line" in
    +*) pids="$pids ${line#+}" ;;
    -*)
        left=""
        for pid in $pids; do [ "$pid" = "${line#-}" ] || left="$left $pid"; done
        pids="$left"
        ;;
    esac
done
[ -n "$pids" ] && kill -9 $pids 2>/dev/null
for command in "$1"/at-end*; do
    [ -e "$command" ] && /bin/sh "$command" >/dev/null 2>&1 </dev/null
done
rm -rf -- "$1"
"""


class RunDirectory:
    """A temporary directory that goes when midpipe goes. A context manager."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="midpipe-"))
        self._numbers = itertools.count(1)
        # Each port is given out once: who still looks for a server that has gone must not find another one there.
        self.ports = free_ports(self.path.name)
        self._reaper = subprocess.Popen(
            ["/bin/sh", "-c", _REAPER, "midpipe-leash", str(self.path)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def subdirectory(self, name: str) -> Path:
        """Make and return a fresh directory inside."""
        path = self.path / f"{name}{next(self._numbers)}"
        path.mkdir(mode=0o700)
        return path

    def guard(self, pid: int) -> None:
        """Have the process killed when midpipe ends."""
        self._tell(f"+{pid}\n")

    def release(self, pid: int) -> None:
        """Forget a process that has ended."""
        self._tell(f"-{pid}\n")

    def at_end(self, command: Sequence[str]) -> Path:
        """Have a command run when midpipe ends, before the directory goes. Remove the file returned to forget it."""
        path = self.path / f"at-end{next(self._numbers)}"
        path.write_text(shlex.join(command))
        return path

    def close(self) -> None:
        """End what is still guarded, and remove the directory; safe to call twice."""
        leash = self._reaper.stdin
        if leash is not None and not leash.closed:
            with suppress(OSError):
                leash.close()
        self._reaper.wait()

    def __enter__(self) -> RunDirectory:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _tell(self, line: str) -> None:
        leash = self._reaper.stdin
        if leash is None or leash.closed:
            return
        with suppress(OSError):
            leash.write(line.encode())
            leash.flush()
