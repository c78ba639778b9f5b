"""reset_peer: all bytes are lost, and ``timeout`` milliseconds after the first of them the connection is reset.

Only connections opened while the toxic is there end by a reset; older ones are closed in order, as in Toxiproxy.
"""

from __future__ import annotations

from midpipe.faultinject.toxiproxy.toxics.toxic import Step, Toxic

RESET_PEER = Toxic(
    name="reset_peer",
    take=lambda chunk, here: (Step(max(0.0, here.numbers["timeout"] / 1000), ends=True),),
    attributes=("timeout",),
    resets=True,
)
