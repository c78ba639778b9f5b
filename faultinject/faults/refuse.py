"""refuse: the connection is cut before the command, and new ones are refused until the client's operation ends.

The proxy does not see a refused attempt, because the kernel answers it, so it cannot count attempts: the refusal ends
with the next event that is visible, the completion of the operation.
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
