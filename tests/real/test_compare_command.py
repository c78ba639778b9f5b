"""midpipe compare: the reference stands in the page with what was measured, and a stored page is printed again."""

from __future__ import annotations

import json
from pathlib import Path

from tests.real.commands import ran


def test_the_reference_is_judged_measured_and_stored(tmp_path: Path) -> None:
    asked = ("compare", "--queue", "reference", "--budget", "1s", "--save", "stored.json")
    code, page, errors = ran(*asked, cwd=tmp_path)
    assert code == 0, errors
    (row,) = json.loads((tmp_path / "stored.json").read_text())["rows"]
    assert (row["name"], row["reason"], row["findings"]) == ("reference", "", [])
    assert row["rate"]["jobs_per_second"] > 0
    assert {call["method"] for call in row["calls"]} <= {"enqueue", "work"}
    assert ran("compare", "--from", "stored.json", cwd=tmp_path)[1] == page
    # It is in the file, so it is not run again.
    assert ran(*asked, cwd=tmp_path)[1] == page


def test_a_comparison_with_another_budget_is_not_continued(tmp_path: Path) -> None:
    stored = {
        "midpipe": "0.1.0",
        "command": "",
        "date": "",
        "server": "",
        "budget_s": 9,
        "rows": [],
    }
    (tmp_path / "stored.json").write_text(json.dumps(stored))
    code, _, errors = ran(
        "compare", "--queue", "reference", "--budget", "1s", "--save", "stored.json", cwd=tmp_path
    )
    assert code == 2
    assert "Give the same budget" in errors


def test_one_queue_alone_is_nothing_to_compare(tmp_path: Path) -> None:
    code, _, errors = ran("compare", "--only-named", "--queue", "reference", cwd=tmp_path)
    assert code == 2
    assert "There is nothing to compare" in errors
