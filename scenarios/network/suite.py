"""The suite: every network fault through one route, each case judged by the invariants that judge everything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.case.run import judged_record
from midpipe.scenarios.model.record import Violation
from midpipe.scenarios.model.verdict import Outcome, merge
from midpipe.scenarios.network.case import NetworkCase, Watched
from midpipe.scenarios.network.measuring import measured
from midpipe.scenarios.network.placements import STANDING, NetworkFault, placed
from midpipe.scenarios.network.source import Route
from midpipe.scenarios.programs.program import Program

NO_FAULT = "no-fault"
_MOST_CALM_RUNS = 3
"""A machine that is busy for longer than the clients' time-out is not the queue's doing."""


@dataclass(frozen=True, slots=True)
class NetworkRow:
    """One case.

    Args:
        fired: it was seen that the fault happened.
        invalid_reason: why the case may not be believed; empty if it may.
        ended: how the attempts of the program's calls ended, in order.
        violations: the invariants that fell, and what was seen.
    """

    fault: str
    fired: bool
    invalid_reason: str
    ended: tuple[str, ...]
    violations: tuple[Violation, ...]

    @property
    def outcome(self) -> Outcome:
        if self.violations and not self.invalid_reason:
            return Outcome.FAIL
        return Outcome.PASS if self.fired and not self.invalid_reason else Outcome.UNKNOWN


@dataclass(frozen=True, slots=True)
class NetworkResult:
    """All cases of a suite."""

    subject: str
    server: str
    via: str
    program: str
    rows: tuple[NetworkRow, ...]

    @property
    def outcome(self) -> Outcome:
        """The merged outcome; no rows at all are unknown."""
        return merge(row.outcome for row in self.rows)

    @property
    def violated_invariants(self) -> frozenset[str]:
        """The invariants that fell in some case."""
        return frozenset(v.invariant for row in self.rows for v in row.violations)


def faults_for(rig: Rig, program: Program) -> tuple[NetworkFault, ...]:
    """Return every fault of the suite, those by bytes placed for the subject at hand. Raises SubjectError."""
    return (*STANDING, *placed(measured(rig, program)))


def run_suite(
    rig: Rig, program: Program, route: Route, bound_ms: float, faults: Sequence[NetworkFault]
) -> Iterator[NetworkRow]:
    """Run the suite; yields each case when it is over. The first has no fault: without it nothing can be told.

    Args:
        bound_ms: for a subject that declares none.
        faults: of those that ``faults_for`` returns.
    """
    for _ in range(_MOST_CALM_RUNS):
        calm, watched = _row(rig, program, route, None, bound_ms, 0)
        if not watched.has_raised:
            break
    yield calm
    for fault in faults:
        yield _row(rig, program, route, fault, bound_ms, watched.connections)[0]


def _row(
    rig: Rig,
    program: Program,
    route: Route,
    fault: NetworkFault | None,
    bound_ms: float,
    connections: int,
) -> tuple[NetworkRow, Watched]:
    printed = rig.hosts.printed_sizes()
    case = NetworkCase(rig, program, route, fault, bound_ms)
    case.run()
    record = judged_record(rig, program, case, printed)
    fired = case.watched.shows(fault, connections) if fault else True
    invalid_reason = record.invalid_reason or "; ".join(map(str, record.crashes))
    if fault is None and case.watched.has_raised:
        invalid_reason = invalid_reason or "a call raised although there was no fault"
    ended = tuple(
        f"{operation.method} {operation.completion}"
        for operation in record.history
        if operation.client == "A"
    )
    name = fault.name if fault else NO_FAULT
    return NetworkRow(name, fired, invalid_reason, ended, record.violations), case.watched
