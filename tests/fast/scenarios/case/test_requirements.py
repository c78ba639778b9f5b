"""What a program requires of a subject: calls, and arguments of calls."""

from __future__ import annotations

import pytest

from midpipe.scenarios.case.requirements import missing_for
from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.registry import PROGRAMS
from midpipe.scenarios.programs.suited import suited

METHODS = frozenset({"enqueue", "tick", "work"})


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (frozenset({"job_id", "delay_s"}), ()),
        (frozenset({"job_id"}), ("enqueue with delay_s",)),
        (None, ()),
    ],
)
def test_a_program_with_a_delayed_job_needs_an_enqueue_that_takes_a_delay(
    arguments: frozenset[str] | None, missing: tuple[str, ...]
) -> None:
    traits = Traits(METHODS, white_box=False, new_schema=False, accepts={"enqueue": arguments})
    assert missing_for(PROGRAMS["delayed-then-work"], SubjectSpec(), traits) == missing
    assert missing_for(PROGRAMS["enqueue-then-work"], SubjectSpec(), traits) == ()


@pytest.mark.parametrize(
    ("reads", "missing"),
    [({"get_job"}, ()), ({"list_jobs"}, ()), (set(), ("get_job or list_jobs",))],
)
def test_two_workspaces_read_each_others_jobs_by_the_call_that_there_is(
    reads: set[str], missing: tuple[str, ...]
) -> None:
    traits = Traits(frozenset({"enqueue", *reads}), white_box=False, new_schema=False)
    program = PROGRAMS["two-workspaces"]
    assert missing_for(program, SubjectSpec(), traits) == missing
    used = suited(program, traits)
    assert {call.method for call in (*used.clients["A"], *used.reads)} == {"enqueue", *reads}
