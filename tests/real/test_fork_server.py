"""Subjects that are loaded once and forked: forks are like new processes, and unsound forks are refused."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from midpipe.faultinject.clock.wall import WallClock
from midpipe.faultinject.errors import SubjectError
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.reaper import RunDirectory
from midpipe.scenarios.case.hosts import Hosts
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.subjects.hosting import Answer, HostProcess
from midpipe.scenarios.subjects.processes import ForkServer
from tests.real.waiting import is_running

COUNTS = """
import os, random
LOADED_IN = os.getpid()
COUNT = 0
class Q:
    def __init__(self, url): pass
    def count(self):
        global COUNT
        COUNT += 1
        return COUNT
    def pids(self): return [LOADED_IN, os.getpid()]
    def draw(self): return random.random()
    def say(self): print("said")
"""
IMPORTS = """
import importlib, sys
class Q:
    def __init__(self, url): pass
    def use_library(self): import wsgiref.util
    def use_own(self): import own_part
    def imported(self): return [name in sys.modules for name in ("wsgiref.util", "own_part")]
"""
USES_A_LIBRARY_BESIDE_IT = """
import os, sysconfig
sysconfig.get_path = lambda kind: os.path.dirname(__file__)
"""
LEAVES_A_THREAD = (
    "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
)
LEAVES_A_SOCKET = "import socket\nKEPT = socket.socket()\n"


class Forks:
    """A fork server of a subject's source, and the processes that it forked."""

    def __init__(self, directory: Path, source: str) -> None:
        file = directory / "subject.py"
        file.write_text(source)
        self.loop, self.run = Loop(), RunDirectory()
        self.spec = SubjectSpec(f"{file}:Q", environment=())
        self.hosts: list[HostProcess] = []
        self.server: ForkServer | None = None

    def load(self) -> ForkServer:
        """Return a server that has loaded the subject. Raises SubjectError."""
        self.server = ForkServer(self.spec, self.run)
        self.server.wait_until_loaded()
        return self.server

    def host(self) -> HostProcess:
        host = HostProcess(self.spec, self.loop, self.run, self.server or self.load())
        host.wait_until_ready()
        host.make_instance("A", "redis://x")
        self.hosts.append(host)
        return host

    def close(self) -> None:
        for host in self.hosts:
            host.kill()
        if self.server is not None:
            self.server.close()
        self.loop.close()
        self.run.close()


@pytest.fixture
def forks(tmp_path: Path) -> Iterator[Callable[[str], Forks]]:
    made: list[Forks] = []

    def of(source: str) -> Forks:
        made.append(Forks(tmp_path, source))
        return made[-1]

    yield of
    for one in made:
        one.close()


def call(host: HostProcess, method: str) -> Answer:
    answers: list[Answer] = []
    host.call("A", method, {}, answers.append)
    assert host.loop.run_until(lambda: bool(answers), 10.0)
    return answers[0]


def test_each_fork_starts_with_the_state_after_the_import(forks: Callable[[str], Forks]) -> None:
    subject = forks(COUNTS)
    counts = [call(host, "count")["ok"] for host in (subject.host(), subject.host())]
    assert counts == [1, 1]


def test_a_fork_is_a_process_of_its_own(forks: Callable[[str], Forks]) -> None:
    loaded_in, pid = call(forks(COUNTS).host(), "pids")["ok"]
    assert loaded_in != pid


def test_forks_draw_different_random_numbers(forks: Callable[[str], Forks]) -> None:
    subject = forks(COUNTS)
    assert call(subject.host(), "draw")["ok"] != call(subject.host(), "draw")["ok"]


def test_each_fork_has_an_output_file_of_its_own(forks: Callable[[str], Forks]) -> None:
    subject = forks(COUNTS)
    loud, quiet = subject.host(), subject.host()
    call(loud, "say")
    assert (loud.printed(), quiet.printed()) == ("said", "")


def test_a_fork_that_is_killed_is_reported_with_its_exit_code(
    forks: Callable[[str], Forks],
) -> None:
    host = forks(COUNTS).host()
    os.kill(call(host, "pids")["ok"][1], signal.SIGKILL)
    assert call(host, "count")["error"]["message"] == "ended with exit code -9"
    assert not host.is_alive


def test_a_fork_is_gone_once_it_was_killed(forks: Callable[[str], Forks]) -> None:
    host = forks(COUNTS).host()
    pid = call(host, "pids")["ok"][1]
    host.kill()
    assert not is_running(pid)


def test_forks_end_with_the_run_that_they_belong_to(forks: Callable[[str], Forks]) -> None:
    subject = forks(COUNTS)
    pids = call(subject.host(), "pids")["ok"]
    subject.run.close()
    assert subject.server is not None
    with pytest.raises(SubjectError, match="has ended"):
        subject.server.ask({"do": "wait", "pid": pids[1]})


@pytest.mark.parametrize("leaves", [LEAVES_A_THREAD, LEAVES_A_SOCKET])
def test_a_subject_whose_import_leaves_something_behind_is_not_forked(
    forks: Callable[[str], Forks], leaves: str
) -> None:
    assert not forks(leaves + COUNTS).load().can_fork


def test_a_subject_that_leaves_nothing_behind_is_forked(forks: Callable[[str], Forks]) -> None:
    assert forks(COUNTS).load().can_fork


def test_what_a_fork_imported_of_libraries_the_next_forks_begin_with(
    forks: Callable[[str], Forks], tmp_path: Path
) -> None:
    subject = forks(IMPORTS)
    (tmp_path / "own_part.py").write_text("")
    first = subject.host()
    for method in ("use_library", "use_own"):
        assert "error" not in call(first, method)
    assert call(first, "imported")["ok"] == [True, True]
    assert subject.server is not None
    assert subject.server.import_learnt()
    assert call(subject.host(), "imported")["ok"] == [True, False]


@pytest.mark.parametrize("leaves", [LEAVES_A_THREAD, "import os\nos._exit(3)"])
def test_an_import_that_makes_forking_unsound_is_reported(
    forks: Callable[[str], Forks], tmp_path: Path, leaves: str
) -> None:
    server = forks(IMPORTS).load()
    (tmp_path / "leaves.py").write_text(leaves)
    server.learn(["leaves"])
    assert not server.import_learnt()


def test_processes_forked_before_an_unsound_import_go_on(tmp_path: Path) -> None:
    (tmp_path / "subject.py").write_text(USES_A_LIBRARY_BESIDE_IT + IMPORTS)
    (tmp_path / "own_part.py").write_text(LEAVES_A_THREAD)
    loop, run = Loop(), RunDirectory()
    spec = SubjectSpec(f"{tmp_path}/subject.py:Q", environment=())
    hosts = Hosts(spec, loop, run, WallClock("none is needed"))
    try:
        first = hosts.get("A")
        first.make_instance("A", "redis://x")
        call(first, "use_own")
        hosts.import_learnt()
        second = hosts.get("B")
        second.make_instance("A", "redis://x")
        assert [call(host, "imported")["ok"][1] for host in (first, second)] == [True, False]
    finally:
        hosts.close()
        loop.close()
        run.close()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise RuntimeError('no')", "can't be loaded: RuntimeError: no"),
        ("import os\nos._exit(7)", "ended with exit code 7"),
        ("import os\nprint('bye', flush=True)\nos._exit(7)", "It printed: bye"),
    ],
)
def test_a_subject_that_can_not_be_loaded_is_reported(
    forks: Callable[[str], Forks], source: str, message: str
) -> None:
    with pytest.raises(SubjectError, match=message):
        forks(source).load()
