"""How a server persists its data, and what that promises when its process or its machine dies. Values only.

Sources: https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/ and …/management/replication/ .
The server hands a write to the kernel before it sends the reply, whatever ``appendfsync`` says. So a killed process
loses nothing of an append-only file, and the three settings differ only when the machine loses power.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Persistence(StrEnum):
    """How a server persists its data."""

    NONE = "none"
    RDB = "rdb"
    AOF_NO = "aof-no"
    AOF_EVERYSEC = "aof-everysec"
    AOF_ALWAYS = "aof-always"
    POWER_LOSS = "power-loss"
    REPLICA = "replica"
    REPLICA_BEHIND = "replica-behind"

    @property
    def is_replicated(self) -> bool:
        """Whether a replica holds the data and takes over when the server dies."""
        return self in (Persistence.REPLICA, Persistence.REPLICA_BEHIND)

    @property
    def appends(self) -> bool:
        """Whether the server has an append-only file."""
        return self.value.startswith("aof-") or self is Persistence.POWER_LOSS

    @property
    def keeps_all(self) -> bool:
        """Whether what kills the server in this mode loses no write."""
        keeps_file = self.appends and self is not Persistence.POWER_LOSS
        return keeps_file or self is Persistence.REPLICA

    @property
    def options(self) -> Mapping[str, str]:
        """The server's options. The append-only file gets no RDB preamble, so that it consists of commands."""
        if not self.appends:
            return MappingProxyType({"--save": "", "--appendonly": "no"})
        # WAITAOF then answers at once. What a power loss keeps is decided by what it has confirmed, as with everysec.
        fsync = "always" if self is Persistence.POWER_LOSS else self.value.removeprefix("aof-")
        return MappingProxyType(
            {
                "--save": "",
                "--appendonly": "yes",
                "--appendfsync": fsync,
                "--aof-use-rdb-preamble": "no",
                "--auto-aof-rewrite-percentage": "0",
            }
        )

    @property
    def promise(self) -> str:
        """What survives a killed process, and a machine that loses power."""
        return _PROMISES[self]


_PROMISES = MappingProxyType(
    {
        Persistence.NONE: "Nothing is kept.",
        Persistence.RDB: "The last snapshot is kept; midpipe takes it once the start state has been written.",
        Persistence.AOF_NO: "A killed process loses nothing; a power loss loses what the kernel had not yet written.",
        Persistence.AOF_EVERYSEC: "A killed process loses nothing; a power loss loses about the last second.",
        Persistence.AOF_ALWAYS: "No acknowledged write is lost, neither by a killed process nor by a power loss.",
        Persistence.POWER_LOSS: "Under appendfsync everysec, writes that are not on the disk are lost, acknowledged or "
        "not, unless the queue waits for it (WAITAOF).",
        Persistence.REPLICA: "The replica's data is kept; here it has received every write when it takes over.",
        Persistence.REPLICA_BEHIND: "Writes that the replica has not received are lost, acknowledged or not, "
        "unless the queue waits for it (WAIT).",
    }
)
