"""power-loss: the machine loses its power, and the server starts again with what was surely on the disk.

The reply arrives before that, so the client takes its write for done. Which writes were on the disk depends on
``appendfsync``: with ``always`` every one that was answered, with ``everysec`` those that a WAITAOF has confirmed, or
that are older than about a second. Here it is as with ``everysec`` within that second: the server comes back with the
start state, and with what was confirmed.

Source: https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/ and the page on WAITAOF.
"""

from midpipe.faultinject.faults.effects import (
    Close,
    Effects,
    Replacement,
    ServerEffects,
    WireEffects,
)
from midpipe.faultinject.faults.fault import Fault, applies_to_writes

POWER_LOSS = Fault(
    name="power-loss",
    summary="The machine loses its power after the reply arrived: what was not surely on the disk is gone.",
    noticed="After the reply: its connection is closed. A write that it took for done is gone.",
    effects=lambda size, parameter: Effects(
        WireEffects(close=Close.FIN), ServerEffects(replacement=Replacement.FROM_DISK)
    ),
    may_apply=applies_to_writes,
    forgets_scripts=True,
    needs_own_server=True,
    needs_persistence=True,
    loses_power=True,
)
