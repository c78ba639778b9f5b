"""Runs midpipe in processes that are forked from one that has loaded it, so that loading takes its time once.

Each command line has a process of its own, with its own session, directory, environment and streams, and goes through
``python -m midpipe`` from there on. What it does before, starting and importing, is not shown by a test that uses this.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.children import reap, start

ROOT = Path(__file__).resolve().parents[2]
LOADED = ("gate", "sweep", "replay")
_LONGEST_REQUEST = 1 << 20


class Prepared:
    """The process that has loaded midpipe. It ends when the other end of its channel is closed."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = start(
                [sys.executable, "-m", "tests.support.prepared", str(theirs.fileno())],
                cwd=ROOT,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        atexit.register(self.close)

    def run(
        self, words: Sequence[str], cwd: Path, environment: Mapping[str, str], timeout_s: float
    ) -> tuple[int, str, str]:
        """Run midpipe until it and what holds its streams has ended; return exit code, output and errors.

        Raises:
            TimeoutError: it took longer. It is killed, and this object can't be used any more.
        """
        self._channel.settimeout(timeout_s)
        request = {"words": words, "cwd": str(cwd), "environment": dict(environment)}
        pid = 0
        with ExitStack() as ends, ThreadPoolExecutor(2) as readers:
            try:
                (outputs, output), (errors, error) = os.pipe(), os.pipe()
                try:
                    socket.send_fds(self._channel, [json.dumps(request).encode()], [output, error])
                finally:
                    os.close(output)
                    os.close(error)
                streams = [ends.enter_context(open(end)) for end in (outputs, errors)]
                reads = [readers.submit(stream.read) for stream in streams]
                pid = int(self._channel.recv(32))
                code = int(self._channel.recv(32))
                read_output, read_errors = (read.result(timeout_s) for read in reads)
            except BaseException:
                if pid:
                    with suppress(ProcessLookupError):
                        os.killpg(pid, signal.SIGKILL)
                self.close()
                raise
        return code, read_output, read_errors

    def close(self) -> None:
        """End the process."""
        prepared.cache_clear()
        atexit.unregister(self.close)
        self._channel.close()
        reap(self._process)


@cache
def prepared() -> Prepared:
    """Return the process that has loaded midpipe; the first call starts it."""
    return Prepared()


def serve(channel: socket.socket) -> None:
    """Fork for each request that comes, and answer with the process id and then the exit code."""
    for name in LOADED:
        importlib.import_module(f"midpipe.reports.cli.{name}")
    while True:
        request, files, *_ = socket.recv_fds(channel, _LONGEST_REQUEST, 2)
        if not request:
            return
        pid = os.fork()
        if not pid:
            channel.close()
            become(json.loads(request), files)
        for file in files:
            os.close(file)
        channel.send(b"%d" % pid)
        _, status = os.waitpid(pid, 0)
        channel.send(b"%d" % os.waitstatus_to_exitcode(status))


def become(request: Mapping[str, Any], files: Sequence[int]) -> None:
    """Go on as ``python -m midpipe`` does. Raises SystemExit."""
    os.setsid()
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for number, file in enumerate(files, start=1):
        os.dup2(file, number)
        os.close(file)
    sys.path[0] = request["cwd"]
    sys.argv = ["midpipe", *request["words"]]
    runpy.run_module("midpipe", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
