"""Open a stepped clock if one can be trusted here; otherwise the wall clock, with the reason."""

from __future__ import annotations

from pathlib import Path

from midpipe.faultinject.clock.port import Clock
from midpipe.faultinject.clock.preload import libraries
from midpipe.faultinject.clock.self_test import reason_for_distrust
from midpipe.faultinject.clock.stepped import SteppedClock
from midpipe.faultinject.clock.wall import WallClock


def open_clock(folder: Path, server: str | None = None, *, cache: Path | None = None) -> Clock:
    """Return a clock; close it in the end.

    Args:
        folder: where the clock's page is made; removed by ``close``.
        server: binary of the server that will be on the clock, for the self-test; None tests no server.
        cache: where compiled libraries are kept; None takes the user's cache directory.
    """
    reasons: list[str] = []
    for library in libraries(cache):
        why = library if isinstance(library, str) else reason_for_distrust(library, folder, server)
        if not why and not isinstance(library, str):
            return SteppedClock(library, folder)
        reasons.append(why)
    # The reason of the library compiled here says more than that of the installed one.
    return WallClock(reasons[-1])
