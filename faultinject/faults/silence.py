"""stall, black-hole: the connection stays open, and no reply arrives within the client's time-out.

``stall``: the server executed the command, and the reply is held until the client closes the connection, or sends
another command on it; then the reply arrives first, as one that was slow. ``black-hole``: nothing passes in either
direction, as when the peer's machine has lost its power. A client without a time-out hangs in both.
"""

from midpipe.faultinject.faults.effects import Deliver, Effects, WireEffects
from midpipe.faultinject.faults.fault import Fault

STALL = Fault(
    name="stall",
    summary="The server executes the command; the reply is held past the client's time-out.",
    noticed="At its own time-out; without one the call hangs. On the same connection this reply precedes the next.",
    effects=lambda size, parameter: Effects(WireEffects(reply_passes=False, waits=True)),
)
BLACK_HOLE = Fault(
    name="black-hole",
    summary="Nothing passes in either direction, and the connection stays open.",
    noticed="At its own time-out; without one the call hangs.",
    effects=lambda size, parameter: Effects(
        WireEffects(deliver=Deliver.NONE, reply_passes=False, waits=True)
    ),
)
