"""Decide whether a stepped clock can be trusted, by trying it in a process and in a server.

In a process, each kind of wait must be published, must not end early, and must end at its deadline. In a server, the
first TIME after each of fifty moves must lie between two readings of the clock: some servers extrapolate the time from
the processor's counter, which can't be moved.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from midpipe.faultinject.clock.stepped import SteppedClock
from midpipe.faultinject.errors import MidpipeError

PROBE = Path(__file__).with_name("probe.py")
WAIT_S = 1_000.0
KINDS_OF_WAITS = 4
MOVES = 50
PATIENCE_S = 10.0
"""Real time for things that take a moment; a clock that is slower is not trusted."""


def reason_for_distrust(library: Path, folder: Path, server: str | None) -> str:
    """Return why a library can't be trusted, as half a sentence; empty if it can.

    Args:
        library: path of the compiled library.
        folder: for temporary files.
        server: binary of the server that will be on the clock; None tests no server.
    """
    try:
        with _clock(library, folder) as clock:
            why = _distrust_in_a_process(clock)
        if why or server is None:
            return why
        with _clock(library, folder) as clock:
            return _distrust_in_a_server(clock, server, folder)
    except (MidpipeError, OSError) as error:
        return f"the clock's self-test failed: {error}"


@contextmanager
def _clock(library: Path, folder: Path) -> Iterator[SteppedClock]:
    clock = SteppedClock(library, folder)
    try:
        yield clock
    finally:
        clock.close()


@contextmanager
def _started(clock: SteppedClock, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command,
        env={**os.environ, **clock.environment()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,  # so that select knows of every line
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _distrust_in_a_process(clock: SteppedClock) -> str:
    with _started(clock, sys.executable, "-I", "-S", str(PROBE), str(WAIT_S)) as process:
        assert process.stdout is not None
        for _ in range(KINDS_OF_WAITS):
            name = _line(process.stdout)
            if not name:
                return "a process with the clock's library does not start"
            if not _is_waiting(clock, process.pid):
                return f"a {name} does not wait on the stepped clock"
            clock.advance(WAIT_S / 2)
            if not _is_waiting(clock, process.pid):
                return f"a {name} of {WAIT_S:g} s ended after {WAIT_S / 2:g} s"
            clock.advance_to_next_deadline()
            passed = _line(process.stdout)
            if not passed:
                return f"a {name} of {WAIT_S:g} s did not end when they had passed"
            if not WAIT_S <= float(passed) <= WAIT_S + PATIENCE_S:
                return f"a {name} of {WAIT_S:g} s took {float(passed):g} s"
    return ""


def _line(stream: IO[bytes]) -> str:
    """Return the next line; empty if none comes."""
    if not select.select([stream], [], [], PATIENCE_S)[0]:
        return ""
    return stream.readline().decode().strip()


def _is_waiting(clock: SteppedClock, pid: int) -> bool:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        if any(waiter.pid == pid and waiter.left_s > 0 for waiter in clock.waiters()):
            return True
        time.sleep(0.001)
    return False


def _distrust_in_a_server(clock: SteppedClock, server: str, folder: Path) -> str:
    with tempfile.TemporaryDirectory(dir=folder) as directory:
        path = Path(directory) / "s"
        words = ("--port", "0", "--unixsocket", str(path), "--save", "", "--dir", directory)
        with _started(clock, server, *words):
            connection = _connected(path)
            if connection is None:
                return "a server with the clock's library does not start"
            with connection, connection.makefile("rb") as replies:
                for move in range(1, MOVES + 1):
                    clock.advance(float(move))
                    before_s = clock.wall_s()
                    connection.sendall(b"TIME\r\n")
                    _, _, seconds, _, micros = (replies.readline().strip() for _ in range(5))
                    answered_s = int(seconds) + int(micros) / 1e6
                    # The server truncates its answer to microseconds.
                    if not before_s - 2e-6 <= answered_s <= clock.wall_s():
                        off_s = answered_s - before_s
                        return (
                            f"the server's clock was off by {off_s:+.3f} s after a move of {move} s"
                        )
    return ""


def _connected(path: Path) -> socket.socket | None:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE_S)
        try:
            connection.connect(str(path))
        except OSError:
            connection.close()
            time.sleep(0.003)
        else:
            return connection
    return None
