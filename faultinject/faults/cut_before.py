"""cut-before: the connection is reset, and the command never reaches the server.

A rebooting router, an idle time-out in a load balancer or a killed proxy does this. The caller cannot distinguish it
from a lost reply, after which the command was executed.
"""

from midpipe.faultinject.faults.effects import Close, Deliver, Effects, WireEffects
from midpipe.faultinject.faults.fault import Fault

CUT_BEFORE = Fault(
    name="cut-before",
    summary="The connection is reset; the command never reaches the server.",
    noticed="At once: its connection is reset. It can't know whether the command ran.",
    effects=lambda size, parameter: Effects(
        WireEffects(deliver=Deliver.NONE, reply_passes=False, close=Close.RESET)
    ),
    finds_most=True,
    inside_block=True,
)
