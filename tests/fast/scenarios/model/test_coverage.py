"""What was covered, what could have been, and what that says of the rest."""

from __future__ import annotations

from midpipe.scenarios.model.coverage import (
    NO_FAULT,
    Coverage,
    Met,
    Place,
    state_for,
)
from midpipe.scenarios.model.state import Tables
from midpipe.scenarios.model.verdict import CoverageRow

FAULTS = frozenset(("cut-before", "lost-reply"))
FIRST = Place("enqueue", 1, "EVALSHA", again=False, state="absent")
SECOND = Place("enqueue", 2, "EVALSHA", again=False, state="pending")
READ = Place("get_job", 1, "HGETALL", again=False, state="pending")


def passed(place: Place) -> Met:
    return Met(place, NO_FAULT, FAULTS)


def broken(place: Place, fault: str = "cut-before") -> Met:
    return Met(place, fault, FAULTS)


def test_empty_coverage_knows_no_space_and_expects_any_number_of_new_combinations() -> None:
    coverage = Coverage()
    assert (coverage.seen, coverage.known, coverage.rows()) == (0, 0, ())
    assert coverage.new_in_a_further_case == float("inf")


def test_a_reached_place_is_known_with_every_fault_that_fits_it_and_with_none() -> None:
    coverage = Coverage()
    coverage.add([passed(FIRST), broken(READ)])
    assert coverage.rows() == (
        CoverageRow("enqueue", places=1, seen=1, known=3),
        CoverageRow("get_job", places=1, seen=1, known=3),
    )


def test_the_same_case_again_is_less_new() -> None:
    coverage = Coverage()
    assert coverage.add([broken(FIRST)]) > coverage.add([broken(FIRST)])


def test_an_unseen_combination_is_newer_than_any_number_of_known_ones() -> None:
    coverage = Coverage()
    known = [passed(FIRST), passed(SECOND), passed(READ)]
    for _ in range(3):
        coverage.add(known)
    assert coverage.add([broken(FIRST)]) > coverage.add(known)


def test_a_place_reached_twice_in_a_case_counts_once() -> None:
    coverage = Coverage()
    coverage.add([passed(FIRST), passed(FIRST)])
    assert coverage.cases == {(FIRST, NO_FAULT): 1}


def test_combinations_that_a_single_case_has_shown_estimate_what_the_next_will_show() -> None:
    coverage = Coverage()
    coverage.add([passed(FIRST), broken(SECOND)])
    coverage.add([passed(FIRST), broken(READ)])
    assert coverage.new_in_a_further_case == 2 / 2


def test_two_merged_runs_equal_one_run_of_both() -> None:
    one, other, both = Coverage(), Coverage(), Coverage()
    for coverage in (one, both):
        coverage.add([passed(FIRST), broken(SECOND)])
    for coverage in (other, both):
        coverage.add([passed(FIRST), broken(READ)])
    one.merge(other)
    assert one == both


def test_commands_without_a_fault_so_far_are_unseen() -> None:
    coverage = Coverage()
    coverage.add([passed(FIRST), broken(READ), broken(READ, "lost-reply")])
    assert coverage.unseen() == {"enqueue": ((1, "cut-before"), (1, "lost-reply"))}


def test_a_retry_is_another_place_and_never_listed_as_unseen() -> None:
    coverage = Coverage()
    coverage.add([passed(Place("enqueue", 1, "EVALSHA", again=True, state="pending"))])
    assert (coverage.known, coverage.unseen()) == (3, {})


def test_the_state_is_that_of_the_calls_job_or_of_the_queue() -> None:
    tables = Tables(
        old={"job-1": {"status": "pending"}, "job-2": {"status": "running"}},
        new={("acme", "job-2"): {"status": "completed"}},
        pending=("job-1",),
        requests={},
    )
    empty = Tables({}, {}, (), {})
    named = [(("job_id", job),) for job in ("job-1", "job-2", "job-3")]
    assert [state_for("get_job", arguments, tables) for arguments in named] == [
        "pending",
        "differs between schemas",
        "absent",
    ]
    assert [state_for("claim", (), t) for t in (tables, empty)] == [
        "a job is pending",
        "no job is pending",
    ]
    assert [state_for("list_jobs", (), t) for t in (tables, empty)] == ["jobs", "no jobs"]
    assert state_for("get_job", named[0], None) == "not visible"
