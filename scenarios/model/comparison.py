"""A comparison of several queues: its columns, and what was found of each queue. Plain values."""

from __future__ import annotations

from dataclasses import dataclass

from midpipe.scenarios.model.finding import Finding
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.model.verdict import Status, Verdict

PROGRAMS = ("enqueue-then-work", "work", "work-twice")
"""What is run of each queue."""


@dataclass(frozen=True, slots=True)
class Aspect:
    """One column of the comparison.

    Args:
        name: what goes wrong, for a reader.
        calls: the calls in which it goes wrong.
        invariants: what it violates.
    """

    name: str
    calls: tuple[str, ...]
    invariants: tuple[str, ...]


ASPECTS = (
    Aspect("enqueue: lost", ("enqueue",), ("no-lost-job", "retry-succeeds")),
    Aspect("enqueue: doubled", ("enqueue",), ("no-duplicate",)),
    Aspect("worker: lost", ("work", "tick"), ("no-lost-job",)),
    Aspect("worker: stuck", ("work", "tick"), ("no-stuck-job",)),
    Aspect("worker: doubled", ("work", "tick"), ("no-duplicate",)),
    Aspect("worker: dies", ("work", "tick"), ("worker-lives",)),
)


@dataclass(frozen=True, slots=True)
class Compared:
    """What was found of one queue.

    Args:
        timings_ms: the median duration of a call without faults, by its name.
    """

    subject: SubjectSpec
    verdict: Verdict
    timings_ms: tuple[tuple[str, float], ...]

    def findings(self, aspect: Aspect) -> tuple[Finding, ...]:
        """Return the findings of one column."""
        return tuple(
            finding
            for finding in self.verdict.findings
            if finding.operation in aspect.calls and set(finding.invariants) & {*aspect.invariants}
        )

    def is_checked(self, aspect: Aspect) -> bool:
        """Whether some case gave the invariants of a column anything to check."""
        return any(
            row.observations and row.status in (Status.HOLDS, Status.VIOLATED)
            for row in self.verdict.invariants
            if row.invariant in aspect.invariants
        )

    @property
    def cases(self) -> int:
        """Number of cases that were run."""
        return sum(part.cases for part in self.verdict.parts)

    @property
    def left_out(self) -> str:
        """What the budget did not suffice for; empty if everything was run."""
        return "; ".join(part.left_out for part in self.verdict.parts if part.left_out)
