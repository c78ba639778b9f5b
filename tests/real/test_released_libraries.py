"""Released libraries by name: installed on demand, run unmodified, judged by what their worker's jobs record."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.history import Execution, Phase
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.queues import LIBRARIES
from midpipe.scenarios.subjects.environments import interpreter_for, library_named

BOUND_MS = 5_000.0


@pytest.fixture(scope="module", params=sorted(LIBRARIES))
def library(request: pytest.FixtureRequest) -> SubjectSpec:
    found, requirement = library_named(request.param)
    interpreter = interpreter_for(requirement, found)
    return SubjectSpec(found.subject, python=str(interpreter), library=requirement, patience_s=60.0)


@pytest.mark.parametrize("program", ["work:", "enqueue-then-work:", "work-twice:"])
def test_without_faults_every_job_runs_once_and_nothing_is_violated(
    worker: Worker, library: SubjectSpec, program: str
) -> None:
    run = replay_case(worker, library, program, BOUND_MS).record
    assert run.is_valid, run.invalid_reason
    assert run.violations == ()
    jobs = ["job-1", "job-2"] if program == "work-twice:" else ["job-1"]
    assert run.executions == tuple(Execution(job, Phase.PROGRAM, has_ended=True) for job in jobs)


def test_a_library_that_has_no_adapter_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(UsageError, match="There is one for: rq, huey"):
        library_named("sidekiq")


def test_a_release_that_does_not_exist_is_refused_with_what_the_installer_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    library, requirement = library_named("huey==0.0.999")
    with pytest.raises(UsageError, match="can't be installed"):
        interpreter_for(requirement, library)
    assert not list((tmp_path / "midpipe" / "queues").glob("*/complete"))
