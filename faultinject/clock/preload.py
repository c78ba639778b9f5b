"""The compiled library: where to find it, and the functions with which the controller moves the clock."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from ctypes import POINTER, c_char_p, c_int, c_int64, c_uint32, c_void_p
from pathlib import Path

from midpipe.faultinject.clock.compiling import NAME, CompileError, compile_library, fingerprint
from midpipe.faultinject.errors import NotApplicableError

INSTALLED = Path(__file__).with_name(NAME)
"""Where a wheel that was built with a compiler has the library."""


class WaitRecord(ctypes.Structure):
    """``struct midclock_wait``."""

    pid: int
    thread: int
    kind: int
    is_stopped: int
    left: int
    deadline: int
    _fields_ = (
        ("pid", c_uint32),
        ("thread", c_uint32),
        ("kind", c_uint32),
        ("is_stopped", c_uint32),
        ("left", c_int64),
        ("deadline", c_int64),
    )


class ProcessRecord(ctypes.Structure):
    """``struct midclock_process``."""

    pid: int
    parent: int
    skew: int
    _fields_ = (("pid", c_uint32), ("parent", c_uint32), ("skew", c_int64))


_SIGNATURES = {
    "create": (c_void_p, (c_char_p,)),
    "close": (None, (c_void_p,)),
    "now": (c_int64, (c_void_p, c_int)),
    "move": (None, (c_void_p, c_int64, c_int64)),
    "hold": (None, (c_void_p, c_int)),
    "wake": (c_int, (c_void_p, c_int, c_int64)),
    "refresh": (None, (c_void_p, c_int64)),
    "waits": (c_int, (c_void_p, POINTER(WaitRecord), c_int)),
    "processes": (c_int, (c_void_p, POINTER(ProcessRecord), c_int)),
    "skew": (c_int, (c_void_p, c_uint32, c_int64)),
    "suspend": (c_int, (c_void_p, c_uint32, c_int)),
    "overflows": (c_uint32, (c_void_p,)),
}


def load(path: Path) -> ctypes.CDLL:
    """Load the library into this process, which itself stays on the machine's clock.

    Raises:
        NotApplicableError: it can't be loaded here.
    """
    try:
        library = ctypes.CDLL(str(path), use_errno=True)
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, f"midclock_{name}")
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise NotApplicableError(f"{path} can't be loaded: {error}.") from error
    return library


def libraries(cache: Path | None = None) -> Iterator[Path | str]:
    """Yield the libraries to try, in order: the installed one, then one compiled now; or why there is none.

    Args:
        cache: where compiled libraries are kept; None takes the user's cache directory.
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        yield f"the clock's library is for Linux with glibc, not {sys.platform} ({platform.libc_ver()[0] or 'another'})"
        return
    if INSTALLED.exists():
        yield INSTALLED
    try:
        yield _compiled(cache or cache_directory())
    except (CompileError, OSError) as error:
        yield f"the clock's library can't be compiled: {error}"


def cache_directory() -> Path:
    """Return the user's cache directory of midpipe, which may not be there yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "midpipe"


def _compiled(cache: Path) -> Path:
    library = cache / f"{fingerprint()}-{NAME}"
    if not library.exists():
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        compile_library(library)
    return library
