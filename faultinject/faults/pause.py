"""pause: the server is stopped (SIGSTOP) past the client's time-out, then continues (SIGCONT).

The command waits in the server's socket buffer and is executed once the server continues, even if its client has gone,
as on a machine whose disk or hypervisor hangs. Only for a server that midpipe started.
"""

from midpipe.faultinject.faults.effects import Deliver, Effects, ServerEffects, WireEffects
from midpipe.faultinject.faults.fault import Fault

PAUSE = Fault(
    name="pause",
    summary="The server is stopped past the client's time-out, then executes the command.",
    noticed="At its own time-out. The command still runs once the server continues.",
    effects=lambda size, parameter: Effects(
        WireEffects(deliver=Deliver.UNANSWERED, reply_passes=False, waits=True),
        ServerEffects(pauses=True),
    ),
    needs_own_server=True,
)
