"""Processes that load a subject in Node.js: started ahead, and kept for the next case if nothing is left in them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from midpipe.scenarios.model.spec import SubjectSpec
from tests.real.hosted import Hosted
from tests.real.waiting import wait_until

HOST = Path(__file__).resolve().parents[2] / "scenarios" / "subjects" / "host.mjs"
LOADS = """
import { appendFileSync } from "node:fs";
import net from "node:net";
appendFileSync(new URL("loaded", import.meta.url), `${process.pid}\\n`);
export class Queue {
  constructor(url) { this.socket = net.connect(Number(new URL(url).port), "127.0.0.1"); }
  async enqueue() { setTimeout(() => process.exit(7), 50); }
"""
CLOSES = "  async close() { this.socket.destroy(); }\n}\n"
DOES_NOT_CLOSE = "}\n"

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None and "CI" not in os.environ, reason="there is no node on PATH"
)


class Queue(Hosted):
    """A queue in a file, and what hosts it."""

    def __init__(self, folder: Path) -> None:
        self.file, self._loaded = folder / "queue.mjs", folder / "loaded"
        super().__init__(SubjectSpec(f"command: node {HOST} {self.file}", environment=()))

    @property
    def loaded_by(self) -> set[int]:
        """The processes that have loaded it so far."""
        return {int(line) for line in self._loaded.read_text().split()}


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    made = Queue(tmp_path)
    yield made
    made.close()


def test_a_process_in_which_nothing_is_left_serves_the_next_case(queue: Queue) -> None:
    queue.file.write_text(LOADS + CLOSES)
    first = queue.open()
    queue.hosts.end_used()
    assert queue.open() is first


def test_a_process_in_which_a_connection_is_left_is_ended(queue: Queue) -> None:
    queue.file.write_text(LOADS + DOES_NOT_CLOSE)
    first = queue.open()
    queue.hosts.end_used()
    assert not first.is_alive
    assert queue.open() is not first


def test_a_timer_that_is_left_does_nothing_in_the_next_case(queue: Queue) -> None:
    queue.file.write_text(LOADS + CLOSES)
    first = queue.open()
    answers: list[object] = []
    first.call("A", "enqueue", {}, answers.append)
    queue.loop.run_until(lambda: bool(answers), 10.0)
    queue.hosts.end_used()
    again = queue.open()
    assert not queue.loop.run_until(lambda: not again.is_alive, 0.1)


def test_the_next_process_has_loaded_the_subject_ahead(queue: Queue) -> None:
    queue.file.write_text(LOADS + CLOSES)
    first = queue.open()
    wait_until(lambda: len(queue.loaded_by) == 2)
    ahead = queue.loaded_by - {first.pid}
    first.kill()
    assert {queue.open().pid} == ahead


def test_a_process_that_no_client_has_used_since_is_kept_again(queue: Queue) -> None:
    queue.file.write_text(LOADS + CLOSES)
    first = queue.open()
    queue.hosts.end_used()
    queue.hosts.end_used()
    assert queue.open() is first
