"""A container engine: containers and networks of one group carry one label and are removed together.

A shell around ``testcontainers``, which respects that library's settings (its reaper Ryuk, the engine's address, the
registry). With or without Ryuk, the group is removed when midpipe ends: the run directory's reaper removes whatever
carries the label. What may be missing (the extra, the engine, an image) is reported in one sentence with the way out.
Knows no Redis.

Sources: testcontainers-python 4.15 (``core/container.py``: Ryuk is started before the image is looked for; a
container's constructor connects to the engine) and docker-py 7 (``errors.py``: APIError is a DockerException).
"""

from __future__ import annotations

import io
import sys
import tarfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from midpipe.faultinject.errors import NotApplicableError, ServerError
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers import remains
from midpipe.faultinject.vocabulary import Address

_LOOPBACK = "127.0.0.1"
_LOG_TAIL = 400
_HERE = ("localhost", _LOOPBACK, "::1")
_OTHERWISE = "or leave --redis out to use the embedded server"


class ContainerGroup:
    """Containers that are removed together.

    Args:
        run: its reaper removes the containers when midpipe dies.
        networked: put them on a network of their own, where they reach each other by name. An engine has only about
            thirty networks, so use it where needed; joining a network later would change mapped ports.

    Raises:
        ServerError: the extra is not installed, or no engine answers.
    """

    def __init__(self, run: RunDirectory, *, networked: bool = False) -> None:
        self._library = _import_libraries()
        self._label = uuid.uuid4().hex
        self._engine = _connect(self._library)
        self._at_end = run.at_end((sys.executable, "-P", str(Path(remains.__file__)), self._label))
        self._network = self._create_network() if networked else None

    def start(
        self,
        image: str,
        command: Sequence[str] = (),
        ports: Sequence[int] = (),
        name: str = "",
        *,
        prepare: Callable[[Any], Any] = lambda container: container,
        on_host_network: bool = False,
    ) -> Container:
        """Start a container.

        Args:
            command: arguments for the image's entry point.
            ports: ports of the container to map to this machine.
            name: its host name on the group's network.
            prepare: called with testcontainers' container before it starts; returns the container.
            on_host_network: put it on the machine's own network, with no ports mapped; see require_host_network.

        Raises:
            ServerError: the image can't be pulled, or the container does not start.
        """
        if not self._library.config.testcontainers_config.ryuk_disabled:
            self._pull_ryuk()
        self._pull(image)
        with _engine_errors(f"A container of {image} does not start"):
            started = self._library.container.DockerContainer(image)
            where = {"network": "host"} if on_host_network else {}
            started.with_kwargs(labels={remains.LABEL: self._label}, **where)
            started.with_command(list(command))
            for port in ports:
                started.ports[str(port)] = self._mapped_on()
            if self._network is not None:
                started.with_network(self._network).with_network_aliases(name)
            prepare(started).start()
        return Container(started)

    def until_http_answers(self, port: int, path: str, poll_s: float) -> Any:
        """Return a wait strategy of testcontainers: until a port of the container answers HTTP.

        Args:
            poll_s: pause between requests, in seconds.
        """
        waits = self._library.wait_strategies.HttpWaitStrategy(port, path)
        return waits.with_poll_interval(poll_s)

    def require_host_network(self) -> None:
        """Raise NotApplicableError if the engine's host network is not the network of this process."""
        with _engine_errors("The engine does not describe itself"):
            about = self._engine.client.info()
        if self._mapped_on() != (_LOOPBACK,):
            reason = "is not on this machine, or midpipe runs in a container itself"
        elif sys.platform != "linux" or about.get("OperatingSystem") == "Docker Desktop":
            reason = "runs in a virtual machine"
        elif any("rootless" in option for option in about.get("SecurityOptions") or ()):
            reason = "is rootless, with a network of its own"
        else:
            return
        raise NotApplicableError(
            "A replica or Sentinels in containers need the loopback of this machine, "
            f"and the engine {reason}. Start them from a binary instead: --redis embedded:redis-server."
        )

    def close(self) -> None:
        """Remove the containers, their volumes and their network; safe to call twice."""
        with _engine_errors("The containers can't be removed; midpipe's reaper will try again"):
            remains.remove_remains(self._engine.client, self._label)
        self._at_end.unlink(missing_ok=True)
        self._engine.client.close()

    def _create_network(self) -> Any:
        labels = {"labels": {remains.LABEL: self._label}}
        with _engine_errors("A network for the containers can't be created"):
            return self._library.network.Network(docker_network_kw=labels).create()

    def _mapped_on(self) -> tuple[str] | None:
        """Return the address of this machine on which ports are mapped; None stands for every address."""
        mode = self._engine.get_connection_mode().value
        if mode == "docker_host" and self._engine.host() in _HERE:
            return (_LOOPBACK,)
        if mode == "gateway_ip":
            # midpipe runs in a container, and the engine runs outside or beside it.
            bridge = self._engine.client.networks.get("bridge").attrs["IPAM"]["Config"][0]
            return (str(bridge["Gateway"]),) if "Gateway" in bridge else None
        return None

    def _pull_ryuk(self) -> None:
        reaper = self._library.config.testcontainers_config.ryuk_image
        self._pull(
            reaper,
            "It is testcontainers' own reaper, and midpipe removes its containers without it: "
            "set TESTCONTAINERS_RYUK_DISABLED=true.",
        )

    def _pull(self, image: str, way_out: str = "") -> None:
        """Pull the image unless the engine has it. Raises ServerError."""
        errors = self._library.errors
        images = self._engine.client.images
        name = self._library.config.testcontainers_config.hub_image_name_prefix + image
        try:
            images.get(name)
        except errors.ImageNotFound:
            try:
                repository, _, tag = name.rpartition(":")
                named = (repository, tag) if repository and "/" not in tag else (name, "latest")
                images.pull(*named)
            except errors.DockerException as error:
                raise ServerError(
                    f"The image {name} is not on the engine and can't be pulled: {_reason(error)}. "
                    + (way_out or f"Check its name and the network, {_OTHERWISE}.")
                ) from error


class Container:
    """A started container."""

    def __init__(self, started: Any) -> None:
        self._started = started
        self._engine = started.get_wrapped_container()

    @property
    def id(self) -> str:
        return str(self._engine.id)

    def address(self, port: int) -> Address:
        """Return where one of its ports is mapped; each start may change it. Raises ServerError."""
        with _engine_errors("The container's mapped port is not known"):
            host = self._started.get_container_host_ip()
            return Address(
                host=_LOOPBACK if host in _HERE else str(host),
                port=int(self._started.get_exposed_port(port)),
            )

    def signal(self, name: str) -> None:
        """Send a signal to its process. Raises ServerError."""
        with _engine_errors(f"{name} can't be sent to the container"):
            self._engine.kill(name)

    def kill(self) -> None:
        """End its process (SIGKILL) and wait for the end; does nothing if it has ended. Raises ServerError."""
        from docker.errors import APIError

        with _engine_errors("The container can't be killed"):
            try:
                self._engine.kill("SIGKILL")
            except APIError as error:
                if error.status_code != HTTPStatus.CONFLICT:
                    raise

    def start_again(self) -> None:
        """Start the container again after its process has ended. Raises ServerError."""
        with _engine_errors("The container does not start again"):
            self._engine.start()

    def make_directory(self, where: str, name: str) -> None:
        """Create an empty directory inside the container. Raises ServerError."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        with _engine_errors(f"A directory can't be created in the container's {where}"):
            self._engine.put_archive(where, packed.getvalue())

    def exit_log(self) -> str:
        """Return the end of its log if it has exited; empty while it runs. Raises ServerError."""
        with _engine_errors("The container can't be inspected"):
            self._engine.reload()
            if self._engine.status not in ("exited", "dead"):
                return ""
            logged = " ".join(self._engine.logs(tail=20).decode("utf-8", "replace").split())
            return logged[-_LOG_TAIL:] or "nothing"


class _Libraries:
    """The modules of testcontainers, imported at first use: they take half a second."""

    def __init__(self) -> None:
        from docker import errors
        from testcontainers.core import config, container, docker_client, network, wait_strategies

        self.config, self.container, self.docker_client = config, container, docker_client
        self.errors, self.network, self.wait_strategies = errors, network, wait_strategies


def _import_libraries() -> Any:
    try:
        return _Libraries()
    except ImportError as error:
        raise ServerError(
            f"Containers need the extra 'docker' ({error}): pip install 'midpipe[docker]', {_OTHERWISE}."
        ) from error


def _connect(library: Any) -> Any:
    with _engine_errors("No container engine answers"):
        return library.docker_client.DockerClient()


@contextmanager
def _engine_errors(what: str) -> Iterator[None]:
    """Raise the errors of the engine's client as ServerError, with a sentence that begins with ``what``."""
    from docker.errors import APIError, DockerException

    try:
        yield
    except APIError as error:
        raise ServerError(f"{what}: {_reason(error)}.") from error
    except (DockerException, OSError, TimeoutError) as error:
        raise ServerError(
            f"{what}: {_reason(error)}. Is Docker running, and may you use it? Start it, {_OTHERWISE}."
        ) from error


def _reason(error: Exception) -> str:
    said = getattr(error, "explanation", None) or error
    return " ".join(str(said).split()).rstrip(".")
