"""kill, kill-before: the server is killed with SIGKILL, and restarts with the data that its persistence kept.

``kill``: after it executed the command, before the reply arrives. ``kill-before``: before the command reaches it. The
server is back before its clients try again, as under a supervisor. All other connections end as well, and the script
cache is empty.
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
    summary="The server is killed after it executed the command, and restarts with the data it had persisted.",
    noticed="At once: all its connections are reset. What was not persisted is gone.",
    effects=lambda size, parameter: Effects(
        WireEffects(reply_passes=False, close=Close.RESET), _RESTARTED
    ),
    forgets_scripts=True,
    needs_own_server=True,
    needs_persistence=True,
)
KILL_BEFORE = Fault(
    name="kill-before",
    summary="The server is killed before the command reaches it, and restarts with the data it had persisted.",
    noticed="At once: all its connections are reset. What was not persisted is gone.",
    effects=lambda size, parameter: Effects(
        WireEffects(deliver=Deliver.NONE, reply_passes=False, close=Close.RESET), _RESTARTED
    ),
    forgets_scripts=True,
    needs_own_server=True,
    needs_persistence=True,
)
