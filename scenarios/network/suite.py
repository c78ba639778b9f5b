"""The suite: every network fault through one route, each case judged by the same invariants as everything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.case.run import judged_record
from midpipe.scenarios.model.record import Violation
from midpipe.scenarios.model.verdict import Outcome, merge
from midpipe.scenarios.network.calls import CallsThroughToxiproxy, Observed
from midpipe.scenarios.network.measuring import measured
from midpipe.scenarios.network.placements import STANDING, NetworkFault, placed
from midpipe.scenarios.network.source import Route
from midpipe.scenarios.programs.program import Program

NO_FAULT = "no-fault"
_MOST_RUNS_WITHOUT_FAULT = 3
"""A case without a fault is retried, because a call may time out on a busy machine."""


@dataclass(frozen=True, slots=True)
class NetworkRow:
    """One case.

    Args:
        fired: whether the fault was observed to happen.
        invalid_reason: why the case is invalid; empty if it is valid.
        ended: how the attempts of the program's calls completed, in order.
        violations: the violated invariants, with their evidence.
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
        """The merged outcome; unknown if there are no rows."""
        return merge(row.outcome for row in self.rows)

    @property
    def violated_invariants(self) -> frozenset[str]:
        """The invariants that were violated in some case."""
        return frozenset(v.invariant for row in self.rows for v in row.violations)


def faults_for(rig: Rig, program: Program) -> tuple[NetworkFault, ...]:
    """Return every fault of the suite, those that count bytes placed for the subject. Raises SubjectError."""
    return (*STANDING, *placed(measured(rig, program)))


def run_suite(
    rig: Rig, program: Program, route: Route, bound_ms: float, faults: Sequence[NetworkFault]
) -> Iterator[NetworkRow]:
    """Run the suite; yields each case when it has completed. The first runs without a fault, for comparison.

    Args:
        bound_ms: how long a call may take, for a subject that declares no bound.
        faults: some of those that ``faults_for`` returns.
    """
    for _ in range(_MOST_RUNS_WITHOUT_FAULT):
        row, without_fault = _row(rig, program, route, fault=None, bound_ms=bound_ms)
        if not without_fault.has_raised:
            break
    yield row
    for fault in faults:
        row, _ = _row(
            rig,
            program,
            route,
            fault=fault,
            bound_ms=bound_ms,
            connections=without_fault.connections,
        )
        yield row


def _row(
    rig: Rig,
    program: Program,
    route: Route,
    *,
    fault: NetworkFault | None,
    bound_ms: float,
    connections: int = 0,
) -> tuple[NetworkRow, Observed]:
    printed = rig.hosts.printed_sizes()
    case = CallsThroughToxiproxy(rig, program, route, fault, bound_ms)
    case.run()
    record = judged_record(rig, program, case, printed)
    fired = case.observed.shows(fault, connections) if fault else True
    invalid_reason = record.invalid_reason or "; ".join(map(str, record.crashes))
    if fault is None and case.observed.has_raised:
        invalid_reason = invalid_reason or "a call raised without any fault"
    ended = tuple(
        f"{operation.method} {operation.completion}"
        for operation in record.history
        if operation.client == "A"
    )
    name = fault.name if fault else NO_FAULT
    return NetworkRow(name, fired, invalid_reason, ended, record.violations), case.observed
