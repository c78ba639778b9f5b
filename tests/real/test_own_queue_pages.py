"""The queues on the pages about lists and streams, adapted and judged as the pages say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.promises import declared
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.subjects.adapting import Plan, adapter_text
from midpipe.scenarios.subjects.roles import inferred_promises, roles_of
from midpipe.scenarios.subjects.signatures import read_class

DOCS = Path(__file__).resolve().parents[2] / "docs"
LMOVE = 'self.redis.lmove("jobs", "jobs:taken", "LEFT", "RIGHT")'
CLAIM = 'self.redis.xautoclaim("events", "workers", "me", 500, count=1)[1]'


def code_on(page: str, language: str = "python") -> str:
    found = re.search(rf"```{language}\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    assert found
    return found[1]


def violated(worker: Worker, folder: Path, source: str, kind: str, line: str) -> set[str]:
    """Return what a case violates that is run through the adapter which midpipe init writes."""
    (folder / "jobs.py").write_text(source)
    found = read_class(folder / "jobs.py", kind)
    roles = roles_of(found, {})
    promises = {**inferred_promises(roles), "recovers_within_s": 1.0}
    (folder / "adapter.py").write_text(adapter_text(Plan("jobs", found, roles, promises)))
    subject = SubjectSpec(f"{folder}/adapter.py:Queue", paths=(str(folder),))
    record = replay_case(worker, subject, line, 5_000.0).record
    assert record.is_valid, record.invalid_reason
    return set(record.violated_invariants)


@pytest.mark.parametrize(
    ("replaced", "line", "expected"),
    [
        ((LMOVE, LMOVE), "work: A1:LMOVE!lost-reply", set()),
        ((LMOVE, LMOVE), "work: A2:LREM!crash", set()),
        ((LMOVE, 'self.redis.lpop("jobs")'), "work: A1:LPOP!lost-reply", {"no-lost-job"}),
    ],
)
def test_the_list_queue(
    worker: Worker, tmp_path: Path, replaced: tuple[str, str], line: str, expected: set[str]
) -> None:
    source = code_on("list-queue.md")
    assert replaced[0] in source
    assert violated(worker, tmp_path, source.replace(*replaced), "JobQueue", line) == expected


@pytest.mark.parametrize(
    ("replaced", "line", "expected"),
    [
        ((CLAIM, CLAIM), "work: A2:XREADGROUP!crash", set()),
        ((CLAIM, "None"), "work: A1:XREADGROUP!crash", {"no-stuck-job"}),
    ],
)
def test_the_stream_consumer(
    worker: Worker, tmp_path: Path, replaced: tuple[str, str], line: str, expected: set[str]
) -> None:
    source = code_on("stream-consumer.md")
    assert replaced[0] in source
    assert violated(worker, tmp_path, source.replace(*replaced), "Events", line) == expected


def test_the_promises_on_their_page_are_ones_that_midpipe_knows() -> None:
    scope: dict[str, type] = {}
    exec(code_on("promises.md"), scope)
    table = tomllib.loads(code_on("promises.md", "toml"))
    known = declared(vars(scope["Queue"])["promises"], table["tool"]["midpipe"]["promises"])
    assert known.recovers_within_s == 5.0
