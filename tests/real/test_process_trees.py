"""Processes that a subject starts: they are frozen and killed with it, also those that have left its process group."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.reaper import RunDirectory
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.subjects.hosting import Answer, HostProcess
from midpipe.scenarios.subjects.processes import ForkServer
from tests.real.commands import ran
from tests.real.processes import running_with
from tests.real.waiting import is_running, wait_until

SLEEPERS = """
import os, subprocess, threading, time

def adopted(seconds):
    '''Start a sleep that leaves its parent and its session, as a daemon does; return its pid.'''
    reads, writes = os.pipe()
    if os.fork() == 0:
        os.setsid()
        pid = os.fork()
        if pid:
            os.write(writes, str(pid).encode())
            os._exit(0)
        os.execvp("sleep", ["sleep", seconds])
    os.wait()
    return int(os.read(reads, 20))

class Queue:
    def __init__(self, url=None):
        pass

    def enqueue(self, seconds="600", **named):
        started = [subprocess.Popen(["sleep", seconds]).pid for _ in range(3)]
        return [os.getpid(), *started, adopted(seconds)]

    def end(self):
        os._exit(3)

    def close_pipes(self):
        os.closerange(3, 256)
        time.sleep(60)
"""
SPEAKS = """
import json, sys
sys.path.insert(0, {folder!r})
from sleepers import Queue

print('{{"ready": true}}', flush=True)
for line in sys.stdin:
    request = json.loads(line)
    answer = {{"id": request["id"], "ok": True, "methods": ["enqueue"]}}
    if request["do"] == "call":
        answer["ok"] = getattr(Queue(), request["method"])(**request["args"])
    print(json.dumps(answer), flush=True)
"""
DIES = """
import json, os, signal, sys
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.reaper import RunDirectory
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.subjects.hosting import HostProcess
from midpipe.scenarios.subjects.processes import ForkServer

loop, run, spec = Loop(), RunDirectory(), SubjectSpec(sys.argv[1])
host = HostProcess(spec, loop, run, ForkServer(spec, run) if sys.argv[2] == "forked" else None)
host.wait_until_ready()
host.make_instance("A", "redis://x")
answers = []
host.call("A", "enqueue", {}, answers.append)
loop.run_until(lambda: bool(answers), 20.0)
print(json.dumps(answers[0]["ok"]), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
KINDS = ("started", "forked", "command")


class Hosts:
    """Starts hosts of the subject, each kind of process as midpipe starts it."""

    def __init__(self, folder: Path) -> None:
        (folder / "sleepers.py").write_text(SLEEPERS)
        (folder / "speaks.py").write_text(SPEAKS.format(folder=str(folder)))
        self._folder = folder
        self.subject = f"{folder / 'sleepers.py'}:Queue"
        self.loop, self.run = Loop(), RunDirectory()
        self._hosts: list[HostProcess] = []
        self._servers: list[ForkServer] = []

    def host(self, kind: str) -> HostProcess:
        text = self.subject
        if kind == "command":
            words = (sys.executable, str(self._folder / "speaks.py"))
            text = f"command: {shlex.join(words)}"
        spec = SubjectSpec(text, environment=())
        if kind == "forked":
            self._servers.append(ForkServer(spec, self.run))
        host = HostProcess(
            spec, self.loop, self.run, self._servers[-1] if kind == "forked" else None
        )
        self._hosts.append(host)
        host.wait_until_ready()
        host.make_instance("A", "redis://x")
        return host

    def close(self) -> None:
        for host in self._hosts:
            host.kill()
        for server in self._servers:
            server.close()
        self.loop.close()
        self.run.close()


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    hosts = Hosts(tmp_path)
    yield hosts
    hosts.close()


def call(host: HostProcess, method: str) -> Answer:
    answers: list[Answer] = []
    host.call("A", method, {}, answers.append)
    assert host.loop.run_until(lambda: bool(answers), 20.0)
    return answers[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_host_that_is_killed_takes_what_it_has_started_with_it(hosts: Hosts, kind: str) -> None:
    host = hosts.host(kind)
    pids = call(host, "enqueue")["ok"]
    assert all(map(is_running, pids))
    host.kill()
    wait_until(lambda: not any(map(is_running, pids)))
    assert host.has_had_children


@pytest.mark.parametrize("kind", KINDS)
def test_a_host_that_is_frozen_stands_still_with_what_it_has_started(
    hosts: Hosts, kind: str
) -> None:
    host = hosts.host(kind)
    pids = call(host, "enqueue")["ok"]

    def are_stopped(pids: list[int]) -> list[bool]:
        return [psutil.Process(pid).status() == psutil.STATUS_STOPPED for pid in pids]

    host.freeze()
    wait_until(lambda: all(are_stopped(pids)))
    host.resume()
    wait_until(lambda: not any(are_stopped(pids)))


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_host_has_started_ends_with_the_run(hosts: Hosts, kind: str) -> None:
    pids = call(hosts.host(kind), "enqueue")["ok"]
    hosts.run.close()
    wait_until(lambda: not any(map(is_running, pids)))


@pytest.mark.parametrize("kind", ["started", "forked"])
def test_what_a_host_has_started_ends_when_midpipe_is_killed(hosts: Hosts, kind: str) -> None:
    output = subprocess.run(
        [sys.executable, "-c", DIES, hosts.subject, kind], stdout=subprocess.PIPE, check=False
    ).stdout
    pids = json.loads(output)
    assert len(pids) == 5
    wait_until(lambda: not any(map(is_running, pids)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_group_of_a_subject_that_ends_by_itself_ends_with_it(hosts: Hosts, kind: str) -> None:
    host = hosts.host(kind)
    *group, _adopted = call(host, "enqueue")["ok"]
    assert call(host, "end")["error"]["message"] == "ended with exit code 3"
    wait_until(lambda: not any(map(is_running, group)))


def test_the_processes_of_another_host_go_on(hosts: Hosts) -> None:
    one, other = hosts.host("forked"), hosts.host("forked")
    pids = call(other, "enqueue")["ok"]
    call(one, "enqueue")
    one.kill()
    assert all(map(is_running, pids))


def test_a_subject_that_closes_its_pipes_does_not_stop_midpipe(hosts: Hosts) -> None:
    host = hosts.host("started")
    assert (
        call(host, "close_pipes")["error"]["message"] == "closed the pipes of the subject protocol"
    )
    assert not host.is_alive


def test_a_run_reports_the_subjects_processes_and_leaves_none_behind(tmp_path: Path) -> None:
    # Sleeps for so long that no other process does.
    seconds = f"600.{uuid.uuid4().int % 10**12}"
    (tmp_path / "sleepers.py").write_text(
        SLEEPERS.replace('seconds="600"', f'seconds="{seconds}"')
        .replace("return [os.getpid(), *started", "return bool([os.getpid(), *started")
        .replace("adopted(seconds)]\n", "adopted(seconds)]) and self.redis.rpush('queue', 'job')\n")
        .replace("        pass\n", "        self.redis = __import__('redis').from_url(url)\n", 1)
    )
    words = ("--subject", "sleepers.py:Queue", "--program", "enqueue", "--jobs", "1")
    _, output, _ = ran("sweep", *words, cwd=tmp_path)
    assert "The subject starts processes of its own." in " ".join(output.split())
    wait_until(lambda: running_with(seconds) == [])
