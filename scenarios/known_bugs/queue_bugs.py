"""Known bugs of queue libraries, each searched through the library's adapter or through one of its own."""

from __future__ import annotations

from midpipe.scenarios.known_bugs.bug import KnownBug

QUEUE_BUGS: tuple[KnownBug, ...] = ()
