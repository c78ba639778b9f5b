"""A primary and its replica, of our own: the replica can be cut off, and takes over when the primary is killed.

Clients keep one name, that of the proxy, and it leads to whoever is the primary. The one that was killed is started
again at once, empty, as the other's replica, so that after a failover there are two again.
"""

from __future__ import annotations

from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.node import Node, Origin, await_in_step
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.servers.ports import LOOPBACK
from midpipe.faultinject.vocabulary import Address

# Where nobody listens: a replica that is told to follow it has lost its primary, and keeps what it has got.
_NOWHERE = (LOOPBACK, 1)


class Pair:
    """Two running servers, one of them the other's replica.

    Args:
        origin: what both come from; it ends with them.
        persistence: REPLICA or REPLICA_BEHIND; nothing is kept on disk.

    Raises:
        ServerError: they don't start, or don't get in step.
    """

    username: str | None = None
    password: str | None = None
    database = 0
    is_ours = True

    def __init__(self, origin: Origin, persistence: Persistence) -> None:
        self.persistence = persistence
        self._origin = origin
        # Of the primary; another one after a failover.
        self.address = Address()
        self._is_behind = True
        try:
            self._primary = Node(origin)
            self._replica = Node(origin)
            self.name = f"{self._primary.server.name} with a replica"
            self.address = self._primary.address
            self.catch_up()
        except BaseException:
            self.stop()
            raise

    @property
    def replica_address(self) -> Address:
        """Of the one that is the replica now."""
        return self._replica.address

    def reset(self, control: Control) -> None:
        """Empty the primary, and so the replica."""
        self._primary.server.reset(control)

    def fall_behind(self) -> None:
        """Cut the replica off, once it has got everything; it gets nothing more until ``catch_up``."""
        await_in_step(self._primary, self._replica)
        self._replica.told("REPLICAOF", *_NOWHERE)
        self._is_behind = True

    def catch_up(self) -> None:
        """Let the replica follow the primary again, until it has got everything; fine if it does."""
        if self._is_behind:
            self._replica.told("REPLICAOF", LOOPBACK, self._primary.port)
            self._is_behind = False
            await_in_step(self._primary, self._replica)

    def fail_over(self) -> None:
        """Kill the primary (SIGKILL), and let the replica take over with what it has got."""
        if not self._is_behind:
            await_in_step(self._primary, self._replica)
        self._primary.stop()
        self._replica.told("REPLICAOF", "NO", "ONE")
        self._primary, self._replica = self._replica, self._primary
        self.address = self._primary.address
        self._replica.server.restart()
        self._is_behind = True
        self.catch_up()

    def restart(self) -> None:
        """Kill the primary, and start it again, empty, as it was."""
        self._primary.server.restart()

    def readdress(self) -> None:
        """As ``restart``; the replica goes by the port, which stays."""
        self._primary.server.readdress()
        self.address = self._primary.address

    def fail_snapshots(self, control: Control) -> None:
        """Have the primary's snapshot fail."""
        self._primary.server.fail_snapshots(control)

    def mend_snapshots(self, control: Control) -> None:
        """End fail_snapshots."""
        self._primary.server.mend_snapshots(control)

    def stand_still(self) -> None:
        """Stop the primary (SIGSTOP)."""
        self._primary.server.stand_still()

    def go_on(self) -> None:
        """Let the primary go on."""
        self._primary.server.go_on()

    def stop(self) -> None:
        """End both."""
        self._origin.close()
