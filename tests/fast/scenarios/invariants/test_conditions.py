"""Of each condition of the smaller invariants: a history or a state in which that condition decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.invariants.no_divergence import differences_of
from midpipe.scenarios.invariants.no_orphan import orphans_of
from midpipe.scenarios.model.evidence import Evidence, Traits
from midpipe.scenarios.model.history import Completion, Operation, Phase
from midpipe.scenarios.model.promises import declared
from midpipe.scenarios.model.state import Tables
from tests.fast.scenarios.invariants.histories import (
    BLACK_BOX,
    WHITE_BOX,
    call,
    evidence,
    fields,
    tables,
)


def said(invariant: str, seen: Evidence) -> list[str]:
    return [found.seen for found in INVARIANTS[invariant].check(seen).violations]


# --- bounded-latency -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "is_late"),
    [
        (call(duration_ms=5_000.5), True),
        (call(duration_ms=5_000.0), False),
        (call(duration_ms=9_000.0, phase=Phase.RECOVERY), False),
        (replace(call(duration_ms=9_000.0), caller_died=True), False),
    ],
    ids=["beyond the bound", "at the bound", "in recovery", "the caller was killed"],
)
def test_a_call_of_the_program_is_late_beyond_the_bound(
    operation: Operation, is_late: bool
) -> None:
    assert bool(said("bounded-latency", evidence(operation))) is is_late


# --- bad-input -------------------------------------------------------------------------------------------


def refused(error: str = "KeyError", *, wrote: bool = False, faulted: bool = False) -> Operation:
    made = call(workspace_id="", error=error, wrote=wrote)
    return replace(made, faulted=faulted, completion=Completion.FAIL)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (refused(), ["enqueue with workspace_id='' raised KeyError."]),
        (refused("TypeError"), []),
        (
            refused("TypeError", wrote=True),
            ["enqueue with workspace_id='' wrote before it was refused."],
        ),
        (refused(faulted=True), []),
        (call(workspace_id="", phase=Phase.PREPARE), []),
    ],
    ids=["another exception", "a refusal", "a write", "a fault", "before the case"],
)
def test_a_malformed_argument_is_refused_by_an_exception_that_says_so(
    operation: Operation, expected: list[str]
) -> None:
    assert said("bad-input", evidence(operation, malformed=True)) == expected


def test_arguments_are_judged_in_the_programs_that_make_them_malformed() -> None:
    assert said("bad-input", evidence(call(workspace_id=""))) == []


def test_a_long_workspace_is_malformed_for_the_reviewed_queue_alone() -> None:
    long = evidence(call(workspace_id="a" * 33), malformed=True)
    assert said("bad-input", replace(long, traits=BLACK_BOX)) == []
    assert len(said("bad-input", replace(long, traits=WHITE_BOX))) == 1


def test_one_malformed_argument_of_several_is_enough() -> None:
    odd = call("update_status", value=None, status="done", wrote=False)
    traits = replace(BLACK_BOX, promises=declared({"tenancy": "none"}))
    assert said("bad-input", evidence(odd, malformed=True, traits=traits)) == [
        "update_status with workspace_id='acme', status='done' was accepted."
    ]


@pytest.mark.parametrize(
    ("calls", "tenancy", "is_judged"),
    [
        ("enqueue", "workspace", True),
        ("enqueue", "none", False),
        ("update_status", "none", True),
        ("get_job", "workspace", False),
    ],
)
def test_bad_input_needs_a_call_for_which_an_argument_can_be_malformed(
    calls: str, tenancy: str, is_judged: bool
) -> None:
    traits = Traits(frozenset({calls}), False, False, promises=declared({"tenancy": tenancy}))
    assert (INVARIANTS["bad-input"].why_not(traits) == "") is is_judged


# --- quiet-logs ------------------------------------------------------------------------------------------


def test_one_secret_in_one_line_is_one_too_many() -> None:
    seen = evidence(logs=("WARNING quiet", "  ERROR of-params\nTraceback", "of-results"))
    seen = replace(seen, secrets=("of-params", "of-results"))
    assert said("quiet-logs", seen) == [
        "A log line carries job data: 'ERROR of-params'.",
        "A log line carries job data: 'of-results'.",
    ]
    assert INVARIANTS["quiet-logs"].check(seen).observations == 3


# --- no-orphan -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (tables("j"), ()),
        (replace(tables("j"), pending=()), ("j is pending and not in the queue",)),
        (replace(tables("j", status="running"), pending=()), ()),
        (Tables({"j": fields()}, {("acme", "j"): fields(status="running")}, (), {}), ()),
        (Tables({}, {}, ("j",), {}), ("j is queued and has no data",)),
    ],
    ids=["whole", "no place", "running", "running in one schema", "no data"],
)
def test_a_pending_job_has_data_and_a_place(state: Tables, expected: tuple[str, ...]) -> None:
    assert orphans_of(state, has_dequeued=False) == expected


def test_after_a_dequeue_a_pending_job_needs_no_place() -> None:
    both = Tables({"j": fields()}, {}, ("i",), {})
    assert orphans_of(both, has_dequeued=True) == ("i is queued and has no data",)
    assert len(orphans_of(both, has_dequeued=False)) == 2


# --- no-divergence ---------------------------------------------------------------------------------------


def test_every_field_in_which_the_schemas_differ_is_named_with_both_values() -> None:
    old, new = fields(status="running", result="x"), fields(actor_id="v")
    assert differences_of(Tables({"j": old}, {("acme", "j"): new}, (), {})) == (
        "j has actor_id='u' in the old schema and 'v' in the new",
        "j has result='x' in the old schema and nothing in the new",
        "j has status='running' in the old schema and 'pending' in the new",
    )


def test_a_half_filled_hash_is_not_compared_field_by_field() -> None:
    half = {name: value for name, value in fields(status="running").items() if name != "params"}
    assert differences_of(Tables({"j": fields()}, {("acme", "j"): half}, (), {})) == (
        "j lacks params in the new schema",
    )
    assert differences_of(Tables({"j": half}, {("acme", "j"): fields()}, (), {})) == (
        "j lacks params in the old schema",
        "j has params=nothing in the old schema and '{}' in the new",
        "j has status='running' in the old schema and 'pending' in the new",
    )


def test_a_job_that_only_the_new_schema_holds_does_not_diverge() -> None:
    assert differences_of(Tables({}, {("acme", "j"): fields()}, (), {})) == ()


def test_divergence_is_judged_where_both_schemas_are_written() -> None:
    why_not = INVARIANTS["no-divergence"].why_not
    assert why_not(WHITE_BOX) == ""
    assert "one schema only" in why_not(replace(WHITE_BOX, new_schema=False))
    assert "dual-write keys" in why_not(BLACK_BOX)


# --- no-stuck-job ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("methods", "reason"),
    [
        ({"enqueue", "work"}, ""),
        ({"enqueue", "claim", "get_job"}, ""),
        ({"enqueue", "claim"}, "the subject has no get_job"),
        ({"enqueue", "dequeue"}, "the subject has no worker of its own (work)"),
    ],
)
def test_a_queue_that_can_not_be_judged_for_stuck_jobs_is_said_to_lack_the_call_it_lacks(
    methods: set[str], reason: str
) -> None:
    traits = replace(BLACK_BOX, methods=frozenset(methods))
    assert INVARIANTS["no-stuck-job"].why_not(traits) == reason
