"""The registry of known bugs: every entry names what exists, and says where the bug was reported."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from midpipe.faultinject.decide.schedule import parse_replay_string
from midpipe.faultinject.faults import CATALOGUE
from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.known_bugs import BUGS
from midpipe.scenarios.known_bugs.bug import KnownBug
from midpipe.scenarios.programs.registry import program_named
from midpipe.scenarios.queues import FOLDER

ROOT = Path(__file__).resolve().parents[4]
SOURCE = re.compile(r"[\w.-]+/[\w.-]+#\d+")
each_bug = pytest.mark.parametrize("bug", BUGS, ids=[bug.id for bug in BUGS])


def test_no_two_bugs_have_the_same_id() -> None:
    assert len({bug.id for bug in BUGS}) == len(BUGS)


@each_bug
def test_a_bug_names_its_issue_or_report_and_an_invariant_that_exists(bug: KnownBug) -> None:
    assert SOURCE.fullmatch(bug.source) or (ROOT / bug.source).is_file()
    assert bug.invariant in INVARIANTS
    assert bug.summary.endswith(".")


@each_bug
def test_a_bug_has_an_adapter_and_differs_between_its_releases(bug: KnownBug) -> None:
    assert (FOLDER / bug.target.adapter.rpartition(":")[0]).is_file()
    assert bug.good != bug.bad


@each_bug
def test_the_replay_line_of_a_bug_is_one_case_of_its_search(bug: KnownBug) -> None:
    program, schedule = parse_replay_string(bug.replay, CATALOGUE)
    assert program in bug.search.programs
    assert all(program_named(name) for name in bug.search.programs)
    assert not bug.search.faults or {f.name for _, f in schedule.placed} <= {*bug.search.faults}
