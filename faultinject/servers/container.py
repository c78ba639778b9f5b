"""A server of our own in a container, reached over TCP on the port that the engine maps to it, or on the machine's own.

It is ours, so it may be killed, stopped and reconfigured. What it keeps, it keeps inside its container, which is the
same one after a kill; only its port here is another one. Its files are not at hand: it can't be started on a part of
them.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import cast

from midpipe.faultinject.errors import ServerError
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.engine import ContainerGroup
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.servers.ports import LOOPBACK
from midpipe.faultinject.servers.server import empty, fields_of, software
from midpipe.faultinject.servers.snapshot import SNAPSHOT, await_failed_snapshot, want_no_snapshots
from midpipe.faultinject.vocabulary import Address
from midpipe.faultinject.wire.resp import Value

DEFAULT_IMAGE = "redis:8"
PORT = 6379
NAME = "redis"
"""Its name on its household's network, if there is one."""
_START_WITHIN_S = 60.0
_POLL_S = 0.01
_LOOK_S = 0.5


class ContainerServer:
    """A running container of an image whose entry point is a Redis-protocol server, or puts one before options.

    Args:
        image: as the engine names it.
        household: what the container belongs to; it ends with this server.
        persistence: what it keeps on its disk.

    Raises:
        ServerError: the image can't be had, or the server does not start; says what it logged.
    """

    username: str | None = None
    password: str | None = None
    database = 0
    is_ours = True

    def __init__(
        self, image: str, household: ContainerGroup, persistence: Persistence = Persistence.NONE
    ) -> None:
        self.persistence = persistence
        self.household = household
        self._image = image
        try:
            # Only the engine's host reaches it, and the mapped port is on its loopback.
            options = {"--protected-mode": "no", **persistence.options}
            self.container = household.start(image, _words(options), [PORT], NAME)
            self.address = self._mapped()
            self.name = self._wait_until_it_answers()
        except BaseException:
            household.close()
            raise

    def reset(self, control: Control) -> None:
        """Empty every database and the functions (which servers before 7.0 don't have); scripts stay known."""
        empty(control)

    def restart(self) -> None:
        """Kill the container's process (SIGKILL), and start the same container again; its port is another one."""
        self.container.kill()
        self.container.start_again()
        self.address = self._mapped()
        self._wait_until_it_answers()

    def readdress(self) -> None:
        """As ``restart``, whose port is another one."""
        self.restart()

    def fail_snapshots(self, control: Control) -> None:
        """Have the server fail to take a snapshot. Raises ServerError if it did not fail."""
        _, home = cast("tuple[bytes, bytes]", control.call("CONFIG", "GET", "dir"))
        # No file can be put where a directory is. It stays, since an image need not hold what removes one.
        self.container.make_directory(home.decode(), SNAPSHOT)
        await_failed_snapshot(control)

    def mend_snapshots(self, control: Control) -> None:
        """End fail_snapshots; fine without it."""
        want_no_snapshots(control)

    def stand_still(self) -> None:
        """Stop the process (SIGSTOP)."""
        self.container.signal("SIGSTOP")

    def go_on(self) -> None:
        """Let a stopped process go on (SIGCONT)."""
        self.container.signal("SIGCONT")

    def stop(self) -> None:
        """Remove the container and all that belongs to it; safe to call twice."""
        self.household.close()

    def _wait_until_it_answers(self) -> str:
        begun_s = looked_s = time.monotonic()
        while time.monotonic() - begun_s < _START_WITHIN_S:
            try:
                return self._asked_for_its_name()
            except ServerError:
                # The engine's own listener answers before the server does, and hangs up.
                pass
            if time.monotonic() - looked_s > _LOOK_S:
                looked_s = time.monotonic()
                self._raise_if_it_has_ended()
            time.sleep(_POLL_S)
        raise ServerError(
            f"The server in the container of {self._image} did not answer within {_START_WITHIN_S:.0f} s. "
            "Is it an image of Redis or Valkey?"
        )

    def _raise_if_it_has_ended(self) -> None:
        if logged := self.container.ended():
            raise ServerError(
                f"The container of {self._image} ended before its server answered. "
                f"Is it an image of Redis or Valkey? It logged: {logged}"
            )

    def _mapped(self) -> Address:
        try:
            return self.container.address(PORT)
        except ServerError:
            self._raise_if_it_has_ended()
            raise

    def _asked_for_its_name(self) -> str:
        control = Control(self.address, timeout_s=2.0)
        try:
            # Refused while it is still loading what it kept.
            control.call("PING")
            told = control.call("INFO", "server")
            self._recognise(told)
            return f"{software(told)} (container of {self._image})"
        finally:
            control.close()

    def _recognise(self, told: Value) -> None:
        """Raise ServerError if another server answers there; none can on a port that the engine maps."""


class ContainerNode(ContainerServer):
    """One of several servers in containers, on the network of the machine itself, and on its loopback only.

    ``stop`` ends its process, and ``restart`` starts the same container again; it goes with its household.

    Args:
        image, household: as a ContainerServer takes them.
        port: the one of this machine on which it listens.
        words: of its command line, which say so.
        config: the text of its configuration file, which it may rewrite.

    Raises:
        ServerError: the image can't be had, the port is taken, or the server does not start.
    """

    def __init__(
        self, image: str, household: ContainerGroup, port: int, words: Sequence[str], config: str
    ) -> None:
        self.persistence = Persistence.NONE
        self.household = household
        self._image = image
        self._port = port
        # Every server tells the name of its file, a Sentinel too: so none is taken for another that has its port.
        self._config = f"/data/{uuid.uuid4().hex}.conf"
        options = {"--hz": "100", **self.persistence.options}
        self.container = household.start(
            image,
            [self._config, *_words(options), *words],
            prepared=lambda container: container.with_copy_into_container(
                config.encode(), self._config, 0o666
            ),
            on_our_loopback=True,
        )
        self.address = self._mapped()
        try:
            self.name = self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    @property
    def is_running(self) -> bool:
        return not self.container.ended()

    def stop(self) -> None:
        """End the process; safe to call twice."""
        self.container.kill()

    def _mapped(self) -> Address:
        return Address(host=LOOPBACK, port=self._port)

    def _recognise(self, told: Value) -> None:
        if fields_of(told).get("config_file") != self._config:
            raise ServerError(f"Another server answers at {self.address}.")


def _words(options: Mapping[str, str]) -> list[str]:
    return [word for pair in options.items() for word in pair]
