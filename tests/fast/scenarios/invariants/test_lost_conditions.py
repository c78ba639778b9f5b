"""Of further conditions under which a job counts as lost or stuck: a history in which that condition decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.model.history import Completion, Operation, RaisedError
from midpipe.scenarios.model.promises import declared
from tests.fast.scenarios.invariants.histories import call, evidence
from tests.fast.scenarios.invariants.test_executions import NAMED, STARTED, asked, violated, work
from tests.fast.scenarios.invariants.test_executions import seen as of_a_worker
from tests.fast.scenarios.invariants.test_lost_or_stuck import (
    CUT,
    RUNS_JOBS,
    WORKERS,
    claimed,
    failed,
    lost,
    stuck,
    surely_failed,
)


def test_a_job_that_no_worker_receives_is_reported_with_what_the_queue_raises() -> None:
    refused = RaisedError("ResponseError", "unknown command")
    seen = evidence(call(), found=("j",), traits=WORKERS)
    assert lost(replace(seen, drain_error=refused)) == (
        "enqueue answered True for j, but no worker ever receives it: "
        "asked for a job, the queue raises ResponseError.",
    )


def test_the_failure_of_another_job_fails_no_job() -> None:
    assert failed(call("fail", "i", at=6, error="ConnectionError"), after_failure="reruns") == ()


def test_a_failed_job_may_be_lost_after_a_crash_only_if_its_worker_crashed() -> None:
    assert failed(CUT, after_failure="reruns", after_crash="lost") != ()


def test_a_claim_without_an_answer_may_have_been_the_further_run_of_a_failed_job() -> None:
    cut = call("claim", "", at=8, error="ConnectionError")
    assert failed(CUT, cut, after_failure="reruns") == ()


@pytest.mark.parametrize(("can_read", "is_lost"), [(True, True), (False, False)])
def test_a_job_that_an_update_let_run_has_not_ended_where_a_read_can_show_it(
    can_read: bool, is_lost: bool
) -> None:
    methods = WORKERS.methods if can_read else WORKERS.methods - {"get_job"}
    traits = replace(WORKERS, methods=methods, promises=declared({"retention": "deletes"}))
    runs = call("update_status", at=2, value=None, status="running")
    assert bool(lost(evidence(call(), runs, traits=traits))) is is_lost
    ended = call("update_status", at=2, value=None, status="completed")
    assert lost(evidence(call(), ended, traits=traits)) == ()


def heartbeat(job_id: str = "j", *, at: int = 6) -> Operation:
    return call("heartbeat", job_id, at=at, lease_s=30.0)


@pytest.mark.parametrize(
    ("beat", "is_lost"),
    [
        (heartbeat(), False),
        (heartbeat(at=5), False),
        (replace(heartbeat(), completion=Completion.INFO), False),
        (heartbeat(at=2), True),
        (heartbeat("i"), True),
        (replace(heartbeat(), client="B"), True),
        (surely_failed(heartbeat()), True),
    ],
    ids=[
        "renewed",
        "renewed at once",
        "without an answer",
        "before the claim",
        "of another job",
        "of another worker",
        "without effect",
    ],
)
def test_a_worker_holds_a_job_whose_lease_it_may_have_renewed(
    beat: Operation, is_lost: bool
) -> None:
    seen = evidence(call(), claimed(at=4, lease_s=0.001), beat, found=("j",), traits=WORKERS)
    assert bool(lost(seen)) is is_lost


def test_a_job_whose_body_raised_is_said_to_have_failed_once() -> None:
    assert lost(asked("fail-once", STARTED, after_failure="reruns")) == (
        "enqueue answered None for j, but it has failed once, and no worker runs it again.",
    )


def test_a_job_that_has_not_failed_is_stuck_whatever_key_is_left_of_it() -> None:
    counted = replace(of_a_worker(work(), named=True), vanished=frozenset(NAMED))
    assert violated(counted) == {"no-stuck-job"}


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        (("d", "b", "a" * 100, "c", "e"), f"{'a' * 60}…, b, c and 2 more"),
        (("c", "b", "a" * 60), f"{'a' * 60}, b, c"),
    ],
    ids=["too many, and too long", "as many and as long as are shown"],
)
def test_a_stuck_job_is_reported_with_the_first_keys_that_name_it(
    keys: tuple[str, ...], shown: str
) -> None:
    seen = evidence(call(), delivered=None, traits=RUNS_JOBS)
    sentence = f"j is still in Redis ({shown}), and no worker ever runs it."
    assert stuck(replace(seen, named={"j": frozenset(keys)})) == (sentence,)
