"""Every program of one client: no fault at any command violates an invariant."""

from __future__ import annotations

import pytest

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.evidence import DEFAULT_LATENCY_BOUND_MS
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.registry import programs_of
from midpipe.scenarios.suites.judging import judge


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each program, those of the user's own files included."""
    try:
        programs = programs_of("sweep", (), metafunc.config.getoption("--midpipe-programs"))
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    metafunc.parametrize("program", programs)


def test_one_fault_anywhere_costs_no_job(
    midpipe_worker: Worker, midpipe_subject: SubjectSpec, program: str
) -> None:
    judge(
        midpipe_worker,
        SweepTask(
            midpipe_subject,
            program,
            shard=(0, 1),
            max_faults=1,
            latency_bound_ms=DEFAULT_LATENCY_BOUND_MS,
        ),
    )
