"""Whether what status-order reads of a job may be a second job of the same id, which was put in again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.model.history import Completion, Json, Operation, Phase
from midpipe.scenarios.model.promises import declared
from tests.fast.scenarios.invariants.histories import WHITE_BOX, call, evidence, tables
from tests.fast.scenarios.invariants.statuses import (
    NO_ORDER,
    UNDONE,
    claimed,
    done,
    read,
    said_of,
    said_of_a_queue_that,
    update,
)

AGAIN = ("In the final state, j is pending; the acknowledged status is completed.",)


@pytest.mark.parametrize(
    ("promised", "again", "is_judged"),
    [
        ({"deduplicates": "request"}, call(at=4), True),
        ({"deduplicates": "request", "deduplicates_for": "until-done"}, call(at=4), False),
        ({"deduplicates": "job", "deduplicates_for": "until-done"}, call(at=4), False),
        ({"deduplicates": "none"}, call(at=4), False),
        ({"deduplicates": "none"}, call(at=4, error="TimeoutError"), False),
        ({"deduplicates": "none"}, call(at=4, value=False), True),
        ({"deduplicates": "none"}, call("list_jobs", "", at=4, value=[]), True),
        ({"deduplicates": "none"}, call(job_id="i", at=4), True),
    ],
    ids=[
        "the request is known",
        "the request is known until it is done",
        "the job is known until it is done",
        "nothing is known",
        "an enqueue without an answer",
        "an enqueue that puts nothing in",
        "no enqueue",
        "an enqueue of another job",
    ],
)
def test_a_job_that_is_put_in_again_after_its_end_may_be_pending(
    promised: dict[str, Json], again: Operation, is_judged: bool
) -> None:
    seen = said_of_a_queue_that(promised, call(), done(at=2), again)
    assert seen == (AGAIN if is_judged else ())


def test_a_job_that_only_one_enqueue_has_put_in_is_not_put_in_again() -> None:
    assert said_of_a_queue_that({"deduplicates": "none"}, call(), done(at=2)) == AGAIN


@pytest.mark.parametrize(
    ("promised", "expected"),
    [
        ({"deduplicates": "job"}, AGAIN),
        ({"deduplicates": "job", "deduplicates_for": "until-done"}, ()),
        ({"deduplicates": "none"}, ()),
    ],
    ids=["the job is known", "it is known until it is done", "nothing is known"],
)
def test_an_enqueue_without_an_answer_may_put_a_job_in_after_its_end(
    promised: dict[str, Json], expected: tuple[str, ...]
) -> None:
    late, repeated = call(error="TimeoutError"), call(at=2, attempt=2)
    assert said_of_a_queue_that(promised, late, repeated, done(at=4)) == expected


@pytest.mark.parametrize(
    ("again", "expected"),
    [
        (call(at=4, request_id="r-1"), AGAIN),
        (call(at=4, request_id="r-2"), ()),
        (call(at=4, request_id="r-1", workspace_id="globex"), AGAIN),
    ],
    ids=["the same request", "another request", "in another workspace"],
)
def test_a_request_of_its_own_may_put_a_job_in_again_where_requests_are_recognised(
    again: Operation, expected: tuple[str, ...]
) -> None:
    promised: dict[str, Json] = {"deduplicates": "request", "tenancy": "workspace"}
    history = (call(request_id="r-1"), done(at=2), again)
    assert said_of_a_queue_that(promised, *history) == expected


@pytest.mark.parametrize(
    ("deduplicates", "expected"), [("none", ()), ("request", ()), ("job", AGAIN)]
)
def test_a_job_that_was_there_before_the_first_call_may_be_put_in_again(
    deduplicates: str, expected: tuple[str, ...]
) -> None:
    history = (update("completed", at=2), call(at=4))
    seeded = evidence(*history, states=(tables("j"),), found=("j",), status="pending")
    traits = replace(WHITE_BOX, promises=declared({"deduplicates": deduplicates}))
    assert said_of(replace(seeded, traits=traits)) == expected


def test_a_job_that_its_preparation_enqueued_was_put_in_only_once() -> None:
    history = (call(phase=Phase.PREPARE), update("completed", at=2))
    prepared = evidence(*history, states=(tables("j"),), found=("j",), status="pending")
    assert said_of(prepared) == AGAIN


@pytest.mark.parametrize(("deduplicates", "expected"), [("none", ()), ("job", UNDONE)])
def test_a_job_need_not_have_ended_to_be_put_in_again_where_nothing_is_recognised(
    deduplicates: str, expected: tuple[str, ...]
) -> None:
    history = (call(), update(at=2), call(at=4))
    assert said_of_a_queue_that({"deduplicates": deduplicates}, *history) == expected


@pytest.mark.parametrize(
    ("promised", "expected"),
    [
        ({"deduplicates": "job", "deduplicates_for": "until-done"}, ()),
        ({"deduplicates": "job"}, NO_ORDER),
    ],
    ids=["the job is known until it is done", "the job is known"],
)
def test_a_job_may_be_put_in_again_after_an_end_of_which_only_the_reply_was_lost(
    promised: dict[str, Json], expected: tuple[str, ...]
) -> None:
    lost = replace(done(at=4, value=None), completion=Completion.INFO)
    again = (done(at=6, value=False), call(at=8), read("pending", at=10))
    assert said_of_a_queue_that(promised, call(), claimed(at=2), lost, *again) == expected


LATER = update("completed", at=4)


@pytest.mark.parametrize(
    ("end", "is_judged"),
    [
        (LATER, False),
        (replace(LATER, completion=Completion.INFO), False),
        (replace(LATER, completion=Completion.FAIL), True),
        (update("completed", at=4, job_id="i"), True),
    ],
    ids=["acknowledged", "without an answer", "without effect", "of another job"],
)
def test_the_data_of_a_job_may_have_expired_if_it_may_have_ended(
    end: Operation, is_judged: bool
) -> None:
    seen = evidence(call(), call(job_id="i"), update(at=2), end, read(at=6))
    found = ("A later read says j is not found; the acknowledged status is running.",)
    assert said_of(replace(seen, expired=frozenset({"j"}))) == (found if is_judged else ())
