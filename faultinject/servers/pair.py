"""A primary and its replica, both started by midpipe: the replica can be cut off, and can take over.

Clients connect to the proxy, which leads to the current primary. After a failover the killed server is started again
at once, empty, as the other's replica, so that there are two servers again.
"""

from __future__ import annotations

from midpipe.faultinject.ports import LOOPBACK
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.node import REPLICATED, Node, Origin, await_replication
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.vocabulary import Address

# No server listens here: a replica of this address has lost its primary, and keeps the data that it has.
_NOWHERE = (LOOPBACK, 1)
_APPENDED = ("--appendonly", "yes", "--appendfsync", "always")


class Pair:
    """Two running servers, one of them the other's replica.

    Args:
        origin: starts both; closed with this pair.
        persistence: REPLICA or REPLICA_BEHIND.
        appends: both write an append-only file, so that a killed primary can be started again with its data;
            otherwise nothing is written to disk.

    Raises:
        ServerError: they don't start, or the replica does not catch up.
    """

    username: str | None = None
    password: str | None = None
    database = 0
    is_ours = True

    def __init__(self, origin: Origin, persistence: Persistence, *, appends: bool = False) -> None:
        self.persistence = persistence
        self._origin = origin
        # The primary's address; a failover changes it.
        self.address = Address()
        self._is_behind = True
        try:
            arguments = (*REPLICATED, *(_APPENDED if appends else ()))
            self._primary = Node(origin, arguments)
            self._replica = Node(origin, arguments)
            self.name = f"{self._primary.server.name} with a replica"
            self.address = self._primary.address
            self.catch_up()
        except BaseException:
            self.stop()
            raise

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes of both servers, where midpipe knows them."""
        return self._origin.pids()

    @property
    def replica(self) -> Pair:
        """This pair, whose replica can be cut off, and can take over."""
        return self

    @property
    def disk(self) -> None:
        """Neither server's files are reached: the data survives in the other one."""

    @property
    def replica_address(self) -> Address:
        """Where the current replica listens."""
        return self._replica.address

    def reset(self, control: Control) -> None:
        """Delete all data on the primary, and so on the replica."""
        self._primary.server.reset(control)

    def fall_behind(self) -> None:
        """Disconnect the replica once it has all writes; it receives no more until ``catch_up``."""
        await_replication(self._primary, self._replica)
        self._replica.call("REPLICAOF", *_NOWHERE)
        self._is_behind = True

    def catch_up(self) -> None:
        """Connect the replica again and wait until it has all writes; does nothing if it is connected."""
        if self._is_behind:
            self._replica.call("REPLICAOF", LOOPBACK, self._primary.port)
            self._is_behind = False
            await_replication(self._primary, self._replica)

    def fail_over(self) -> None:
        """Kill the primary (SIGKILL), and promote the replica with the data that it has."""
        if not self._is_behind:
            await_replication(self._primary, self._replica)
        self._primary.stop()
        self._replica.call("REPLICAOF", "NO", "ONE")
        self._primary, self._replica = self._replica, self._primary
        self.address = self._primary.address
        self._replica.server.restart()
        self._is_behind = True
        self.catch_up()

    def restart(self) -> None:
        """Kill the primary, and start it again as the primary, with what it has on disk."""
        self._primary.server.restart()

    def readdress(self) -> None:
        """As ``restart``, at another unix socket; the replica uses the port, which stays."""
        self._primary.server.readdress()
        self.address = self._primary.address

    def fail_snapshots(self, control: Control) -> None:
        """Make a snapshot of the primary fail."""
        self._primary.server.fail_snapshots(control)

    def restore_snapshots(self, control: Control) -> None:
        """Undo fail_snapshots."""
        self._primary.server.restore_snapshots(control)

    def suspend(self) -> None:
        """Suspend the primary (SIGSTOP)."""
        self._primary.server.suspend()

    def resume(self) -> None:
        """Resume the primary (SIGCONT)."""
        self._primary.server.resume()

    def stop(self) -> None:
        """End both servers; safe to call twice."""
        self._origin.close()
