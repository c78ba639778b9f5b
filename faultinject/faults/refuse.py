"""refuse: the connection is cut before the command, and new ones are refused until the client's operation ends.

A refused attempt can't be seen from the proxy (the kernel answers it), so it can't be counted either: the
refusal ends at the next thing that can be seen, the operation's completion.
"""

from midpipe.faultinject.faults.effects import Close, Deliver, Effects, WireEffects
from midpipe.faultinject.faults.fault import Fault

REFUSE = Fault(
    name="refuse",
    summary="The connection is cut, and new ones are refused until the call has ended.",
    effects=lambda size, parameter: Effects(
        WireEffects(deliver=Deliver.NONE, reply_passes=False, close=Close.RESET, refuse=True)
    ),
)
