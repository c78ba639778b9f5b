"""readdress: the server is restarted and comes back at another address, as a container or a machine that is replaced.

Everything that was connected is cut off, and whoever tries the old address is refused until the client's call has
ended; from then on the name that the client was given leads to the new address. What it holds is what its persistence
kept, as after ``kill-before``.
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
    summary="The server is restarted at another address, which its name leads to only once the call has ended.",
    effects=lambda size, parameter: Effects(
        WireEffects(deliver=Deliver.NONE, reply_passes=False, close=Close.RESET, refuse=True),
        ServerEffects(replacement=Replacement.READDRESSED),
    ),
    forgets_scripts=True,
    needs_own_server=True,
    needs_persistence=True,
)
