"""lost-reply, lost-reply-fin: the server runs the command, the reply never arrives, the connection ends.

The caller can't know that the command ran. Ends by a reset, and in a variant by an orderly FIN, which some
clients take for an empty answer.
"""

from midpipe.faultinject.faults.effects import Close, Effects, WireEffects
from midpipe.faultinject.faults.fault import Fault

LOST_REPLY = Fault(
    name="lost-reply",
    summary="The server runs the command; the reply is lost with a reset.",
    effects=lambda size, parameter: Effects(WireEffects(reply_passes=False, close=Close.RESET)),
)
LOST_REPLY_FIN = Fault(
    name="lost-reply-fin",
    summary="The server runs the command; the connection is closed in order before the reply.",
    effects=lambda size, parameter: Effects(WireEffects(reply_passes=False, close=Close.FIN)),
)
