"""Known bugs of released queues and drivers: what happened, in which release, and the search that finds it. Data.

A bug stands here only if its search has found it in the release that has it. The search is what ``midpipe sweep`` or
``midpipe interleave`` would do, bounded to some programs, faults and commands and to a time; the replay line is one
case that it has found.
"""

from __future__ import annotations

from midpipe.scenarios.known_bugs.bug import KnownBug
from midpipe.scenarios.known_bugs.driver_bugs import DRIVER_BUGS
from midpipe.scenarios.known_bugs.queue_bugs import QUEUE_BUGS

BUGS: tuple[KnownBug, ...] = (*DRIVER_BUGS, *QUEUE_BUGS)
