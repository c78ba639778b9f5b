"""Which call a finding is about, and which findings have one cause. Pure.

Two findings have one cause if a fault at the same command of the same call leads to both, if they have the same
shortest case and begin with the same call, or if the same line violates the same invariant in both without any fault
or order of clients. The most severe one is reported, and the others become its consequences.

Blind to: one mistake in the code that shows at two commands; these are two findings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from midpipe.faultinject.decide.schedule import parse_replay_string
from midpipe.faultinject.faults import CATALOGUE
from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.finding import Consequence
from midpipe.scenarios.model.story import SourceLine, StepKind, Story, StoryCommand, StoryStep
from midpipe.scenarios.model.verdict import Finding, Severity
from midpipe.scenarios.programs.registry import program_named

_SEVERITIES = tuple(Severity)


@dataclass(frozen=True, slots=True)
class Culprit:
    """The call and the command that a finding begins with; what is not known is empty or None."""

    call: str
    command: str = ""
    source: SourceLine | None = None


@dataclass(frozen=True, slots=True)
class _Sent:
    """A command of a client, and the call that sent it."""

    call: str
    step: StoryStep
    command: StoryCommand

    @property
    def culprit(self) -> Culprit:
        source = self.command.source
        label = self.command.label or self.command.words[0]
        return Culprit(self.call, label, source.sent if source else None)


def culprit_of(story: Story | None, invariant: str, method: str) -> Culprit:
    """Return what a finding begins with: the command with the fault, else that of the first violation, else a call.

    Args:
        story: of the finding's case; None if it was not recorded.
        method: the call that the invariant names. If no client made that call, the last one that changed something is
            returned, and no call at all if none did: then the subject is to blame for what midpipe's own calls met.
    """
    if story is None:
        return Culprit(method)
    sent = tuple(_sent(story))
    for each in sent:
        if each.command.fault:
            return each.culprit
    for violation in story.violations:
        if violation.invariant == invariant and violation.position:
            for each in sent:
                if each.command.position == violation.position:
                    return each.culprit
    made = {step.call.method for step in story.steps if step.kind is StepKind.CALL and step.call}
    candidates = [each for each in sent if each.call == method]
    if method not in made:
        candidates = [each for each in sent if each.step.changes]
    if not candidates:
        return Culprit(method if method in made else "")
    last = candidates[-1].culprit
    # The violation shows only at the end, so no single command is known to cause it.
    return replace(last, command="")


def _sent(story: Story) -> Iterator[_Sent]:
    calls: dict[str, str] = {}
    for step in story.steps:
        if step.kind is StepKind.CALL and step.call is not None:
            calls[step.client] = step.call.method
        elif step.kind in (StepKind.COMMAND, StepKind.LATE_COMMAND) and step.command is not None:
            yield _Sent(calls.get(step.client, ""), step, step.command)


def one_per_cause(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return one finding for each cause, numbered: the most severe first, then what takes least to show."""
    causes: list[list[Finding]] = []
    for finding in sorted(findings, key=_rank):
        for cause in causes:
            if any(_have_one_cause(finding, other) for other in cause):
                cause.append(finding)
                break
        else:
            causes.append([finding])
    return tuple(
        replace(_with_consequences(*cause), id=f"F{number}")
        for number, cause in enumerate(causes, start=1)
    )


def _have_one_cause(one: Finding, other: Finding) -> bool:
    if one.operation != other.operation or one.on != other.on:
        return False
    if one.replay == other.replay or _happen_by_themselves(one, other):
        return True
    if not one.command or one.command != other.command:
        return False
    faults, others = (tuple(f.fault for f in finding.faults) for finding in (one, other))
    return faults == others and (bool(faults) or one.invariant == other.invariant)


def _happen_by_themselves(one: Finding, other: Finding) -> bool:
    """Whether the same line of the same call violates an invariant in both, whatever the program, without any step."""
    if one.source is None or (one.source, one.invariant) != (other.source, other.invariant):
        return False
    return not any(parse_replay_string(each.replay, CATALOGUE)[1].steps for each in (one, other))


def _with_consequences(worst: Finding, *others: Finding) -> Finding:
    further: dict[str, Consequence] = {}
    for other in others:
        if other.invariant == worst.invariant:
            continue
        known = further.get(other.invariant)
        further[other.invariant] = Consequence(
            invariant=other.invariant,
            severity=other.severity,
            observed=known.observed if known else next(iter(other.evidence), other.claim),
            cases=other.cases + (known.cases if known else 0),
            replay=known.replay if known else other.replay,
            method=known.method if known else other.method,
        )
    same = [other for other in others if other.invariant == worst.invariant]
    return replace(
        worst,
        cases=worst.cases + sum(other.cases for other in same),
        consequences=tuple(further.values()),
        replays=(*worst.replays, *(line for other in same for line in other.replays)),
    )


def _rank(finding: Finding) -> tuple[int, int, int, int, int, str]:
    """Return the order of findings: severity, then the number of faults, of clients and of calls."""
    name, schedule = parse_replay_string(finding.replay, CATALOGUE)
    program = program_named(name)
    calls = sum(len(calls) for calls in program.clients.values()) + len(program.prepare)
    return (
        _SEVERITIES.index(finding.severity),
        len(schedule.faults),
        len(program.clients),
        calls,
        _place_of(finding.invariant),
        finding.operation,
    )


def _place_of(invariant: str) -> int:
    """Return the place of an invariant among midpipe's; a user's own comes after them."""
    known = list(INVARIANTS)
    return known.index(invariant) if invariant in known else len(known)
