"""The suite: every network fault through one route, each case judged by the same invariants as everything else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace

from midpipe.scenarios.case.confirming import Kind, confirmed
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.case.run import judged_record
from midpipe.scenarios.model.record import CaseRecord, Violation
from midpipe.scenarios.model.verdict import Outcome, merge
from midpipe.scenarios.network.calls import CallsThroughToxiproxy, Observed
from midpipe.scenarios.network.measuring import CLIENT, measured
from midpipe.scenarios.network.placements import STANDING, NetworkFault, placed
from midpipe.scenarios.network.source import Route
from midpipe.scenarios.programs.program import Program

NO_FAULT = "no-fault"
_MOST_RUNS = 5
"""A case is run again if it is invalid or its fault was not observed: a reply may be faster than the end of its
connection, and on a busy machine a call may time out."""


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
    """The cases of a suite.

    Args:
        is_partial: the run ended before the last case.
    """

    subject: str
    server: str
    via: str
    program: str
    rows: tuple[NetworkRow, ...]
    is_partial: bool = False

    @property
    def outcome(self) -> Outcome:
        """The merged outcome; at best unknown if there are no rows, or not all."""
        outcomes = [row.outcome for row in self.rows]
        return merge([*outcomes, Outcome.UNKNOWN] if self.is_partial else outcomes)

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
    kinds: Counter[Kind] = Counter()
    row, connections = _row(_Case(rig, program, route, bound_ms), kinds)
    yield row
    for fault in faults:
        row, _ = _row(
            _Case(rig, program, route, bound_ms, fault=fault, connections=connections), kinds
        )
        yield row


@dataclass(frozen=True, slots=True)
class _Case:
    """A case that can be run again.

    Args:
        bound_ms: how long a call may take, for a subject that declares no bound.
        fault: None runs without a fault.
        connections: how many connections the program makes without a fault.
    """

    rig: Rig
    program: Program
    route: Route
    bound_ms: float
    _: KW_ONLY
    fault: NetworkFault | None = None
    connections: int = 0

    def run(self) -> tuple[CaseRecord, Observed]:
        """Run the case until it is valid and its fault was observed, a few times at most."""
        for _ in range(_MOST_RUNS):
            record, observed = self._run_once()
            if record.is_valid and self.has_fired(observed):
                break
        return record, observed

    def has_fired(self, observed: Observed) -> bool:
        return self.fault is None or observed.shows(self.fault, self.connections)

    def _run_once(self) -> tuple[CaseRecord, Observed]:
        printed = self.rig.hosts.printed_sizes()
        calls = CallsThroughToxiproxy(self.rig, self.program, self.route, self.fault, self.bound_ms)
        calls.run()
        record = judged_record(self.rig, self.program, calls, printed)
        reason = record.invalid_reason or "; ".join(map(str, record.crashes))
        if self.fault is None and calls.observed.has_raised:
            reason = reason or "a call raised without any fault"
        return replace(record, invalid_reason=reason), calls.observed


def _row(case: _Case, kinds: Counter[Kind]) -> tuple[NetworkRow, int]:
    """Run a case, confirm what it violates, and return its row and how many connections it made."""
    first, observed = case.run()
    record = confirmed(first, lambda _: case.run()[0].violated_invariants, kinds, bool)
    reason = record.invalid_reason
    if not record.violations:
        reason = reason or "; ".join(map(str, record.unconfirmed))
    ended = tuple(
        f"{operation.method} {operation.completion}"
        for operation in record.history
        if operation.client == CLIENT
    )
    name = case.fault.name if case.fault else NO_FAULT
    row = NetworkRow(name, case.has_fired(observed), reason, ended, record.violations)
    return row, observed.connections
