"""What a program passes to a queue that promises an order by priority is what the pages say."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.promises import declared
from midpipe.scenarios.programs.registry import program_named
from midpipe.scenarios.programs.suited import suited

DOCS = Path(__file__).resolve().parents[4] / "docs"


def passed_priorities() -> list[int]:
    traits = Traits(
        methods=frozenset({"enqueue", "claim"}),
        white_box=False,
        new_schema=False,
        promises=declared({"order": "priority"}),
    )
    program = suited(program_named("enqueues-then-claim"), traits)
    calls = (*program.prepare, *(call for calls in program.clients.values() for call in calls))
    return sorted(
        {int(str(call.arguments["priority"])) for call in calls if call.method == "enqueue"}
    )


@pytest.mark.parametrize("page", ["promises.md", "calls.md"])
def test_the_pages_say_which_priorities_are_passed(page: str) -> None:
    low, high = passed_priorities()
    assert f"{low} or {high}" in (DOCS / page).read_text("utf-8")


def test_the_calls_page_has_the_priority_in_the_signature_of_enqueue() -> None:
    text = (DOCS / "calls.md").read_text("utf-8")
    (row,) = (line for line in text.splitlines() if line.startswith("| `enqueue("))
    assert "priority" in row
