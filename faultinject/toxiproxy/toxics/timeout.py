"""timeout: nothing passes, and the connection is closed once nothing has arrived for ``timeout`` milliseconds.

With a timeout of 0 the connection stays open until the toxic is removed, which closes it.
"""

from __future__ import annotations

from midpipe.faultinject.toxiproxy.toxics.toxic import Step, Toxic

TIMEOUT = Toxic(
    name="timeout",
    take=lambda chunk, here: (Step(ends=True),) if chunk is None else (),
    attributes=("timeout",),
    idle_ms="timeout",
    ends_when_removed=True,
)
