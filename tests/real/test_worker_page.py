"""The queue on the page about workers, judged as the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.spec import SubjectSpec

PAGE = Path(__file__).resolve().parents[2] / "docs" / "worker.md"
LINE = "work: A1:LPOP!lost-reply"


def violated(worker: Worker, directory: Path, source: str) -> set[str]:
    (directory / "shop_queue.py").write_text(source)
    subject = SubjectSpec(f"{directory / 'shop_queue.py'}:Queue")
    run = replay_case(worker, subject, LINE, 5_000.0).record
    assert run.is_valid, run.invalid_reason
    return {violation.invariant for violation in run.violations}


@pytest.fixture(scope="module")
def source() -> str:
    found = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found
    return found[1]


def test_a_lost_reply_loses_the_job(worker: Worker, tmp_path: Path, source: str) -> None:
    assert violated(worker, tmp_path, source) == {"no-lost-job"}


def test_a_queue_that_promises_at_most_once_may_lose_it(
    worker: Worker, tmp_path: Path, source: str
) -> None:
    assert "at-least-once" in source
    weaker = source.replace("at-least-once", "at-most-once")
    assert violated(worker, tmp_path, weaker) == set()
