"""A container engine: containers and networks of one household, all with one label, removed together.

A shell around ``testcontainers``, which respects its own settings (its reaper Ryuk, the engine's address, the
registry). Ryuk or not, the household goes when midpipe goes: the run directory's leash removes what carries the label.
Everything that can be missing (the extra, the engine, an image) is told in one sentence with the way out.
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
from midpipe.faultinject.servers import remains
from midpipe.faultinject.servers.reaper import RunDirectory
from midpipe.faultinject.vocabulary import Address

_LOOPBACK = "127.0.0.1"
_LOG_TAIL = 400
_HERE = ("localhost", _LOOPBACK, "::1")
_INSTEAD = "or leave --redis out to use the embedded server"


class ContainerGroup:
    """Containers that belong together.

    Args:
        run: its leash removes them when midpipe dies.
        networked: they are on a network of their own, where they reach each other by name. Only for those that need it,
            because an engine has some thirty to give; and from the start, because joining one changes mapped ports.

    Raises:
        ServerError: the extra is not installed, or no engine answers.
    """

    def __init__(self, run: RunDirectory, *, networked: bool = False) -> None:
        self._library = _testcontainers()
        self._label = uuid.uuid4().hex
        self._engine = _reached(self._library)
        self._at_end = run.at_end((sys.executable, "-P", str(Path(remains.__file__)), self._label))
        self._network = self._networked() if networked else None

    def start(
        self,
        image: str,
        command: Sequence[str] = (),
        ports: Sequence[int] = (),
        name: str = "",
        prepared: Callable[[Any], Any] = lambda container: container,
        *,
        on_our_loopback: bool = False,
    ) -> Container:
        """Start a container.

        Args:
            command: words for the image's entry point.
            ports: those inside that are to be reached from here.
            name: by which the others on the household's network reach it.
            prepared: what else is to be set on testcontainers' container before it starts.
            on_our_loopback: it is on the network of the machine itself, with no ports mapped; see want_our_loopback.

        Raises:
            ServerError: the image can't be had, or the container does not start.
        """
        if not self._library.config.testcontainers_config.ryuk_disabled:
            self._obtain_reaper()
        self._obtain(image)
        with _told(f"A container of {image} does not start"):
            started = self._library.container.DockerContainer(image)
            where = {"network": "host"} if on_our_loopback else {}
            started.with_kwargs(labels={remains.LABEL: self._label}, **where)
            started.with_command(list(command))
            for port in ports:
                started.ports[str(port)] = self._reached_at()
            if self._network is not None:
                started.with_network(self._network).with_network_aliases(name)
            prepared(started).start()
        return Container(started)

    def answers(self, port: int, path: str, poll_s: float) -> Any:
        """Return what waits until a container answers HTTP on a port inside; for ``prepared``."""
        waits = self._library.wait_strategies.HttpWaitStrategy(port, path)
        return waits.with_poll_interval(poll_s)

    def want_our_loopback(self) -> None:
        """Raise NotApplicableError if the network of the engine's machine is not the one that we are on."""
        with _told("The engine can't be asked what it is"):
            about = self._engine.client.info()
        if self._reached_at() != (_LOOPBACK,):
            elsewhere = "is not on this machine, or this is a container"
        elif sys.platform != "linux" or about.get("OperatingSystem") == "Docker Desktop":
            elsewhere = "runs in a virtual machine"
        elif any("rootless" in option for option in about.get("SecurityOptions") or ()):
            elsewhere = "runs without root, on a network of its own"
        else:
            return
        raise NotApplicableError(
            "A replica, Sentinels and a Cluster in containers need the loopback of this machine, "
            f"and the engine {elsewhere}. They start from a binary as well: --redis embedded:redis-server."
        )

    def close(self) -> None:
        """Remove the containers, what they keep, and their network; safe to call twice."""
        with _told("The containers can't be removed; midpipe's leash tries again"):
            remains.remove_remains(self._engine.client, self._label)
        self._at_end.unlink(missing_ok=True)
        self._engine.client.close()

    def _networked(self) -> Any:
        labels = {"labels": {remains.LABEL: self._label}}
        with _told("A network for the containers can't be made"):
            return self._library.network.Network(docker_network_kw=labels).create()

    def _reached_at(self) -> tuple[str] | None:
        """Return the only address of this machine on which a container's port is to be reached; None is any."""
        mode = self._engine.get_connection_mode().value
        if mode == "docker_host" and self._engine.host() in _HERE:
            return (_LOOPBACK,)
        if mode == "gateway_ip":
            # We are in a container ourselves, and the engine is outside, or beside us.
            bridge = self._engine.client.networks.get("bridge").attrs["IPAM"]["Config"][0]
            return (str(bridge["Gateway"]),) if "Gateway" in bridge else None
        return None

    def _obtain_reaper(self) -> None:
        reaper = self._library.config.testcontainers_config.ryuk_image
        self._obtain(
            reaper,
            "It is testcontainers' own reaper; midpipe removes its containers without it too: "
            "set TESTCONTAINERS_RYUK_DISABLED=true.",
        )

    def _obtain(self, image: str, way_out: str = "") -> None:
        """Have the image on the engine. Raises ServerError."""
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
                    + (
                        way_out
                        or "Check its name and the network; `midpipe images` builds images from packages "
                        f"where no registry can be reached; {_INSTEAD}."
                    )
                ) from error


class Container:
    """A container that was started."""

    def __init__(self, started: Any) -> None:
        self._started = started
        self._engine = started.get_wrapped_container()

    @property
    def id(self) -> str:
        return str(self._engine.id)

    def address(self, port: int) -> Address:
        """Return where a port of it is reached from here; another one after each start. Raises ServerError."""
        with _told("The container's port can't be told"):
            host = self._started.get_container_host_ip()
            return Address(
                host=_LOOPBACK if host in _HERE else str(host),
                port=int(self._started.get_exposed_port(port)),
            )

    def signal(self, name: str) -> None:
        """Send its process a signal. Raises ServerError."""
        with _told(f"{name} can't be sent to the container"):
            self._engine.kill(name)

    def kill(self) -> None:
        """End its process (SIGKILL), and wait until it has ended; fine if it has. Raises ServerError."""
        from docker.errors import APIError

        with _told("The container can't be killed"):
            try:
                self._engine.kill("SIGKILL")
            except APIError as error:
                if error.status_code != HTTPStatus.CONFLICT:
                    raise

    def start_again(self) -> None:
        """Start a container that has ended. Raises ServerError."""
        with _told("The container does not start again"):
            self._engine.start()

    def make_directory(self, where: str, name: str) -> None:
        """Make an empty directory inside. Raises ServerError."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        with _told(f"A directory can't be made in the container's {where}"):
            self._engine.put_archive(where, packed.getvalue())

    def ended(self) -> str:
        """Return what it logged last, if it has ended; empty while it runs. Raises ServerError."""
        with _told("The container can't be looked at"):
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


def _testcontainers() -> Any:
    try:
        return _Libraries()
    except ImportError as error:
        raise ServerError(
            f"Containers need the extra 'docker' ({error}): pip install 'midpipe[docker]', {_INSTEAD}."
        ) from error


def _reached(library: Any) -> Any:
    with _told("No container engine answers"):
        return library.docker_client.DockerClient()


@contextmanager
def images_of_engine() -> Iterator[Any]:
    """Reach the engine for its images, a ``docker.models.images.ImageCollection``. Raises ServerError."""
    engine = _reached(_testcontainers())
    try:
        with _told("The engine does not do that"):
            yield engine.client.images
    finally:
        engine.client.close()


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn whatever the engine's client raises into a sentence."""
    from docker.errors import APIError, DockerException

    try:
        yield
    except APIError as error:
        raise ServerError(f"{what}: {_reason(error)}.") from error
    except (DockerException, OSError, TimeoutError) as error:
        raise ServerError(
            f"{what}: {_reason(error)}. Is Docker running, and may you use it? Start it, {_INSTEAD}."
        ) from error


def _reason(error: Exception) -> str:
    said = getattr(error, "explanation", None) or error
    return " ".join(str(said).split()).rstrip(".")
