"""What a fuzz run begins with, and the versions of a mixed fleet that it lets run side by side."""

from __future__ import annotations

from dataclasses import replace

from midpipe.faultinject.decide.drawn import FaultAt
from midpipe.faultinject.vocabulary import FaultRef
from midpipe.scenarios.fuzz.machine import Plan
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.written import WrittenStep

MEETINGS = (
    ("off", "read-new"),
    ("read-old", "read-new"),
    ("off", "read-old"),
    ("read-new", "new-only"),
)
"""The versions that run side by side: neighbours in the roll-out, and the canary as its authors planned it."""


def meetings_of(subject: SubjectSpec) -> tuple[tuple[str, ...], ...]:
    """Return the versions that run side by side, by name; the one that the subject is anyway needs no process more."""
    is_read_new = dict(subject.environment) == dict(SubjectSpec().environment)
    return tuple(
        tuple("" if is_read_new and name == "read-new" else name for name in meeting)
        for meeting in MEETINGS
    )


def openings(verbs: frozenset[str], meetings: tuple[tuple[str, ...], ...]) -> tuple[Plan, ...]:
    """Return the plans that a run begins with: a lost reply, a duplicate, a crash, a lease that ends, a roll."""
    ask = WrittenStep("A", "enqueue", ("job-1", "r-1"))
    plans = [
        Plan((ask, ask), (), (FaultAt("A", 1, 1, FaultRef("lost-reply")),)),
        Plan((ask,), (), (FaultAt("A", 1, 1, FaultRef("crash")),)),
    ]
    if "claim-ended" in verbs:
        claims = (WrittenStep("A", "claim-ended"), WrittenStep("B", "claim"))
        plans.append(Plan((ask, *claims), (), ()))
    if meetings:
        first, second = meetings[0]
        rolled = (replace(ask, version=first), WrittenStep("A", "get", ("job-1",), second))
        plans.append(Plan(rolled, (), ()))
    return tuple(plans)
