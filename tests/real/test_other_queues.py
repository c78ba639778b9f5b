"""Queues of other shapes, adapted by midpipe init: the sound ones are not accused, and the flawed ones are caught."""

from __future__ import annotations

from pathlib import Path

import pytest

from midpipe.scenarios.explore.worker import Worker
from tests.real.adapted import violated

SOURCE = (Path(__file__).parent.parent / "data" / "queues" / "others.py").read_text("utf-8")


@pytest.mark.parametrize(
    ("kind", "line", "expected"),
    [
        ("Bus", "work: A3:EXEC!crash", set()),
        ("AcksAtOnce", "work: A3:EXEC!crash", {"no-lost-job"}),
        ("Delayed", "work-vs-work: A1 A2 B1 B2", set()),
        ("Delayed", "delayed-then-work:", set()),
        ("TakesInSteps", "work-vs-work: A1 A2 B1 B2 A3 A4 B3 B4", {"no-duplicate"}),
        ("AsyncQueue", "enqueue: A1:RPUSH!cut-before", set()),
        ("SwallowsErrors", "enqueue: A1:RPUSH!cut-before", {"no-lost-job"}),
        ("Runner", "work: A2:HGET!crash", set()),
        ("DeletesFirst", "work: A3:DEL!crash", {"no-lost-job"}),
        ("Fifo", "work-vs-work: A1 B1", set()),
        ("LooksThenTrims", "work-vs-work: A1 B1", {"no-duplicate"}),
    ],
)
def test_only_a_flawed_queue_violates_an_invariant(
    worker: Worker, tmp_path: Path, kind: str, line: str, expected: set[str]
) -> None:
    # Its leases must not end because the machine is busy.
    recovers_within_s = 10.0 if kind in ("Delayed", "TakesInSteps") else 1.0
    found = violated(worker, tmp_path, SOURCE, kind, line, recovers_within_s=recovers_within_s)
    assert found == expected
