"""What a queue promises by what it does: seen in a run without faults, where nothing is declared."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.promises import Deduplicates, Source
from midpipe.scenarios.model.spec import SubjectSpec

QUEUES = Path(__file__).parent.parent / "data" / "queues"


@pytest.mark.parametrize(
    ("queue", "seen"),
    [
        ("keywords.py:Ignores", Deduplicates.NONE),
        ("keywords.py:Remembers", Deduplicates.REQUEST),
        ("keywords.py:Claims", Deduplicates.REQUEST),
        ("base.py:Base", Deduplicates.REQUEST),
    ],
)
def test_a_queue_deduplicates_requests_if_it_does_when_one_is_sent_again(
    worker: Worker, queue: str, seen: Deduplicates
) -> None:
    promises = worker.rig(SubjectSpec(f"{QUEUES}/{queue}")).traits.promises
    assert promises.deduplicates is seen
    assert promises.source_of("deduplicates") is Source.SEEN


@pytest.mark.parametrize(("queue", "is_accused"), [("Ignores", False), ("Claims", True)])
def test_only_a_queue_that_knows_requests_is_accused_of_two_jobs_for_one(
    worker: Worker, queue: str, is_accused: bool
) -> None:
    subject = SubjectSpec(f"{QUEUES}/keywords.py:{queue}")
    replay = "written(A enqueue job-1 r-1, A enqueue job-2 r-1): A1"
    record = replay_case(worker, subject, replay, 5_000.0).record
    assert record.is_valid, record.invalid_reason
    assert ("no-duplicate" in record.violated_invariants) is is_accused
