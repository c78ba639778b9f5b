"""Every program of two and three clients: every order that can differ within two preemptions, and nothing falls."""

from __future__ import annotations

import pytest

from midpipe.scenarios.engine.explore import DEFAULT_LATENCY_BOUND_MS
from midpipe.scenarios.engine.tasks import InterleaveTask
from midpipe.scenarios.engine.worker import Worker
from midpipe.scenarios.programs.pairs import PAIRS
from midpipe.scenarios.subjects.spec import SubjectSpec
from midpipe.scenarios.suites.judging import judge


@pytest.mark.parametrize("program", PAIRS)
def test_no_order_of_the_clients_costs_a_job(
    midpipe_worker: Worker, midpipe_subject: SubjectSpec, program: str
) -> None:
    judge(
        midpipe_worker,
        InterleaveTask(midpipe_subject, program, 2, 0, True, DEFAULT_LATENCY_BOUND_MS),
    )
