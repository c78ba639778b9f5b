"""The command line as its user sees it: exit codes, replays, nothing left behind."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

import jsonschema
import pytest

from midpipe.reports.verdict_file import schema
from tests.real.commands import ran, started
from tests.real.processes import descended_from, running_with
from tests.real.waiting import is_running, wait_until

AS_SHIPPED = "midpipe.scenarios.flaws.as_shipped:SimpleQueue"
AS_REVIEWED = "midpipe.scenarios.flaws.as_reviewed:SimpleQueue"
REPLAY = "enqueue-with-request-id: A2:HSET!cut-before"


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Where midpipe makes its own directories; short, because a unix socket's path has to be."""
    path = tmp_path / "t"
    path.mkdir()
    return path


CHANGING = """
import pathlib
import redis

class Changing:
    def __init__(self, url):
        self.redis = redis.Redis.from_url(url)

    def enqueue(self, job_id):
        runs = pathlib.Path(__file__).with_name("runs")
        runs.touch()
        with runs.open("a") as file:
            file.write(".")
        for _ in range(runs.stat().st_size):
            self.redis.incr("runs")
        self.redis.lpush("jobs", job_id)
        return True
"""


def test_a_flawed_queue_fails_and_its_replay_line_fails_again(tmp_path: Path) -> None:
    faults = ("--fault", "cut-before", "--fault", "lost-reply", "--jobs", "1")
    words = ("--subject", AS_REVIEWED, "--program", "enqueue-with-request-id", *faults)
    code, output, _ = ran("sweep", *words, cwd=tmp_path)
    assert code == 1
    line = re.search(r"midpipe replay '(enqueue-with-request-id: [^']+)'", output)
    assert line is not None
    code, output, _ = ran("replay", line[1], "--subject", AS_REVIEWED, cwd=tmp_path)
    assert (code, output.splitlines()[-1]) == (1, "still fails")


def test_a_library_is_tried_for_an_issue_instead_of_the_reviewed_queue(tmp_path: Path) -> None:
    code, output, _ = ran("reproduce", "CRITICAL-1", "--queue", "reference", cwd=tmp_path)
    assert (code, "does not happen" in output) == (0, True), output


def test_a_case_is_replayed_as_often_as_asked_and_has_the_same_history_each_time(
    tmp_path: Path,
) -> None:
    options = ("--subject", AS_REVIEWED, "--times", "20")
    code, output, _ = ran("replay", REPLAY, *options, cwd=tmp_path)
    assert (code, output.splitlines()[-2:]) == (1, ["20 runs, 1 different history", "still fails"])


def test_a_replay_names_the_invariants_that_do_not_apply_to_the_queue(tmp_path: Path) -> None:
    (tmp_path / "changing.py").write_text(CHANGING)
    _, output, _ = ran("replay", "enqueue:", "--subject", "changing.py:Changing", cwd=tmp_path)
    (line,) = [line for line in output.splitlines() if line.startswith("Not judged")]
    # It has no claim, no workspaces and one schema; and every queue is held to losing no job.
    assert {"holder-is-served", "isolation", "no-divergence"} <= set(re.findall(r"[a-z-]+", line))
    assert "no-lost-job" not in line


def test_replays_that_differ_are_shown_with_the_first_event_that_differs(tmp_path: Path) -> None:
    (tmp_path / "changing.py").write_text(CHANGING)
    case = ("replay", "enqueue:", "--subject", "changing.py:Changing", "--times", "2")
    _, output, errors = ran(*case, cwd=tmp_path)
    assert "2 runs, 2 different histories" in output, errors
    note = next(line for line in output.splitlines() if line.startswith("Note: the runs differ"))
    assert "at wire event" in note
    assert "INCR" in note
    assert "LPUSH" in note


def test_a_replay_on_a_queue_that_has_been_fixed_passes(tmp_path: Path) -> None:
    code, output, _ = ran("replay", "enqueue-with-request-id: A1:EVALSHA!cut-before", cwd=tmp_path)
    assert (code, output.splitlines()[-1]) == (0, "passes")


@pytest.mark.parametrize(
    ("place", "fault"),
    [("A2:HSET", "cut-before"), ("A99", "elapse=90000"), ("A1.3", "cut-before")],
)
def test_a_fault_whose_command_is_gone_is_injected_at_every_command_of_the_program(
    tmp_path: Path, place: str, fault: str
) -> None:
    code, output, _ = ran("replay", f"enqueue-with-request-id: {place}!{fault}", cwd=tmp_path)
    assert (code, output.splitlines()[-1]) == (0, "passes")
    assert f"So {fault} was injected at every command of the program: 1 case." in output


def test_a_fault_whose_command_has_moved_is_found_at_its_new_place(tmp_path: Path) -> None:
    line = "enqueue-with-request-id: A9:HSET!cut-before"
    code, output, _ = ran("replay", line, "--subject", AS_REVIEWED, cwd=tmp_path)
    assert (code, output.splitlines()[-1]) == (1, "still fails")
    assert f"midpipe replay '{REPLAY}' --subject {AS_REVIEWED}" in output


def test_an_order_whose_command_is_gone_can_not_be_placed(tmp_path: Path) -> None:
    code, output, _ = ran("replay", "enqueue-with-request-id: A99", cwd=tmp_path)
    assert (code, output.splitlines()[-1]) == (3, "can't be placed any more")


def test_a_stored_verdict_is_reported_again_without_running(tmp_path: Path) -> None:
    faults = ("--fault", "cut-before", "--fault", "lost-reply", "--jobs", "1")
    ran("sweep", "--subject", AS_REVIEWED, "--program", "enqueue", *faults, cwd=tmp_path)
    first = {path.name: path.read_text() for path in (tmp_path / ".midpipe" / "sweep").iterdir()}
    stored = ".midpipe/sweep/verdict.json"
    code, output, _ = ran("report", stored, "--out", "again", cwd=tmp_path)
    second = {path.name: path.read_text() for path in (tmp_path / "again").iterdir()}
    assert (code, second) == (0, first)
    assert output.startswith("midpipe: FAIL")


def test_a_time_budget_that_ends_the_sweep_makes_a_pass_unknown(tmp_path: Path) -> None:
    code, output, _ = ran("sweep", "--time-budget", "1", cwd=tmp_path)
    verdict = json.loads((tmp_path / ".midpipe" / "sweep" / "verdict.json").read_text())
    assert (code, verdict["partial"], "partial" in output) == (3, True, True)


def test_a_time_budget_holds_with_the_stories_and_reports_of_what_was_found(
    tmp_path: Path,
) -> None:
    began_s = time.monotonic()
    ran("sweep", "--subject", "missing.py:Queue", cwd=tmp_path, is_loaded=False)
    loading_s = time.monotonic() - began_s
    words = ("--subject", AS_REVIEWED, "--time-budget", "4s")
    code, _, _ = ran("sweep", *words, cwd=tmp_path, is_loaded=False)
    took_s = time.monotonic() - began_s - loading_s
    # How busy the machine is shows in how long the command takes to load; it may be too busy to find anything.
    assert (code in {1, 3}, took_s < 4.0 + 3.0 + loading_s) == (True, True), (took_s, loading_s)


@pytest.mark.parametrize(
    ("how", "part"),
    [
        (signal.SIGINT, "midpipe-reaper"),
        (signal.SIGINT, "valkey-server"),
        # It is handled as SIGINT is.
        (signal.SIGTERM, "subjects/host.py"),
        (signal.SIGKILL, "midpipe-reaper"),
        (signal.SIGKILL, "valkey-server"),
        (signal.SIGKILL, "subjects/host.py"),
    ],
)
def test_nothing_is_left_of_a_gate_that_is_ended_once_it_has_started_a_part(
    tmp_path: Path, temporary: Path, how: signal.Signals, part: str
) -> None:
    with started("gate", cwd=tmp_path, tmp=temporary) as process:
        wait_until(lambda: any(part in line for line in descended_from(process.pid).values()), 60)
        descendants = descended_from(process.pid)
        process.send_signal(how)
        _, errors = process.communicate(timeout=60)
    wait_until(lambda: not any(map(is_running, descendants)))
    wait_until(lambda: not running_with(str(temporary)) and not any(temporary.glob("midpipe-*")))
    if how is not signal.SIGKILL:
        assert (process.returncode, "Traceback" in errors) == (130, False), errors


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_gate_that_fails_fast_exits_with_1_says_why_it_stopped_and_leaves_nothing(
    tmp_path: Path, temporary: Path, jobs: str
) -> None:
    arguments = ("gate", "--fail-fast", "--subject", AS_SHIPPED, "--jobs", jobs)
    code, output, errors = ran(*arguments, cwd=tmp_path)
    assert (code, "Stopped at the first finding" in output) == (1, True), errors
    assert (running_with(str(temporary)), list(temporary.glob("midpipe-*"))) == ([], [])
    jsonschema.validate(json.loads((tmp_path / ".midpipe" / "verdict.json").read_text()), schema())


def test_an_interrupted_gate_keeps_what_it_has_and_says_that_it_is_partial(
    tmp_path: Path, temporary: Path
) -> None:
    with started("gate", "--program", "enqueue", cwd=tmp_path, tmp=temporary) as process:
        assert process.stderr is not None
        assert any("midpipe: sweep" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    stored = json.loads((tmp_path / ".midpipe" / "verdict.json").read_text())
    assert (process.returncode, stored["partial"], stored["outcome"]) == (130, True, "unknown")
    assert "partial" in output


OWN_QUEUE = '''
"""A team's queue, in a package of its own, with imports of its own."""

import json

import redis

from shop.keys import job_key, QUEUE


class JobQueue:
    def __init__(self, redis_url=None):
        self._redis = redis.from_url(redis_url, decode_responses=True)
        self._script = self._redis.register_script("""
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('RPUSH', KEYS[2], ARGV[1])
return 1""")

    def enqueue(self, job_id, action_provider, action_name, params, workspace_id, actor_id,
                client_request_id=None):
        if not workspace_id or not workspace_id.islower() or len(workspace_id) > 32:
            raise ValueError("workspace")
        fields = {"job_id": job_id, "status": "pending", "workspace_id": workspace_id,
                  "params": json.dumps(params)}
        key = job_key(workspace_id, client_request_id or job_id)
        return bool(self._script([key, QUEUE], [job_id, *sum(fields.items(), ())]))

    def get_job(self, job_id, workspace_id=None):
        for key in self._redis.keys(job_key(workspace_id or "*", "*")):
            job = self._redis.hgetall(key)
            if job.get("job_id") == job_id:
                return {**job, "params": json.loads(job["params"])}
        return None

    def get_queue_depth(self):
        return self._redis.llen(QUEUE)

    def dequeue(self):
        return self._redis.lpop(QUEUE)
'''


def test_a_class_in_its_own_directory_is_judged_without_a_change(tmp_path: Path) -> None:
    package = tmp_path / "src" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "keys.py").write_text(
        "QUEUE = 'shop:queue'\ndef job_key(ws, name): return f'shop:{ws}:{name}'\n"
    )
    (package / "jobs.py").write_text(OWN_QUEUE)
    words = ("--subject", "shop.jobs:JobQueue", "--path", "src", "--fault", "lost-reply")
    code, output, errors = ran("sweep", *words, "--jobs", "1", cwd=tmp_path)
    verdict = json.loads((tmp_path / ".midpipe" / "sweep" / "verdict.json").read_text())
    status = {row["invariant"]: row["status"] for row in verdict["invariants"]}
    assert status["no-lost-job"] == "holds", output + errors
    assert status["no-orphan"] == "not applicable"
    assert [row["part"] for row in verdict["not_run"] if "update_status" in row["lacks"]] == [
        "sweep"
    ]
    assert "programs that do not apply" in output
    assert "not run because" not in output
    assert code in (0, 3)


MISFIT = """
from midpipe.reference import Queue as Reference

class Queue(Reference):
    def complete(self, job_id, ticket):
        return super().complete(job_id, "acme", ticket)
"""


def test_a_call_that_takes_other_arguments_is_reported_and_a_program_that_was_not_run_does_not_pass(
    tmp_path: Path,
) -> None:
    (tmp_path / "misfit.py").write_text(MISFIT)
    words = ("--subject", "misfit.py:Queue", "--program", "claim-complete", "--jobs", "1")
    code, output, errors = ran("sweep", *words, cwd=tmp_path)
    assert "not run because the subject has no complete(job_id, workspace_id" in " ".join(
        output.split()
    )
    assert code == 3, output + errors
