"""Processes forked from one that has loaded a Python subject: which of them serve the next case, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.subjects.hosting import HostProcess
from tests.real.hosted import Hosted

SUBJECT = """
import asyncio, socket, threading, time
KEPT = []
class Queue:
    def __init__(self, url):
        self.socket = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
    def enqueue(self): pass
    def work(self): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    def cancel(self): KEPT.append(self.socket)
    async def tick(self): KEPT.append(asyncio.ensure_future(asyncio.sleep(60)))
"""


class Forks(Hosted):
    """A subject in a file, and what forks its processes."""

    def __init__(self, folder: Path) -> None:
        file = folder / "threads_and_sockets.py"
        file.write_text(SUBJECT)
        super().__init__(SubjectSpec(f"{file}:Queue"))

    def process_after(self, call: str, client_id: str = "R") -> HostProcess:
        """Return the process of a client that has made the call."""
        host = self.open(client_id)
        answers: list[object] = []
        host.call(client_id, call, {}, answers.append)
        assert self.loop.run_until(lambda: bool(answers), 10.0)
        return host


@pytest.fixture
def forks(tmp_path: Path) -> Iterator[Forks]:
    made = Forks(tmp_path)
    yield made
    made.close()


def test_a_clients_process_ends_though_nothing_is_left_in_it(forks: Forks) -> None:
    first = forks.process_after("enqueue", "A")
    forks.hosts.end_used(kept_if_forked="R")
    assert not first.is_alive


def test_recoverys_process_in_which_nothing_is_left_serves_the_next_case(forks: Forks) -> None:
    first = forks.process_after("enqueue")
    forks.hosts.end_used(kept_if_forked="R")
    assert forks.process_after("enqueue") is first


@pytest.mark.parametrize(
    "leaves", ["work", "cancel", "tick"], ids=["a thread", "a connection", "a task"]
)
def test_recoverys_process_in_which_something_is_left_ends(forks: Forks, leaves: str) -> None:
    first = forks.process_after(leaves)
    forks.hosts.end_used(kept_if_forked="R")
    assert not first.is_alive
