"""Every mixed fleet that the subject's flags or phases allow: two versions side by side, and nothing falls."""

from __future__ import annotations

import pytest

from midpipe.scenarios.explore.explore import DEFAULT_LATENCY_BOUND_MS
from midpipe.scenarios.explore.tasks import InterleaveTask
from midpipe.scenarios.gate.worker import Worker
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.fleets import FLEETS
from midpipe.scenarios.suites.judging import judge


@pytest.mark.parametrize("program", FLEETS)
def test_no_two_versions_side_by_side_cost_a_job(
    midpipe_worker: Worker, midpipe_subject: SubjectSpec, program: str
) -> None:
    judge(
        midpipe_worker,
        InterleaveTask(midpipe_subject, program, 2, 0, True, DEFAULT_LATENCY_BOUND_MS),
    )
