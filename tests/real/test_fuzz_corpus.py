"""A shared corpus: what one fuzzing worker has found is what the next one runs first, wherever the corpus is kept."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path

import pytest
from click.testing import CliRunner

from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.servers.control import Control
from midpipe.faultinject.servers.server import Server
from midpipe.reports.cli.main import cli
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.fuzz.corpus import Corpus
from midpipe.scenarios.fuzz.task import FuzzTask
from midpipe.scenarios.model.coverage import Coverage, Met, Place
from midpipe.scenarios.model.messages import CaseEnded, FuzzBatch
from midpipe.scenarios.model.spec import SubjectSpec

FLAWED = SubjectSpec("midpipe.scenarios.flaws.single:PushesFirst")
OTHER = SubjectSpec("midpipe.scenarios.flaws.single:PushesAgain")
PLACE = Place("enqueue", 1, "SET", again=False, state="absent")


@pytest.fixture(params=["directory", "redis", "file system"])
def where(request: pytest.FixtureRequest, tmp_path: Path, server: Server, control: Control) -> str:
    server.reset(control)
    return {
        "directory": str(tmp_path / "corpus"),
        "redis": f"unix://{server.address.path}",
        "file system": f"file://{tmp_path}/corpus",
    }[request.param]


def fuzzed(worker: Worker, corpus: str, seed: int) -> Generator[CaseEnded | FuzzBatch, None, None]:
    task = FuzzTask(
        FLAWED,
        seed=seed,
        latency_bound_ms=5_000.0,
        deadline_s=time.monotonic() + 60,
        corpus=corpus,
    )
    for message in worker.do(task):
        if isinstance(message, CaseEnded | FuzzBatch):
            yield message


def test_what_one_worker_found_is_what_the_next_one_runs_first(worker: Worker, where: str) -> None:
    first = fuzzed(worker, where, seed=1)
    # What was found is shared once its batch has ended.
    next(m for m in first if isinstance(m, FuzzBatch) and m.coverage.examples)
    first.close()
    found = Corpus(where, FLAWED).finds()
    ended = next(fuzzed(worker, where, seed=2))
    assert isinstance(ended, CaseEnded)
    assert (ended.replay in found, bool(ended.violations)) == (True, True)


def test_each_subject_has_finds_of_its_own_that_can_be_dropped(where: str) -> None:
    corpus = Corpus(where, FLAWED)
    for replay in ("b", "a", "a"):
        corpus.add_find(replay)
    assert (Corpus(where, FLAWED).finds(), Corpus(where, OTHER).finds()) == (("a", "b"), ())
    for _ in range(2):
        corpus.drop_find("a")
    assert Corpus(where, FLAWED).finds() == ("b",)


def test_coverage_reaches_every_other_worker_once(where: str) -> None:
    one, other = Corpus(where, FLAWED), Corpus(where, FLAWED)
    coverage = Coverage()
    coverage.add([Met(PLACE, "none", frozenset(("cut-before",)))])
    for _ in range(2):
        one.add_covered(coverage)
    assert other.newly_covered() == (Met(PLACE, "none", frozenset(("cut-before",))),)
    assert (other.newly_covered(), one.newly_covered()) == ((), ())


@pytest.mark.parametrize("where", ["redis://127.0.0.1:1/0", "no-such-protocol://x"])
def test_a_corpus_that_cannot_be_used_is_one_sentence(tmp_path: Path, where: str) -> None:
    words = ["fuzz", "--time-budget", "5s", "--jobs", "1", "--out", str(tmp_path)]
    ran = CliRunner().invoke(cli, [*words, "--corpus", where])
    assert isinstance(ran.exception, UsageError)
    assert f"The corpus '{where}' can't be used" in str(ran.exception)
