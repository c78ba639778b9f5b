"""readdress: the server restarts at another address, as when a container or a machine is replaced.

All connections end, and the old address refuses new ones until the client's call has ended, or has waited for 0.8 s;
from then on the name that the client was given resolves to the new address. The server has the data that its
persistence kept, as after ``kill-before``.
"""

from midpipe.faultinject.faults.effects import (
    Close,
    Deliver,
    Effects,
    Replacement,
    ServerEffects,
    WireEffects,
)
from midpipe.faultinject.faults.fault import Fault

READDRESS = Fault(
    name="readdress",
    summary="The server restarts at another address, to which its name resolves once the call has ended.",
    noticed="At once, and again at each attempt to connect, until its name resolves to the new address.",
    effects=lambda size, parameter: Effects(
        WireEffects(deliver=Deliver.NONE, reply_passes=False, close=Close.RESET, refuse=True),
        ServerEffects(replacement=Replacement.READDRESSED),
    ),
    forgets_scripts=True,
    needs_own_server=True,
    needs_persistence=True,
)
