"""Compile the clock's library. The wheel's build hook loads this file by its path, so it imports nothing of midpipe."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from pathlib import Path

NAME = "libmidclock.so"
NATIVE = Path(__file__).with_name("native")
FLAGS = (
    *("-std=gnu11", "-O2", "-fPIC", "-Wall", "-Wextra", "-Werror"),
    # It defines the functions that _FORTIFY_SOURCE would replace.
    "-U_FORTIFY_SOURCE",
    # A thread-local variable that is reached without a call, in a signal handler as well.
    "-ftls-model=initial-exec",
)
LINKS = ("-shared", "-ldl", "-lpthread", "-lrt")


class CompileError(Exception):
    """The library can't be compiled; the message says why, as half a sentence."""


def sources() -> tuple[Path, ...]:
    """Return the C files, in a fixed order."""
    return tuple(sorted(NATIVE.glob("*.c")))


def compiler() -> list[str] | None:
    """Return the command of a C compiler: ``$CC``, or the first of cc, gcc and clang on PATH; None if there is none."""
    named = os.environ.get("CC", "").split()
    if named:
        return named
    return next(([found] for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)


def compile_library(to: Path) -> None:
    """Compile the library; the file appears only when it is complete.

    Raises:
        CompileError: there is no compiler, or it failed; quotes its first line.
    """
    command = compiler()
    if command is None:
        raise CompileError("there is no C compiler (cc) on PATH")
    part = to.with_name(f"{to.name}.{os.getpid()}")
    words = [*command, *FLAGS, "-o", str(part), *map(str, sources()), *LINKS]
    try:
        ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
        if ran.returncode:
            said = next(iter(ran.stderr.strip().splitlines()), "nothing")
            raise CompileError(f"{command[0]} failed: {said}")
        part.replace(to)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompileError(f"{command[0]} failed: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def fingerprint() -> str:
    """Return a hash of everything that the result depends on: sources, flags, machine and C library."""
    parts = [path.read_bytes() for path in sorted(NATIVE.iterdir())]
    parts += [" ".join((*FLAGS, *LINKS, platform.machine(), *platform.libc_ver())).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
