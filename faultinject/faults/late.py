"""late: the command is held past the client's time-out and delivered after the client has moved on.

Like a packet that is stuck in a queue on its way. ``late`` delivers it once all clients are done, ``late=n`` after n
further commands of the same client, so that an old write can overwrite a newer one. A client that sends something else
on the same connection has it delivered right before, because TCP keeps the order; then its reply arrives first.
"""

from midpipe.faultinject.faults.effects import Deliver, Effects, WireEffects
from midpipe.faultinject.faults.fault import Fault

LATE = Fault(
    name="late",
    summary="The command arrives after the client has given up on it and moved on.",
    noticed="At its own time-out. The command still runs afterwards, on the same connection right before the next one.",
    effects=lambda size, parameter: Effects(
        WireEffects(deliver=Deliver.HELD, held_for=parameter, reply_passes=False, waits=True)
    ),
    variants=(None, 1),
)
