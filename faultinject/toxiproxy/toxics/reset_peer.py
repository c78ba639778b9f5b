"""reset_peer: the first bytes are lost, and ``timeout`` milliseconds after them the connection is reset.

Only connections that were opened while the toxic was there end by a reset; older ones end in order, as in the original.
"""

from __future__ import annotations

from types import MappingProxyType

from midpipe.faultinject.toxiproxy.toxics.toxic import Step, Toxic

RESET_PEER = Toxic(
    name="reset_peer",
    go_name="ResetToxic",
    take=lambda chunk, here: (Step(max(0.0, here.numbers["timeout"] / 1000), ends=True),),
    attributes=MappingProxyType({"timeout": "int64"}),
    resets=True,
    may_lose=True,
)
