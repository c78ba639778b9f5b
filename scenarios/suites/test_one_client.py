"""Every program of one client: no fault at any command violates an invariant."""

from __future__ import annotations

import pytest

from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.evidence import DEFAULT_LATENCY_BOUND_MS
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.registry import SUITES
from midpipe.scenarios.suites.judging import judge


@pytest.mark.parametrize("program", SUITES["sweep"])
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
