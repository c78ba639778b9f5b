"""Of each condition under which an answer counts as another workspace's: a history in which it decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.history import Completion, Json, Operation
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


def observed(*history: Operation) -> int:
    return INVARIANTS["isolation"].check(evidence(*history)).observations


def test_reads_with_an_answer_are_counted_after_another_workspaces_enqueue() -> None:
    cut = call("get_job", at=2, error="TimeoutError", workspace_id="globex")
    assert observed(call(), own_read("get_job"), own_read("list_jobs"), cut, call()) == 2


def own_read(method: str, *, at: int = 2, job_id: str = "j") -> Operation:
    """A read as globex that shows no job of another workspace."""
    return call(method, job_id, at=at, value=None, workspace_id="globex")


@pytest.mark.parametrize(
    "history",
    [
        (own_read("list_jobs"),),
        (call(workspace_id="globex"), own_read("list_jobs")),
        (call(workspace_id=""), own_read("list_jobs")),
        (call(at=3), own_read("list_jobs")),
        (call(job_id="other"), own_read("get_job")),
        (call("get_job", value=None), own_read("list_jobs")),
        (replace(call(), completion=Completion.FAIL), own_read("list_jobs")),
    ],
    ids=[
        "no job",
        "its own",
        "of no workspace",
        "a later one",
        "another id",
        "no enqueue",
        "surely not put in",
    ],
)
def test_a_read_that_could_not_show_another_workspaces_job_is_not_counted(
    history: tuple[Operation, ...],
) -> None:
    assert observed(*history) == 0


def test_a_read_that_shows_a_job_of_which_no_enqueue_is_known_is_counted() -> None:
    assert observed(read()) == 1


def test_isolation_is_judged_where_jobs_can_be_read() -> None:
    why_not = INVARIANTS["isolation"].why_not
    assert why_not(BLACK_BOX) == ""
