"""What a server keeps, on disk or with a replica, and what that promises when its process or its machine dies. Values.

Source of the promises: https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/ and, of replicas,
…/management/replication/ . A write is in the
kernel's hands before its reply is sent, whatever ``appendfsync`` says; so the death of the process loses nothing that
an append-only file was given, and only the death of the machine tells the three kinds apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Persistence(StrEnum):
    """How a server keeps its data."""

    NONE = "none"
    RDB = "rdb"
    AOF_NO = "aof-no"
    AOF_EVERYSEC = "aof-everysec"
    AOF_ALWAYS = "aof-always"
    REPLICA = "replica"
    REPLICA_BEHIND = "replica-behind"

    @property
    def is_replicated(self) -> bool:
        """Whether it is a replica that keeps the data, and takes over when the server dies."""
        return self in (Persistence.REPLICA, Persistence.REPLICA_BEHIND)

    @property
    def appends(self) -> bool:
        """Whether every write goes to an append-only file."""
        return self.value.startswith("aof-")

    @property
    def keeps_all(self) -> bool:
        """Whether nothing that a command has written is lost when the process dies."""
        return self.appends or self is Persistence.REPLICA

    @property
    def options(self) -> Mapping[str, str]:
        """The server's options for it. No preamble in the file, so that it is all commands."""
        if not self.appends:
            return MappingProxyType({"--save": "", "--appendonly": "no"})
        return MappingProxyType(
            {
                "--save": "",
                "--appendonly": "yes",
                "--appendfsync": self.value.removeprefix("aof-"),
                "--aof-use-rdb-preamble": "no",
                "--auto-aof-rewrite-percentage": "0",
            }
        )

    @property
    def promise(self) -> str:
        """What is kept when the process is killed, and when the machine loses its power."""
        return _PROMISES[self]


_PROMISES = MappingProxyType(
    {
        Persistence.NONE: "Nothing is kept.",
        Persistence.RDB: "The last snapshot is kept; here it is taken when the start state has been laid.",
        Persistence.AOF_NO: "A killed process loses nothing; a machine without power what the kernel had not written.",
        Persistence.AOF_EVERYSEC: "A killed process loses nothing; a machine without power about the last second.",
        Persistence.AOF_ALWAYS: "Nothing that was acknowledged is lost, by process or machine.",
        Persistence.REPLICA: "What the replica has got is kept: here it has got everything when it takes over.",
        Persistence.REPLICA_BEHIND: "What the replica has not got is lost, acknowledged or not, "
        "unless the queue waits for it (WAIT).",
    }
)
