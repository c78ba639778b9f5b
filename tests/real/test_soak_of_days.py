"""Soaks of simulated days: the reference passes; queues that only days show to be flawed fail."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from midpipe.faultinject.clock.wall import WallClock
from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.servers.opening import EXTERNAL, ServerSpec
from midpipe.reports.cli.main import cli
from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec
from midpipe.scenarios.model.verdict import Outcome
from midpipe.scenarios.soak.plan import CHAOS, CRASH, FREEZE, OF_DAYS, Chaos, SoakPlan, over_days
from midpipe.scenarios.soak.results import SoakResult
from midpipe.scenarios.soak.soak import Soak
from tests.real.soaks import result_of
from tests.support.children import running

ROOT = Path(__file__).resolve().parents[2]
KEEPS_REQUESTS = """
from midpipe.scenarios.flaws.parts import request_key
from midpipe.scenarios.flaws.single import OpenQueue


class Queue(OpenQueue):
    promises = {**OpenQueue.promises, "deduplicates_for": 9_000}

    def enqueue(self, job_id, *words, **named):
        is_new = super().enqueue(job_id, *words, **named)
        if is_new:
            self.driver.expire(request_key(named["workspace_id"], named["client_request_id"]), 9_000)
        return is_new
"""
FORGETS_TOO_EARLY = KEEPS_REQUESTS.replace(", 9_000)", ", 8_000)")
NEVER_FORGETS = KEEPS_REQUESTS.replace("expire(", "persist(").replace(", 9_000)", ")")
NEVER_RECLAIMS = """
from midpipe import reference


class Queue(reference.Queue):
    def claim(self, worker_id, lease_s):
        return super().claim(worker_id, 1e6)
"""

LOSES_ONE_REPLY_TO_CLAIM_FOR_EACH_JOB = """
from midpipe import reference


class Queue(reference.Queue):
    def __init__(self, url):
        super().__init__(url)
        self.claimed = set()

    def claim(self, worker_id, lease_s):
        job = super().claim(worker_id, lease_s)
        if job and job["job_id"].startswith("job-") and job["job_id"] not in self.claimed:
            self.claimed.add(job["job_id"])
            raise ConnectionError("the reply is lost")
        return job
"""


NO_WIRE_FAULTS = replace(CHAOS["heavy"], wire={})
# So many that some worker surely holds a job when it dies.
CRASHES = Chaos("crashes", {}, 0, {CRASH: 5})


def plan_of(days: int, jobs: int, chaos: str | Chaos) -> SoakPlan:
    level = CHAOS[chaos] if isinstance(chaos, str) else chaos
    return over_days(SoakPlan(jobs, clients=2, workers=2, chaos=level, seed=3), days)


def soaked(
    folder: Path, days: int, jobs: int, subject: str = REFERENCE, chaos: str | Chaos = "heavy"
) -> SoakResult:
    return result_of(folder, subject, plan_of(days, jobs, chaos))


def test_the_reference_passes_a_day_of_crashes_restarts_and_wrong_clocks(tmp_path: Path) -> None:
    result = soaked(tmp_path / "soak", days=1, jobs=510, chaos=NO_WIRE_FAULTS)
    assert (result.outcome, result.reasons) == (Outcome.PASS, ())
    assert {*OF_DAYS} <= {count.fault for count in result.faults if count.fired}
    assert result.days is not None
    assert 1.0 <= result.days.passed < 1.2
    assert min(result.days.restarts, result.days.failovers) >= 3
    assert result.days.ended_leases > 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (FORGETS_TOO_EARLY, "taken for new ones a minute before"),
        (NEVER_FORGETS, "still refused a minute after"),
        (KEEPS_REQUESTS, ""),
    ],
)
def test_a_queue_that_keeps_requests_too_short_or_too_long_fails(
    tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "queue_file.py"
    file.write_text(text)
    result = soaked(tmp_path / "soak", 1, 120, f"{file}:Queue", "none")
    found = [reason for reason in result.reasons if "requests were" in reason]
    assert (result.outcome is Outcome.FAIL) == bool(found) == bool(words)
    assert [reason for reason in found if words in reason] == found


def test_the_reference_forgets_each_request_after_a_day(tmp_path: Path) -> None:
    result = soaked(tmp_path / "soak", 2, 120, chaos="none")
    assert [reason for reason in result.reasons if "500 are the least" not in reason] == []
    assert result.days is not None
    assert result.days.repeated.known > 0
    assert result.days.repeated.expired > 0
    assert result.days.expired_keys >= 60


def test_a_queue_that_never_takes_back_a_dead_workers_job_loses_it(tmp_path: Path) -> None:
    file = tmp_path / "queue_file.py"
    file.write_text(NEVER_RECLAIMS)
    result = soaked(tmp_path / "soak", 1, 200, f"{file}:Queue", CRASHES)
    assert result.outcome is Outcome.FAIL
    assert result.tally.lost.least > 0


def test_a_job_whose_lease_ends_while_the_queue_is_drained_is_delivered(tmp_path: Path) -> None:
    file = tmp_path / "queue_file.py"
    file.write_text(LOSES_ONE_REPLY_TO_CLAIM_FOR_EACH_JOB)
    plan = replace(plan_of(1, 12, "none"), workers=1)
    result = result_of(tmp_path / "soak", f"{file}:Queue", plan)
    assert (result.tally.acknowledged, result.tally.delivered) == (12, 12)


def test_a_process_that_is_starting_is_not_frozen_so_that_no_freeze_lasts_in_real_time(
    tmp_path: Path,
) -> None:
    # A segment's first job comes with both faults, and the crash is the first of the two.
    chaos = Chaos("crash-then-freeze", {}, 0, {CRASH: 1, FREEZE: 1})
    plan = replace(plan_of(1, 6, chaos), workers=1)
    result = result_of(tmp_path / "soak", REFERENCE, plan)
    assert [count.fault for count in result.faults if count.fired < 6] == []
    assert result.seconds < 1.25 * plan.lease_s


@pytest.mark.nightly
def test_the_reference_passes_a_month(tmp_path: Path) -> None:
    result = soaked(tmp_path / "soak", days=30, jobs=15_000)
    assert (result.outcome, result.reasons) == (Outcome.PASS, ())
    assert result.days is not None
    assert result.days.passed >= 30
    assert min(result.days.restarts, result.days.failovers) >= 90


def test_days_on_a_server_that_midpipe_has_not_started_are_refused(tmp_path: Path) -> None:
    server = ServerSpec(EXTERNAL, "redis://127.0.0.1:1/0")
    with pytest.raises(UsageError, match="--days takes the embedded server"):
        Soak(server, SubjectSpec(REFERENCE), plan_of(1, 600, "none"), tmp_path, 5.0)


# --- the command -------------------------------------------------------------------------------------


def command(folder: Path, *words: str) -> list[str]:
    options = ["--days", "30", "--clients", "2", "--workers", "2", "--out", str(folder / "out")]
    return [sys.executable, "-m", "midpipe", "soak", *options, *words]


def test_an_interrupted_soak_of_days_drains_checks_and_says_how_many_days_passed(
    tmp_path: Path,
) -> None:
    words = command(tmp_path)
    with running(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert any("midpipe: day" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=90)
    assert (process.returncode, "Traceback" in errors) == (130, False), output + errors
    stored = json.loads((tmp_path / "out" / "soak" / "soak.json").read_text())
    assert stored["is_partial"]
    assert "of 30 simulated days" in output
    assert stored["days"]["passed"] > 0
    assert stored["tally"]["lost"] == {"least": 0, "most": 0}


def test_where_the_clock_can_not_be_stepped_days_are_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall = WallClock("there is no C compiler (cc) on PATH")
    monkeypatch.setattr("midpipe.scenarios.soak.soak.open_clock", lambda *_: wall)
    ended = CliRunner().invoke(cli, command(tmp_path)[3:])
    assert isinstance(ended.exception, UsageError)
    assert ended.exception.exit_code == 2
    assert str(ended.exception) == (
        "--days is not possible here, because the clock can't be stepped: there is no C compiler (cc) on PATH."
    )


@pytest.mark.parametrize("option", ["--segment", "--segment-jobs"])
def test_an_option_for_segments_does_not_go_with_days(tmp_path: Path, option: str) -> None:
    words = command(tmp_path, option, "200")
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, f"{option} does not go with --days" in ran.stderr) == (2, True)
