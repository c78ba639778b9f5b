"""A run's temporary directory and its processes, cleaned up however midpipe ends.

The reaper is a small shell that waits for the end of its standard input, which comes when midpipe closes it or dies,
by SIGKILL too. Then it kills every process that is still registered, and all that these have started; it runs the
registered clean-up commands (those that remove containers, for example), and removes the directory. The reaper of
another midpipe among these processes is spared: it cleans up after that one. An atexit hook would not do: it does not
run in a killed process, nor in a worker that leaves by ``os._exit``.
"""

from __future__ import annotations

import itertools
import secrets
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from midpipe.faultinject.closeable import Closeable
from midpipe.faultinject.ports import free_ports

_REAPER = """
PATH="${PATH:+$PATH:}/usr/bin:/bin"
trap "" INT HUP TERM
# The name by which the reaper of an outer run knows this one.
echo midpipe-reaper 2>/dev/null >/proc/self/comm
# Adds to $pids everything that these processes have started, which may have left their process groups.
add_descendants() {
    pairs=""
    for stat in /proc/[0-9]*/stat; do
        { read -r line < "$stat"; } 2>/dev/null || continue
        # It ends by itself once its own midpipe is killed, and only it knows what that has left behind.
        case "$line" in *"(midpipe-reaper)"*) continue ;; esac
        child="${line%% *}"
        set -- ${line##*) }
        pairs="$pairs $child:$2"
    done
    found=1
    while [ "$found" ]; do
        found=""
        for pair in $pairs; do
            case " $pids " in *" ${pair%:*} "*) continue ;; esac
            case " $pids " in *" ${pair#*:} "*) pids="$pids ${pair%:*}"; found=1 ;; esac
        done
    done
}
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
if [ -n "$pids" ]; then
    leaders="$pids"
    add_descendants
    kill -9 $pids 2>/dev/null
    for pid in $leaders; do kill -9 "-$pid" 2>/dev/null; done
fi
for command in "$1"/at-end*; do
    [ -e "$command" ] && /bin/sh "$command" >/dev/null 2>&1 </dev/null
done
rm -rf -- "$1"
"""
_REGISTERED = 'echo "+$$" >&0 && exec "$@" </dev/null'
"""Registers itself over its standard input, and then becomes the command."""


class RunDirectory(Closeable):
    """A temporary directory that is removed when midpipe ends. A context manager.

    Attributes:
        path: the directory.
        ports: free ports, each given out once.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.gettempdir(), f"midpipe-{secrets.token_hex(4)}")
        self._numbers = itertools.count(1)
        # Given out once, so that a client that still looks for an ended server does not find another one there.
        self.ports = free_ports(self.path.name)
        # Before the directory, which would stay if midpipe were killed between the two.
        self._reaper = subprocess.Popen(
            ["/bin/sh", "-c", _REAPER, "midpipe-reaper", str(self.path)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            self.path.mkdir(mode=0o700)
        except OSError:
            # A directory that is there already is not this one's to remove.
            self._reaper.kill()
            self._reaper.communicate()
            raise

    def subdirectory(self, name: str) -> Path:
        """Create and return a new directory inside."""
        path = self.path / f"{name}{next(self._numbers)}"
        path.mkdir(mode=0o700)
        return path

    def start(
        self,
        command: Sequence[str],
        *,
        stdout: IO[bytes] | int,
        stderr: IO[bytes] | int,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a process without input, in a session of its own, that is registered before it runs the command.

        However soon after that midpipe is killed, the process ends with it. If the command can't be run, the process
        exits with code 126 or 127. Raises OSError if there is no shell.
        """
        return subprocess.Popen(
            ["/bin/sh", "-c", _REGISTERED, "midpipe-guard", *command],
            stdin=self._reaper.stdin,
            stdout=stdout,
            stderr=stderr,
            env=environment,
            start_new_session=True,
        )

    def guard(self, pid: int) -> None:
        """Register a process, to be killed when midpipe ends."""
        self._send(f"+{pid}\n")

    def release(self, pid: int) -> None:
        """Unregister a process that has ended."""
        self._send(f"-{pid}\n")

    def at_end(self, command: Sequence[str]) -> Path:
        """Register a command, to be run when midpipe ends; returns a file, whose removal unregisters the command."""
        path = self.path / f"at-end{next(self._numbers)}"
        path.write_text(shlex.join(command))
        return path

    def close(self) -> None:
        """Kill the processes that are still registered, and remove the directory; safe to call twice."""
        pipe = self._reaper.stdin
        if pipe is not None and not pipe.closed:
            with suppress(OSError):
                pipe.close()
        self._reaper.wait()

    def _send(self, line: str) -> None:
        pipe = self._reaper.stdin
        if pipe is None or pipe.closed:
            return
        with suppress(OSError):
            pipe.write(line.encode())
            pipe.flush()
