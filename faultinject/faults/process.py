"""crash, crash-before, freeze: what becomes of the client's process.

``crash``: SIGKILL right after the command was sent; the server runs it, and nobody is left to hear. ``crash-before``:
SIGKILL right before. ``freeze``: SIGSTOP before the command, long enough for every lease to end and for another worker
to take over; then SIGCONT, and the command is sent after all, as by a machine that slept.
"""

from midpipe.faultinject.faults.effects import Deliver, Effects, Process, WireEffects
from midpipe.faultinject.faults.fault import Fault

CRASH = Fault(
    name="crash",
    summary="The client's process is killed; the server runs the command that it had sent.",
    effects=lambda size, parameter: Effects(
        WireEffects(reply_passes=False), process=Process.KILLED
    ),
)
CRASH_BEFORE = Fault(
    name="crash-before",
    summary="The client's process is killed before it sends the command.",
    effects=lambda size, parameter: Effects(
        WireEffects(deliver=Deliver.NONE, reply_passes=False), process=Process.KILLED
    ),
)
FREEZE = Fault(
    name="freeze",
    summary="The client's process is stopped past its leases, another worker takes over, then it goes on.",
    effects=lambda size, parameter: Effects(process=Process.FROZEN),
)
