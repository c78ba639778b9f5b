"""lost-reply, lost-reply-fin: the server executes the command, and the connection ends before the reply arrives.

The caller cannot know that the command was executed. ``lost-reply`` ends the connection with a reset,
``lost-reply-fin`` with an orderly FIN, which some clients take for an empty reply.
"""

from midpipe.faultinject.faults.effects import Close, Effects, WireEffects
from midpipe.faultinject.faults.fault import Fault

LOST_REPLY = Fault(
    name="lost-reply",
    summary="The server executes the command; the connection is reset before the reply arrives.",
    noticed="At once: its connection is reset. It can't know whether the command ran.",
    effects=lambda size, parameter: Effects(WireEffects(reply_passes=False, close=Close.RESET)),
    finds_most=True,
)
LOST_REPLY_FIN = Fault(
    name="lost-reply-fin",
    summary="The server executes the command; the connection is closed in order before the reply arrives.",
    noticed="At once: its connection is closed, which some drivers take for an empty reply.",
    effects=lambda size, parameter: Effects(WireEffects(reply_passes=False, close=Close.FIN)),
)
