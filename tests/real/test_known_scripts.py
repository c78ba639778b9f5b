"""Whether a server still has the scripts that a program's clients call."""

from __future__ import annotations

import redis

from midpipe.scenarios.explore.known_scripts import knows_scripts, scripts_in
from midpipe.scenarios.explore.running import warm_up
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.messages import CaseEnded, ExplorationDone
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.registry import program_named
from tests.real.exploring import orders_of

BOUND_MS = 5_000.0
ENQUEUE = program_named("enqueue")


class SendsTheText:
    """A queue that sends its script's text, never its digest."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url)

    def enqueue(self, job_id: str) -> bool:
        return bool(
            self._redis.eval("return redis.call('RPUSH', KEYS[1], ARGV[1])", 1, "q", job_id)
        )


def test_a_server_knows_the_scripts_of_a_program_until_it_is_flushed(worker: Worker) -> None:
    rig = worker.rig(SubjectSpec())
    scripts = scripts_in(warm_up(rig, ENQUEUE, BOUND_MS))
    assert scripts
    assert knows_scripts(rig, scripts)
    rig.control.call("SCRIPT", "FLUSH")
    assert not knows_scripts(rig, scripts)
    warm_up(rig, ENQUEUE, BOUND_MS)
    assert knows_scripts(rig, scripts)


def test_a_script_that_is_sent_as_text_is_known_by_its_digest(worker: Worker) -> None:
    rig = worker.rig(SubjectSpec(f"{__file__}:SendsTheText"))
    scripts = scripts_in(warm_up(rig, ENQUEUE, BOUND_MS))
    assert len(scripts) == 1
    assert knows_scripts(rig, scripts)
    rig.control.call("SCRIPT", "FLUSH")
    assert not knows_scripts(rig, scripts)


def test_one_unknown_script_among_several_is_noticed(worker: Worker) -> None:
    rig = worker.rig(SubjectSpec())
    scripts = scripts_in(warm_up(rig, ENQUEUE, BOUND_MS))
    assert not knows_scripts(rig, scripts | {"0" * 40})


class CallsAScriptForAnAbsentJob:
    """A queue whose reader calls a script in an order of the clients only: when the job is not there yet."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url)
        self._look_again = self._redis.register_script("return redis.call('GET', KEYS[1])")

    def enqueue(self, job_id: str) -> bool:
        return bool(self._redis.set(job_id, "pending"))

    def get_job(self, job_id: str) -> dict[str, str] | None:
        found = self._redis.exists(job_id) or self._look_again(keys=[job_id])
        return {"job_id": job_id, "status": "pending"} if found else None


def test_a_script_that_a_later_order_calls_first_makes_no_subject_nondeterministic(
    worker: Worker,
) -> None:
    task = orders_of(
        SubjectSpec(f"{__file__}:CallsAScriptForAnAbsentJob"),
        "written(A enqueue job-1, B get job-1)",
        prune=False,
    )
    *cases, done = worker.do(task)
    assert isinstance(done, ExplorationDone)
    assert (done.nondeterministic, done.stopped) == ("", False)
    ended = [case for case in cases if isinstance(case, CaseEnded)]
    assert [case.invalid_reason for case in ended] == [""] * 3
