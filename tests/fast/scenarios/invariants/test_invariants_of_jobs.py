"""What no-lost-job, no-duplicate and status-order do not blame a queue for, beside what they do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.evidence import Evidence, Traits
from midpipe.scenarios.model.history import Completion, Operation, Phase
from midpipe.scenarios.model.promises import declared
from tests.fast.scenarios.invariants.histories import BLACK_BOX, WHITE_BOX, call, evidence, tables


def violated_invariants(seen: Evidence) -> set[str]:
    """Return which of the two do not hold."""
    wanted = ("no-lost-job", "no-duplicate")
    return {name for name in wanted if INVARIANTS[name].check(seen).violations}


def running(*claims: Operation) -> Evidence:
    """A job that is running once all leases have ended, and that no worker got afterwards."""
    seen = evidence(call(), *claims, states=(tables("j"),), found=("j",), status="running")
    return replace(seen, leases_ended=True)


def claimed(client: str, at: int, lease_s: float = 0.001) -> Operation:
    return replace(call("claim", "", at=at, value={"job_id": "j"}, lease_s=lease_s), client=client)


def is_stuck(*operations: Operation, still_running: bool = True, **promises: str) -> bool:
    """Whether no-stuck-job is violated by a job that no worker gets any more."""
    traits = replace(BLACK_BOX, promises=declared(promises))
    seen = evidence(call(), *operations, found=("j",), status="running", traits=traits)
    seen = replace(seen, still_running=frozenset({"j"} if still_running else ()))
    return bool(INVARIANTS["no-stuck-job"].check(seen).violations)


def test_a_job_that_stays_running_after_all_its_leases_have_ended_is_stuck() -> None:
    assert is_stuck(claimed("A", 2), claimed("B", 4))


def test_a_job_is_not_stuck_while_a_worker_may_hold_it_or_if_it_is_not_promised_to_run_again() -> (
    None
):
    ended, again = claimed("A", 2), claimed("B", 4)
    assert not is_stuck(ended, claimed("B", 4, lease_s=30.0))
    assert not is_stuck(ended, again, call("heartbeat", at=6, lease_s=30.0))
    assert not is_stuck(ended, again, call("claim", "", at=6, error="TimeoutError", lease_s=30.0))
    assert not is_stuck(ended, again, still_running=False)
    assert not is_stuck(ended, again, after_crash="lost")
    assert not is_stuck(ended, again, delivery="at-most-once")


def test_a_queue_that_has_not_heeded_a_lease_may_count_by_a_time_out_of_its_own() -> None:
    assert not is_stuck(claimed("A", 2))


def unanswered(completion: Completion, *, wrote: bool, wrote_job: bool) -> Operation:
    claim = call("claim", "", at=2, error="ConnectionError", lease_s=0.0, wrote=wrote)
    return replace(claim, completion=completion, wrote_job=wrote_job)


def test_a_job_taken_by_a_claim_without_an_answer_must_be_received_again() -> None:
    taken = unanswered(Completion.INFO, wrote=True, wrote_job=True)
    assert violated_invariants(running(taken)) == {"no-lost-job"}


def test_a_job_that_a_claim_without_an_answer_may_still_take_must_be_received_again() -> None:
    late = unanswered(Completion.INFO, wrote=False, wrote_job=False)
    assert violated_invariants(running(late)) == {"no-lost-job"}


def test_a_job_that_the_program_itself_marks_running_is_not_lost() -> None:
    never_sent = unanswered(Completion.FAIL, wrote=False, wrote_job=False)
    assert violated_invariants(running(never_sent)) == set()


def test_a_claim_that_did_only_housekeeping_has_taken_no_job() -> None:
    tidied = unanswered(Completion.INFO, wrote=True, wrote_job=False)
    assert violated_invariants(running(tidied)) == set()


def test_a_job_that_runs_again_after_its_end_differs_from_one_that_no_worker_received() -> None:
    got = call("claim", "", at=2, value={"job_id": "j"}, lease_s=0.0)
    seen = running(got, call("complete", at=4, value=True))
    (violation,) = INVARIANTS["no-lost-job"].check(seen).violations
    assert "runs again after a worker has finished it" in violation.seen


def locked(*, lease_s: float = 30.0, ended: bool = False, methods: str = "") -> Evidence:
    """A job that is called pending, and that no worker gets after a claim whose answer was lost."""
    claim = call("claim", "", at=2, error="ConnectionError", lease_s=lease_s)
    seen = evidence(call(), claim, found=("j",), traits=BLACK_BOX)
    traits = replace(BLACK_BOX, methods=BLACK_BOX.methods | set(methods.split()))
    return replace(seen, leases_ended=ended, traits=traits)


def test_a_claim_without_an_answer_may_have_locked_a_job_before_it_is_marked_running() -> None:
    assert violated_invariants(locked(methods="claim heartbeat complete")) == set()


def test_a_claim_that_takes_a_lease_may_have_locked_a_job_also_without_heartbeats() -> None:
    seen = locked(methods="claim complete")
    accepts = {"claim": frozenset({"worker_id", "lease_s"})}
    leased = replace(seen, traits=replace(seen.traits, accepts=accepts))
    assert violated_invariants(leased) == set()


@pytest.mark.parametrize(
    "seen",
    [
        locked(methods="claim heartbeat complete", ended=True),
        locked(methods="claim heartbeat complete", lease_s=0.0),
        locked(methods="claim complete"),
    ],
)
def test_a_job_whose_leases_have_all_ended_must_be_received_again(seen: Evidence) -> None:
    assert violated_invariants(seen) == {"no-lost-job"}


def test_a_job_that_a_worker_holds_is_not_lost_in_a_queue_without_heartbeats() -> None:
    held = call("claim", "", at=2, value={"job_id": "j"}, lease_s=30.0)
    traits = Traits(frozenset({"enqueue", "claim", "complete"}), False, False)
    assert violated_invariants(evidence(call(), held, traits=traits)) == set()


def test_a_finished_job_is_not_lost_in_a_queue_that_shows_no_jobs() -> None:
    got = call("claim", "", at=2, value={"job_id": "j"}, lease_s=0.001)
    done = call("complete", at=4, value=True)
    traits = Traits(frozenset({"enqueue", "claim", "complete"}), False, False)
    assert violated_invariants(evidence(call(), got, done, traits=traits)) == set()


@pytest.mark.parametrize(("promise", "is_judged"), [("none", False), ("request", True)])
def test_the_order_of_a_job_that_may_be_enqueued_again_is_not_judged(
    promise: str, is_judged: bool
) -> None:
    got = call("claim", "", at=2, value={"job_id": "j"}, lease_s=30.0)
    traits = Traits(
        frozenset({"enqueue", "claim", "complete"}),
        False,
        False,
        promises=declared({"deduplicates": promise}),
    )
    seen = evidence(call(), got, call(at=4, request=2), delivered=("j",), traits=traits)
    assert bool(INVARIANTS["queue-order"].check(seen).violations) is is_judged


def test_a_malformed_argument_that_the_call_does_not_take_is_not_judged() -> None:
    odd = call(workspace_id="")
    knows_none = replace(BLACK_BOX, accepts={"enqueue": frozenset({"job_id"})})
    accused = INVARIANTS["bad-input"].check(evidence(odd, malformed=True, traits=BLACK_BOX))
    spared = INVARIANTS["bad-input"].check(evidence(odd, malformed=True, traits=knows_none))
    assert (len(accused.violations), spared.violations) == (1, ())


@pytest.mark.parametrize(
    ("answer", "lease_s", "ended", "is_lost"),
    [
        (True, 30.0, False, False),
        (True, 30.0, True, True),
        (True, 0.001, False, True),
        (False, 30.0, False, True),
    ],
    ids=["renewed", "renewed and ended", "renewed for no time", "refused"],
)
def test_a_job_whose_lease_a_heartbeat_has_renewed_is_held_until_that_ends(
    answer: bool, lease_s: float, ended: bool, is_lost: bool
) -> None:
    claimed = call("claim", "", at=2, value={"job_id": "j"}, lease_s=0.001)
    beat = call("heartbeat", at=4, value=answer, lease_s=lease_s)
    traits = replace(BLACK_BOX, methods=frozenset({"enqueue", "claim", "heartbeat", "complete"}))
    seen = replace(evidence(call(), claimed, beat, traits=traits), leases_ended=ended)
    assert ("no-lost-job" in violated_invariants(seen)) is is_lost


def given_up(
    method: str, *, value: bool = True, error: str = "", back_off_s: float = 0.0
) -> Evidence:
    """A job that was claimed under a lease that lasts, then given up, and that no worker gets afterwards."""
    claimed = call("claim", "", at=2, value={"job_id": "j"}, lease_s=30.0)
    end = call(method, at=4, value=value, error=error, back_off_s=back_off_s)
    traits = replace(BLACK_BOX, methods=BLACK_BOX.methods | {"claim", "heartbeat", "complete"})
    return evidence(call(), claimed, end, found=("j",), traits=traits)


@pytest.mark.parametrize(
    "seen", [given_up("give_back"), given_up("fail"), given_up("fail", value=False)]
)
def test_a_job_that_its_worker_has_released_must_be_received_again(seen: Evidence) -> None:
    assert violated_invariants(seen) == {"no-lost-job"}


@pytest.mark.parametrize(
    "seen", [given_up("fail", back_off_s=1.0), given_up("give_back", error="ConnectionError")]
)
def test_a_job_that_may_still_be_held_need_not_be_received_again(seen: Evidence) -> None:
    assert violated_invariants(seen) == set()


def asked_twice(first_phase: Phase = Phase.PROGRAM, *, seeded: tuple[str, ...] = ()) -> Evidence:
    """One request that named two jobs, both of which live in the end."""
    history = (
        call(job_id="a", at=0, request=1, request_id="r", phase=first_phase),
        call(job_id="b", at=2, request=2, request_id="r", value=False),
    )
    return evidence(
        *history,
        states=(tables(*seeded), tables("a", "b")),
        found=("a", "b"),
        delivered=("a", "b"),
    )


def test_two_jobs_of_one_request_are_a_duplicate() -> None:
    assert violated_invariants(asked_twice()) == {"no-duplicate"}


def test_two_jobs_of_one_request_are_none_if_the_queue_does_not_deduplicate_requests() -> None:
    traits = replace(WHITE_BOX, promises=declared({}))
    assert violated_invariants(replace(asked_twice(), traits=traits)) == set()


def test_a_seeded_job_is_no_duplicate_of_a_request_that_names_it() -> None:
    assert violated_invariants(asked_twice(seeded=("b",))) == set()


def test_a_job_that_the_same_request_asked_for_in_the_preparation_is_a_duplicate() -> None:
    assert violated_invariants(asked_twice(Phase.PREPARE, seeded=("a",))) == {"no-duplicate"}


@pytest.mark.parametrize(("promise", "is_accused"), [("none", False), ("request", True)])
def test_a_job_that_was_enqueued_twice_comes_twice_of_a_queue_that_deduplicates_nothing(
    promise: str, is_accused: bool
) -> None:
    traits = replace(WHITE_BOX, promises=declared({"deduplicates": promise}))
    again = call(at=2, request=2)
    seen = evidence(call(), again, found=("j",), delivered=("j", "j"), traits=traits)
    assert bool(INVARIANTS["no-duplicate"].check(seen).violations) is is_accused
    thrice = replace(seen, delivered=("j", "j", "j"))
    assert INVARIANTS["no-duplicate"].check(thrice).violations != ()


@pytest.mark.parametrize(
    ("promise", "second_request", "is_accused"),
    [("request", "other", False), ("request", "first", True), ("job", "other", True)],
)
def test_two_requests_that_name_one_job_make_it_twice_of_a_queue_that_deduplicates_requests(
    promise: str, second_request: str, is_accused: bool
) -> None:
    traits = replace(WHITE_BOX, promises=declared({"deduplicates": promise}))
    again = call(at=2, request=2, request_id=second_request)
    seen = evidence(call(request_id="first"), again, delivered=("j", "j"), traits=traits)
    assert bool(INVARIANTS["no-duplicate"].check(seen).violations) is is_accused


@pytest.mark.parametrize(("tenancy", "is_accused"), [("none", True), ("workspace", False)])
def test_two_workspaces_may_each_have_a_job_of_the_same_id(tenancy: str, is_accused: bool) -> None:
    promised = declared({"deduplicates": "job", "tenancy": tenancy})
    other = call(at=2, request=2, workspace_id="globex")
    traits = replace(WHITE_BOX, promises=promised)
    seen = evidence(call(), other, delivered=("j", "j"), traits=traits)
    assert bool(INVARIANTS["no-duplicate"].check(seen).violations) is is_accused
    thrice = replace(seen, delivered=("j", "j", "j"))
    assert INVARIANTS["no-duplicate"].check(thrice).violations != ()


@pytest.mark.parametrize(("tenancy", "is_judged"), [("none", False), ("workspace", True)])
def test_workspaces_are_judged_of_a_queue_that_promises_them(tenancy: str, is_judged: bool) -> None:
    traits = replace(WHITE_BOX, promises=declared({"tenancy": tenancy}))
    assert (INVARIANTS["isolation"].why_not(traits) == "") is is_judged
    accepted = evidence(call(workspace_id=""), malformed=True, traits=traits)
    accepted = replace(accepted, traits=replace(traits, accepts={"enqueue": None}))
    assert bool(INVARIANTS["bad-input"].check(accepted).violations) is is_judged


@pytest.mark.parametrize(("tenancy", "is_lost"), [("none", False), ("workspace", True)])
def test_a_request_of_another_workspace_is_the_same_request_where_there_are_no_workspaces(
    tenancy: str, is_lost: bool
) -> None:
    traits = replace(WHITE_BOX, promises=declared({"tenancy": tenancy}))
    first = call(request_id="r")
    other = call(job_id="i", at=2, request=2, request_id="r", workspace_id="globex")
    seen = evidence(first, other, found=("j",), delivered=("j",), traits=traits)
    assert bool(INVARIANTS["no-lost-job"].check(seen).violations) is is_lost


def update(at: int) -> Operation:
    return call("update_status", at=at, status="running", value=None, request=at)


def said_of_order(*history: Operation, found: tuple[str, ...] = ()) -> tuple[str, ...]:
    judgement = INVARIANTS["status-order"].check(evidence(*history, found=found))
    return tuple(evidence.seen for evidence in judgement.violations)


def test_an_acknowledged_update_of_a_job_that_was_never_enqueued_may_do_nothing() -> None:
    assert said_of_order(update(0)) == ()


def test_an_acknowledged_update_made_before_its_job_existed_may_do_nothing() -> None:
    assert said_of_order(update(0), call(at=2), found=("j",)) == ()


@pytest.mark.parametrize(
    "puts",
    [
        (call(at=0),),
        (call(at=0, error="TimeoutError"), call(at=2, value=False, attempt=2, wrote=False)),
        (call(at=0, error="TimeoutError"), call("get_job", at=2, value={"job_id": "j"})),
    ],
)
def test_a_read_must_show_an_acknowledged_update_of_a_job_that_surely_existed(
    puts: tuple[Operation, ...],
) -> None:
    assert said_of_order(*puts, update(4), found=("j",)) == (
        "In the final state, j is pending; the acknowledged status is running.",
    )


@pytest.mark.parametrize(
    ("promise", "is_accused"),
    [
        ({}, True),
        ({"recovers_within_s": 2}, True),
        ({"recovers_within_s": 60}, False),
        ({"visibility_timeout_s": 60}, False),
    ],
)
def test_a_claimed_job_is_not_lost_if_its_return_is_promised_later_than_recovery_waits(
    promise: dict[str, object], is_accused: bool
) -> None:
    taken = unanswered(Completion.INFO, wrote=True, wrote_job=True)
    traits = replace(
        BLACK_BOX,
        methods=BLACK_BOX.methods | {"claim", "heartbeat", "complete"},
        promises=declared(promise),
    )
    seen = replace(running(taken), traits=traits)
    assert (violated_invariants(seen) == {"no-lost-job"}) == is_accused


def test_a_finished_job_that_is_deleted_makes_no_answer_of_its_enqueue_untrue() -> None:
    done = call("complete", at=2, lease_token="1")
    for retention, violations in (("deletes", 0), ("keeps", 1)):
        traits = replace(
            BLACK_BOX,
            methods=BLACK_BOX.methods | {"claim", "complete"},
            promises=declared({"retention": retention}),
        )
        seen = evidence(call(), done, traits=traits)
        assert len(INVARIANTS["answer-is-true"].check(seen).violations) == violations
