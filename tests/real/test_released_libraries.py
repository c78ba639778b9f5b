"""Released libraries by name: installed on demand, run unmodified, judged by what their worker's jobs record."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.history import Execution, Phase
from midpipe.scenarios.model.record import CaseRecord
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.queues import LIBRARIES
from midpipe.scenarios.subjects.environments import installed, subject_of

BOUND_MS = 5_000.0
# Installing them all takes minutes, so every night does; a change is tested on two.
ALWAYS = ("huey", "rq")
NAMES = [
    pytest.param(name, marks=() if name in ALWAYS else pytest.mark.nightly) for name in LIBRARIES
]


@pytest.fixture(scope="module", params=NAMES)
def library(request: pytest.FixtureRequest) -> SubjectSpec:
    return subject_of(installed(request.param), SubjectSpec(patience_s=60.0))


def _run(worker: Worker, library: SubjectSpec, program: str) -> CaseRecord:
    run = replay_case(worker, library, program, BOUND_MS).record
    assert run.is_valid, run.invalid_reason
    return run


@pytest.mark.parametrize("program", ["work:", "enqueue-then-work:", "work-twice:"])
def test_without_faults_every_job_runs_once_and_nothing_is_violated(
    worker: Worker, library: SubjectSpec, program: str
) -> None:
    run = _run(worker, library, program)
    assert run.violations == ()
    jobs = ["job-1", "job-2"] if program == "work-twice:" else ["job-1"]
    assert run.executions == tuple(Execution(job, Phase.PROGRAM, has_ended=True) for job in jobs)


def test_a_worker_sends_the_same_commands_twice(worker: Worker, library: SubjectSpec) -> None:
    # A worker with several connections sends them in another order each time.
    first, second = (_commands(_run(worker, library, "enqueue-then-work:")) for _ in range(2))
    assert first == second


def _commands(run: CaseRecord) -> set[tuple[str, str]]:
    return {(step.event.index.name, step.event.index.key_pattern) for step in run.steps}


def test_a_library_that_has_no_adapter_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(UsageError, match="There is one for: rq, celery, huey"):
        installed("sidekiq")


def test_a_release_is_named_with_its_version_and_found_again_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    newest = installed("huey")
    again = installed(newest.requirement)
    assert again.version == newest.version
    assert again.place.resolve() == newest.place.resolve()
    assert subject_of(newest, SubjectSpec()).name == f"huey {newest.version}"


def test_a_release_that_does_not_exist_is_refused_with_what_the_installer_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UsageError, match=r"can't be installed.*huey==0\.0\.999") as raised:
        installed("huey==0.0.999")
    assert "\n" not in str(raised.value)
    assert not list((tmp_path / "midpipe" / "queues").glob("*/complete"))
