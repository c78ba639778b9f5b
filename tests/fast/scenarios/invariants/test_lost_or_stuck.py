"""Of each condition under which a job counts as lost or stuck: a history in which that condition decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.evidence import Evidence, Traits
from midpipe.scenarios.model.history import Completion, Execution, Json, Operation, Phase
from midpipe.scenarios.model.promises import declared
from tests.fast.scenarios.invariants.histories import BLACK_BOX, call, evidence

WORKERS = replace(BLACK_BOX, methods=BLACK_BOX.methods | {"claim", "heartbeat", "complete", "fail"})
CLAIMS_ONLY = replace(BLACK_BOX, methods=frozenset({"enqueue", "get_job", "claim"}))
RUNS_JOBS = Traits(frozenset({"enqueue", "work"}), False, False)


def lost(seen: Evidence) -> tuple[str, ...]:
    """Return what no-lost-job says."""
    return tuple(found.seen for found in INVARIANTS["no-lost-job"].check(seen).violations)


def stuck(seen: Evidence) -> tuple[str, ...]:
    """Return what no-stuck-job says."""
    return tuple(found.seen for found in INVARIANTS["no-stuck-job"].check(seen).violations)


def claimed(
    job_id: str = "j", *, at: int = 2, client: str = "A", lease_s: float | None = 30.0
) -> Operation:
    operation = call("claim", "", at=at, value={"job_id": job_id})
    lease: dict[str, Json] = {} if lease_s is None else {"lease_s": lease_s}
    return replace(operation, client=client, arguments=lease)


def surely_failed(operation: Operation) -> Operation:
    return replace(operation, completion=Completion.FAIL)


def test_a_job_without_a_request_id_is_not_excused_by_another_one_without() -> None:
    seen = evidence(call(job_id="i"), call(at=2, request=2), found=("i",), delivered=("i",))
    assert lost(seen) == ("enqueue answered True for j, but get_job finds no such job.",)


def test_a_job_is_not_excused_by_one_of_another_request() -> None:
    other = call(job_id="i", request_id="r-1")
    seen = evidence(other, call(at=2, request=2, request_id="r-2"), found=("i",), delivered=("i",))
    assert lost(seen) == ("enqueue answered True for j, but get_job finds no such job.",)


def test_a_job_is_not_excused_by_one_that_its_request_asks_for_later() -> None:
    later = call(job_id="i", at=4, request=2, request_id="r")
    seen = evidence(call(request_id="r"), later, found=("i",), delivered=("i",))
    assert lost(seen) == ("enqueue answered True for j, but get_job finds no such job.",)


def test_a_job_is_not_excused_by_one_that_its_request_asks_for_as_the_answer_arrives() -> None:
    next_one = call(job_id="i", at=1, request=2, request_id="r")
    seen = evidence(call(request_id="r"), next_one, found=("i",), delivered=("i",))
    assert lost(seen) == ("enqueue answered True for j, but get_job finds no such job.",)


def test_a_job_that_nobody_can_read_is_not_lost_once_a_worker_has_received_it() -> None:
    traits = replace(BLACK_BOX, methods=frozenset({"enqueue", "claim"}))
    assert lost(evidence(call(), delivered=("j",), traits=traits)) == ()


def test_a_job_that_is_found_is_not_lost_if_nobody_can_receive_any() -> None:
    assert lost(evidence(call(), found=("j",), delivered=None)) == ()


@pytest.mark.parametrize(
    "end",
    [
        call("complete", "i", at=2),
        surely_failed(call("complete", at=2, error="ConnectionError")),
        call("complete", at=2, value=False),
    ],
    ids=["of another job", "surely failed", "refused"],
)
def test_a_missing_job_was_not_deleted_after_an_end_that_was_not_its_own(end: Operation) -> None:
    traits = replace(WORKERS, promises=declared({"retention": "deletes"}))
    assert lost(evidence(call(), end, traits=traits))


@pytest.mark.parametrize(
    ("status", "expired", "is_lost"),
    [
        ("completed", frozenset({"j"}), False),
        ("failed", frozenset({"j"}), False),
        ("running", frozenset({"j"}), True),
        ("pending", frozenset({"j"}), True),
        ("completed", frozenset({"i"}), True),
    ],
)
def test_the_data_of_a_job_may_expire_once_it_has_ended(
    status: str, expired: frozenset[str], is_lost: bool
) -> None:
    update = call("update_status", at=2, value=None, status=status)
    seen = evidence(call(), update, traits=WORKERS, delivered=())
    seen = replace(seen, expired=expired, read_back={("j", "acme"): None})
    assert bool(lost(seen)) is is_lost
    assert bool(INVARIANTS["status-order"].check(seen).violations) is is_lost


def test_the_end_of_another_job_does_not_excuse_one_that_nobody_receives() -> None:
    seen = evidence(call(), traits=WORKERS)
    jobs = {("i", "acme"): {"status": "completed"}, ("j", "acme"): {"status": "pending"}}
    assert lost(replace(seen, read_back=jobs))
    assert lost(replace(seen, read_back={**jobs, ("j", "acme"): {"status": "completed"}})) == ()


def test_a_job_has_moved_on_in_whichever_workspace_it_is_found() -> None:
    seen = replace(
        evidence(call()),
        read_back={("j", "acme"): None, ("j", "globex"): {"status": "completed"}},
    )
    assert lost(seen) == ()


def test_a_running_job_that_has_used_up_its_attempts_is_not_lost() -> None:
    seen = evidence(call(), claimed(), found=("j",), status="running", traits=CLAIMS_ONLY)
    ended = replace(seen, leases_ended=True)
    assert lost(ended)
    assert lost(replace(ended, given_up=frozenset({"j"}))) == ()


@pytest.mark.parametrize("end", [call("complete", "i", at=4), call("complete", at=4, value=False)])
def test_a_lost_job_is_said_to_be_finished_only_if_a_worker_has_finished_it(end: Operation) -> None:
    seen = evidence(call(), end, found=("j",), traits=CLAIMS_ONLY)
    assert lost(seen) == ("enqueue answered True for j, but no worker ever receives it.",)


@pytest.mark.parametrize("traits", [WORKERS, CLAIMS_ONLY])
def test_a_claim_that_asked_for_no_lease_may_hold_its_job_for_ever(traits: Traits) -> None:
    seen = evidence(call(), claimed(lease_s=None), found=("j",), status="running", traits=traits)
    assert lost(replace(seen, leases_ended=True)) == ()


def test_a_lock_that_asked_for_no_lease_may_keep_a_pending_job_from_others() -> None:
    seen = evidence(call(), claimed(lease_s=None), found=("j",), traits=WORKERS)
    assert lost(replace(seen, leases_ended=True)) == ()
    timed = evidence(call(), claimed(), found=("j",), traits=WORKERS)
    assert lost(replace(timed, leases_ended=True))


@pytest.mark.parametrize(
    "given_up",
    [
        replace(call("fail", at=6), client="B"),
        call("fail", "i", at=6),
        call("fail", at=2),
    ],
    ids=["by another worker", "another job", "before the claim"],
)
def test_a_job_is_held_until_its_own_holder_gives_it_up(given_up: Operation) -> None:
    history = (call(), claimed(at=4), given_up)
    assert lost(evidence(*history, found=("j",), traits=WORKERS)) == ()
    own = (call(), claimed(at=4), call("fail", at=6))
    assert lost(evidence(*own, found=("j",), traits=WORKERS))


def failed(
    *reports: Operation, claims: int = 1, vanished: bool = True, **promises: str
) -> tuple[str, ...]:
    """Return what no-lost-job says of a job that was claimed and failed, and that no key names in the end."""
    traits = replace(
        WORKERS, methods=WORKERS.methods - {"get_job"}, promises=declared({**promises})
    )
    taken = tuple(claimed(at=2, lease_s=30.0) for _ in range(claims))
    seen = evidence(call(), *taken, *reports, traits=traits)
    return lost(replace(seen, vanished=frozenset({"j"} if vanished else ())))


CUT = call("fail", at=6, error="ConnectionError")


def test_a_failed_job_that_no_key_names_any_more_is_lost_if_it_is_to_be_tried_again() -> None:
    again = "no worker receives it again after it has failed"
    assert failed(CUT, after_failure="reruns") == (f"enqueue answered True for j, but {again}.",)
    assert failed(CUT, after_failure="lost") == failed(CUT) == ()
    assert failed(CUT, vanished=False, after_failure="reruns") == ()


def test_a_failed_job_need_not_be_tried_more_than_once_again() -> None:
    assert failed(CUT, claims=2, after_failure="reruns") == ()
    assert failed(CUT, call("fail", at=8), after_failure="reruns") == ()
    assert failed(CUT, call("fail", at=8, value=False), after_failure="reruns") != ()


def test_a_report_that_surely_had_no_effect_fails_no_job() -> None:
    assert failed(surely_failed(CUT), after_failure="reruns") == ()


def test_a_worker_that_died_as_it_reported_a_failure_may_lose_the_job_if_crashes_may() -> None:
    died = replace(CUT, caller_died=True)
    assert failed(died, after_failure="reruns", after_crash="lost") == ()
    assert failed(died, after_failure="reruns") != ()
    assert failed(died, after_failure="reruns", delivery="at-most-once") == ()


def test_a_failed_job_that_the_queue_calls_pending_must_be_received_whatever_is_promised() -> None:
    own = (call(), claimed(at=4), call("fail", at=6))
    assert lost(evidence(*own, found=("j",), traits=WORKERS))
    assert lost(evidence(*own, found=("j",), status="failed", traits=WORKERS)) == ()


def test_a_claim_that_surely_failed_holds_no_job() -> None:
    failed = surely_failed(replace(call("claim", "", at=2, error="ConnectionError"), arguments={}))
    assert lost(evidence(call(), failed, found=("j",), traits=WORKERS))


def test_a_job_that_is_given_up_as_its_claim_returns_is_given_up() -> None:
    history = (call(), claimed(at=4), call("fail", at=5))
    assert lost(evidence(*history, found=("j",), traits=WORKERS))


def test_one_claim_of_several_that_received_the_job_is_enough() -> None:
    claims = (claimed(), claimed("i", at=4))
    seen = evidence(call(), *claims, found=("j",), status="running", traits=CLAIMS_ONLY)
    assert lost(replace(seen, leases_ended=True))


def test_a_claim_without_a_lease_and_an_answer_may_have_left_a_job_running_for_ever() -> None:
    cut = replace(call("claim", "", at=2, error="ConnectionError"), arguments={})
    seen = evidence(call(), cut, found=("j",), status="running", traits=CLAIMS_ONLY)
    assert lost(replace(seen, leases_ended=True)) == ()


@pytest.mark.parametrize("enqueue", [call(error="ConnectionError"), call(value="")])
def test_nothing_is_lost_that_was_not_acknowledged(enqueue: Operation) -> None:
    assert lost(evidence(enqueue)) == ()


def test_one_job_of_a_request_has_to_run() -> None:
    again = call(job_id="i", at=2, request=2, request_id="r", value=False)
    seen = evidence(call(request_id="r"), again, delivered=None, traits=RUNS_JOBS)
    assert len(lost(seen)) == 2
    ran = replace(seen, executions=(Execution("j", Phase.PROGRAM, has_ended=True),))
    assert lost(ran) == ()


# --- stuck -----------------------------------------------------------------------------------------------


ENDED = 0.001
STUCK = (call(), claimed(lease_s=ENDED), claimed(at=4, client="B", lease_s=ENDED))


def running(*history: Operation) -> Evidence:
    """A job that is running after the drain, which has not received it."""
    seen = evidence(*history, found=("j",), status="running", traits=WORKERS)
    return replace(seen, still_running=frozenset({"j"}))


@pytest.mark.parametrize(
    ("leases", "delivered", "checked"),
    [
        ((ENDED,), ("j",), 1),
        ((30.0, ENDED), ("j",), 1),
        ((ENDED,), (), 0),
        ((30.0,), ("j",), 0),
    ],
    ids=["ended and received", "one of two ended, and received", "ended", "received"],
)
def test_a_job_that_recovery_receives_after_its_lease_is_checked_and_not_stuck(
    leases: tuple[float, ...], delivered: tuple[str, ...], checked: int
) -> None:
    claims = (claimed(at=2 + 2 * number, lease_s=lease) for number, lease in enumerate(leases))
    judgement = INVARIANTS["no-stuck-job"].check(
        evidence(call(), *claims, delivered=delivered, traits=WORKERS)
    )
    assert (judgement.observations, judgement.violations) == (checked, ())


@pytest.mark.parametrize("enqueue", [call(error="ConnectionError"), call(value=False)])
def test_nothing_is_stuck_that_was_not_put_in(enqueue: Operation) -> None:
    assert stuck(running(*STUCK))
    assert stuck(running(enqueue, *STUCK[1:])) == ()


def test_a_job_that_counts_as_lost_does_not_count_as_stuck_as_well() -> None:
    seen = replace(running(*STUCK), leases_ended=True)
    assert (bool(lost(seen)), stuck(seen)) == (True, ())


@pytest.mark.parametrize(
    ("leases", "shown"),
    [((ENDED, ENDED), 1), ((ENDED,), 0), ((30.0, ENDED), 0), ((ENDED, 30.0), 1), ((30.0, 30.0), 0)],
)
def test_a_queue_heeds_a_lease_if_it_gives_the_job_out_again_after_its_end(
    leases: tuple[float, ...], shown: int
) -> None:
    claims = (claimed(at=2 + 2 * number, lease_s=lease) for number, lease in enumerate(leases))
    assert INVARIANTS["no-stuck-job"].check(running(call(), *claims)).observations == shown


def test_a_claim_that_returns_the_id_of_the_job_alone_has_received_it() -> None:
    bare = tuple(replace(claim, value="j") for claim in STUCK[1:])
    assert stuck(running(call(), *bare))


def test_a_lease_of_another_job_shows_nothing_of_this_one() -> None:
    others = (claimed("i", at=4, lease_s=ENDED), claimed("i", at=6, client="B", lease_s=ENDED))
    assert stuck(running(call(), claimed(lease_s=ENDED), *others)) == ()


@pytest.mark.parametrize(
    "more",
    [
        claimed("i", at=6),
        surely_failed(replace(call("claim", "", at=6, error="ConnectionError"), arguments={})),
        call("heartbeat", "i", at=6, lease_s=30.0),
        surely_failed(call("heartbeat", at=6, error="ConnectionError", lease_s=30.0)),
    ],
    ids=["a claim of another job", "a claim that failed", "another's heartbeat", "one that failed"],
)
def test_nothing_holds_a_job_but_a_lease_of_its_own(more: Operation) -> None:
    assert stuck(running(*STUCK, more))


def test_of_the_jobs_of_one_request_the_one_that_was_put_in_has_to_run() -> None:
    first = call(request_id="r")
    again = call(job_id="i", at=2, request=2, request_id="r", value=False)
    seen = evidence(first, again, delivered=None, traits=RUNS_JOBS)
    seen = replace(seen, named={job_id: frozenset({"q"}) for job_id in ("i", "j")})
    assert len(stuck(seen)) == 2
    assert stuck(replace(seen, executions=(Execution("j", Phase.PROGRAM, has_ended=True),))) == ()
    other = replace(seen, executions=(Execution("i", Phase.PROGRAM, has_ended=True),))
    assert stuck(other) == ("j is still in Redis (q), and no worker ever runs it.",)


def test_one_key_that_names_a_job_of_the_request_is_enough_to_call_it_stuck() -> None:
    again = call(job_id="i", at=2, request=2, request_id="r", value=False)
    seen = evidence(call(request_id="r"), again, delivered=None, traits=RUNS_JOBS)
    seen = replace(seen, named={"i": frozenset({"q:i"})})
    assert stuck(seen) == ("i or j is still in Redis (q:i), and no worker ever runs it.",)
    assert lost(seen) == ("enqueue answered True for j, but no worker ever runs it.",)


def test_a_job_that_was_put_in_has_to_run_itself() -> None:
    both = (call(job_id="i", request_id="r"), call(at=2, request=2, request_id="r"))
    seen = evidence(*both, delivered=None, traits=RUNS_JOBS)
    ran = replace(
        seen,
        named={"j": frozenset({"q"})},
        executions=(Execution("i", Phase.PROGRAM, has_ended=True),),
    )
    assert stuck(ran) == ("j is still in Redis (q), and no worker ever runs it.",)


def test_a_stuck_job_is_looked_for_where_a_worker_or_a_claim_and_a_read_can_show_it() -> None:
    why_not = INVARIANTS["no-stuck-job"].why_not
    both = replace(RUNS_JOBS, methods=RUNS_JOBS.methods | {"claim"})
    assert (why_not(WORKERS), why_not(RUNS_JOBS), why_not(both)) == ("", "", "")
    assert why_not(replace(BLACK_BOX, methods=frozenset({"enqueue", "claim"})))
    assert why_not(replace(BLACK_BOX, methods=frozenset({"claim", "get_job"}))) == ""


@pytest.mark.parametrize(
    ("cancel", "is_lost"),
    [
        (call("cancel", at=2), False),
        (call("cancel", at=2, error="TimeoutError"), False),
        (call("cancel", at=2, value=False), True),
        (surely_failed(call("cancel", at=2, error="ConnectionError")), True),
        (call("cancel", "i", at=2), True),
    ],
    ids=["cancelled", "without an answer", "refused", "surely failed", "another job"],
)
def test_a_cancelled_job_need_not_be_received(cancel: Operation, is_lost: bool) -> None:
    seen = evidence(call(), cancel, found=("j",), status="cancelled", traits=WORKERS)
    assert bool(lost(seen)) is is_lost


@pytest.mark.parametrize(
    ("methods", "within_s", "is_lost"),
    [({"tick"}, 35.0, False), ({"tick"}, 5.0, True), (set(), 35.0, True)],
    ids=["after recovery has stopped waiting", "within its wait", "without periodic work"],
)
def test_periodic_work_may_bring_a_job_as_late_as_is_promised(
    methods: set[str], within_s: float, is_lost: bool
) -> None:
    promises = declared({"recovers_within_s": within_s})
    traits = replace(WORKERS, methods=WORKERS.methods | methods, promises=promises)
    seen = evidence(call(), found=("j",), traits=traits)
    assert bool(lost(seen)) is is_lost
    assert lost(replace(seen, passed_s=0.0))
