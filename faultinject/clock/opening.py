"""Open a stepped clock if one can be trusted here; otherwise the wall clock, with the reason."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path

from midpipe.faultinject.clock.port import Clock
from midpipe.faultinject.clock.preload import cache_directory, libraries
from midpipe.faultinject.clock.self_test import reason_for_distrust
from midpipe.faultinject.clock.stepped import SteppedClock
from midpipe.faultinject.clock.wall import WallClock
from midpipe.faultinject.errors import NotApplicableError

BOOT = Path("/proc/sys/kernel/random/boot_id")
_LOADER = ("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT")


def open_clock(folder: Path, server: str | None = None, *, cache: Path | None = None) -> Clock:
    """Return a clock; close it in the end.

    Args:
        folder: where the clock's page is made; removed by ``close``.
        server: binary of the server that will be on the clock, for the self-test; None tests no server.
        cache: where compiled libraries and passed self-tests are kept; None takes the user's cache directory.
    """
    reasons: list[str] = []
    for library in libraries(cache):
        if isinstance(library, str):
            reasons.append(library)
            continue
        why = _tested(library, folder, server, cache)
        try:
            if not why:
                return SteppedClock(library, folder)
        except NotApplicableError as error:
            why = error.reason
        reasons.append(why)
    # The reason of the library compiled here says more than that of the installed one.
    return WallClock(reasons[-1].rstrip("."))


def _tested(library: Path, folder: Path, server: str | None, cache: Path | None) -> str:
    """Return what ``reason_for_distrust`` does. A test that was passed is not run again until the machine restarts."""
    try:
        boot = BOOT.read_text("ascii")
        passed = (cache or cache_directory()) / f"tested-{_fingerprint(library, server)}"
    except OSError:
        return reason_for_distrust(library, folder, server)
    with suppress(OSError):
        if passed.read_text("ascii") == boot:
            return ""
    why = reason_for_distrust(library, folder, server)
    if not why:
        with suppress(OSError):
            passed.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            passed.write_text(boot, "ascii")
    return why


def _fingerprint(library: Path, server: str | None) -> str:
    """Return a name for everything on which the answer of a self-test depends. Raises OSError if it is not there."""
    facts: list[object] = [os.confstr("CS_GNU_LIBC_VERSION"), *map(os.environ.get, _LOADER)]
    files = [library, Path(sys.executable), *([Path(server)] if server else [])]
    for path in (file.resolve() for file in files):
        found = path.stat()
        facts += [path, found.st_size, found.st_mtime_ns]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
