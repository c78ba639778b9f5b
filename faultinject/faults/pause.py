"""pause: the server is stopped (SIGSTOP) past the client's time-out, then goes on (SIGCONT).

The command waits in the server's socket and is run once the server goes on, whether its client is still there or not,
as on a machine whose disk or hypervisor hangs. Only for a server that is midpipe's own.
"""

from midpipe.faultinject.faults.effects import Deliver, Effects, ServerEffects, WireEffects
from midpipe.faultinject.faults.fault import Fault

PAUSE = Fault(
    name="pause",
    summary="The server stands still past the client's time-out, then runs what it was sent.",
    effects=lambda size, parameter: Effects(
        WireEffects(deliver=Deliver.UNANSWERED, reply_passes=False, waits=True),
        ServerEffects(pauses=True),
    ),
    needs_own_server=True,
)
