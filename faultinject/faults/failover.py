"""failover, failover-behind, lag: faults of asynchronous replication.

``failover``: the replica has received the command; the primary dies before its reply arrives, and the replica takes
over. ``failover-behind``: the reply arrives, the primary dies, and the replica takes over without this acknowledged
write. ``lag``: the replica receives nothing from this command until the call has ended; no server dies.

The replication link is cut, not slowed down, as soon as the replica has received everything before the command. So it
is certain, and no race, which writes are lost. Clients reach the new primary under the old name. The replica's script
cache is empty, because a primary replicates the effects of EVALSHA and not the script.

Source: https://redis.io/docs/latest/operate/oss_and_stack/management/replication/ and the pages on WAIT and Sentinel.
"""

from midpipe.faultinject.faults.effects import (
    Close,
    Effects,
    Replacement,
    ServerEffects,
    WireEffects,
)
from midpipe.faultinject.faults.fault import Fault, applies_to_writes

FAILOVER = Fault(
    name="failover",
    summary="The server dies after it executed the command, and a replica that has received it takes over.",
    noticed="At once: its connection is reset. Then it reaches the new primary under the old name.",
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
    summary="The server dies after its reply arrived, and a replica that has not received the command takes over.",
    noticed="After the reply: its connection is closed. A write that it took for done is gone.",
    effects=lambda size, parameter: Effects(
        WireEffects(close=Close.FIN),
        ServerEffects(replica_lags=True, replacement=Replacement.REPLICA),
    ),
    may_apply=applies_to_writes,
    forgets_scripts=True,
    needs_own_server=True,
    needs_replica=True,
)
LAG = Fault(
    name="lag",
    summary="The replica receives nothing from this command until the call has ended.",
    noticed="Not at all: the primary answers as ever.",
    effects=lambda size, parameter: Effects(server=ServerEffects(replica_lags=True)),
    may_apply=applies_to_writes,
    needs_own_server=True,
    needs_replica=True,
)
