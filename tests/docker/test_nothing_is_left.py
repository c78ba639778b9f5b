"""However midpipe ends, it leaves no container, network, process or directory behind. Everything is counted.

Each run gets a directory for temporary files and a variable of its own; whatever descends from it has that variable in
its environment, wherever it may have gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.docker.conftest import remains
from tests.support.children import reap, start

pytestmark = pytest.mark.docker
ROOT = Path(__file__).resolve().parents[2]
MARK = "MIDPIPE_TEST_RUN"
ENDS_WITHIN_S = 90.0
AS_REVIEWED = "midpipe.scenarios.flaws.as_reviewed:SimpleQueue"
HOST = "subjects/host.py"

CONTAINERS = """
import sys, time
from midpipe.faultinject.servers.container import ContainerServer
from midpipe.faultinject.servers.engine import ContainerGroup
from midpipe.faultinject.reaper import RunDirectory
from tests.support.toxiproxy_container import ToxiproxyContainer
server = ContainerServer(sys.argv[1], ContainerGroup(RunDirectory(), networked=True))
ToxiproxyContainer(sys.argv[2], server)
print("up", flush=True)
time.sleep(600)
"""

TOPOLOGY = """
import sys
from tests.support.cluster import Cluster
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.opening import CONTAINER, ServerSpec, origin_of
from midpipe.faultinject.servers.sentinel import SentinelGroup
run = RunDirectory()
origin = origin_of(ServerSpec(CONTAINER, sys.argv[2]), run)
servers = {"sentinel": SentinelGroup, "cluster": Cluster}[sys.argv[1]](origin)
print("up", flush=True)
sys.stdin.readline()
servers.stop()
run.close()
"""
CLAIMS_ONLY = """
from midpipe.reference import Queue


class Claims(Queue):
    waits_for_replicas = True
"""


@dataclass
class Run:
    """A process that uses containers, and all of its descendants."""

    engine: Any
    directory: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    process: subprocess.Popen[str] | None = None

    def start(self, *words: str) -> subprocess.Popen[str]:
        self.process = start(
            [sys.executable, *words],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(self.directory), MARK: self.mark},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return self.process

    def midpipe(self, *words: str) -> subprocess.Popen[str]:
        return self.start("-m", "midpipe", *words, "--out", str(self.directory / "out"))

    def processes(self) -> dict[int, str]:
        """Return the command line of each descendant, by pid."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                environment = (entry / "environ").read_bytes()
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if f"{MARK}={self.mark}".encode() in environment.split(b"\0"):
                found[int(entry.name)] = words.replace(b"\0", b" ").decode("utf-8", "replace")
        return found

    def left(self) -> tuple[str, ...]:
        """Return everything of it that exists now."""
        directories = tuple(path.name for path in self.directory.glob("midpipe-*"))
        return (*remains(self.engine), *self.processes().values(), *directories)

    def has_cases_running(self) -> bool:
        return any(HOST in words for words in self.processes().values())


def wait_until(satisfied: Callable[[], object], within_s: float = ENDS_WITHIN_S) -> None:
    deadline_s = time.monotonic() + within_s
    while not satisfied():
        assert time.monotonic() < deadline_s, "it never came to be"
        time.sleep(0.01)


@pytest.fixture
def run(engine: Any, tmp_path: Path) -> Iterator[Run]:
    assert remains(engine) == (), "another test has left something"
    if not Path("/proc/self/environ").exists():
        pytest.skip("processes are counted in /proc, which this system has not")
    started = Run(engine, tmp_path)
    try:
        yield started
    finally:
        for pid in started.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if started.process is not None:
            reap(started.process)


def assert_nothing_is_left(run: Run) -> None:
    """Assert that nothing of the run exists, once what ends by itself has had the time to end."""
    deadline_s = time.monotonic() + ENDS_WITHIN_S
    while left := run.left():
        assert time.monotonic() < deadline_s, f"still there: {left}"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("subject", "program", "code"),
    [
        ("midpipe.reference:Queue", "enqueue", 0),
        (AS_REVIEWED, "enqueue-with-request-id", 1),
        ("reference:NoSuchQueue", "enqueue", 2),
    ],
    ids=["success", "a finding", "a subject that can't be loaded"],
)
def test_after_a_sweep_nothing_is_left(
    run: Run, redis_image: str, subject: str, program: str, code: int
) -> None:
    words = ("--subject", subject, "--program", program, "--redis", f"docker:{redis_image}")
    process = run.midpipe("sweep", *words, "--jobs", "2")
    output, _ = process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode == code, output
    assert_nothing_is_left(run)


def has_container(run: Run) -> bool:
    return remains(run.engine) != ()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize(
    "moment", [has_container, Run.has_cases_running], ids=["as it starts", "in the midst of cases"]
)
def test_when_midpipe_is_ended_nothing_is_left(
    run: Run, redis_image: str, how: signal.Signals, moment: Callable[[Run], bool]
) -> None:
    process = run.midpipe("gate", "--redis", f"docker:{redis_image}", "--jobs", "2")
    wait_until(lambda: moment(run))
    process.send_signal(how)
    process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode != 0
    assert_nothing_is_left(run)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_network_with_two_containers_is_removed_as_well(
    run: Run, redis_image: str, toxiproxy_image: str, how: signal.Signals
) -> None:
    process = run.start("-c", CONTAINERS, redis_image, toxiproxy_image)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    # Two containers and a network.
    assert len(remains(run.engine)) == 3
    process.send_signal(how)
    process.wait(ENDS_WITHIN_S)
    assert_nothing_is_left(run)


@pytest.mark.parametrize(
    ("persistence", "code"), [("replica", 0), ("replica-behind", 1)], ids=["success", "a finding"]
)
def test_after_failovers_nothing_is_left(
    run: Run, redis_image: str, persistence: str, code: int, tmp_path: Path
) -> None:
    queue = tmp_path / "says.py"
    queue.write_text(CLAIMS_ONLY)
    words = ("--subject", f"{queue}:Claims", "--program", "enqueue", "--persistence", persistence)
    process = run.midpipe("durability", *words, "--redis", f"docker:{redis_image}", "--jobs", "1")
    output, _ = process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode == code, output
    assert_nothing_is_left(run)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_when_midpipe_is_ended_amid_failovers_nothing_is_left(
    run: Run, redis_image: str, how: signal.Signals
) -> None:
    words = ("--persistence", "replica", "--redis", f"docker:{redis_image}", "--jobs", "1")
    process = run.midpipe("durability", *words)
    wait_until(run.has_cases_running)
    # The worker's own server, a primary and its replica.
    assert len(remains(run.engine)) == 3
    process.send_signal(how)
    process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode != 0
    assert_nothing_is_left(run)


@pytest.mark.parametrize(
    ("topology", "containers", "how"),
    [
        ("sentinel", 5, None),
        ("sentinel", 5, signal.SIGKILL),
        ("cluster", 6, signal.SIGINT),
    ],
)
def test_nothing_is_left_of_sentinels_and_of_a_cluster(
    run: Run, redis_image: str, topology: str, containers: int, how: signal.Signals | None
) -> None:
    process = run.start("-c", TOPOLOGY, topology, redis_image)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    assert len(remains(run.engine)) == containers
    if how is not None:
        process.send_signal(how)
    process.communicate("go on\n" if how is None else None, ENDS_WITHIN_S)
    assert (process.returncode == 0) == (how is None)
    assert_nothing_is_left(run)
