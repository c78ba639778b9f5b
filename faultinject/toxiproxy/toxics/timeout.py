"""timeout: nothing passes, and the connection is closed once nothing has come for ``timeout`` milliseconds.

With a timeout of 0 it stays open and silent until the toxic is removed, which closes it.
"""

from __future__ import annotations

from types import MappingProxyType

from midpipe.faultinject.toxiproxy.toxics.toxic import Step, Toxic

TIMEOUT = Toxic(
    name="timeout",
    go_name="TimeoutToxic",
    take=lambda chunk, here: (Step(ends=True),) if chunk is None else (),
    attributes=MappingProxyType({"timeout": "int64"}),
    idle_ms="timeout",
    ends_when_removed=True,
    may_lose=True,
)
