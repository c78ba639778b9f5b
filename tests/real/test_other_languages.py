"""A queue in JavaScript, the documentation's own, judged as any other: by the subject protocol alone."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from midpipe.scenarios.explore.interleaving import InterleaveTask
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.messages import CaseEnded
from midpipe.scenarios.model.spec import SubjectSpec
from tests.real.exploring import orders_of

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "queue.mjs"
CHECKS_THE_REQUEST = "or (ARGV[1] ~= '' and redis.call('EXISTS', KEYS[3]) == 1)"

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None and "CI" not in os.environ, reason="there is no node on PATH"
)


def subject(file: Path) -> SubjectSpec:
    return SubjectSpec(f"command: node {file}")


def violated_invariants(worker: Worker, task: SweepTask | InterleaveTask) -> set[str]:
    cases = [message for message in worker.do(task) if isinstance(message, CaseEnded)]
    assert cases
    assert [case.invalid_reason for case in cases if not case.valid] == []
    return {violation.invariant for case in cases for violation in case.violations}


@pytest.mark.parametrize("program", ["enqueue-with-request-id", "same-request-again", "bad-input"])
def test_the_documented_queue_passes(worker: Worker, program: str) -> None:
    assert (
        violated_invariants(
            worker,
            SweepTask(
                subject(EXAMPLE), program, shard=(0, 1), max_faults=1, latency_bound_ms=5_000.0
            ),
        )
        == set()
    )


def test_its_clients_pass_in_every_order(worker: Worker) -> None:
    task = orders_of(subject(EXAMPLE), "same-request-twice")
    assert violated_invariants(worker, task) == set()


def test_without_its_look_at_the_request_it_is_caught(worker: Worker, tmp_path: Path) -> None:
    source = EXAMPLE.read_text()
    assert CHECKS_THE_REQUEST in source
    flawed = tmp_path / "queue.mjs"
    flawed.write_text(source.replace(CHECKS_THE_REQUEST, ""))
    # Its behaviour no longer shows the promise, so the promise is declared.
    promising = replace(subject(flawed), promises=(("deduplicates", "request"),))
    task = SweepTask(
        promising, "same-request-again", shard=(0, 1), max_faults=0, latency_bound_ms=5_000.0
    )
    assert violated_invariants(worker, task) == {"no-duplicate"}
