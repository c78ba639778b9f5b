"""refuse: the connection is cut before the command, and new ones are refused until the client's operation ends.

The proxy does not see a refused attempt, because the kernel answers it, so it cannot count attempts. An operation that
goes on until it has a connection is accepted after a stated time: many libraries wait for a server that is away, with
longer and longer pauses, and none could return before the outage ends.
"""

from midpipe.faultinject.faults.effects import Close, Deliver, Effects, WireEffects
from midpipe.faultinject.faults.fault import Fault

REFUSE = Fault(
    name="refuse",
    summary="The connection is cut, and new ones are refused until the call ends, 0.8 s at most.",
    noticed="At once, and again at each attempt to connect.",
    effects=lambda size, parameter: Effects(
        WireEffects(deliver=Deliver.NONE, reply_passes=False, close=Close.RESET, refuse=True)
    ),
)
