"""What a bench measures: the subject, its baseline, other known queues, and the floor. Values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from midpipe.scenarios.model.spec import REFERENCE, SubjectSpec
from midpipe.scenarios.programs.fleets import VERSIONS

FLOOR = "bare SET"
_OLD_ONLY = "off"
_PHASES: Mapping[str, str] = MappingProxyType(
    {
        _OLD_ONLY: "old schema only",
        "read-old": "both, reads old",
        "read-new": "both, reads new",
        "new-only": "new schema only",
    }
)
_OTHERS: Mapping[str, str] = MappingProxyType(
    {
        "as reviewed": "midpipe.scenarios.flaws.as_reviewed:SimpleQueue",
        "as shipped": "midpipe.scenarios.flaws.as_shipped:SimpleQueue",
        "plain pipeline": "midpipe.scenarios.latency.floors:PlainPipeline",
    }
)


@dataclass(frozen=True, slots=True)
class Entrant:
    """One queue that is measured.

    Args:
        name: as the tables show it.
    """

    name: str
    subject: SubjectSpec


def entrants_for(
    subject: SubjectSpec, baseline: SubjectSpec | None, *, with_known: bool
) -> tuple[Entrant, ...]:
    """Return the subject, the baseline, the known queues if asked for, and the floor, in this order.

    Args:
        baseline: what the subject is compared with; None takes the subject itself with the old schema only.
        with_known: also measure every phase of the reference, and the queues of the review.
    """
    phases = {
        label: subject.varied(VERSIONS[name].environment, beside=False)
        for name, label in _PHASES.items()
    }
    old_only = _PHASES[_OLD_ONLY]
    found = [Entrant("subject", subject), Entrant(old_only, phases.pop(old_only))]
    if baseline is not None:
        found[1] = Entrant("baseline", baseline)
    if with_known:
        if subject.text == REFERENCE:
            found += [Entrant(label, spec) for label, spec in phases.items()]
        found += [Entrant(label, SubjectSpec(text)) for label, text in _OTHERS.items()]
    return (*found, Entrant(FLOOR, SubjectSpec("midpipe.scenarios.latency.floors:BareSet")))
