"""kill, kill-before: the server dies with SIGKILL, and comes back with what its persistence kept.

``kill``: after it ran the command, before the reply arrives. ``kill-before``: the command never reaches it. The server
is back before its clients try again, as under a supervisor. What else was connected is cut off as well, and the scripts
are forgotten.
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

_RESTARTED = ServerEffects(replacement=Replacement.RESTARTED)

KILL = Fault(
    name="kill",
    summary="The server is killed after it ran the command, and comes back with what it had kept.",
    effects=lambda size, parameter: Effects(
        WireEffects(reply_passes=False, close=Close.RESET), _RESTARTED
    ),
    forgets_scripts=True,
    needs_own_server=True,
    needs_persistence=True,
)
KILL_BEFORE = Fault(
    name="kill-before",
    summary="The server is killed before the command reaches it, and comes back with what it had kept.",
    effects=lambda size, parameter: Effects(
        WireEffects(deliver=Deliver.NONE, reply_passes=False, close=Close.RESET), _RESTARTED
    ),
    forgets_scripts=True,
    needs_own_server=True,
    needs_persistence=True,
)
