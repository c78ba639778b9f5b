"""Every program of two and three clients: no order within two preemptions violates an invariant."""

from __future__ import annotations

import pytest

from midpipe.faultinject.errors import UsageError
from midpipe.scenarios.explore.interleaving import InterleaveTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.evidence import DEFAULT_LATENCY_BOUND_MS
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.registry import programs_of
from midpipe.scenarios.suites.judging import judge


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each program, those of the user's own files included."""
    try:
        programs = programs_of("interleave", (), metafunc.config.getoption("--midpipe-programs"))
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    metafunc.parametrize("program", programs)


def test_no_order_of_the_clients_costs_a_job(
    midpipe_worker: Worker, midpipe_subject: SubjectSpec, program: str
) -> None:
    judge(
        midpipe_worker,
        InterleaveTask(
            subject=midpipe_subject,
            program=program,
            max_preemptions=2,
            max_faults=0,
            prune=True,
            latency_bound_ms=DEFAULT_LATENCY_BOUND_MS,
        ),
    )
