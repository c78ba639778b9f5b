"""Of each condition under which an answer counts as another workspace's: a history in which it decides."""

from __future__ import annotations

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.history import Json, Operation
from tests.fast.scenarios.invariants.histories import BLACK_BOX, call, evidence

THEIRS: Json = {"job_id": "j", "workspace_id": "acme"}


def read(
    value: Json = THEIRS, *, workspace_id: str = "globex", method: str = "get_job"
) -> Operation:
    return call(method, value=value, workspace_id=workspace_id)


def said(*history: Operation) -> list[str]:
    return [found.seen for found in INVARIANTS["isolation"].check(evidence(*history)).violations]


@pytest.mark.parametrize(
    "other",
    [
        read(workspace_id="acme"),
        read(workspace_id=""),
        read(method="enqueue"),
        read({"job_id": "j"}),
        read([3, None]),
        read({"items": 3}),
    ],
    ids=["its own", "no workspace", "no read", "a job of no workspace", "no jobs", "no items"],
)
def test_nothing_but_a_read_of_another_workspaces_job_violates_isolation(other: Operation) -> None:
    assert said(read()) == ["get_job as globex returned j of acme."]
    assert said(other) == []


def test_reads_with_an_answer_are_counted() -> None:
    cut = call("get_job", error="TimeoutError")
    assert INVARIANTS["isolation"].check(evidence(read(), cut, call())).observations == 1


def test_isolation_is_judged_where_jobs_can_be_read() -> None:
    why_not = INVARIANTS["isolation"].why_not
    assert why_not(BLACK_BOX) == ""
