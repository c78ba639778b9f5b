"""What a subject's process reports of a new instance, read as its promises."""

from __future__ import annotations

from typing import Any

import pytest

from midpipe.scenarios.subjects.opened import opened_from


@pytest.mark.parametrize(
    ("answer", "promises"),
    [
        ({"waits_for_replicas": True}, {"durability": "failover"}),
        ({"waits_for_replicas": False}, {}),
        (
            {"waits_for_replicas": True, "promises": {"durability": "power-loss"}},
            {"durability": "power-loss"},
        ),
    ],
)
def test_a_subject_that_waits_for_replicas_promises_to_survive_a_failover(
    answer: dict[str, Any], promises: dict[str, str]
) -> None:
    assert opened_from(answer).promises == promises
