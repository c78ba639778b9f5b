"""Of each condition of worker-lives and no-ghost: a history in which that condition decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.evidence import Evidence, Traits
from midpipe.scenarios.model.history import Completion, Execution, Operation, Phase
from tests.fast.scenarios.invariants.histories import call, evidence

TRAITS = Traits(frozenset({"enqueue", "work", "cancel"}), white_box=False, new_schema=False)
RAN = Execution("j", Phase.PROGRAM, has_ended=True)
RAN_LATER = Execution("j", Phase.RECOVERY, has_ended=True)
STOPPED = (
    "A's worker was run again after a fault while jobs were waiting, and {} without running any."
)
IDLE = "A's worker was idle and was then run again while j was waiting, and ran nothing; a fresh worker ran it."


def work(*, at: int, client: str = "A", error: str = "", faulted: bool = False) -> Operation:
    run = call("work", "", at=at, value=None, error=error, request=at)
    return replace(run, client=client, faulted=faulted)


def put(job_id: str = "j", *, at: int = 0, phase: Phase = Phase.PROGRAM) -> Operation:
    return call(job_id=job_id, at=at, value=None, request=10 + at, phase=phase)


def case(*history: Operation, runs: tuple[Execution, ...] = ()) -> Evidence:
    return replace(evidence(*history, traits=TRAITS, delivered=None), executions=runs)


def said(invariant: str, seen: Evidence) -> list[str]:
    return [found.seen for found in INVARIANTS[invariant].check(seen).violations]


# --- after a fault ---------------------------------------------------------------------------------------


TWO_JOBS = (put(), put("k", at=1))
FAULTED, AGAIN = work(at=4, faulted=True), work(at=6)


def after_fault(*history: Operation, runs: tuple[Execution, ...] = (RAN_LATER,)) -> list[str]:
    return said("worker-lives", case(*history, runs=runs))


@pytest.mark.parametrize(
    "history",
    [
        (*TWO_JOBS, FAULTED, AGAIN),
        (*TWO_JOBS, FAULTED, work(at=5)),
        (*TWO_JOBS, work(at=2), FAULTED, AGAIN),
        (put(), put("k", at=5), FAULTED, AGAIN),
    ],
    ids=["later", "at once", "after a run without a fault", "a job that comes as the run begins"],
)
def test_a_worker_that_runs_nothing_after_a_fault_has_stopped(
    history: tuple[Operation, ...],
) -> None:
    assert after_fault(*history) == [STOPPED.format("returned")]


def test_a_worker_that_raises_after_a_fault_has_stopped_with_an_exception() -> None:
    raised = replace(work(at=6, error="OSError"), faulted=False)
    assert after_fault(*TWO_JOBS, FAULTED, raised) == [STOPPED.format("raised OSError")]


@pytest.mark.parametrize(
    "history",
    [
        (*TWO_JOBS, work(at=4), AGAIN),
        (*TWO_JOBS, FAULTED, work(at=6, client="B")),
        (*TWO_JOBS, replace(FAULTED, completed_at=8), AGAIN),
        (*TWO_JOBS, replace(FAULTED, caller_died=True), AGAIN),
        (*TWO_JOBS, FAULTED, replace(AGAIN, faulted=True)),
        (put(), FAULTED, AGAIN),
        (put(), replace(put("k", at=1), completion=Completion.INFO), FAULTED, AGAIN),
        (put(), call(job_id="k", at=1, value=False, request=9), FAULTED, AGAIN),
        (put(), put("k", at=6), FAULTED, AGAIN),
    ],
    ids=[
        "no fault",
        "another worker",
        "the fault is not over",
        "the worker died",
        "a second fault",
        "one job, which the first run may have taken",
        "a job that may not have been put in",
        "a job that was refused",
        "a job that comes later",
    ],
)
def test_otherwise_a_worker_may_run_nothing(history: tuple[Operation, ...]) -> None:
    assert after_fault(*history) == []


def test_a_worker_that_took_every_job_at_once_may_run_nothing() -> None:
    seen = case(*TWO_JOBS, FAULTED, AGAIN, runs=(RAN_LATER,))
    taken = replace(seen, nothing_queued=frozenset({AGAIN.invoked_at}))
    assert said("worker-lives", seen)
    assert said("worker-lives", taken) == []


def test_runs_after_a_fault_are_counted() -> None:
    check = INVARIANTS["worker-lives"].check
    assert check(case(*TWO_JOBS, FAULTED, AGAIN)).observations == 1
    assert check(case(*TWO_JOBS, work(at=4), AGAIN)).observations == 0


# --- after it was idle -----------------------------------------------------------------------------------


IDLED, PUT = work(at=1), put(at=3)
TWICE = (work(at=5), work(at=7))


def after_idle(*history: Operation, runs: tuple[Execution, ...] = (RAN_LATER,)) -> list[str]:
    calls = sorted(history, key=lambda each: each.invoked_at)
    return said("worker-lives", case(*calls, runs=runs))


@pytest.mark.parametrize(
    "history",
    [
        (IDLED, PUT, *TWICE),
        (IDLED, replace(PUT, invoked_at=2), *TWICE),
        (IDLED, PUT, work(at=4), work(at=6)),
        (IDLED, PUT, *TWICE, call("get_job", at=9, value=None, phase=Phase.RECOVERY)),
    ],
    ids=["later", "a job that comes as the run ends", "at once", "a read in recovery"],
)
def test_an_idle_worker_that_runs_nothing_any_more_has_stopped(
    history: tuple[Operation, ...],
) -> None:
    assert after_idle(*history) == [IDLE]


@pytest.mark.parametrize(
    "history",
    [
        (IDLED, call(at=3, value=False, request=9), *TWICE),
        (IDLED, replace(PUT, error=call(error="E").error), *TWICE),
        (IDLED, call(at=3, value=None, request=9, delay_s=60.0), *TWICE),
        (IDLED, PUT, call("tick", "", at=4, value=None), *TWICE),
        (IDLED, PUT, work(at=5), work(at=7, client="B")),
        (put("k", phase=Phase.PREPARE), IDLED, PUT, *TWICE),
        (IDLED, replace(PUT, invoked_at=1), *TWICE),
        (IDLED, *TWICE),
    ],
    ids=[
        "refused",
        "raised",
        "delayed",
        "another call",
        "two workers",
        "a job before the case",
        "a job during the first run",
        "no job",
    ],
)
def test_otherwise_an_idle_worker_may_run_nothing(history: tuple[Operation, ...]) -> None:
    assert after_idle(*history) == []


@pytest.mark.parametrize(
    "runs",
    [
        (),
        (Execution("j", Phase.RECOVERY),),
        (Execution("k", Phase.RECOVERY, has_ended=True),),
        (Execution("k", Phase.PROGRAM), RAN_LATER),
    ],
    ids=["no run", "it has not ended", "another job", "the worker ran another job"],
)
def test_a_job_that_no_fresh_worker_runs_to_its_end_shows_nothing(
    runs: tuple[Execution, ...],
) -> None:
    assert after_idle(IDLED, PUT, *TWICE, runs=runs) == []


# --- ghosts ----------------------------------------------------------------------------------------------


def cancel(job_id: str = "j", *, value: bool = True) -> Operation:
    return call("cancel", job_id, at=2, value=value)


def ghosts(*history: Operation, run: Execution = RAN) -> list[str]:
    return said("no-ghost", case(*history, runs=(run,)))


def test_a_job_that_another_call_names_has_not_been_enqueued_by_it() -> None:
    assert ghosts(cancel(value=False)) == ["j ran, but no call has enqueued it."]


AFTERWARDS = ["cancel answered True for j, but it ran afterwards."]


def test_a_job_ran_after_its_cancel_if_every_worker_began_after_it() -> None:
    assert ghosts(put(), cancel(), work(at=3)) == AFTERWARDS
    assert ghosts(put(), cancel(), work(at=4)) == AFTERWARDS
    assert ghosts(put(), cancel(), work(at=4), work(at=2, client="B")) == []
    assert ghosts(put(), cancel(), work(at=2), run=RAN_LATER) == AFTERWARDS


def test_a_cancel_of_another_job_or_one_that_was_refused_cancels_nothing() -> None:
    assert ghosts(put(), put("k", at=1), cancel("k"), work(at=4)) == []
    assert ghosts(put(), cancel(value=False), work(at=4)) == []
