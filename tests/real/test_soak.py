"""Soaks on a real server: the reference passes, flawed queues fail, an interrupted soak reports what it has."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from midpipe.faultinject.errors import SubjectError, UsageError
from midpipe.scenarios.model.spec import REFERENCE
from midpipe.scenarios.model.verdict import Outcome
from midpipe.scenarios.soak.checker import Bounds
from midpipe.scenarios.soak.history import read_records
from midpipe.scenarios.soak.plan import CHAOS, SoakPlan, planned_faults, wire_triggers
from midpipe.scenarios.soak.results import SoakResult
from midpipe.scenarios.subjects.load import ENQUEUED, RAISED
from tests.real.processes import running_with
from tests.real.soaks import result_of
from tests.real.waiting import wait_until
from tests.support.children import running

ROOT = Path(__file__).resolve().parents[2]
AS_REVIEWED = "midpipe.scenarios.flaws.as_reviewed:SimpleQueue"
AS_SHIPPED_RETRYING = "midpipe.scenarios.flaws.as_shipped_retrying:SimpleQueue"


def soaked(
    folder: Path, subject: str = REFERENCE, chaos: str = "heavy", jobs: int = 1_000, **more: int
) -> SoakResult:
    plan = SoakPlan(jobs, clients=2, workers=2, chaos=CHAOS[chaos], seed=3, **more)
    return result_of(folder, subject, plan)


def test_the_reference_passes_heavy_chaos_in_which_every_kind_of_fault_fired(
    tmp_path: Path,
) -> None:
    result = soaked(tmp_path / "soak", lease_s=1)
    assert [count.fault for count in result.faults if not count.fired] == []
    assert (result.outcome, result.reasons) == (Outcome.PASS, ())
    assert (result.tally.acknowledged, result.tally.delivered) == (1_000, 1_000)


def test_the_reviewed_queue_loses_jobs_and_the_result_names_them(tmp_path: Path) -> None:
    result = soaked(tmp_path / "soak", AS_REVIEWED)
    assert result.outcome is Outcome.FAIL
    assert result.tally.lost.least > 0
    lost = [suspect for suspect in result.suspects if suspect.what == "lost"]
    assert any("enqueue raised" in line for line in lost[0].history)


def test_the_shipped_queue_with_retries_duplicates_jobs(tmp_path: Path) -> None:
    result = soaked(tmp_path / "soak", AS_SHIPPED_RETRYING)
    assert result.outcome is Outcome.FAIL
    assert result.tally.duplicated.least > 0


def test_without_chaos_no_attempt_fails(tmp_path: Path) -> None:
    result = soaked(tmp_path / "soak", chaos="none", jobs=600)
    assert (result.outcome, result.faults, result.tally.attempts) == (Outcome.PASS, (), 600)


def test_segments_are_checked_one_by_one_and_add_up(tmp_path: Path) -> None:
    result = soaked(tmp_path / "soak", chaos="light", jobs=450, segment_jobs=150, lease_s=1)
    assert [segment.tally.acknowledged for segment in result.segments] == [150, 150, 150]
    assert result.tally.lost == Bounds()
    assert sorted(path.name for path in (tmp_path / "soak").iterdir()) == [
        "segment-0001",
        "segment-0002",
        "segment-0003",
    ]


KEEPS_NO_LIST = '''
import redis


class Queue:
    """Writes jobs that nothing hands out."""

    def __init__(self, redis_url=None):
        self.redis = redis.Redis.from_url(redis_url)

    def enqueue(self, job_id, action_provider, action_name, params, workspace_id, actor_id, client_request_id=None):
        self.redis.set("job:" + job_id, "pending")
        return True
'''
CLAIMS_BADLY = (
    KEEPS_NO_LIST
    + """
    def claim(self, worker_id, lease_s):
        raise RuntimeError("no")

    def complete(self, **anything):
        return True
"""
)


SPEAKS_NO_LOAD = """
import json
import sys

import redis

print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    answer = {"id": asked["id"], "error": {"type": "Unknown", "message": asked["do"]}}
    if asked["do"] == "open":
        client = redis.Redis.from_url(asked["redis"].partition("?")[0])
    if asked.get("method") == "enqueue":
        client.set("job", "pending")
    if asked["do"] in ("open", "call"):
        methods = ["enqueue", "claim", "complete"]
        answer = {"id": asked["id"], "ok": asked.get("method") == "enqueue" or None, "methods": methods}
    print(json.dumps(answer), flush=True)
"""


def test_a_command_that_does_not_implement_the_load_is_refused_with_the_reason(
    tmp_path: Path,
) -> None:
    file = tmp_path / "speaks.py"
    file.write_text(SPEAKS_NO_LOAD)
    with pytest.raises(SubjectError, match="has to implement the protocol's load"):
        soaked(tmp_path / "soak", f"command: {sys.executable} {file}", jobs=100)


DIES_ONCE = """
import os
import pathlib

from midpipe import reference


class Queue(reference.Queue):
    died = pathlib.Path(__file__).with_name("died")

    def enqueue(self, job_id, *words, **named):
        if job_id == "job-100" and not self.died.exists():
            self.died.touch()
            os._exit(7)
        return super().enqueue(job_id, *words, **named)
"""


def test_a_process_that_exits_by_itself_is_restarted_and_the_outcome_is_unknown(
    tmp_path: Path,
) -> None:
    file = tmp_path / "queue_file.py"
    file.write_text(DIES_ONCE)
    result = soaked(tmp_path / "soak", f"{file}:Queue", chaos="none", jobs=600)
    assert (result.outcome, result.tally.delivered) == (Outcome.UNKNOWN, 600)
    assert result.reasons == ("P1 ended with exit code 7 by itself",)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [(KEEPS_NO_LIST, UsageError, "neither claim"), (CLAIMS_BADLY, SubjectError, "can't claim")],
)
def test_a_subject_that_can_not_be_soaked_is_refused_before_the_load(
    tmp_path: Path, text: str, error: type[Exception], words: str
) -> None:
    file = tmp_path / "queue_file.py"
    file.write_text(text)
    with pytest.raises(error, match=words):
        soaked(tmp_path / "soak", f"{file}:Queue", jobs=100)


def test_the_same_seed_plans_the_same_faults_and_another_one_does_not() -> None:
    def plan_of(seed: int) -> object:
        plan = SoakPlan(40_000, 8, 8, CHAOS["heavy"], seed)
        triggers = [next(wire_triggers(plan, 1, client)) for client in range(16)]
        return planned_faults(plan, 1, tuple(CHAOS["heavy"].every)), triggers

    assert plan_of(7) == plan_of(7)
    assert plan_of(7) != plan_of(8)


# --- the command -------------------------------------------------------------------------------------


def started(folder: Path, *words: str) -> AbstractContextManager[subprocess.Popen[str]]:
    temporary = folder / "tmp"
    temporary.mkdir()
    options = ["--clients", "2", "--workers", "2", "--out", str(folder / "out")]
    return running(
        [sys.executable, "-m", "midpipe", "soak", *options, *words],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for_load(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    assert any(" load " in line for line in process.stderr)


def left_over(folder: Path) -> list[str]:
    """The processes and temporary files of a soak in that folder."""
    running = running_with(str(folder))
    return running + [str(path) for path in (folder / "tmp").glob("midpipe-*")]


@pytest.fixture
def soaking(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with started(tmp_path, "--jobs-total", "1_000_000") as process:
        wait_for_load(process)
        yield process


def has_acknowledged(folder: Path) -> bool:
    """Whether a job of the soak in that folder was acknowledged so far."""
    files = (folder / "out").rglob("*.bin")
    records = (record for file in files for record in read_records(file))
    return any(kind == ENQUEUED and outcome != RAISED for kind, outcome, *_ in records)


def wait_until_nothing_is_left(folder: Path) -> None:
    deadline_s = time.monotonic() + 20
    while left_over(folder):
        assert time.monotonic() < deadline_s, left_over(folder)
        time.sleep(0.05)


def test_an_interrupted_soak_drains_checks_and_leaves_nothing_behind(
    tmp_path: Path, soaking: subprocess.Popen[str]
) -> None:
    wait_until(lambda: has_acknowledged(tmp_path), 60.0)
    soaking.send_signal(signal.SIGINT)
    output, errors = soaking.communicate(timeout=90)
    assert (soaking.returncode, "Traceback" in errors) == (130, False), output + errors
    stored = json.loads((tmp_path / "out" / "soak" / "soak.json").read_text())
    assert stored["is_partial"]
    assert "partial" in output
    assert stored["segments"][0]["drained"], output
    assert stored["tally"]["lost"] == {"least": 0, "most": 0}
    assert stored["tally"]["acknowledged"] > 0
    wait_until_nothing_is_left(tmp_path)


def test_a_killed_soak_leaves_nothing_behind(
    tmp_path: Path, soaking: subprocess.Popen[str]
) -> None:
    soaking.kill()
    soaking.communicate()
    wait_until_nothing_is_left(tmp_path)


def test_a_time_budget_ends_the_load_and_the_enqueued_jobs_are_checked(tmp_path: Path) -> None:
    words = ("--jobs-total", "1_000_000", "--chaos", "none", "--time-budget", "2s")
    with started(tmp_path, *words) as process:
        output, errors = process.communicate(timeout=90)
    stored = json.loads((tmp_path / "out" / "soak" / "soak.json").read_text())
    assert process.returncode in (0, 3), output + errors
    assert stored["tally"]["acknowledged"] == stored["tally"]["delivered"] > 0
