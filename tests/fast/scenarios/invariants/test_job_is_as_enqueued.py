"""job-is-as-enqueued: answers that differ from what was put in, and answers that do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.evidence import Evidence
from midpipe.scenarios.model.history import Completion, Json, Operation, Phase
from tests.fast.scenarios.invariants.histories import BLACK_BOX, call, evidence, tables

JOB: dict[str, Json] = {
    "job_id": "j",
    "status": "pending",
    "workspace_id": "acme",
    "actor_id": "u",
    "params": {"to": "x", "copies": 2},
}


def read(job: Json, *, fields: frozenset[str] = frozenset()) -> Evidence:
    """A job that is enqueued and then read back as the given answer."""
    enqueued = call(actor_id="u", params={"to": "x", "copies": 2})
    seen = evidence(enqueued, found=("j",), traits=replace(BLACK_BOX, job_fields=fields))
    return replace(seen, read_back={("j", "acme"): job})


def problems(seen: Evidence) -> list[str]:
    return [item.seen for item in INVARIANTS["job-is-as-enqueued"].check(seen).violations]


def test_without_a_case_nothing_is_checked() -> None:
    assert INVARIANTS["job-is-as-enqueued"].check(evidence()).observations == 0


def test_a_job_that_is_as_it_was_put_in_is_no_violation() -> None:
    assert problems(read(JOB)) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("params", {"to": "y", "copies": 2}),
        ("params", {"to": "x", "copies": "2"}),
        ("params", '{"to": "x", "copies": 2}'),
        ("params", {"to": "x", "copies": 2.0}),
        ("actor_id", "v"),
        ("workspace_id", "globex"),
        ("job_id", "k"),
        ("job_id", ["j"]),
        ("status", "gone"),
        ("status", 3),
    ],
)
def test_a_field_with_another_value_or_type_is_a_violation(field: str, value: Json) -> None:
    (problem,) = problems(read({**JOB, field: value}))
    assert field in problem or "status" in problem


def test_a_field_that_a_fault_free_read_returned_may_not_be_missing_later() -> None:
    without = {name: value for name, value in JOB.items() if name != "params"}
    assert problems(read(without, fields=frozenset(JOB))) == [
        "get_job returned j without its params."
    ]
    assert problems(read(without, fields=frozenset(without))) == []


def test_a_claim_is_checked_like_a_read() -> None:
    claimed = call("claim", "", at=2, value={**JOB, "params": {}})
    seen = evidence(call(params={"to": "x", "copies": 2}), claimed)
    (problem,) = problems(seen)
    assert problem.startswith("claim says that j has params {}")


def test_every_page_of_a_list_is_checked() -> None:
    listed = call("list_jobs", "", at=2, value={"items": [{**JOB, "actor_id": "v"}]})
    (problem,) = problems(evidence(call(actor_id="u"), listed))
    assert problem.startswith("list_jobs says that j has actor_id")


def test_either_of_two_enqueues_of_one_id_may_have_made_the_job() -> None:
    second = call(actor_id="v", at=2, request=2)
    seen = evidence(call(actor_id="u"), second)
    seen = replace(seen, read_back={("j", "acme"): {**JOB, "actor_id": "v"}})
    assert problems(seen) == []


def test_a_job_that_no_call_enqueued_is_not_judged() -> None:
    seen = replace(evidence(), read_back={("old-1", "acme"): {**JOB, "job_id": "old-1"}})
    assert problems(seen) == []


def test_a_refused_enqueue_says_nothing_of_the_job_that_was_there_before() -> None:
    refused = call(value=False, actor_id="v")
    seen = replace(evidence(refused), read_back={("j", "acme"): {**JOB, "actor_id": "u"}})
    assert problems(seen) == []


def test_a_queue_that_returns_no_job_to_midpipe_is_not_judged() -> None:
    worker_only = replace(BLACK_BOX, methods=frozenset({"enqueue", "work", "tick"}))
    assert "get_job" in INVARIANTS["job-is-as-enqueued"].why_not(worker_only)
    assert INVARIANTS["job-is-as-enqueued"].why_not(BLACK_BOX) == ""


ODD: dict[str, Json] = {**JOB, "actor_id": "v"}


def shown(job: Json, *history: Operation) -> list[str]:
    return problems(replace(evidence(*history), read_back={("j", "acme"): job}))


def test_a_job_that_was_there_from_the_start_is_not_compared_with_a_later_enqueue() -> None:
    seeded = evidence(call(actor_id="u"), states=(tables("j"),))
    assert problems(replace(seeded, read_back={("j", "acme"): ODD})) == []
    prepared = evidence(call(actor_id="u", phase=Phase.PREPARE), states=(tables("j"),))
    assert len(problems(replace(prepared, read_back={("j", "acme"): ODD}))) == 1


def test_only_an_enqueue_that_may_have_had_an_effect_can_have_made_the_job() -> None:
    cut = replace(call(actor_id="v", at=2, error="E"), completion=Completion.FAIL)
    assert len(shown(ODD, call(actor_id="u"), cut)) == 1
    update = call("update_status", actor_id="v", at=2, value=None)
    assert len(shown(ODD, call(actor_id="u"), update)) == 1


def test_only_answers_of_calls_that_return_jobs_are_checked() -> None:
    said = call(actor_id="u", value={**ODD})
    assert problems(evidence(said)) == []


@pytest.mark.parametrize("answer", [[3, JOB], {"items": [None, JOB]}, {"items": 3}, [], "j"])
def test_what_is_no_job_is_left_out(answer: Json) -> None:
    listed = call("list_jobs", "", at=2, value=answer)
    assert problems(evidence(call(actor_id="u", params=JOB["params"]), listed)) == []


def test_a_claim_of_a_job_whose_id_is_no_text_is_compared_with_no_enqueue() -> None:
    assert problems(evidence(call(), call("claim", "", at=2, value={"job_id": ["j"]}))) == []


def test_only_a_read_of_a_job_that_was_enqueued_must_have_every_field() -> None:
    traits = replace(BLACK_BOX, job_fields=frozenset({"params"}))
    claimed = call("claim", "", at=2, value={"job_id": "j"})
    assert problems(evidence(call(), claimed, traits=traits)) == []
    unknown = replace(evidence(traits=traits), read_back={("j", "acme"): {"job_id": "j"}})
    assert problems(unknown) == []


@pytest.mark.parametrize(
    ("length", "text"), [(58, '"' + 58 * "x" + '"'), (59, '"' + 58 * "x" + "…")]
)
def test_a_long_value_is_cut(length: int, text: str) -> None:
    (problem,) = shown({**JOB, "actor_id": length * "x"}, call(actor_id="u"))
    assert problem == f'get_job says that j has actor_id {text}; enqueued was "u".'


@pytest.mark.parametrize("status", ["cancelled", "canceled"])
@pytest.mark.parametrize(
    ("other", "may_be"),
    [
        (call("cancel", at=2), True),
        (call("cancel", at=2, error="TimeoutError"), True),
        (call("cancel", at=2, value=False), False),
        (call("cancel", "i", at=2), False),
        (call("complete", at=2), False),
    ],
    ids=["cancelled", "without an answer", "refused", "another job", "no cancel"],
)
def test_a_job_is_cancelled_only_if_a_call_has_cancelled_it(
    other: Operation, may_be: bool, status: str
) -> None:
    seen = evidence(call(), other, found=("j",), status=status)
    assert (problems(seen) == []) is may_be
