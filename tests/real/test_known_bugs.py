"""Known bugs: the search finds one in the release that has it, and reports a release in which it is not as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from midpipe.faultinject.servers.opening import ServerSpec
from midpipe.scenarios.gate.bug_search import Shown, search_bugs
from midpipe.scenarios.known_bugs import BUGS
from midpipe.scenarios.model.verdict import Outcome
from tests.real.commands import ran

ID = "redis-command-sent-again"
BUG = next(bug for bug in BUGS if bug.id == ID)


def test_a_bug_is_found_in_the_release_that_has_it_and_not_in_the_one_with_the_fix(
    tmp_path: Path,
) -> None:
    code, out, errors = ran("bugs", "--id", ID, cwd=tmp_path)
    assert code == 0, errors
    assert "PASS: 1 of 1 known bugs found, 1 of 1 not found in the release with the fix" in out
    (row,) = json.loads((tmp_path / ".midpipe" / "bugs" / "bugs.json").read_text())["bugs"]
    assert (row["id"], row["bad"]["shown"], row["good"]["shown"]) == (ID, "found", "not found")
    assert row["bad"]["replays"]


@pytest.mark.nightly  # it installs three releases more
def test_a_bug_that_is_not_there_or_still_there_fails_and_what_was_not_searched_is_unknown() -> (
    None
):
    assert BUG.good is not None
    searched = {
        result.bug.id: result
        for result in search_bugs(
            [
                replace(BUG, id="gone", bad=BUG.good, good=None),
                replace(BUG, id="still-there", good=replace(BUG.bad, beside=("hiredis",))),
                replace(BUG, id="missing", good=replace(BUG.good, version="0.0.99")),
                replace(BUG, id="cut-short", search=replace(BUG.search, budget_s=0.0)),
            ],
            ServerSpec(),
            1,
        )
    }
    gone, still, missing = searched["gone"], searched["still-there"], searched["missing"]
    assert (gone.bad.shown, gone.outcome) == (Shown.NOT_FOUND, Outcome.FAIL)
    assert still.good is not None
    assert (still.good.shown, still.outcome) == (Shown.FOUND, Outcome.FAIL)
    assert missing.good is not None
    assert (missing.good.shown, missing.outcome) == (Shown.UNKNOWN, Outcome.UNKNOWN)
    assert "can't be installed" in missing.good.reason
    assert searched["cut-short"].outcome is Outcome.UNKNOWN
    assert "the budget ended" in searched["cut-short"].bad.reason


def test_an_unknown_bug_is_refused_with_the_name_that_was_meant(tmp_path: Path) -> None:
    code, _, errors = ran("bugs", "--id", "redis-command-send-again", cwd=tmp_path)
    assert code == 2
    assert f"Did you mean {ID!r}?" in errors
