"""The fork server's side in the subject's process: it has loaded the subject, and forks a process for each request.

A request to fork carries three file descriptors: for the requests, for the answers, and for the subject's output. A
forked process reports which modules of libraries it has imported by itself. A request to import them makes the next
forks start with them, because an import takes many times longer than a fork.
Imports nothing of midpipe's and runs on Python 3.8, because it is loaded into the subject's process.
"""

from __future__ import annotations

import array
import ctypes
import gc
import importlib
import json
import os
import socket
import stat
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36


def serve_forks(
    control: socket.socket, serve: Callable[[int, int, int, LibraryImports], None], own: str
) -> None:
    """Fork serving processes and wait for them, as requested, until the other side closes the socket.

    What a forked process writes to, it has to copy. So whatever can be made before the fork is made before it.

    Args:
        serve: serves requests in the forked process, until they end; is given the three file descriptors, and what the
            process imports by itself.
        own: the name of the subject's module.
    """
    _send(control, {"ready": True, "forks": runs_nothing(control.fileno())})
    become_subreaper = _subreaper_call()
    _make_ready_to_connect()
    imports = LibraryImports(own)
    gc.freeze()
    while True:
        text, files = _received(control)
        if not text:
            return
        request = json.loads(text)
        if request["do"] == "wait":
            _send(control, {"code": _waited(request["pid"], request["seconds"])})
            continue
        if request["do"] == "import":
            _import_all(request["modules"])
            imports.new()
            gc.freeze()
            _send(control, {"forks": runs_nothing(control.fileno())})
            continue
        child = os.fork()
        if child == 0:
            # Closed even if a file was made of it, which would keep it open.
            os.close(control.detach())
            os.setsid()
            become_subreaper()
            for file in files:
                os.set_inheritable(file, False)
            requests, answers, printed = files
            serve(requests, answers, printed, imports)
            return
        for file in files:
            os.close(file)
        _send(control, {"pid": child})


class LibraryImports:
    """Watches which modules of libraries this process imports. Made before a fork, so that the fork copies nothing.

    Left out is what need not be the same if it is imported before the fork: the subject's own code, which may read its
    environment when it is imported, and packages with extension modules, which may keep a state that forks would share.

    Args:
        own: the name of the subject's module.
    """

    def __init__(self, own: str) -> None:
        self._own = own.partition(".")[0]
        self._known = set(sys.modules)

    def new(self) -> list[str]:
        """Return the modules that were imported since the last call, in the order of their imports."""
        if len(sys.modules) == len(self._known):
            return []
        names = [name for name in list(sys.modules) if name not in self._known]
        self._known = set(sys.modules)
        compiled = {name.partition(".")[0] for name in sys.modules if _is_compiled(name)}
        return [name for name in names if self._is_library(name, compiled)]

    def _is_library(self, name: str, compiled: set[str]) -> bool:
        package = name.partition(".")[0]
        origin = _origin(name)
        libraries = tuple(sysconfig.get_path(kind) + os.sep for kind in ("purelib", "platlib"))
        if package == self._own or not origin.endswith(".py"):
            return False
        if origin.startswith(libraries):
            return package not in compiled
        return origin.startswith(sysconfig.get_path("stdlib") + os.sep)


def _origin(name: str) -> str:
    """Return the file of an imported module; empty if it has none."""
    return str(getattr(getattr(sys.modules[name], "__spec__", None), "origin", None) or "")


def _is_compiled(name: str) -> bool:
    return _origin(name).endswith(tuple(EXTENSION_SUFFIXES))


def _import_all(modules: list[str]) -> None:
    """Import modules, as far as that works."""
    for name in modules:
        with suppress(Exception):
            importlib.import_module(name)
    _make_ready_to_connect()


def _send(control: socket.socket, message: dict[str, Any]) -> None:
    control.sendall(json.dumps(message).encode() + b"\n")


def _waited(pid: int, within_s: float) -> Any:
    """Wait for a forked process; return its exit code, the negated number of a signal, or None if it still runs."""
    until_s, pause_s = time.monotonic() + within_s, 0.00005
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        if time.monotonic() > until_s:
            return None
        time.sleep(pause_s)
        pause_s = min(0.01, 2 * pause_s)


def _subreaper_call() -> Callable[[], object]:
    """Return what makes orphans among a process's descendants its own children, so that midpipe finds them (Linux)."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is None:
        return lambda: None
    return lambda: prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _make_ready_to_connect() -> None:
    """Import in advance what each fork would import at its first connection, which takes longer than the fork."""
    importlib.import_module("encodings.idna")
    for driver in ("redis", "valkey"):
        if driver in sys.modules and "importlib.metadata" in sys.modules:
            with suppress(ImportError):
                sys.modules["importlib.metadata"].version(driver)


def _received(control: socket.socket) -> tuple[bytes, list[int]]:
    files = array.array("i")
    text, ancillary, _, _ = control.recvmsg(65536, socket.CMSG_SPACE(3 * files.itemsize))
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            files.frombytes(data[: len(data) - len(data) % files.itemsize])
    return text, list(files)


def runs_nothing(but: int = -1) -> bool:
    """Whether this process has one thread alone and no socket, so that forking it, or using it again, is sound.

    Args:
        but: a socket that may be open.
    """
    if threading.active_count() > 1:
        return False
    try:
        if len(os.listdir("/proc/self/task")) > 1:
            return False
    except OSError:
        pass  # only Linux lists threads that Python did not start
    for name in os.listdir("/dev/fd"):
        try:
            is_socket = stat.S_ISSOCK(os.fstat(int(name)).st_mode)
        except OSError:
            continue  # the descriptor of the listing itself
        if is_socket and int(name) != but:
            return False
    return True
