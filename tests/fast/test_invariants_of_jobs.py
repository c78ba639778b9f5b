"""What no-lost-job and no-duplicate do not blame a queue for, beside what they do: as fuzzing brought it up."""

from __future__ import annotations

from dataclasses import replace

from scenarios.history import Completion, Operation, Phase
from scenarios.invariants import INVARIANTS
from scenarios.invariants.evidence import Evidence
from tests.fast.histories import call, evidence, tables


def fallen(seen: Evidence) -> set[str]:
    """Return which of the two do not hold."""
    wanted = ("no-lost-job", "no-duplicate")
    return {name for name in wanted if INVARIANTS[name].check(seen).breaches}


def running(*claims: Operation) -> Evidence:
    """A job that is running once all leases have ended, and that nobody got afterwards."""
    seen = evidence(call(), *claims, states=(tables("j"),), found=("j",), status="running")
    return replace(seen, leases_ended=True)


def unanswered(completion: Completion, *, wrote: bool, wrote_job: bool) -> Operation:
    claim = call("claim", "", at=2, error="ConnectionError", lease_s=0.0, wrote=wrote)
    return replace(claim, completion=completion, wrote_job=wrote_job)


def test_a_job_that_an_unheard_claim_has_taken_must_be_had_again() -> None:
    taken = unanswered(Completion.INFO, wrote=True, wrote_job=True)
    assert fallen(running(taken)) == {"no-lost-job"}


def test_a_job_that_an_unheard_claim_may_still_take_must_be_had_again() -> None:
    late = unanswered(Completion.INFO, wrote=False, wrote_job=False)
    assert fallen(running(late)) == {"no-lost-job"}


def test_a_job_that_the_program_itself_calls_running_is_nobodys_loss() -> None:
    never_sent = unanswered(Completion.FAIL, wrote=False, wrote_job=False)
    assert fallen(running(never_sent)) == set()


def test_a_claim_that_only_tidied_the_queue_up_has_taken_no_job() -> None:
    tidied = unanswered(Completion.INFO, wrote=True, wrote_job=False)
    assert fallen(running(tidied)) == set()


def asked_twice(first_phase: Phase = Phase.PROGRAM, *, laid: tuple[str, ...] = ()) -> Evidence:
    """One request that named two jobs, both of which live in the end."""
    history = (
        call(job_id="a", at=0, request=1, request_id="r", phase=first_phase),
        call(job_id="b", at=2, request=2, request_id="r", value=False),
    )
    return evidence(
        *history,
        states=(tables(*laid), tables("a", "b")),
        found=("a", "b"),
        delivered=("a", "b"),
    )


def test_two_jobs_of_one_request_are_a_duplicate() -> None:
    assert fallen(asked_twice()) == {"no-duplicate"}


def test_a_job_that_was_there_before_is_no_duplicate_of_a_request_that_names_it() -> None:
    assert fallen(asked_twice(laid=("b",))) == set()


def test_a_job_that_the_same_request_had_asked_for_before_the_program_is_one() -> None:
    assert fallen(asked_twice(Phase.PREPARE, laid=("a",))) == {"no-duplicate"}
