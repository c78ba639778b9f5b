"""Recognizes programs in Go, which ask the kernel for the time. Linux only; knows no clock.

A program in Go that calls C loads the C library, and a preloaded library with it, and still does not use its functions.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_BUILD_INFORMATION = b"\xff Go buildinf:"
"""With this the linker begins what ``go version -m`` prints (package debug/buildinfo of Go)."""


def is_go_program(pid: int) -> bool:
    """Return whether a process runs a program in Go; False if it has ended."""
    path = Path(f"/proc/{pid}/exe")
    try:
        found = path.stat()
        return _has_build_information(_Executable(found.st_dev, found.st_ino, path))
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class _Executable:
    """A file, of which each process has a path of its own: reading it takes a tenth of a second if it is Node's."""

    device: int
    inode: int
    path: Path = field(compare=False)


@cache
def _has_build_information(executable: _Executable) -> bool:
    """Return whether a file has Go's build information. Raises OSError."""
    with executable.path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            return text.find(_BUILD_INFORMATION) >= 0
