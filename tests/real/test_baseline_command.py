"""midpipe baseline: a team accepts what is wrong today, and the next run fails on new findings only."""

from __future__ import annotations

import json
from pathlib import Path

from tests.real.commands import is_one_sentence, ran
from tests.real.test_configuration import QUEUE

SWEEP = ("sweep", "--subject", "shop_queue.py:Queue", "--program", "work", "--jobs", "1")
AT_THE_FETCH = ("--fault", "lost-reply", "--at", "LPOP")
VERDICT = ".midpipe/sweep/verdict.json"


def test_an_accepted_finding_does_not_fail_the_next_run_and_a_new_one_does(tmp_path: Path) -> None:
    (tmp_path / "shop_queue.py").write_text(QUEUE)
    first, _, errors = ran(*SWEEP, *AT_THE_FETCH, cwd=tmp_path)
    wrote, said, _ = ran("baseline", VERDICT, "--reason", "SHOP-123", cwd=tmp_path)
    held = ("--baseline", "midpipe-baseline.json")
    second, output, _ = ran(*SWEEP, *AT_THE_FETCH, *held, cwd=tmp_path)
    assert (first, wrote, second) == (1, 0, 0), errors + said + output
    assert "midpipe-baseline.json accepts 1 finding." in said
    verdict = json.loads((tmp_path / VERDICT).read_text("utf-8"))
    (accepted,) = verdict["accepted"]
    assert (accepted["reason"], verdict["findings"]) == ("SHOP-123", [])
    third, output, _ = ran(*SWEEP, "--fault", "crash", *held, cwd=tmp_path)
    assert (third, "gone" in output) == (1, True), output


def test_a_baseline_that_can_not_be_read_is_answered_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('{"findings": []}')
    (tmp_path / "other.json").write_text('{"midpipe": "0.1.0"}')
    (tmp_path / "odd.json").write_text('{"findings": 3}')
    fast = ran("gate", "--baseline", "broken.json", "--fail-fast", cwd=tmp_path)
    odd = ran("sweep", "--baseline", "odd.json", cwd=tmp_path)
    other = ran("sweep", "--baseline", "other.json", cwd=tmp_path)
    for (code, _, errors), words in (
        (fast, "Leave one of the two out"),
        (odd, "not a baseline"),
        (other, "not a baseline"),
    ):
        assert (code, words in errors, is_one_sentence(errors)) == (2, True, True), errors
