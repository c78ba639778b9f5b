"""The examples that every fuzz run starts with, and the pairs of versions that it runs side by side. Pure."""

from __future__ import annotations

from dataclasses import replace

from midpipe.faultinject.decide.drawn import FaultAt
from midpipe.faultinject.vocabulary import FaultRef
from midpipe.scenarios.fuzz.plan import Plan
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.written import WrittenStep

VERSION_PAIRS = (
    ("off", "read-new"),
    ("read-old", "read-new"),
    ("off", "read-old"),
    ("read-new", "new-only"),
)
"""Versions that run side by side in a roll-out: neighbouring phases, and the canary that its authors planned."""


def version_pairs_of(subject: SubjectSpec) -> tuple[tuple[str, ...], ...]:
    """Return VERSION_PAIRS for a subject; the version that it runs anyway is an empty string and needs no process."""
    is_read_new = dict(subject.environment) == dict(SubjectSpec().environment)
    return tuple(
        tuple("" if is_read_new and name == "read-new" else name for name in pair)
        for pair in VERSION_PAIRS
    )


def opening_plans(
    verbs: frozenset[str], version_pairs: tuple[tuple[str, ...], ...]
) -> tuple[Plan, ...]:
    """Return a plan for each required event: a lost reply, a duplicate, a crash, an expired lease, another version."""
    ask = WrittenStep("A", "enqueue", ("job-1", "r-1"))
    plans = [
        Plan((ask, ask), (), (FaultAt("A", 1, 1, FaultRef("lost-reply")),)),
        Plan((ask,), (), (FaultAt("A", 1, 1, FaultRef("crash")),)),
    ]
    if "claim-ended" in verbs:
        claims = (WrittenStep("A", "claim-ended"), WrittenStep("B", "claim"))
        plans.append(Plan((ask, *claims), (), ()))
    if "work" in verbs:
        plans.append(Plan((ask, WrittenStep("B", "work")), (), ()))
    if version_pairs:
        first, second = version_pairs[0]
        restarted = (replace(ask, version=first), WrittenStep("A", "get", ("job-1",), second))
        plans.append(Plan(restarted, (), ()))
    return tuple(plans)
