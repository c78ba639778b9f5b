"""misconf: the server takes no writes, because its last snapshot failed.

A server that is to take snapshots stops writing when one fails (``stop-writes-on-bgsave-error``, which is on unless
somebody turned it off): a full disk, a directory that is gone. Here a real BGSAVE is begun that can't put its file in
place, and the client's command follows once the server has seen that end; so the error is the server's own.

Source: https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/ and the comments in redis.conf.
"""

from midpipe.faultinject.faults.effects import Effects, ServerEffects
from midpipe.faultinject.faults.fault import Fault

MISCONF = Fault(
    name="misconf",
    summary="The server's last snapshot failed, and it takes no writes until the call has ended.",
    effects=lambda size, parameter: Effects(server=ServerEffects(snapshots_fail=True)),
    may_apply=lambda event: event.is_write,
    needs_own_server=True,
)
