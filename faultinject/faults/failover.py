"""failover, failover-behind, lag: what becomes of a command when there is a replica. Replication is asynchronous.

``failover``: the replica has got the command; the primary dies before its reply arrives, and the replica takes over.
``failover-behind``: the replica has not got it; the reply arrives, the primary dies, and the replica takes over without
a write that was acknowledged. ``lag``: the replica gets nothing from this command on until the call has ended, and
nothing dies.

The link between the two is cut and not slowed down, right after the replica has got all that came before: so what is
lost is certain, and no race. The clients find the new primary under the old name. A replica knows no script that its
primary was taught: EVALSHA travels as its effects.

Source: https://redis.io/docs/latest/operate/oss_and_stack/management/replication/ and the pages on WAIT and Sentinel.
"""

from midpipe.faultinject.faults.effects import (
    Close,
    Effects,
    Replacement,
    ServerEffects,
    WireEffects,
)
from midpipe.faultinject.faults.fault import Fault
from midpipe.faultinject.vocabulary import WireEvent


def _may_be_lost(event: WireEvent) -> bool:
    return event.is_write


FAILOVER = Fault(
    name="failover",
    summary="The server dies after it ran the command, and a replica that has got it takes over.",
    effects=lambda size, parameter: Effects(
        WireEffects(reply_passes=False, close=Close.RESET),
        ServerEffects(replacement=Replacement.REPLICA),
    ),
    forgets_scripts=True,
    needs_own_server=True,
    needs_replica=True,
)
FAILOVER_BEHIND = Fault(
    name="failover-behind",
    summary="The server dies after its answer arrived, and a replica that has not got the command takes over.",
    effects=lambda size, parameter: Effects(
        WireEffects(close=Close.FIN),
        ServerEffects(replica_lags=True, replacement=Replacement.REPLICA),
    ),
    may_apply=_may_be_lost,
    forgets_scripts=True,
    needs_own_server=True,
    needs_replica=True,
)
LAG = Fault(
    name="lag",
    summary="The replica gets nothing more, from this command until the call has ended.",
    effects=lambda size, parameter: Effects(server=ServerEffects(replica_lags=True)),
    may_apply=_may_be_lost,
    needs_own_server=True,
    needs_replica=True,
)
