"""The server's operator: midpipe's own connection to it, which reads the state, writes a start state, and restarts it.

Knows no proxy, no client of the subject, and no fault.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from midpipe.faultinject.errors import ServerError, UsageError
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.servers.server import Disk, Replica, Server
from midpipe.scenarios.model.state import (
    SNAPSHOT_SCRIPT,
    Snapshot,
    snapshot_of,
    snapshot_of_packed,
)

_ANSWERS_WITHIN_S = 2.0


class Operator:
    """Operates one server. Close it with ``close``; the server's owner stops the server.

    Args:
        disconnected: called when the server may have closed the connections of all clients.

    Attributes:
        control: its connection; a restart makes a new one.

    Raises:
        ServerError: the server does not answer.
    """

    def __init__(self, server: Server, disconnected: Callable[[], object]) -> None:
        self.server = server
        self._disconnected = disconnected
        self.control = self.new_control()
        self._on_disk = 0

    def close(self) -> None:
        """Close the connection."""
        self.control.close()

    def new_control(self, timeout_s: float = 10.0) -> Control:
        """Return a further connection to the server.

        Args:
            timeout_s: for connecting and for each answer, in seconds.
        """
        server = self.server
        return Control(
            server.address, server.password, server.username, server.database, timeout_s=timeout_s
        )

    # --- data ------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Empty the server. Raises ServerError if it is gone."""
        self.server.reset(self.control)

    def snapshot(self) -> Snapshot:
        """Return every key of the server at one moment."""
        packed = snapshot_of_packed(self.control.call("EVAL", SNAPSHOT_SCRIPT, 0, "packed"))
        if packed is not None:
            return packed
        return snapshot_of(self.control.call("EVAL", SNAPSHOT_SCRIPT, 0))

    def seed(self, commands: tuple[tuple[str, ...], ...]) -> None:
        """Write a start state: run the commands in one transaction, so that no power loss keeps only some of them."""
        if commands:
            self.control.pipeline((("MULTI",), *commands, ("EXEC",)))

    def save_snapshot(self) -> None:
        """Have a server that persists by snapshots take one."""
        if self.server.persistence is Persistence.RDB:
            self.control.call("SAVE")

    def note_on_disk(self) -> None:
        """Note that what the server has appended to its file by now is surely on the disk."""
        if self.server.persistence is Persistence.POWER_LOSS:
            self._on_disk = self._disk.appended.stat().st_size

    # --- faults ----------------------------------------------------------------------------------------

    def operate(self, commands: tuple[tuple[str, ...], ...]) -> None:
        """Run commands that may close the connections of clients."""
        if commands:
            self.control.pipeline(commands)
            self._disconnected()

    def await_server(self) -> None:
        """Wait until the server has processed every command that has reached it."""
        # What arrived before the first PING is processed in the same round of the server's loop at the latest. A server
        # whose snapshots fail answers PING with an error, and that is an answer too.
        for _ in range(2):
            self.control.pipeline((("PING",),))

    def restart(self) -> None:
        """Kill the server and start it again."""
        self.server.restart()
        self._reconnect()

    def readdress(self) -> None:
        """Kill the server and start it again at another address."""
        self.server.readdress()
        self._reconnect()

    def lose_power(self) -> None:
        """Kill the server, and start it again with what was surely on the disk.

        Raises:
            UsageError: midpipe can't reach its files.
        """
        self._disk.lose_power(self._on_disk)
        self._reconnect()

    @property
    def _disk(self) -> Disk:
        if self.server.disk is None:
            raise UsageError(f"midpipe can't reach the files of {self.server.name}.")
        return self.server.disk

    def fail_over(self) -> None:
        """Kill the server and have its replica take over. Raises UsageError if it has none."""
        self.replica.fail_over()
        self._reconnect()

    @property
    def replica(self) -> Replica:
        """The server's replica. Raises UsageError if it has none."""
        if self.server.replica is None:
            raise UsageError(f"{self.server.name} has no replica that could take over.")
        return self.server.replica

    # --- after a case that went wrong ------------------------------------------------------------------

    def renew(self, *, is_sound: bool) -> bool:
        """Make a new connection; return whether the server was started again before that.

        Args:
            is_sound: nothing was done to the server. One of midpipe's own is started again if something was, or if it
                does not answer.

        Raises:
            ServerError: the server is gone, and is not midpipe's own.
        """
        self.control.close()
        restarts = self.server.is_ours and not (is_sound and self._is_answered())
        if restarts:
            self.server.restart()
            if self.server.replica:
                self.server.replica.catch_up()
        self.control = self.new_control()
        return restarts

    def _is_answered(self) -> bool:
        try:
            with closing(self.new_control(_ANSWERS_WITHIN_S)) as control:
                control.call("PING")
        except ServerError:
            return False
        return True

    def _reconnect(self) -> None:
        self.control.close()
        self.control = self.new_control()
        self._disconnected()
