"""Of each condition under which a job counts as a duplicate: a history in which that condition decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.evidence import Evidence
from midpipe.scenarios.model.history import Json, Operation, Phase
from midpipe.scenarios.model.promises import declared
from tests.fast.scenarios.invariants.histories import BLACK_BOX, call, evidence, tables

HELD_TWICE = ("j was handed to 2 workers at once.",)
TWO_JOBS = ("request r ended in 2 jobs: i, j.",)


def said(seen: Evidence) -> tuple[str, ...]:
    return tuple(found.seen for found in INVARIANTS["no-duplicate"].check(seen).violations)


def case(
    *history: Operation, found: tuple[str, ...] = ("j",), delivered: tuple[str, ...] = ()
) -> Evidence:
    return evidence(*history, found=found, delivered=delivered, traits=BLACK_BOX)


def by(client: str, operation: Operation) -> Operation:
    return replace(operation, client=client)


def claimed(client: str, at: int, *, lease_s: float | None = 30.0) -> Operation:
    lease: dict[str, Json] = {} if lease_s is None else {"lease_s": lease_s}
    return replace(call("claim", "", at=at, value={"job_id": "j"}), client=client, arguments=lease)


def finished(client: str, *, value: Json = True, token: str = "1") -> Operation:
    return by(client, call("complete", at=8, value=value, lease_token=token))


@pytest.mark.parametrize("lease_s", [None, 1.0, 30.0])
def test_two_leases_that_last_are_one_too_many(lease_s: float | None) -> None:
    assert said(case(call(), claimed("A", 2, lease_s=lease_s), claimed("B", 4))) == HELD_TWICE


@pytest.mark.parametrize(
    ("clients", "tokens", "expected"),
    [
        ("AA", ("t", "t"), ()),
        ("AA", ("t", "u"), HELD_TWICE),
        ("AA", (None, None), HELD_TWICE),
        ("AB", ("t", "t"), HELD_TWICE),
    ],
    ids=["the same lease", "another lease", "no token", "another client"],
)
def test_a_client_that_gets_its_job_again_with_the_same_token_has_one_lease(
    clients: str, tokens: tuple[str | None, ...], expected: tuple[str, ...]
) -> None:
    claims = [
        replace(claimed(client, at), value={"job_id": "j", "lease_token": token})
        for at, client, token in zip((2, 4), clients, tokens, strict=True)
    ]
    assert said(case(call(), *claims)) == expected


def test_a_lease_that_has_ended_leaves_the_job_to_another_worker() -> None:
    assert said(case(call(), claimed("A", 2, lease_s=0.001), claimed("B", 4))) == ()


@pytest.mark.parametrize(
    "release",
    [call("fail", at=4), call("give_back", at=4), call("heartbeat", at=4, lease_s=0.001)],
)
def test_a_worker_that_lets_go_of_its_job_leaves_it_to_another_one(release: Operation) -> None:
    assert said(case(call(), claimed("A", 2), by("A", release), claimed("B", 6))) == ()


@pytest.mark.parametrize(
    "no_release",
    [
        by("C", call("fail", at=4)),
        call("fail", "i", at=4),
        call("fail", at=0),
        call("heartbeat", at=4, lease_s=30.0),
        call("heartbeat", at=4),
    ],
    ids=["another worker's", "of another job", "before the claim", "a longer lease", "the same"],
)
def test_nothing_else_makes_a_worker_let_go_of_its_job(no_release: Operation) -> None:
    history = (call(), claimed("A", 2), no_release, claimed("B", 6))
    assert said(case(*history)) == HELD_TWICE


def test_a_request_that_ended_in_two_jobs_is_a_duplicate_wherever_they_are_found() -> None:
    history = (call(request_id="r"), call(job_id="i", at=2, request=2, request_id="r"))
    assert said(case(*history, found=("i", "j"))) == TWO_JOBS
    assert said(case(*history, found=("i",), delivered=("j",))) == TWO_JOBS
    assert said(case(*history, found=("i",))) == ()


def test_two_jobs_without_a_request_id_are_two_requests() -> None:
    history = (call(), call(job_id="i", at=2, request=2))
    assert said(case(*history, found=("i", "j"))) == ()


def test_a_job_that_another_request_asked_for_as_well_may_exist_for_that() -> None:
    history = (
        call(request_id="r"),
        call(job_id="i", at=2, request=2, request_id="r"),
        call(job_id="i", at=4, request=3, request_id="other"),
    )
    assert said(case(*history, found=("i", "j"))) == ()


def test_a_job_is_finished_twice_only_if_two_holders_accepted_it() -> None:
    assert said(case(call(), finished("A"), finished("B", token="2"))) == (
        "j was finished 2 times.",
    )
    assert said(case(call(), finished("A"), finished("B", token="2", value=False))) == ()
    assert said(case(call(), finished("A"), finished("A"))) == ()


def test_a_job_that_was_delivered_twice_is_not_reported_for_its_two_places_as_well() -> None:
    places = replace(tables("j"), pending=("j", "j"))
    seen = evidence(call(), states=(places,), found=("j",), delivered=("j", "j"))
    assert said(seen) == ("j was delivered 2 times.",)
    once = evidence(call(), states=(places,), found=("j",), delivered=("j",))
    assert said(once) == ("After A0, j has 2 places in the queue.",)
    assert said(replace(once, delivered=None)) == said(once)


@pytest.mark.parametrize("deduplicates", ["none", "job"])
def test_a_job_whose_one_enqueue_put_it_in_twice_is_not_delivered_twice(deduplicates: str) -> None:
    lost_its_reply = replace(call(value=None), faulted=True)
    found = case(lost_its_reply, delivered=("j", "j"))
    traits = replace(found.traits, promises=declared({"deduplicates": deduplicates}))
    assert said(replace(found, traits=traits)) == ("j was delivered 2 times.",)


# --- for how long a queue knows a job --------------------------------------------------------------------


ASKED_TWICE = (call(request_id="r"), call(job_id="i", at=4, request=2, request_id="r"))


def asked_twice(*between: Operation, passed_s: float | None = None, **promises: object) -> Evidence:
    """One request that ended in two jobs, with other calls between its two enqueues."""
    traits = replace(BLACK_BOX, promises=declared({"deduplicates": "request", **promises}))
    first, second = ASKED_TWICE
    seen = replace(case(first, *between, second, found=("i", "j")), traits=traits)
    return replace(seen, passed_s=passed_s)


@pytest.mark.parametrize(
    ("promise", "passed_s", "is_judged"),
    [
        ({}, None, True),
        ({}, 3_599.0, True),
        ({}, 3_600.0, False),
        ({"deduplicates_for": 10.0}, None, True),
        ({"deduplicates_for": 10.0}, 9.0, True),
        ({"deduplicates_for": 10.0}, 10.0, False),
        ({"deduplicates_for": 7_200.0}, 3_600.0, True),
    ],
)
def test_a_request_is_one_job_for_as_long_as_the_queue_must_know_it(
    promise: dict[str, object], passed_s: float | None, is_judged: bool
) -> None:
    seen = asked_twice(passed_s=passed_s, **promise)
    assert said(seen) == (TWO_JOBS if is_judged else ())


@pytest.mark.parametrize(
    ("between", "is_judged"),
    [
        ((), True),
        ((call("get_job", at=2, value=None),), True),
        ((call("complete", at=2),), False),
        ((call("work", "", at=2, value=None),), False),
        ((call("complete", at=5),), True),
        ((call("complete", at=9),), True),
    ],
    ids=["nothing", "a read", "its end", "a worker", "an end as the answer arrives", "a later end"],
)
def test_a_queue_that_knows_a_request_until_it_is_done_may_take_it_in_again_afterwards(
    between: tuple[Operation, ...], is_judged: bool
) -> None:
    seen = asked_twice(*between, deduplicates_for="until-done")
    assert said(seen) == (TWO_JOBS if is_judged else ())


@pytest.mark.parametrize(
    ("history", "is_judged"),
    [
        ((call(), call(at=2, request=2), call("work", "", at=4, value=None)), True),
        ((call(), call("work", "", at=2, value=None), call(at=4, request=2)), False),
    ],
    ids=["before it has run", "after it has run"],
)
def test_a_job_that_is_known_until_it_is_done_may_be_delivered_again_if_it_was_put_in_again(
    history: tuple[Operation, ...], is_judged: bool
) -> None:
    promises = declared({"deduplicates": "job", "deduplicates_for": "until-done"})
    seen = case(*history, delivered=("j", "j"))
    seen = replace(seen, traits=replace(BLACK_BOX, promises=promises))
    assert said(seen) == (("j was delivered 2 times.",) if is_judged else ())


# --- what is counted -------------------------------------------------------------------------------------


def test_what_was_asked_for_delivered_and_finished_in_the_program_is_counted() -> None:
    seen = case(call(job_id="i", phase=Phase.PREPARE), call(), finished("A"), delivered=("i",))
    assert INVARIANTS["no-duplicate"].check(seen).observations == 3


def test_a_job_of_a_queue_whose_keys_are_not_known_counts_as_put_in_by_its_enqueues() -> None:
    seen = replace(case(*ASKED_TWICE, found=("i", "j")), moments=())
    assert said(seen) == TWO_JOBS


def test_a_job_that_is_neither_found_nor_delivered_does_not_exist() -> None:
    assert said(replace(case(*ASKED_TWICE, found=("i",)), delivered=None)) == ()


def test_a_job_that_is_released_as_its_claim_returns_is_released() -> None:
    assert said(case(call(), claimed("A", 2), call("fail", at=3), claimed("B", 6))) == ()


@pytest.mark.parametrize(("passed_s", "is_judged"), [(None, True), (29.0, True), (30.0, False)])
def test_a_lease_lasts_for_the_time_that_was_asked_for_on_a_stepped_clock(
    passed_s: float | None, is_judged: bool
) -> None:
    seen = case(call(), claimed("A", 2), claimed("B", 4))
    seen = replace(seen, passed_s=passed_s, leases_ended=True)
    assert said(seen) == (HELD_TWICE if is_judged else ())
