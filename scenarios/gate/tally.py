"""Counts the cases of a run as they end, and derives from them the invariant rows and the kinds of findings. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from midpipe.faultinject.decide.schedule import Schedule, parse_replay_string, replay_string
from midpipe.faultinject.faults import CATALOGUE
from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.evidence import Traits
from midpipe.scenarios.model.messages import CaseEnded
from midpipe.scenarios.model.verdict import InvariantRow, Severity, Status
from midpipe.scenarios.programs.program import Program
from midpipe.scenarios.programs.registry import PROGRAMS, program_named
from midpipe.scenarios.programs.written import PREFIX

_SEVERITIES = tuple(Severity)


@dataclass(frozen=True, slots=True)
class Kind:
    """Violations that are reported as one finding: the same invariant, violated in the same method."""

    invariant: str
    method: str


@dataclass(slots=True)
class Found:
    """The shortest case of a kind so far.

    Args:
        faults: number of faults in the case.
        cases: number of cases of this kind.
        blob: Hypothesis' reproduce line of the first case that was fuzzed; empty if none was.
    """

    replay: str
    program: str
    faults: int
    evidence: tuple[str, ...]
    cases: int = 1
    blob: str = ""


@dataclass(frozen=True, slots=True)
class SavedTally:
    """A tally in the form in which it is stored in a file."""

    cases: int
    invalid: tuple[tuple[str, str], ...]
    crashed: tuple[str, ...]
    violations: tuple[tuple[str, int], ...]
    observations: tuple[tuple[str, int], ...]
    found: tuple[tuple[Kind, Found], ...]
    violated_invariants: tuple[tuple[str, tuple[str, ...]], ...]
    seconds: tuple[float, ...]


@dataclass(slots=True)
class Tally:
    """The counts so far.

    Attributes:
        invalid: replay string and reason of each invalid case.
        crashed: invariants whose checker crashed, with the error.
        violations, observations: by invariant.
        found: the kinds of violations.
        violated_invariants: by replay string, of every valid case except those of written programs.
        seconds: time spent on reset, connecting, operations and judging.
    """

    cases: int = 0
    invalid: list[tuple[str, str]] = field(default_factory=list)
    crashed: set[str] = field(default_factory=set)
    violations: Counter[str] = field(default_factory=Counter)
    observations: Counter[str] = field(default_factory=Counter)
    found: dict[Kind, Found] = field(default_factory=dict)
    violated_invariants: dict[str, frozenset[str]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0, 0.0])

    def saved(self) -> SavedTally:
        """Return the counts in the form for a file."""
        return SavedTally(
            self.cases,
            tuple(self.invalid),
            tuple(sorted(self.crashed)),
            tuple(self.violations.items()),
            tuple(self.observations.items()),
            tuple(self.found.items()),
            tuple(
                (replay, tuple(sorted(names))) for replay, names in self.violated_invariants.items()
            ),
            tuple(self.seconds),
        )

    @classmethod
    def restored(cls, saved: SavedTally) -> Tally:
        """Return a tally that continues from saved counts."""
        return cls(
            saved.cases,
            list(saved.invalid),
            set(saved.crashed),
            Counter(dict(saved.violations)),
            Counter(dict(saved.observations)),
            dict(saved.found),
            {replay: frozenset(names) for replay, names in saved.violated_invariants},
            list(saved.seconds),
        )

    def knows(self, ended: CaseEnded) -> bool:
        """Whether this case has been counted already."""
        return (
            ended.replay in self.violated_invariants
            or (ended.replay, ended.invalid_reason) in self.invalid
        )

    def add(self, ended: CaseEnded) -> None:
        """Count a case."""
        self.cases += 1
        self.crashed.update(ended.crashed)
        for number, seconds in enumerate(ended.seconds):
            self.seconds[number] += seconds
        if not ended.valid:
            self.invalid.append((ended.replay, ended.invalid_reason))
            return
        self.observations.update(dict(ended.observations))
        if not ended.program.startswith(PREFIX):
            # A fuzzed program hardly ever repeats, and a long run has too many of them to remember.
            self.violated_invariants[ended.replay] = frozenset(
                v.invariant for v in ended.violations
            )
        for violation in ended.violations:
            self.violations[violation.invariant] += 1
            first_call = first_method(program_named(ended.program))
            for method in {evidence.method or first_call for evidence in violation.evidence}:
                seen = tuple(
                    evidence.seen
                    for evidence in violation.evidence
                    if (evidence.method or first_call) == method
                )
                self._add_found(Kind(violation.invariant, method), ended, seen)

    def _add_found(self, kind: Kind, ended: CaseEnded, seen: tuple[str, ...]) -> None:
        known = self.found.get(kind)
        if known is None:
            self.found[kind] = Found(
                ended.replay, ended.program, ended.faults, seen, blob=ended.blob
            )
            return
        known.cases += 1
        known.blob = known.blob or ended.blob
        if _weight(ended.replay, ended.faults) < _weight(known.replay, known.faults):
            known.replay, known.program, known.faults = ended.replay, ended.program, ended.faults
            known.evidence = seen

    def kinds(self) -> tuple[tuple[Kind, Found], ...]:
        """Return the kinds of violations, the most severe first."""
        order = list(INVARIANTS)

        def rank(item: tuple[Kind, Found]) -> tuple[int, int, str]:
            kind = item[0]
            severity = INVARIANTS[kind.invariant].severity
            return (_SEVERITIES.index(severity), order.index(kind.invariant), kind.method)

        return tuple(sorted(self.found.items(), key=rank))

    def invariant_rows(self, traits: Traits | None) -> tuple[InvariantRow, ...]:
        """Return a row for every invariant. One that applies but was never observed is unknown."""
        return tuple(self._row(name, traits) for name in INVARIANTS)

    def _row(self, name: str, traits: Traits | None) -> InvariantRow:
        invariant = INVARIANTS[name]
        why_not = invariant.why_not(traits) if traits else "no case was run"
        note = why_not
        if self.violations[name]:
            status = Status.VIOLATED
        elif why_not:
            status = Status.NOT_APPLICABLE if traits else Status.UNKNOWN
        elif any(crash.startswith(f"{name} crashed") for crash in self.crashed):
            status, note = Status.UNKNOWN, "its checker crashed"
        elif not self.observations[name]:
            status, note = Status.UNKNOWN, "no case gave it anything to check"
        else:
            status = Status.HOLDS
        return InvariantRow(
            invariant=name,
            severity=invariant.severity,
            claim=invariant.claim,
            status=status,
            observations=self.observations[name],
            violations=self.violations[name],
            note=note,
        )

    def neighbour_of(self, kind: Kind, found: Found) -> str | None:
        """Return the nearest case of the same program in which the invariant holds.

        Nearest is the same fault one position away, then another fault at the same place, then the case without faults.
        """
        if found.program.startswith(PREFIX):
            return replay_string(found.program, Schedule())
        schedule = _schedule(found.replay)
        passing = [
            replay
            for replay, violated_invariants in self.violated_invariants.items()
            if kind.invariant not in violated_invariants
            and replay.partition(":")[0] == found.program
        ]
        if not passing:
            return None
        return min(passing, key=lambda replay: (_distance(schedule, _schedule(replay)), replay))


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
    place = abs(ours[0].position.ordinal - theirs[0].position.ordinal)
    place += abs(ours[0].position.inside - theirs[0].position.inside)
    kind = int(ours[0].fault != theirs[0].fault)
    return (abs(len(ours) - len(theirs)), place + 2 * kind, kind)


def _weight(replay: str, faults: int) -> tuple[int, int, int]:
    """Return the length of a case: its faults, then the calls of its program, then its place in the registry."""
    name = replay.partition(":")[0]
    program = program_named(name)
    calls = sum(len(calls) for calls in program.clients.values()) + len(program.prepare)
    return (faults, calls, list(PROGRAMS).index(name) if name in PROGRAMS else len(PROGRAMS))
