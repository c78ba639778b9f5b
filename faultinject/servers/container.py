"""A server in a container that midpipe starts, reached over TCP on a mapped port or on the host's network.

midpipe owns it, so it may be killed, suspended and reconfigured. Its data stays in the container, which survives a
kill; only the mapped port changes. Its files can't be reached from outside, so it can't be started on a prefix of its
append-only file.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import cast

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.ports import LOOPBACK
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.engine import ContainerGroup
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.servers.server import empty, fields_of, software
from midpipe.faultinject.servers.snapshot import SNAPSHOT, await_failed_snapshot, disable_snapshots
from midpipe.faultinject.vocabulary import Address
from midpipe.faultinject.wire.resp import Value

DEFAULT_IMAGE = "redis:8"
PORT = 6379
NAME = "redis"
"""The server's name on its group's network, if the group has one."""
_START_WITHIN_S = 60.0
_POLL_S = 0.01
_CHECK_S = 0.5


class ContainerServer:
    """A running container of an image whose entry point is a Redis-protocol server, or prefixes options with one.

    Args:
        image: as the engine names it.
        group: the group to start the container in; it is removed with this server.
        persistence: what the server writes to disk.

    Raises:
        ServerError: the image can't be pulled, or the server does not start; the message has the end of its log.
    """

    username: str | None = None
    password: str | None = None
    database = 0
    is_ours = True
    pids: tuple[int, ...] = ()
    replica = disk = None

    def __init__(
        self, image: str, group: ContainerGroup, persistence: Persistence = Persistence.NONE
    ) -> None:
        self.persistence = persistence
        self.group = group
        self._image = image
        try:
            # Protected mode refuses clients from outside the container; the mapped port is on the host's loopback only.
            options = {"--protected-mode": "no", **persistence.options}
            self.container = group.start(image, _words(options), [PORT], NAME)
            self.address = self._current_address()
            self.name = self._wait_until_it_answers()
        except BaseException:
            group.close()
            raise

    def reset(self, control: Control) -> None:
        """Delete all data and functions; loaded scripts stay."""
        empty(control)

    def restart(self) -> None:
        """Kill the container's process (SIGKILL), and start the same container again; the mapped port changes."""
        self.container.kill()
        self.container.start_again()
        self.address = self._current_address()
        self._wait_until_it_answers()

    def readdress(self) -> None:
        """As ``restart``, which changes the port already."""
        self.restart()

    def fail_snapshots(self, control: Control) -> None:
        """Make a snapshot fail. Raises ServerError if it succeeds."""
        _, home = cast("tuple[bytes, bytes]", control.call("CONFIG", "GET", "dir"))
        # A directory in the file's place makes the snapshot fail. It stays: an image need not contain rmdir.
        self.container.make_directory(home.decode(), SNAPSHOT)
        await_failed_snapshot(control)

    def restore_snapshots(self, control: Control) -> None:
        """Undo fail_snapshots; does nothing without it."""
        disable_snapshots(control)

    def suspend(self) -> None:
        """Suspend the process (SIGSTOP)."""
        self.container.signal("SIGSTOP")

    def resume(self) -> None:
        """Resume the process (SIGCONT)."""
        self.container.signal("SIGCONT")

    def stop(self) -> None:
        """Remove the container and its group; safe to call twice."""
        self.group.close()

    def _wait_until_it_answers(self) -> str:
        begun_s = checked_s = time.monotonic()
        while time.monotonic() - begun_s < _START_WITHIN_S:
            try:
                return self._ask_name()
            except ServerError:
                # The engine's own listener accepts before the server does, and hangs up.
                pass
            if time.monotonic() - checked_s > _CHECK_S:
                checked_s = time.monotonic()
                self._raise_if_exited()
            time.sleep(_POLL_S)
        raise ServerError(
            f"The server in the container of {self._image} did not answer within {_START_WITHIN_S:.0f} s. "
            "Is it an image of Redis or Valkey?"
        )

    def _raise_if_exited(self) -> None:
        if logged := self.container.exit_log():
            raise ServerError(
                f"The container of {self._image} exited before its server answered. "
                f"Is it an image of Redis or Valkey? It logged: {logged}"
            )

    def _current_address(self) -> Address:
        try:
            return self.container.address(PORT)
        except ServerError:
            self._raise_if_exited()
            raise

    def _ask_name(self) -> str:
        control = Control(self.address, timeout_s=2.0)
        try:
            # An error while the server still loads its data.
            control.call("PING")
            info = control.call("INFO", "server")
            self._verify_identity(info)
            return f"{software(info)} (container of {self._image})"
        finally:
            control.close()

    def _verify_identity(self, info: Value) -> None:
        """Raise ServerError if another server answers at the address; on a mapped port none can."""


class ContainerNode(ContainerServer):
    """One of several servers in containers on the host's network, listening on its loopback only.

    ``stop`` ends its process, and ``restart`` starts the same container again; the container is removed with its group.

    Args:
        image, group: as a ContainerServer takes them.
        port: the port that it listens on.
        arguments: of its command line, with the port and the address to listen on.
        config: the text of its configuration file, which it may rewrite.

    Raises:
        ServerError: the image can't be pulled, the port is taken, or the server does not start.
    """

    def __init__(
        self, image: str, group: ContainerGroup, port: int, arguments: Sequence[str], config: str
    ) -> None:
        self.persistence = Persistence.NONE
        self.group = group
        self._image = image
        self._port = port
        # INFO reports the configuration file, for a Sentinel too, and so identifies the server behind the port.
        self._config = f"/data/{uuid.uuid4().hex}.conf"
        options = {"--hz": "100", **self.persistence.options}
        self.container = group.start(
            image,
            [self._config, *_words(options), *arguments],
            prepare=lambda container: container.with_copy_into_container(
                config.encode(), self._config, 0o666
            ),
            on_host_network=True,
        )
        self.address = self._current_address()
        try:
            self.name = self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    @property
    def is_running(self) -> bool:
        return not self.container.exit_log()

    def stop(self) -> None:
        """End the process; safe to call twice."""
        self.container.kill()

    def _current_address(self) -> Address:
        return Address(host=LOOPBACK, port=self._port)

    def _verify_identity(self, info: Value) -> None:
        if fields_of(info).get("config_file") != self._config:
            raise ServerError(f"Another server answers at {self.address}.")


def _words(options: Mapping[str, str]) -> list[str]:
    return [word for pair in options.items() for word in pair]
