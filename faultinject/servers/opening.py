"""Parses the server that a user names with --redis, and opens it.

What containers need is loaded when one is opened, because most commands open none and are to start quickly.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from midpipe.faultinject.clock.port import Clock
from midpipe.faultinject.errors import NotApplicableError, UsageError
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.embedded import EmbeddedServer
from midpipe.faultinject.servers.external import SCHEMES, ExternalServer, parse_url
from midpipe.faultinject.servers.node import Origin
from midpipe.faultinject.servers.origins import FromBinary, FromImage
from midpipe.faultinject.servers.pair import Pair
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.servers.server import Server

EMBEDDED, EXTERNAL, CONTAINER = "embedded", "external", "docker"
WALL, STEPPED, AUTO = "wall", "stepped", "auto"


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """A server to break. Its repr holds no password.

    Args:
        kind: EMBEDDED, CONTAINER or EXTERNAL.
        where: the binary of an embedded server, or None for the wheel's; the image of one in a container, or None for
            the default; the URL of an external one.
        clock: of the server and its clients: WALL, STEPPED, or AUTO, which is STEPPED where that is possible.
    """

    kind: str = EMBEDDED
    where: str | None = None
    clock: str = AUTO

    def __repr__(self) -> str:
        return f"ServerSpec({self.kind})"

    @property
    def option(self) -> str:
        """The options that name this server on a command line, quoted for a shell; empty for the default.

        Holds no secret: a URL appears without its user and password.
        """
        words = []
        if self.kind == EXTERNAL:
            words += ["--redis", _without_secret(self.where or "")]
        elif (self.kind, self.where) != (EMBEDDED, None):
            words += ["--redis", self.kind + (f":{self.where}" if self.where else "")]
        if self.clock != AUTO:
            words += ["--clock", self.clock]
        return shlex.join(words)

    @property
    def is_shared(self) -> bool:
        """Whether there is only one such server, so that only one worker can use it."""
        return self.kind == EXTERNAL


def parse_server_spec(text: str) -> ServerSpec:
    """Read ``embedded[:BINARY]``, ``docker[:IMAGE]``, ``redis://…`` or ``unix://…``. Raises UsageError."""
    kind, colon, rest = text.partition(":")
    if kind in SCHEMES and rest.startswith("//"):
        parse_url(text)
        return ServerSpec(EXTERNAL, text)
    if kind in (EMBEDDED, CONTAINER) and bool(colon) == bool(rest):
        return ServerSpec(kind, rest or None)
    raise UsageError(
        f"--redis takes embedded, embedded:/path/to/redis-server, docker, docker:image, "
        f"redis://host:port/database or unix:///path; got {_without_secret(text)!r}."
    )


def open_server(
    spec: ServerSpec,
    run: RunDirectory,
    persistence: Persistence = Persistence.NONE,
    clock: Clock | None = None,
    *,
    has_other_clients: bool = False,
) -> Server:
    """Start the server, or connect to it.

    Args:
        persistence: for a server that midpipe starts.
        clock: for an embedded server; None is the machine's.
        has_other_clients: whether the run's commands come from elsewhere too, such as from a Toxiproxy; then nothing
            distinguishes them from those of other clients.

    Raises:
        ServerError: it can't be started or reached, or its database is not empty.
        NotApplicableError: it can't have a replica.
    """
    if spec.kind == EXTERNAL:
        return ExternalServer(spec.where or "", run, watches_writes=not has_other_clients)
    if persistence.is_replicated:
        return Pair(origin_of(spec, run), persistence)
    if spec.kind == CONTAINER:
        if persistence is Persistence.POWER_LOSS:
            raise NotApplicableError("midpipe can't reach the files of a server in a container.")
        from midpipe.faultinject.servers.container import DEFAULT_IMAGE, ContainerServer
        from midpipe.faultinject.servers.engine import ContainerGroup

        return ContainerServer(spec.where or DEFAULT_IMAGE, ContainerGroup(run), persistence)
    return EmbeddedServer(
        spec.where, run, persistence, environment=clock.environment() if clock else None
    )


def origin_of(spec: ServerSpec, run: RunDirectory) -> Origin:
    """Return the origin of a topology's servers.

    Raises:
        ServerError: no container engine answers.
        NotApplicableError: the server is external, or the engine has no host network to use.
    """
    if spec.kind == EXTERNAL:
        raise NotApplicableError(
            "A server that a URL names gets no replica and no Sentinels, because midpipe does not start it. "
            "Leave --redis out, or name a binary or an image: --redis embedded:redis-server, --redis docker."
        )
    if spec.kind == CONTAINER:
        from midpipe.faultinject.servers.container import DEFAULT_IMAGE

        return FromImage(spec.where or DEFAULT_IMAGE, run)
    return FromBinary(spec.where, run)


def _without_secret(text: str) -> str:
    before, at, after = text.rpartition("@")
    return f"{before.partition('//')[0]}//…@{after}" if at else text
