"""A subject that remembers for its whole process what it has created gets new processes for each case."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.scenarios.explore.fault_selection import Aim
from midpipe.scenarios.explore.sweeping import SweepTask
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.messages import CaseEnded
from midpipe.scenarios.model.spec import SubjectSpec

QUEUES = Path(__file__).parents[1] / "data" / "queues" / "sound"


@pytest.mark.parametrize("program", ["claim-complete", "enqueue", "claim-until-it-ends"])
def test_a_queue_that_remembers_its_group_for_the_whole_process_is_not_accused(
    worker: Worker, program: str
) -> None:
    task = SweepTask(
        SubjectSpec(f"{QUEUES}/cached_group.py:OncePerProcess"),
        program,
        shard=(0, 1),
        max_faults=1,
        latency_bound_ms=5_000.0,
        aim=Aim(("cut-before", "lost-reply")),
    )
    cases = [message for message in worker.do(task) if isinstance(message, CaseEnded)]
    assert [case.replay for case in cases if case.violations or case.unconfirmed] == []
    assert [case.invalid_reason for case in cases if not case.valid] == []
    assert cases
