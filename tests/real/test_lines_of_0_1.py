"""Every replay line that 0.1 printed for its flawed queues still shows what 0.1 saw.

The lines, and the names of the queues, are as 0.1 wrote them. The suite takes one line of each kind (its fault, and how
many clients it orders), the nightly run takes all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from midpipe.faultinject.decide.schedule import fault_label, parse_replay_string
from midpipe.faultinject.faults import CATALOGUE
from midpipe.scenarios.explore.replaying import replay_case
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.spec import SubjectSpec

FILE = Path(__file__).parents[1] / "data" / "replay_lines_0_1.tsv"

ASSUMED = (("order", "fifo"),)
"""0.1 held each queue to first in, first out; now a queue must promise it, and those of the review promise no order."""


def cases() -> Iterator[object]:
    """The subject, the line and the invariants of each case; those of a kind seen before are for the nightly run."""
    known = set()
    for row in FILE.read_text().splitlines():
        if row.startswith("#"):
            continue
        subject, line, invariants = row.split("\t")
        _, schedule = parse_replay_string(line, CATALOGUE)
        kind = fault_label(schedule), len({step.position.client for step in schedule.steps})
        marks = (pytest.mark.nightly,) if kind in known else ()
        known.add(kind)
        name = f"{subject.rpartition('.')[2]} {line}"
        yield pytest.param(subject, line, set(invariants.split()), marks=marks, id=name)


@pytest.mark.parametrize(("subject", "line", "invariants"), tuple(cases()))
def test_a_replay_line_of_0_1_still_shows_what_it_did(
    worker: Worker, subject: str, line: str, invariants: set[str]
) -> None:
    replayed = replay_case(worker, SubjectSpec(subject, promises=ASSUMED), line, 5_000.0)
    record = replayed.record
    assert not replayed.unplaced
    assert record.is_valid, record.invalid_reason
    assert invariants <= record.violated_invariants
