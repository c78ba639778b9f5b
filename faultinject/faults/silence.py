"""stall and black-hole: the connection stays open and says nothing, past the client's time-out.

``stall``: the server ran the command, the reply is held. ``black-hole``: nothing passes either way, as when
a peer's machine lost its power. A client without a time-out hangs in both.
"""

from midpipe.faultinject.faults.effects import Deliver, Effects, WireEffects
from midpipe.faultinject.faults.fault import Fault

STALL = Fault(
    name="stall",
    summary="The server runs the command; the reply is held past the client's time-out.",
    effects=lambda size, parameter: Effects(WireEffects(reply_passes=False, waits=True)),
)
BLACK_HOLE = Fault(
    name="black-hole",
    summary="Nothing passes either way, and nothing is closed.",
    effects=lambda size, parameter: Effects(
        WireEffects(deliver=Deliver.NONE, reply_passes=False, waits=True)
    ),
)
