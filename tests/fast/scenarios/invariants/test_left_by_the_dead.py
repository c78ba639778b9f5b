"""When no-lost-job counts on a job's return because each worker that received it has died."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.evidence import Evidence
from midpipe.scenarios.model.history import Json, Operation
from midpipe.scenarios.model.promises import declared
from tests.fast.scenarios.invariants.histories import BLACK_BOX, call, evidence

IN_TIME: dict[str, Json] = {"recovers_within_s": 5.0}
LOST = ("enqueue answered True for j, but no worker ever receives it.",)
RECEIVED = call("claim", "", at=2, value={"job_id": "j"})
DIES = replace(call("heartbeat", at=4, error="Crash"), caller_died=True)
DIES_CLAIMING = replace(call("claim", "", at=2, error="Crash"), caller_died=True)


def of(*history: Operation, promised: dict[str, Json], status: str = "running") -> Evidence:
    """Return the evidence of a queue that makes the promises, in which no further worker received job j."""
    traits = replace(
        BLACK_BOX,
        methods=BLACK_BOX.methods | {"claim", "heartbeat", "complete", "fail"},
        promises=declared(promised),
    )
    return evidence(call(), *history, found=("j",), status=status, traits=traits)


def said(seen: Evidence) -> tuple[str, ...]:
    return tuple(found.seen for found in INVARIANTS["no-lost-job"].check(seen).violations)


@pytest.mark.parametrize("status", ["running", "pending"])
@pytest.mark.parametrize("history", [(RECEIVED, DIES), (DIES_CLAIMING,)], ids=["later", "at once"])
def test_a_job_whose_worker_has_died_is_lost_unless_another_receives_it_in_the_promised_time(
    history: tuple[Operation, ...], status: str
) -> None:
    seen = of(*history, promised=IN_TIME, status=status)
    assert said(seen) == LOST
    assert said(replace(seen, delivered=("j",))) == ()


@pytest.mark.parametrize(
    "promised",
    [
        {},
        {"recovers_within_s": 11.0},
        {**IN_TIME, "after_crash": "lost"},
        {**IN_TIME, "delivery": "at-most-once"},
    ],
    ids=["no time is promised", "later than recovery waits", "lost after a crash", "at most once"],
)
def test_the_job_of_a_dead_worker_need_not_return_unless_that_is_promised(
    promised: dict[str, Json],
) -> None:
    assert said(of(RECEIVED, DIES, promised=promised)) == ()


def test_on_a_stepped_clock_recovery_waits_for_longer_promises() -> None:
    seen = of(RECEIVED, DIES, promised={"recovers_within_s": 3_600.0})
    assert said(seen) == ()
    assert said(replace(seen, passed_s=0.0)) == LOST


@pytest.mark.parametrize(
    "history",
    [
        (RECEIVED,),
        (RECEIVED, replace(DIES, caller_died=False)),
        (RECEIVED, replace(DIES, client="B")),
        (replace(DIES, invoked_at=0, completed_at=1), RECEIVED),
        (RECEIVED, DIES, replace(RECEIVED, client="B", invoked_at=6, completed_at=7)),
        (RECEIVED, call("fail", at=4, back_off_s=3_600.0), replace(DIES, completed_at=9)),
    ],
    ids=[
        "it lives",
        "it raised",
        "another worker died",
        "it had died before",
        "a further worker lives",
        "the job is delayed",
    ],
)
def test_a_worker_may_hold_the_job_unless_every_one_that_received_it_has_died(
    history: tuple[Operation, ...],
) -> None:
    assert said(of(*history, promised=IN_TIME)) == ()


def test_a_worker_that_lives_and_got_another_job_does_not_hold_that_of_a_dead_one() -> None:
    other = replace(call("claim", "", at=6, value={"job_id": "i"}), client="B")
    assert said(of(RECEIVED, DIES, other, promised=IN_TIME)) == LOST


def test_a_job_that_runs_although_no_worker_received_it_is_left_by_none() -> None:
    update = call("update_status", at=2, value=None, status="running")
    assert said(of(update, promised=IN_TIME)) == ()
