"""misconf: the server rejects writes, because its last snapshot failed.

A server with snapshots configured rejects writes after one has failed (``stop-writes-on-bgsave-error``, on by
default), for example because the disk is full or the directory is gone. Here a real BGSAVE fails to write its file,
and the client's command is delivered after the server has noticed; so the error is the server's own.

Source: https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/ and the comments in redis.conf.
"""

from midpipe.faultinject.faults.effects import Effects, ServerEffects
from midpipe.faultinject.faults.fault import Fault, applies_to_writes

MISCONF = Fault(
    name="misconf",
    summary="The server's last snapshot failed, and it rejects writes until the call ends, 0.8 s at most.",
    noticed="By the error MISCONF, at a command that writes.",
    effects=lambda size, parameter: Effects(server=ServerEffects(snapshots_fail=True)),
    may_apply=applies_to_writes,
    needs_own_server=True,
)
