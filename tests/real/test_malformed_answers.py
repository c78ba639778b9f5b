"""A subject whose messages do not follow the subject protocol: the subject is blamed, and not midpipe."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from midpipe.faultinject.errors import SubjectError
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.spec import SubjectSpec

SPEAKS = """
import json, sys

KIND, ODD = {kind!r}, {odd!r}
print('{{"ready": true}}', flush=True)
for line in sys.stdin:
    request = json.loads(line)
    answer = {{"id": request["id"], "ok": True, "methods": ["enqueue"]}}
    text = json.dumps(answer)[:-1]
    if request["do"] == KIND:
        text = text.replace(*ODD) if len(ODD) == 2 else text + ", " + ODD[0]
    print(text + "}}", flush=True)
"""


@pytest.mark.parametrize(
    ("request_kind", "odd"),
    [
        ("call", ('"id": 2', '"id": [1]')),
        ("call", ('"id": 2', '"id": 77')),
        ("call", ('"ok": true', '"ok": ' + "[" * 100_000)),
        ("call", ('"ms": "abc"',)),
        ("call", ('"error": "broken"',)),
        ("call", ('"counted": [["ai_jobs"]]',)),
        ("call", ('"logs": "a line"',)),
        ("open", ('"methods": 5',)),
        ("open", ('"latency_bound_s": NaN',)),
        ("open", ('"counters": [1]',)),
    ],
    ids=lambda value: value if isinstance(value, str) else value[-1][:20],
)
def test_a_malformed_answer_is_blamed_on_the_subject(
    worker: Worker, tmp_path: Path, request_kind: str, odd: tuple[str, ...]
) -> None:
    file = tmp_path / "speaks.py"
    file.write_text(SPEAKS.format(kind=request_kind, odd=odd))
    subject = SubjectSpec(f"command: {shlex.quote(sys.executable)} {shlex.quote(str(file))}")
    with pytest.raises(SubjectError) as raised:
        replay_case(worker, subject, "enqueue:", 5_000.0)
    assert "answered b'{" in str(raised.value)
