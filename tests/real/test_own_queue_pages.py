"""The queues on the pages about lists and streams, adapted and judged as the pages say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.promises import declared
from tests.real.adapted import violated

DOCS = Path(__file__).resolve().parents[2] / "docs"
LMOVE = 'self.redis.lmove("jobs", "jobs:taken", "LEFT", "RIGHT")'
CLAIM = 'self.redis.xautoclaim("events", "workers", "me", 500, count=1)[1]'


def code_on(page: str, language: str = "python") -> str:
    found = re.search(rf"```{language}\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    assert found
    return found[1]


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
