"""Whatever a subject answers, every invariant judges it: no answer makes a check crash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.history import Json
from tests.fast.scenarios.invariants.histories import call, evidence, tables

METHODS = (
    "enqueue",
    "get_job",
    "list_jobs",
    "claim",
    "dequeue",
    "complete",
    "fail",
    "give_back",
    "heartbeat",
    "update_status",
    "get_queue_depth",
)
FIELDS = ("job_id", "workspace_id", "status", "result", "lease_token", "items", "next_cursor")
DEEP = "[" * 100_000
ODD: dict[str, Json] = {
    "none": None,
    "boolean": True,
    "list": [[]],
    "mapping": {"a": {}},
    "not a number": float("nan"),
    "large": 10**400,
    "deeply nested text": DEEP,
    "status": "completed",
}
TRAITS = Traits(frozenset(METHODS), white_box=True, new_schema=True)


def answers_of(odd: Json) -> Iterator[Json]:
    """Yield the odd value as an answer, and inside of answers of each kind."""
    jobs: list[Json] = [{"job_id": "j", name: odd} for name in FIELDS]
    yield from (odd, [odd], jobs, {"items": odd}, {"items": jobs, "next_cursor": odd}, *jobs)


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("invariant", INVARIANTS)
def test_no_answer_makes_a_check_crash(invariant: str, odd: Json) -> None:
    for method in METHODS:
        for value in answers_of(odd):
            answered = call(method, at=2, value=value, result=odd)
            case = evidence(call(), answered, states=(tables("j"),), traits=TRAITS)
            for read_back in answers_of(odd):
                INVARIANTS[invariant].check(replace(case, read_back={("j", "acme"): read_back}))


@pytest.mark.parametrize(("given", "violations"), [(DEEP, 0), (DEEP + "]", 1)])
def test_a_result_of_deeply_nested_text_is_compared_as_text(given: str, violations: int) -> None:
    case = evidence(call(), call("complete", at=2, result=given), states=(tables("j"),))
    job: Json = {"status": "completed", "result": DEEP}
    judgement = INVARIANTS["result-is-kept"].check(replace(case, read_back={("j", "acme"): job}))
    assert len(judgement.violations) == violations
