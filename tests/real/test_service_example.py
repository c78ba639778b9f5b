"""The service in the examples: judged through HTTP, and caught when it sets its unique key in a command of its own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.subjects.job.midpipe_service import Service

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
ATOMIC = 'store.eval(PUT_ONCE, 2, unique, "jobs", text)'
IN_TWO_COMMANDS = 'store.set(unique, 1, nx=True) and store.rpush("jobs", text)'


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, SubjectSpec]:
    """The service with each way to put a job in, so that cases in a row of one of them share its processes."""
    source = (EXAMPLES / "service.py").read_text("utf-8")
    assert ATOMIC in source
    found = {}
    for put in (ATOMIC, IN_TWO_COMMANDS):
        folder = tmp_path_factory.mktemp("service")
        shutil.copy(EXAMPLES / "service_adapter.py", folder)
        (folder / "service.py").write_text(source.replace(ATOMIC, put))
        found[put] = SubjectSpec(f"{folder}/service_adapter.py:Queue")
    return found


@pytest.mark.parametrize(
    ("put", "line", "expected"),
    [
        (ATOMIC, "enqueue-then-work:", set()),
        (ATOMIC, "enqueue: A1:EVAL!lost-reply", set()),
        (ATOMIC, "enqueue: A1:EVAL!crash", set()),
        (ATOMIC, "enqueue: A1:EVAL!crash-before", set()),
        (ATOMIC, "work: A1:LMOVE!crash-before", set()),
        (IN_TWO_COMMANDS, "enqueue: A2:RPUSH!cut-before", {"no-stuck-job"}),
        # The service dies, and its caller sends the request to the successor, which knows the key.
        (IN_TWO_COMMANDS, "enqueue: A2:RPUSH!crash-before", {"no-stuck-job"}),
        (IN_TWO_COMMANDS, "enqueue: A1:SET!crash", {"no-stuck-job"}),
    ],
)
def test_a_service_is_judged_through_its_requests(
    worker: Worker,
    subjects: Mapping[str, SubjectSpec],
    put: str,
    line: str,
    expected: set[str],
) -> None:
    record = replay_case(worker, subjects[put], line, 10_000.0, warms_up=False).record
    assert record.is_valid, record.invalid_reason
    assert record.violated_invariants == expected


def test_a_service_may_say_in_a_line_of_its_output_that_it_is_ready() -> None:
    sleeps = "import sys, time; print('now listening', flush=True); time.sleep(60)"
    service = Service([sys.executable, "-c", sleeps], "redis://x", ready="listening")
    service.close()
    with pytest.raises(RuntimeError, match="ended with exit code 3"):
        Service([sys.executable, "-c", "raise SystemExit(3)"], "redis://x", ready="listening")
