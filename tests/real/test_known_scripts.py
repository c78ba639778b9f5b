"""Whether a server still has the scripts that a program's clients call."""

from __future__ import annotations

import redis

from midpipe.scenarios.explore.known_scripts import knows_scripts, scripts_in
from midpipe.scenarios.explore.running import warm_up
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.registry import program_named

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
