"""A stepped clock for each test. Without a C compiler the tests are skipped on a laptop, and fail in CI."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from midpipe.faultinject.clock.preload import libraries
from midpipe.faultinject.clock.stepped import SteppedClock
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.embedded import binary_from_the_wheel

pytest.register_assert_rewrite("tests.real.clock.children")

from tests.real.clock.children import Child, connected, started_server  # noqa: E402
from tests.real.clock.native_programs import sanitized_library  # noqa: E402


def missing(what: str) -> None:
    """Skip the test on a laptop; fail it in CI."""
    if "CI" in os.environ:
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of the library, compiled for this run."""
    *_, found = libraries(tmp_path_factory.mktemp("cache"))
    if isinstance(found, str):
        missing(found)
    assert isinstance(found, Path)
    return found


@pytest.fixture(scope="session")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """The objects of the library under the sanitizers, compiled once for all programs."""
    return sanitized_library(tmp_path_factory.mktemp("sanitized"))


@pytest.fixture
def clock(library: Path, tmp_path: Path) -> Iterator[SteppedClock]:
    made = SteppedClock(library, tmp_path)
    yield made
    assert made.overflows == 0
    made.close()


@pytest.fixture
def start(clock: SteppedClock) -> Iterator[Callable[..., Child]]:
    """Starts programs on the clock; they are killed after the test."""
    with ExitStack() as children:
        yield lambda *command, **how: children.enter_context(Child(clock, *command, **how))


@pytest.fixture
def server(clock: SteppedClock, run_directory: RunDirectory) -> Iterator[Path]:
    """A server on the clock; the fixture is the path of its socket."""
    folder = run_directory.subdirectory("server")
    with started_server(clock, binary_from_the_wheel(), folder) as path:
        yield path


@pytest.fixture
def ask(server: Path) -> Iterator[Callable[..., object]]:
    """Sends commands to the server, on the machine's clock."""
    with connected(server) as connection:
        yield connection


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def full() -> Iterator[int]:
    """A port whose backlog is full, so that connecting to it waits."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            one = sockets.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
