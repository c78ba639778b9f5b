"""Programs on a stepped clock that print a line before and after they wait."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from midpipe.faultinject.clock.port import Waiter
from midpipe.faultinject.clock.sleeping import are_asleep
from midpipe.faultinject.clock.stepped import SteppedClock
from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.vocabulary import Address

Found = TypeVar("Found")
PATIENCE_S = 30.0
"""In real time; the waits under test are much longer."""
WAIT_S = 600


class Child:
    """A program on the clock, in a session of its own. A context manager that kills the whole session."""

    def __init__(
        self, clock: SteppedClock, *command: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self._clock = clock
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **clock.environment(), **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.communicate()

    def line(self, within_s: float = PATIENCE_S) -> str | None:
        """Return the next line; None if none comes in time, an empty string at the end of the output."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], within_s)[0]:
            return None
        return self._process.stdout.readline().decode().rstrip("\n")

    def send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        return self._process.wait(PATIENCE_S)

    def waits(self) -> tuple[Waiter, ...]:
        """Return the waits of the program and its children."""
        return self._clock.waiters(among=[self.pid])

    def await_wait(self, seconds: float) -> Waiter:
        """Return the wait of about so many seconds, as soon as the program is in it."""
        # Time-outs are rounded up to milliseconds, and time passes until we look.
        least_s, most_s = seconds - PATIENCE_S, seconds + 1
        return eventually(
            lambda: next((w for w in self.waits() if least_s < w.left_s <= most_s), None)
        )

    def advance_until_a_line(self, *, runs_first: bool = False) -> str:
        """Move from deadline to deadline of this program until it prints a line.

        Args:
            runs_first: move only while it sleeps: a thread that was woken, and has not run yet, still has to print.
        """
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            if (line := self.line(0.02)) is not None:
                return line
            if not runs_first or are_asleep((self.pid,)):
                self._clock.advance_to_next_deadline(among=[self.pid])
        raise AssertionError(f"no line was printed; the program waits: {self.waits()}")


def eventually(found: Callable[[], Found | None], within_s: float = PATIENCE_S) -> Found:
    """Call a function until it returns a value, and return that."""
    deadline_s = time.monotonic() + within_s
    while (value := found()) is None:
        assert time.monotonic() < deadline_s, "no value in time"
        time.sleep(0.002)
    return value


def check_wait(
    clock: SteppedClock, child: Child, first_s: float = WAIT_S, rounding_s: float = 0.0
) -> None:
    """Let a program wait that prints go, and check that it waits exactly until its deadline.

    Args:
        first_s: until the first of its deadlines.
        rounding_s: by how much the program's own arithmetic shortens the wait.
    """
    began_s = time.monotonic()  # before the program begins to measure
    assert child.line() == "go"
    child.await_wait(first_s)
    clock.advance(first_s - 1)
    passed_s = float(child.advance_until_a_line())
    real_s = time.monotonic() - began_s
    assert WAIT_S - rounding_s <= passed_s <= WAIT_S + real_s
    assert real_s < WAIT_S / 10


@contextmanager
def started_server(clock: SteppedClock | None, binary: str, folder: Path) -> Iterator[Path]:
    """Start a server on a clock (None: the machine's); yields its socket's path."""
    path = folder / "s"
    words = ("--port", "0", "--unixsocket", str(path), "--dir", str(folder), "--save", "")
    log = (folder / "server.log").open("wb")
    process = subprocess.Popen(
        [binary, *words],
        env={**os.environ, **(clock.environment() if clock else {})},
        stdout=log,
        stderr=log,
    )
    try:
        eventually(lambda: answers(path) or None)
        yield path
    finally:
        process.kill()
        process.wait()
        log.close()


def answers(path: Path) -> bool:
    try:
        with connected(path) as ask:
            ask("PING")
    except ServerError:
        return False
    return True


@contextmanager
def connected(path: Path) -> Iterator[Callable[..., Any]]:
    control = Control(Address(path=str(path)))
    try:
        yield control.call
    finally:
        control.close()
