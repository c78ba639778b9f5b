"""Makes sure, before anything is read, that the audit's user can't write: it is shown by the server, not promised.

A replica that refuses writes is enough, with any user. Otherwise the audit asks the server with ACL DRYRUN (Redis 7)
whether it would run a list of writes for this user; that runs none of them. Where a server has no such answer, the user
is refused: an address on the loopback proves nothing, because production is reached through tunnels as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from midpipe.faultinject.errors import ServerError, UsageError
from midpipe.faultinject.servers.server import fields_of, software
from midpipe.faultinject.wire.resp import ErrorReply, Value
from midpipe.scenarios.audit.layout import Layout

Call = Callable[..., Value]

READS = (
    "ping info time scan get exists hmget hgetall lrange zscan hscan sscan zscore hexists sismember xrange xpending "
    "xinfo|groups select "
    "acl|whoami acl|dryrun"
)
"""The commands that an audit sends; the recipe grants these and no other."""
_ANY_KEY = "midpipe-audit-no-such-key"


@dataclass(frozen=True, slots=True)
class Access:
    """What is known of the connection.

    Args:
        server: software and role.
        is_replica: whether it reads from a replica that refuses writes.
        warnings: for the report.
    """

    server: str
    is_replica: bool
    warnings: tuple[str, ...]


def check_access(call: Call, layout: Layout, *, allow_writer: bool) -> Access:
    """Return what is known of the connection.

    Args:
        call: sends one command; an error reply is returned as a value.
        allow_writer: accept a user who may write, with a warning.

    Raises:
        UsageError: the user may write, or that can't be ruled out; or the server is a Cluster's.
        ServerError: it is not ready.
    """
    info = call("INFO")
    if isinstance(info, ErrorReply) and info.code == "NOAUTH":
        raise UsageError(
            "The server asks for a password, and the URL has none: write redis://user:password@host:port/0."
        )
    if isinstance(info, ErrorReply):
        raise UsageError(f"The audit's user may not run INFO ({info.code}). {recipe(layout)}")
    fields = fields_of(info)
    if fields.get("cluster_enabled") == "1":
        raise UsageError(
            "The server is a node of a Cluster and holds a part of the keys only; audit needs all of them."
        )
    if fields.get("loading") == "1":
        raise ServerError("The server is still loading its data. Audit it once it has.")
    is_replica = fields.get("role") == "slave"
    warnings: list[str] = []
    refuses_writes = is_replica and fields.get("slave_read_only") == "1"
    if not refuses_writes:
        if (why := _why_may_write(call, layout)) and not allow_writer:
            raise UsageError(
                f"{why} {recipe(layout)} Or name a replica, which refuses writes; or accept it: --allow-writer."
            )
        if why:
            warnings.append(f"{why} The audit sends no write.")
        replicas = fields.get("connected_slaves", "0")
        if not is_replica and replicas != "0":
            has = (
                "a replica. Prefer it." if replicas == "1" else f"{replicas} replicas. Prefer one."
            )
            warnings.append(f"The audit reads from the primary, which has {has}")
    role = "replica" if is_replica else "primary"
    return Access(f"{software(info)}, {role}", refuses_writes, tuple(warnings))


def lag_s(fields: Mapping[str, str]) -> float | None:
    """Return how far a replica is behind, in seconds, from the fields of INFO; None if the server is no replica."""
    if fields.get("role") != "slave":
        return None
    if fields.get("master_link_status") != "up":
        return max(0.0, float(fields.get("master_link_down_since_seconds", "0") or 0)) or float(
            "inf"
        )
    return max(0.0, float(fields.get("master_last_io_seconds_ago", "0")))


def recipe(layout: Layout) -> str:
    """Return the command that makes a user who may only read the layout's keys, as a sentence."""
    prefixes = sorted(
        {
            f"{pattern.literal}*" if pattern.parts else pattern.text
            for pattern in layout.patterns.values()
        }
    )
    keys = " ".join(f"'%R~{prefix}'" for prefix in prefixes)
    commands = " ".join(f"+{name}" for name in READS.split())
    return (
        "Make a user who may only read: "
        f"ACL SETUSER midpipe-audit reset on '>PASSWORD' {keys} {commands} (on Redis 6 write ~ for %R~)."
    )


def _why_may_write(call: Call, layout: Layout) -> str:
    """Return, as a sentence, why the user may write or why that is not known; empty if it may not."""
    name = call("ACL", "WHOAMI")
    if isinstance(name, ErrorReply) and name.code == "NOPERM":
        # The rights of another user, such as the default one, say nothing of its own.
        return "The audit's user may not ask with ACL WHOAMI for its name, so what it may do is not known."
    user = name.decode("utf-8", "replace") if isinstance(name, bytes) else "default"
    keys = [_ANY_KEY, *(pattern.literal + "midpipe" for pattern in layout.patterns.values())]
    keys += [pattern.text for pattern in layout.patterns.values() if not pattern.parts]
    for key in dict.fromkeys(keys):
        for words in _writes(key):
            answer = call("ACL", "DRYRUN", user, *words)
            if isinstance(answer, ErrorReply):
                if answer.code == "NOPERM":
                    return f"The user {user!r} may not ask with ACL DRYRUN whether it may write."
                return f"This server can't say whether the user {user!r} may write (no ACL DRYRUN, which Redis 7 has)."
            if answer in ("OK", b"OK"):
                return f"The user {user!r} may write: the server would run {words[0]} on {key!r}."
    return ""


def _writes(key: str) -> Sequence[tuple[str, ...]]:
    """Return writes of every kind; DRYRUN does not run them."""
    return (
        ("SET", key, "x"),
        ("DEL", key),
        ("UNLINK", key),
        ("EXPIRE", key, "1"),
        ("RENAME", key, key),
        ("RESTORE", key, "0", "x"),
        ("HSET", key, "x", "x"),
        ("HDEL", key, "x"),
        ("LPUSH", key, "x"),
        ("RPUSH", key, "x"),
        ("LPOP", key),
        ("LREM", key, "0", "x"),
        ("LTRIM", key, "0", "1"),
        ("SADD", key, "x"),
        ("SREM", key, "x"),
        ("ZADD", key, "1", "x"),
        ("ZREM", key, "x"),
        ("XADD", key, "*", "x", "x"),
        ("EVAL", "return 1", "1", key),
        ("FLUSHDB",),
        ("FLUSHALL",),
        ("CONFIG", "SET", "maxmemory", "0"),
        ("SHUTDOWN",),
    )
