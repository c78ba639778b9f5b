"""Counts the cases of a run as they end, and derives the invariant rows and the groups of violations. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from midpipe.faultinject.decide.schedule import Schedule, parse_replay_string, replay_string
from midpipe.faultinject.faults import CATALOGUE
from midpipe.faultinject.vocabulary import Label, Place
from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.evidence import Invariant, Traits
from midpipe.scenarios.model.messages import CaseEnded, Exposure
from midpipe.scenarios.model.record import Violation
from midpipe.scenarios.model.verdict import CheckerCrash, InvariantRow, Severity, Status
from midpipe.scenarios.programs.program import Program
from midpipe.scenarios.programs.registry import PROGRAMS, program_named
from midpipe.scenarios.programs.written import PREFIX

_SEVERITIES = tuple(Severity)
MOST_REPLAYS = 1000
"""Replay lines that are kept of one finding; only hours of fuzzing find more."""


@dataclass(frozen=True, slots=True)
class ViolationGroup:
    """Violations that are reported as one finding: the same invariant, violated in the same method.

    Args:
        replay, program, faults, evidence: of the shortest confirmed case so far; of the shortest one if none is.
        cases: number of cases in the group.
        blob: Hypothesis' reproduce line of that case; empty if it was not fuzzed.
        confirmed: further runs of the case have violated the invariant again.
        replays: of every case in the group, in the order in which they ran; the first MOST_REPLAYS of them.
        hit: the call of that case which met the fault; empty if none did, or if it is not known.
    """

    invariant: str
    method: str
    replay: str
    program: str
    faults: int
    evidence: tuple[str, ...]
    cases: int = 1
    blob: str = ""
    confirmed: bool = False
    replays: tuple[str, ...] = ()
    hit: str = ""


@dataclass(slots=True)
class Tally:
    """The counts so far. Its fields can be stored and read back.

    Attributes:
        invalid: replay string and reason of each invalid case.
        unconfirmed: replay string, invariant and sentence of each violation that did not show again.
        crashes: the invariants whose check raised.
        violations, observations: by invariant.
        groups: in the order in which they were found.
        violated_invariants: by replay string, of every valid case except those of written programs.
        seconds: time spent on reset, connecting, operations and judging.
        has_child_processes: the subject has started processes of its own in some case.
        recovered_after_s: the longest that it took until a dead worker's job ran again; None if none was measured.
    """

    cases: int = 0
    invalid: list[tuple[str, str]] = field(default_factory=list)
    unconfirmed: list[tuple[str, str, str]] = field(default_factory=list)
    crashes: set[CheckerCrash] = field(default_factory=set)
    violations: dict[str, int] = field(default_factory=dict)
    observations: dict[str, int] = field(default_factory=dict)
    groups: list[ViolationGroup] = field(default_factory=list)
    violated_invariants: dict[str, frozenset[str]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0, 0.0])
    has_child_processes: bool = False
    recovered_after_s: float | None = None

    def knows(self, ended: CaseEnded) -> bool:
        """Whether this case has been counted already."""
        return (
            ended.replay in self.violated_invariants
            or (ended.replay, ended.invalid_reason) in self.invalid
        )

    def add(self, ended: CaseEnded) -> None:
        """Count a case."""
        self.cases += 1
        self.crashes.update(ended.crashes)
        self.has_child_processes |= ended.has_child_processes
        if ended.valid and ended.recovered_after_s is not None:
            self.recovered_after_s = max(self.recovered_after_s or 0.0, ended.recovered_after_s)
        for number, seconds in enumerate(ended.seconds):
            self.seconds[number] += seconds
        if not ended.valid:
            self.invalid.append((ended.replay, ended.invalid_reason))
            return
        for name, count in ended.observations:
            self.observations[name] = self.observations.get(name, 0) + count
        if not ended.program.startswith(PREFIX):
            # A fuzzed program hardly ever repeats, and a long run has too many of them to remember.
            unknown = (u.violation for u in ended.unconfirmed)
            self.violated_invariants[ended.replay] = frozenset(
                violation.invariant for violation in (*ended.violations, *unknown)
            )
        for doubt in ended.unconfirmed:
            self.unconfirmed.append((ended.replay, doubt.violation.invariant, str(doubt)))
        for violation in ended.violations:
            name = violation.invariant
            self.violations[name] = self.violations.get(name, 0) + 1
            self._group(violation, ended)

    def _group(self, violation: Violation, ended: CaseEnded) -> None:
        """Add a case to a group for each method in which it violates the invariant."""
        first_call = first_method(program_named(ended.program))
        for method in {evidence.method or first_call for evidence in violation.evidence}:
            group = ViolationGroup(
                invariant=violation.invariant,
                method=method,
                replay=ended.replay,
                program=ended.program,
                faults=ended.faults,
                evidence=tuple(
                    evidence.seen
                    for evidence in violation.evidence
                    if (evidence.method or first_call) == method
                ),
                blob=ended.blob,
                confirmed=violation.invariant in ended.confirmed,
                replays=(ended.replay,),
                hit=next((c.method for c in ended.calls if c.exposure is Exposure.HIT), ""),
            )
            key = (group.invariant, group.method)
            for number, known in enumerate(self.groups):
                if (known.invariant, known.method) == key:
                    self.groups[number] = _merged(known, group)
                    break
            else:
                self.groups.append(group)

    def ranked(
        self, invariants: Mapping[str, Invariant] = INVARIANTS
    ) -> tuple[ViolationGroup, ...]:
        """Return the groups of violations, the most severe first.

        Args:
            invariants: those that the cases were judged by, by id.
        """
        order = list(invariants)

        def rank(group: ViolationGroup) -> tuple[int, int, str]:
            severity = invariants[group.invariant].severity
            return (_SEVERITIES.index(severity), order.index(group.invariant), group.method)

        return tuple(sorted(self.groups, key=rank))

    def invariant_rows(
        self, traits: Traits | None, invariants: Mapping[str, Invariant] = INVARIANTS
    ) -> tuple[InvariantRow, ...]:
        """Return a row for every invariant. One that applies but was never observed is unknown.

        Args:
            invariants: those that the cases were judged by, by id.
        """
        return tuple(self._row(invariant, traits) for invariant in invariants.values())

    def _row(self, invariant: Invariant, traits: Traits | None) -> InvariantRow:
        name = invariant.id
        why_not = invariant.why_not(traits) if traits else "no case was run"
        note = why_not
        if self.violations.get(name):
            status = Status.VIOLATED
        elif why_not:
            status = Status.NOT_APPLICABLE if traits else Status.UNKNOWN
        elif any(violated == name for _, violated, _ in self.unconfirmed):
            status, note = Status.UNKNOWN, "a violation of it was not confirmed"
        elif any(crash.invariant == name for crash in self.crashes):
            status, note = Status.UNKNOWN, "its checker crashed"
        elif not self.observations.get(name) and traits and invariant.if_unchecked:
            status, note = Status.NOT_APPLICABLE, invariant.if_unchecked
        elif not self.observations.get(name):
            status, note = Status.UNKNOWN, "no case gave it anything to check"
        else:
            status = Status.HOLDS
        return InvariantRow(
            invariant=name,
            severity=invariant.severity,
            claim=invariant.claim,
            status=status,
            observations=self.observations.get(name, 0),
            violations=self.violations.get(name, 0),
            note=note,
        )

    def neighbour_of(self, group: ViolationGroup) -> str | None:
        """Return the nearest case of the same program in which the invariant holds.

        Nearest is the same fault one position away, then another fault at the same place, then the case without faults.
        A case that violates another invariant is returned only if none violates nothing.
        """
        if group.program.startswith(PREFIX):
            return replay_string(group.program, Schedule())
        schedule = _schedule(group.replay)
        passing = [
            (bool(violated_invariants), _distance(schedule, _schedule(replay)), replay)
            for replay, violated_invariants in self.violated_invariants.items()
            if group.invariant not in violated_invariants
            and replay.partition(":")[0] == group.program
        ]
        return min(passing)[2] if passing else None


def _merged(known: ViolationGroup, new: ViolationGroup) -> ViolationGroup:
    """Return the group of both, with the shorter of the two cases; one that is confirmed comes first."""
    shorter = min(known, new, key=lambda g: (not g.confirmed, weight_of(g.replay, g.faults)))
    replays = (*known.replays, *new.replays)[:MOST_REPLAYS]
    return replace(shorter, cases=known.cases + new.cases, replays=replays)


def first_method(program: Program) -> str:
    """Return the first method that the program's first client calls."""
    return next(iter(program.clients.values()))[0].method


def _schedule(replay: str) -> Schedule:
    return parse_replay_string(replay, CATALOGUE)[1]


def _distance(one: Schedule, other: Schedule) -> tuple[int, int, int]:
    """Return the distance of two cases: by number of faults, then by place, then by kind of fault."""
    ours, theirs = one.faults, other.faults
    if not ours or not theirs:
        return (abs(len(ours) - len(theirs)) * 100, 0, 0)
    place = _steps_between(ours[0].position, theirs[0].position)
    kind = int(ours[0].fault != theirs[0].fault)
    return (abs(len(ours) - len(theirs)), place + 2 * kind, kind)


def _steps_between(one: Place, other: Place) -> int:
    """Return how far two places are apart, in commands; labels are not in an order, so others are all as far."""
    if isinstance(one, Label) or isinstance(other, Label):
        return int(one != other)
    return abs(one.ordinal - other.ordinal) + abs(one.inside - other.inside)


def weight_of(replay: str, faults: int) -> tuple[int, int, int]:
    """Return the length of a case: its faults, then the calls of its program, then its place in the registry."""
    name = replay.partition(":")[0]
    program = program_named(name)
    calls = sum(len(calls) for calls in program.clients.values()) + len(program.prepare)
    return (faults, calls, list(PROGRAMS).index(name) if name in PROGRAMS else len(PROGRAMS))
