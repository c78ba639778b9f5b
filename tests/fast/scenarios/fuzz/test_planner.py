"""What the state machine plans: seeded, readable, of the calls and faults that it was given; and Hypothesis' line."""

from __future__ import annotations

import ast
from collections.abc import Callable

import pytest
from hypothesis import reproduce_failure, settings
from hypothesis.stateful import run_state_machine_as_test

from midpipe.faultinject.faults import CATALOGUE
from midpipe.scenarios.fuzz.machine import NewViolationError, machine, run_batch
from midpipe.scenarios.fuzz.plan import Plan, Result
from midpipe.scenarios.fuzz.space import FuzzSpace
from midpipe.scenarios.programs.registry import program_named
from midpipe.scenarios.programs.written import VERBS

BATCHES, SOONER_OR_LATER = 6, 60
QUICK = tuple(name for name, fault in CATALOGUE.items() if not fault.needs_persistence)
ALL = FuzzSpace(frozenset(VERBS), QUICK, ("off", ""))
LEASES_ONLY = FuzzSpace(
    frozenset(
        ("enqueue", "claim", "claim-ended", "complete", "heartbeat", "heartbeat-ended", "fail")
    ),
    QUICK,
)


def planned(space: FuzzSpace, batches: range = range(3)) -> list[Plan]:
    plans: list[Plan] = []

    def run(plan: Plan) -> Result:
        plans.append(plan)
        return Result(0.0)

    for number in batches:
        run_batch(run, space, number)
    return plans


@pytest.fixture(scope="module")
def plans() -> list[Plan]:
    return planned(ALL, range(BATCHES))


def test_the_same_seed_makes_the_same_plans() -> None:
    one, same, other = (planned(ALL, range(seed, seed + 1)) for seed in (5, 5, 6))
    assert (one == same, one == other) == (True, False)


def test_every_plan_is_a_program_that_can_be_read(plans: list[Plan]) -> None:
    for plan in plans:
        assert program_named(plan.program).name == plan.program


def test_every_call_is_planned_sooner_or_later(plans: list[Plan]) -> None:
    # A read changes nothing, so a read without a retry is no case of its own.
    missing = set(VERBS) - {"get-once"} - {step.verb for plan in plans for step in plan.steps}
    for number in range(BATCHES, SOONER_OR_LATER):
        if not missing:
            return
        # Among so many calls those of a lease are rare; a queue that has no others gets them often.
        space = LEASES_ONLY if missing <= LEASES_ONLY.verbs else ALL
        missing -= {
            step.verb for plan in planned(space, range(number, number + 1)) for step in plan.steps
        }
    assert missing == set()


@pytest.mark.parametrize(("more", "planned_too"), [((), False), (("update",), True)])
def test_a_malformed_call_is_planned_only_for_a_queue_that_has_the_call(
    more: tuple[str, ...], planned_too: bool
) -> None:
    space = FuzzSpace(frozenset(("enqueue", "malformed", *more)), QUICK)
    words = {word for plan in planned(space) for step in plan.steps for word in step.words}
    assert "odd-workspace" in words
    assert ("odd-status" in words) is planned_too


def test_faults_of_every_kind_are_planned(plans: list[Plan]) -> None:
    names = {fault.fault.name for plan in plans for fault in plan.faults}
    assert [group for group in ALL.fault_groups if not names & set(group)] == []


def test_clients_are_rolled_from_one_version_to_another_sooner_or_later() -> None:
    def is_rolled(plan: Plan) -> bool:
        return {"off", ""} <= {step.version for step in plan.steps if step.client == "A"}

    batches = (planned(ALL, range(number, number + 1)) for number in range(SOONER_OR_LATER))
    assert any(is_rolled(plan) for plans in batches for plan in plans)


def test_a_subject_without_leases_is_asked_for_none() -> None:
    space = FuzzSpace(frozenset(("enqueue", "get", "update", "list")), QUICK)
    verbs = {step.verb for plan in planned(space) for step in plan.steps if step.client}
    assert verbs == space.verbs


def test_what_was_never_seen_is_aimed_at() -> None:
    def aimed(unseen: tuple[tuple[int, str], ...]) -> int:
        verbs = frozenset(("enqueue", "get", "update", "list"))
        space = FuzzSpace(verbs, QUICK, unseen=dict.fromkeys(verbs, unseen))
        faults = [f for plan in planned(space) for f in plan.faults]
        return sum(f.command == 5 and f.fault.name == "noperm" for f in faults)

    assert aimed(((5, "noperm"),)) > 2 * aimed(())


def find(fails: Callable[[Plan], bool]) -> tuple[Plan, str, int]:
    """Return the first plan that fails, Hypothesis' line for it, and the number of its batch."""
    found: list[Plan] = []

    def run(plan: Plan) -> Result:
        if fails(plan) and not found:
            found.append(plan)
        return Result(0.0, "it" if plan in found else "")

    for number in range(50):
        blob = run_batch(run, ALL, number)
        if blob:
            return found[0], blob, number
    raise AssertionError("nothing was found")


def test_hypothesis_line_leads_to_the_plan_that_was_found() -> None:
    plan, blob, number = find(lambda plan: any(step.verb == "claim" for step in plan.steps))
    again: list[Plan] = []

    def run(plan: Plan) -> Result:
        again.append(plan)
        return Result(0.0, "it")

    version, choices = ast.literal_eval(blob.removeprefix("@reproduce_failure"))
    case = reproduce_failure(version, choices)(machine(run, ALL, number))
    with pytest.raises(NewViolationError):
        run_state_machine_as_test(case, settings=settings(database=None, deadline=None))
    assert again[0] == plan


def test_a_batch_without_a_violation_has_no_line() -> None:
    assert run_batch(lambda plan: Result(1.0), ALL, 0) == ""
