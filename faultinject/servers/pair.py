"""A primary and its replica, of our own: the replica can be cut off, and takes over when the primary is killed.

Clients keep one name, that of the proxy, and it leads to whoever is the primary. The one that was killed is started
again at once, empty, as the other's replica, so that after a failover there are two again.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import closing

from faultinject.errors import ServerError
from faultinject.servers.control import Control
from faultinject.servers.embedded import EmbeddedServer
from faultinject.servers.leash import RunDirectory
from faultinject.servers.persistence import Persistence
from faultinject.servers.ports import LOOPBACK, free_ports
from faultinject.servers.server import fields_of
from faultinject.vocabulary import Address

_TRIES = 5
_IN_STEP_WITHIN_S = 10.0
_POLL_S = 0.001
# Where nobody listens: a replica that is told to follow it has lost its primary, and keeps what it has got.
_NOWHERE = (LOOPBACK, 1)
_OPTIONS = {
    "--bind": LOOPBACK,
    # The first copy is sent at once, not when more replicas may have come.
    "--repl-diskless-sync": "no",
    "--repl-diskless-sync-delay": "0",
    # And loaded as it comes: by way of the disk, Valkey 9.1 looks for it only once a second.
    "--repl-diskless-load": "swapdb",
}


class Pair:
    """Two running servers, one of them the other's replica.

    Args:
        binary: as an EmbeddedServer takes it.
        persistence: REPLICA or REPLICA_BEHIND; nothing is kept on disk.

    Raises:
        ServerError: they don't start, or don't get in step.
    """

    username: str | None = None
    password: str | None = None
    database = 0
    is_ours = True

    def __init__(self, binary: str | None, run: RunDirectory, persistence: Persistence) -> None:
        self.persistence = persistence
        # Of the primary; another one after a failover.
        self.address = Address()
        ports = free_ports()
        self._primary, self._primary_port = started_on_a_port(binary, run, ports)
        try:
            self._replica, self._replica_port = started_on_a_port(binary, run, ports)
        except BaseException:
            self._primary.stop()
            raise
        self.name = f"{self._primary.name} with a replica"
        self.address = self._primary.address
        self._is_behind = True
        try:
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
        self._primary.reset(control)

    def fall_behind(self) -> None:
        """Cut the replica off, once it has got everything; it gets nothing more until ``catch_up``."""
        self._wait_until_in_step()
        _told(self._replica, "REPLICAOF", *_NOWHERE)
        self._is_behind = True

    def catch_up(self) -> None:
        """Let the replica follow the primary again, until it has got everything; fine if it does."""
        if self._is_behind:
            _told(self._replica, "REPLICAOF", LOOPBACK, self._primary_port)
            self._is_behind = False
            self._wait_until_in_step()

    def fail_over(self) -> None:
        """Kill the primary (SIGKILL), and let the replica take over with what it has got."""
        if not self._is_behind:
            self._wait_until_in_step()
        self._primary.stop()
        _told(self._replica, "REPLICAOF", "NO", "ONE")
        self._primary, self._replica = self._replica, self._primary
        self._primary_port, self._replica_port = self._replica_port, self._primary_port
        self.address = self._primary.address
        self._replica.restart()
        self._is_behind = True
        self.catch_up()

    def restart(self) -> None:
        """Kill the primary, and start it again, empty, as it was."""
        self._primary.restart()

    def readdress(self) -> None:
        """As ``restart``; the replica goes by the port, which stays."""
        self._primary.readdress()
        self.address = self._primary.address

    def fail_snapshots(self, control: Control) -> None:
        """Have the primary's snapshot fail."""
        self._primary.fail_snapshots(control)

    def mend_snapshots(self, control: Control) -> None:
        """End fail_snapshots."""
        self._primary.mend_snapshots(control)

    def stand_still(self) -> None:
        """Stop the primary (SIGSTOP)."""
        self._primary.stand_still()

    def go_on(self) -> None:
        """Let the primary go on."""
        self._primary.go_on()

    def stop(self) -> None:
        """End both."""
        self._primary.stop()
        self._replica.stop()

    def _wait_until_in_step(self) -> None:
        """Wait until the replica has got everything: nothing tells us, so both are asked how far they are."""
        deadline_s = time.monotonic() + _IN_STEP_WITHIN_S
        with (
            closing(Control(self._primary.address)) as primary,
            closing(Control(self._replica.address)) as replica,
        ):
            while time.monotonic() < deadline_s:
                had = fields_of(replica.call("INFO", "replication"))
                sent = fields_of(primary.call("INFO", "replication"))
                if had.get("master_link_status") == "up" and (
                    had.get("slave_repl_offset") == sent.get("master_repl_offset")
                ):
                    return
                time.sleep(_POLL_S)
        raise ServerError(
            f"The replica of {self._primary.name} did not get in step within {_IN_STEP_WITHIN_S:.0f} s."
        )


def started_on_a_port(
    binary: str | None, run: RunDirectory, ports: Iterator[int]
) -> tuple[EmbeddedServer, int]:
    """Start a server that listens on a TCP port of the loopback too; return both.

    Raises:
        ServerError: it can't be started, on this port or on others.
    """
    for port in itertools.islice(ports, _TRIES - 1):
        try:
            return _on(port, binary, run), port
        except ServerError:
            # Somebody else took the port meanwhile; anything else is told by the last try.
            continue
    port = next(ports)
    return _on(port, binary, run), port


def _on(port: int, binary: str | None, run: RunDirectory) -> EmbeddedServer:
    return EmbeddedServer(binary, run, more={**_OPTIONS, "--port": str(port)})


def _told(server: EmbeddedServer, *words: str | int) -> None:
    with closing(Control(server.address)) as control:
        control.call(*words)
