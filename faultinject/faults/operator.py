"""script-flush, oom, readonly, client-kill, noperm: states that an operator, or the load, puts a server into.

Each is produced by the same command as in production, executed on the server right before the client's command; so
the error that the client sees is the server's own. The state is undone when the client's call has ended, or has waited
for 0.8 s. Only for a server that midpipe started.

Sources: https://redis.io/docs/latest/commands/config-set/ (maxmemory, noeviction is the default policy),
replicaof, client-kill, script-flush, acl-setuser.
"""

from __future__ import annotations

from midpipe.faultinject.faults.effects import Effects, ServerEffects
from midpipe.faultinject.faults.fault import EffectsOf, Fault
from midpipe.faultinject.vocabulary import WireEvent

Commands = tuple[tuple[str, ...], ...]
_SCRIPTS_BY_NAME = ("EVALSHA", "EVALSHA_RO")
# A loopback port on which nothing listens: a replica without its primary keeps serving the data it has.
_UNREACHABLE = ("127.0.0.1", "1")


def _run(before: Commands, after: Commands = ()) -> EffectsOf:
    return lambda size, parameter: Effects(server=ServerEffects(before=before, after=after))


def _calls_script_by_name(event: WireEvent) -> bool:
    return event.name in _SCRIPTS_BY_NAME


SCRIPT_FLUSH = Fault(
    name="script-flush",
    summary="The server's script cache is empty.",
    noticed="By the error NOSCRIPT; it must load the script again.",
    effects=_run((("SCRIPT", "FLUSH"),)),
    may_apply=_calls_script_by_name,
    forgets_scripts=True,
    needs_own_server=True,
)
OOM = Fault(
    name="oom",
    summary="The server has reached its maxmemory and rejects writes until the call ends, 0.8 s at most.",
    noticed="By the error OOM, at a command that may need memory.",
    effects=_run((("CONFIG", "SET", "maxmemory", "1"),), (("CONFIG", "SET", "maxmemory", "0"),)),
    needs_own_server=True,
)
READONLY = Fault(
    name="readonly",
    summary="The server has been demoted to a replica until the call ends, 0.8 s at most.",
    noticed="By the error READONLY, at a command that writes.",
    effects=_run((("REPLICAOF", *_UNREACHABLE),), (("REPLICAOF", "NO", "ONE"),)),
    needs_own_server=True,
)
CLIENT_KILL = Fault(
    name="client-kill",
    summary="The server closes every client's connection before the command arrives.",
    noticed="At once: its connection is closed before the command arrives.",
    effects=lambda size, parameter: Effects(
        server=ServerEffects(
            before=tuple(
                ("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes") for kind in ("normal", "pubsub")
            ),
            hangs_up=True,
        )
    ),
    needs_own_server=True,
)
NOPERM = Fault(
    name="noperm",
    summary="The user has lost the right to write until the call ends, 0.8 s at most.",
    noticed="By the error NOPERM, at a command that writes.",
    effects=_run(
        (("ACL", "SETUSER", "default", "-@write"),), (("ACL", "SETUSER", "default", "+@all"),)
    ),
    needs_own_server=True,
)
