"""A finding: one cause of violations as it is reported, and what a shard of a run knows of it. Plain values."""

from __future__ import annotations

from dataclasses import dataclass

from midpipe.scenarios.model.outcome import Severity
from midpipe.scenarios.model.story import SourceLine, Story

WRITTEN = "written("
"""How the name of a program begins that was generated: it contains the calls, and each run generates others."""


@dataclass(frozen=True, slots=True)
class PlacedFault:
    """A fault of a schedule, and where it is injected.

    Args:
        position: in the schedule (``A2``).
        place: the wire execution index of the command there; its name if the case was not run again for its story.
    """

    fault: str
    position: str
    place: str


@dataclass(frozen=True, slots=True)
class Consequence:
    """A further invariant that the same cause violates.

    Args:
        observed: what was observed, in one sentence.
        cases: number of cases in the run that violated this invariant.
        replay: the shortest case that shows it.
        method: the call in which it was violated.
    """

    invariant: str
    severity: Severity
    observed: str
    cases: int
    replay: str
    method: str = ""


@dataclass(frozen=True, slots=True)
class CodeLine:
    """The text of one line of the subject's code, without the line end.

    Args:
        file: as in SourceLine.
        line: from 1.
    """

    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A confirmed violation as it is reported: one cause, with all that it leads to.

    Args:
        id: short, and unique within a verdict: ``F1``, ``F2``, …
        invariant: the id of the most severe invariant that was violated.
        severity: that invariant's severity.
        program: the program's name.
        replay: the argument of ``midpipe replay``; the shortest schedule found.
        claim: what must hold, in one sentence.
        evidence: what was observed instead, one sentence each.
        operation: the call to begin with: it sent the command at which the fault was injected or the violation began.
        faults: the faults of the case, in order; empty if none is needed.
        source: the line of the subject's code to begin with: it sent the command at which the fault was injected, or
            without a fault the last command of the operation; None if it is not known.
        cases: number of cases in the run that violated the same invariant in the same program.
        story: the case, step by step; None if the run ended before the case was run again for its story.
        neighbour: the nearest case that passes, if one was found.
        on: the shell-quoted option that names the server on which it was found; empty for the default server.
        blob: Hypothesis's line that reproduces this case under the same version of Hypothesis; empty if there is none.
        command: the command to begin with, by its name and the pattern of its key; empty if it is not known.
        consequences: the further invariants that the same cause violates, the most severe first.
        replays: the replay lines of the cases that violated this invariant, before they were shrunk: 1,000 at most.
        code: the lines of the subject's code that sent the story's commands, with a few lines around each; sorted.
        method: the call in which the invariant was violated; ``operation`` may be another one, which met the fault.

    Example:
        >>> from midpipe import judge
        >>> shipped = "midpipe.scenarios.flaws.as_shipped:SimpleQueue"
        >>> verdict = judge(shipped, parts=["interleave"], programs=["same-request-twice"])
        >>> first = verdict.findings[0]
        >>> print(first.invariant, first.severity, first.replay)
        no-duplicate HIGH same-request-twice: A1 B1
    """

    id: str
    invariant: str
    severity: Severity
    program: str
    replay: str
    claim: str
    evidence: tuple[str, ...]
    operation: str
    faults: tuple[PlacedFault, ...]
    cases: int
    story: Story | None
    neighbour: Story | None = None
    on: str = ""
    blob: str = ""
    source: SourceLine | None = None
    command: str = ""
    consequences: tuple[Consequence, ...] = ()
    replays: tuple[str, ...] = ()
    code: tuple[CodeLine, ...] = ()
    method: str = ""

    @property
    def invariants(self) -> tuple[str, ...]:
        """The ids of all invariants that it violates, each once, the most severe first."""
        further = (consequence.invariant for consequence in self.consequences)
        return tuple(dict.fromkeys((self.invariant, *further)))


@dataclass(frozen=True, slots=True)
class KindRow:
    """One kind of violation in a shard, before kinds of one cause are made one finding.

    Args:
        method: the call in which the invariant was violated.
        confirmed: further runs of the finding's case have violated the invariant again.
        finding: of this kind alone.
    """

    method: str
    confirmed: bool
    finding: Finding


@dataclass(frozen=True, slots=True)
class ShardRow:
    """Which shard of a run a verdict is on, and what merging it with the others needs.

    Args:
        number: from 1.
        count: number of shards.
        runs_every_program: neither programs nor faults nor commands were chosen, so that an invariant that
            nothing checked is a doubt.
        kinds: what ``findings`` was made from.
    """

    number: int
    count: int
    runs_every_program: bool
    kinds: tuple[KindRow, ...] = ()
