"""An engine and images for the tests that need containers. Without an engine the tests are skipped, and fail in CI.

``MIDPIPE_REDIS_IMAGE`` and ``MIDPIPE_TOXIPROXY_IMAGE`` name the images. ``MIDPIPE_WITHOUT_DOCKER`` is the reason why a
CI system has no engine, or no image; ``MIDPIPE_WITHOUT_TOXIPROXY`` why it has none of that. Then the tests are skipped
there as well, and ``.ci/docker`` says so at its end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.container import DEFAULT_IMAGE, ContainerServer
from midpipe.faultinject.servers.engine import ContainerGroup
from midpipe.faultinject.servers.opening import CONTAINER, ServerSpec
from midpipe.faultinject.servers.remains import LABEL
from midpipe.scenarios.explore.worker import Worker
from tests.support.toxiproxy_container import DEFAULT_IMAGE as TOXIPROXY_IMAGE
from tests.support.toxiproxy_container import ToxiproxyContainer


def skip_or_fail(reason: str) -> None:
    """Skip on a laptop; fail in CI, which has to give the reason if something is missing."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    """A ``docker.DockerClient``, to inspect the engine with."""
    if reason := os.environ.get("MIDPIPE_WITHOUT_DOCKER"):
        pytest.skip(reason)
    docker = pytest.importorskip("docker")
    try:
        client = docker.from_env(timeout=10)
        client.ping()
    except docker.errors.DockerException as error:
        skip_or_fail(f"no container engine answers: {error}")
    yield client
    client.close()


@pytest.fixture(scope="session")
def redis_image(engine: Any) -> str:
    assert engine is not None
    return os.environ.get("MIDPIPE_REDIS_IMAGE") or DEFAULT_IMAGE


@pytest.fixture(scope="session")
def toxiproxy_image(engine: Any) -> str:
    assert engine is not None
    if reason := os.environ.get("MIDPIPE_WITHOUT_TOXIPROXY"):
        pytest.skip(reason)
    return os.environ.get("MIDPIPE_TOXIPROXY_IMAGE") or TOXIPROXY_IMAGE


@pytest.fixture(scope="session")
def spec(redis_image: str) -> ServerSpec:
    return ServerSpec(CONTAINER, redis_image)


@pytest.fixture(scope="module")
def run_directory() -> Iterator[RunDirectory]:
    with RunDirectory() as run:
        yield run


@pytest.fixture(scope="module")
def server(spec: ServerSpec, run_directory: RunDirectory) -> Iterator[ContainerServer]:
    assert spec.where is not None
    started = ContainerServer(spec.where, ContainerGroup(run_directory, networked=True))
    yield started
    started.stop()


@pytest.fixture(scope="module")
def toxiproxy(server: ContainerServer, toxiproxy_image: str) -> ToxiproxyContainer:
    """A Toxiproxy beside the server, removed with the server."""
    return ToxiproxyContainer(toxiproxy_image, server)


@pytest.fixture(scope="module")
def worker(spec: ServerSpec) -> Iterator[Worker]:
    started = Worker(spec)
    yield started
    started.close()


def remains(engine: Any) -> tuple[str, ...]:
    """Return the names of all containers and networks on the engine that carry midpipe's label."""
    label = {"label": LABEL}
    containers = engine.containers.list(all=True, filters=label, ignore_removed=True)
    networks = engine.networks.list(filters=label)
    return tuple(sorted(thing.name for thing in (*containers, *networks)))
