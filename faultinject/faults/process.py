"""crash, crash-before, freeze: the client's process is killed or stopped.

``crash``: SIGKILL right after the command was sent; the server executes it, and no process reads the reply.
``crash-before``: SIGKILL right before the command. ``freeze``: SIGSTOP before the command, until every lease has ended
that may be waited for, and another worker has taken over; then SIGCONT, and the command is sent, as by a machine that
wakes from sleep.
"""

from midpipe.faultinject.faults.effects import Deliver, Effects, Process, WireEffects
from midpipe.faultinject.faults.fault import Fault

CRASH = Fault(
    name="crash",
    summary="The client's process is killed after it sent the command; the server executes it.",
    noticed="Never: its process is gone. Another client has to take over.",
    effects=lambda size, parameter: Effects(
        WireEffects(reply_passes=False), process=Process.KILLED
    ),
    finds_most=True,
)
CRASH_BEFORE = Fault(
    name="crash-before",
    summary="The client's process is killed before it sends the command.",
    noticed="Never: its process is gone. Another client has to take over.",
    effects=lambda size, parameter: Effects(
        WireEffects(deliver=Deliver.NONE, reply_passes=False), process=Process.KILLED
    ),
)
FREEZE = Fault(
    name="freeze",
    summary="The client's process is stopped until its leases end and another worker has taken over, then continues.",
    noticed="Not by itself: it sends its command as if no time had passed, though another worker may have its job.",
    effects=lambda size, parameter: Effects(process=Process.FROZEN),
)
