"""What the report says of power losses that could not be tried."""

from __future__ import annotations

from midpipe.faultinject.servers.persistence import Persistence
from midpipe.scenarios.explore.power_loss import PowerLossTask
from midpipe.scenarios.gate.options import Options
from midpipe.scenarios.gate.parts.durability import Durability
from midpipe.scenarios.gate.parts.part import Results
from midpipe.scenarios.model.messages import PowerLossDone
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.verdict import NotRunRow


def ended_with(*messages: PowerLossDone) -> Results:
    """Return the results after a power loss of each of the first programs has ended so."""
    results = Results()
    part = Durability(Options(SubjectSpec(), persistence=(Persistence.AOF_ALWAYS,)), results)
    numbers = iter(part.queue.next, None)
    powers = (n for n in numbers if isinstance(part.task(n, 0.0)[1], PowerLossTask))
    for number, message in zip(powers, messages, strict=False):
        part.take(number, message)
    part.finish()
    return results


def test_programs_that_need_what_the_subject_lacks_are_listed_with_those_that_do_not_apply() -> (
    None
):
    results = ended_with(
        PowerLossDone((), lacks=("keys that midpipe can read",)),
        PowerLossDone((), lacks=("keys that midpipe can read",)),
        PowerLossDone((), lacks=("update_status",)),
    )
    programs = ("enqueue-with-request-id", "finish-with-result", "same-request-again")
    lacks = ("keys that midpipe can read", "update_status")
    assert results.not_run == [NotRunRow("power loss", programs, lacks)]
    assert results.warnings == []


def test_a_program_that_applies_is_named_with_the_reason_why_it_was_not_tried() -> None:
    results = ended_with(PowerLossDone((), not_tried="midpipe can't reach the files"))
    assert results.warnings == [
        "Power loss was not tested in enqueue-with-request-id: midpipe can't reach the files."
    ]
    assert results.not_run == []
