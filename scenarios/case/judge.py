"""From a case to its record: recovery without faults, reading back, draining, and the invariants.

An invariant that crashes makes the case unknown; it never passes by crashing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from midpipe.faultinject.decide.scheduler import Scheduler
from midpipe.scenarios.case.case import Case
from midpipe.scenarios.case.recorder import Recorder
from midpipe.scenarios.case.rig import Answered, Rig
from midpipe.scenarios.invariants import INVARIANTS
from midpipe.scenarios.model.evidence import Evidence, Moment, status_of
from midpipe.scenarios.model.history import Json, Phase
from midpipe.scenarios.model.record import (
    Arrived,
    CaseRecord,
    Restarted,
    Stepped,
    Timing,
    Violation,
)
from midpipe.scenarios.model.state import tables_of
from midpipe.scenarios.programs.program import Call, Program, Version
from midpipe.scenarios.programs.single import SECRETS
from midpipe.scenarios.subjects.hosting import HostProcess

MAX_DELIVERIES = 20


class Judgeable(Protocol):
    """A case that is over, however its faults were made."""

    book: Recorder

    @property
    def latency_bound_ms(self) -> float:
        """How long an operation might take."""

    @property
    def leases_are_short(self) -> bool:
        """Its claims were made for so short a time that recovery can wait until all have ended."""

    def wait_for_leases(self) -> None:
        """Wait until the program's leases have ended, if they are short."""

    def recover(self, call: Call, phase: Phase) -> Answered:
        """Make a call without faults, and write it into the history."""


def run_case(
    rig: Rig,
    program: Program,
    scheduler: Scheduler,
    *,
    time_outs_ms: dict[str, int],
    latency_bound_ms: float,
    lease_s: float | None = None,
) -> CaseRecord:
    """Run one case on the rig and return its record.

    Args:
        time_outs_ms: each client's socket time-out.
        latency_bound_ms: bound for a subject that declares none.
        lease_s: how long leases last, so that recovery can wait until all have ended; None: as they are.
    """
    clock = rig.loop.clock
    begun_s = clock()
    rig.reset()
    reset_s = clock()
    case = Case(rig, program, time_outs_ms, latency_bound_ms, lease_s=lease_s)
    printed = rig.printed()
    case.prepare()
    connected_s = clock()
    case.run(scheduler)
    operated_s = clock()
    return judged(
        rig,
        program,
        case,
        printed,
        (reset_s - begun_s, connected_s - reset_s, operated_s - connected_s),
    )


def judged(
    rig: Rig,
    program: Program,
    case: Judgeable,
    printed: Mapping[HostProcess, int],
    seconds: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> CaseRecord:
    """Recover, read back, drain and judge a case that is over; return its record.

    Args:
        printed: how much each process had printed before it.
        seconds: that it took to reset, to connect and to operate.
    """
    begun_s = rig.loop.clock()
    read_back, delivered = _recover(rig, program, case)
    case.book.logs += [
        host.printed() for host, size in rig.printed().items() if size > printed.get(host, 0)
    ]
    violations, observations, crashed = _judge(rig, case, program, read_back, delivered)
    return CaseRecord(
        program=program.name,
        traits=rig.traits,
        entries=tuple(case.book.entries),
        states=tuple(case.book.states),
        history=tuple(case.book.history),
        delivered=delivered,
        read_back=tuple(read_back[0].items()),
        logs=tuple(case.book.logs),
        invalid_reason=case.book.invalid_reason,
        violations=violations,
        observations=observations,
        crashed=crashed,
        timing=Timing(*seconds, rig.loop.clock() - begun_s),
    )


ReadBack = tuple[dict[tuple[str, str], Json], ...]


def _recover(
    rig: Rig, program: Program, case: Judgeable
) -> tuple[ReadBack, tuple[str, ...] | None]:
    """Read every job back with every version, make the program's reads, and drain the queue, all without faults."""
    case.wait_for_leases()
    case.book.states.append(rig.snapshot().state)
    read_back = tuple(_read_back(rig, program, case, version) for version in program.versions)
    for call in program.reads:
        case.recover(call, Phase.RECOVERY)
    return read_back, _drain(rig, case, program.versions[0])


def _read_back(
    rig: Rig, program: Program, case: Judgeable, version: Version
) -> dict[tuple[str, str], Json]:
    found: dict[tuple[str, str], Json] = {}
    if "get_job" in rig.traits.methods:
        for job_id, workspace_id in _jobs_of(case, program):
            arguments = {"job_id": job_id, "workspace_id": workspace_id}
            answered = case.recover(Call("get_job", arguments, version=version), Phase.RECOVERY)
            found[job_id, workspace_id] = answered.value if answered.error is None else None
    return found


def _jobs_of(case: Judgeable, program: Program) -> tuple[tuple[str, str], ...]:
    named = {
        (operation.job_id, operation.workspace_id): None
        for operation in case.book.history
        if operation.method in ("enqueue", "update_status")
    }
    if program.malformed:
        return ()
    return tuple(named)


def _drain(rig: Rig, case: Judgeable, version: Version) -> tuple[str, ...] | None:
    """Receive what a worker would receive, until there is nothing left."""
    method = next((name for name in ("claim", "dequeue") if name in rig.traits.methods), None)
    if method is None:
        return tables_of(case.book.states[-1]).pending if rig.traits.white_box else None
    delivered: list[str] = []
    for number in range(1, MAX_DELIVERIES + 1):
        arguments: dict[str, Json] = {"worker_id": f"drain-{number}"} if method == "claim" else {}
        if (
            method == "dequeue"
            and rig.traits.white_box
            and not tables_of(rig.snapshot().state).pending
        ):
            # It may block while there is nothing to take.
            break
        answered = rig.recovery_call(method, arguments, version)
        job = answered.value
        if isinstance(job, dict):
            job = job.get("job_id")
        if not isinstance(job, str):
            break
        delivered.append(job)
    return tuple(delivered)


def _given_up(
    rig: Rig,
    program: Program,
    case: Judgeable,
    read_back: Mapping[tuple[str, str], Json],
    delivered: tuple[str, ...],
) -> frozenset[str]:
    """Return the jobs that ran before the drain, were not delivered by it, and are failed now."""
    if not case.leases_are_short:
        return frozenset()
    found = set()
    for (job_id, workspace_id), job in read_back.items():
        if status_of(job) == "running" and job_id not in delivered:
            arguments: dict[str, Json] = {"job_id": job_id, "workspace_id": workspace_id}
            answered = rig.recovery_call("get_job", arguments, program.versions[0])
            if status_of(answered.value) == "failed":
                found.add(job_id)
    return frozenset(found)


def _judge(
    rig: Rig,
    case: Judgeable,
    program: Program,
    read_back: ReadBack,
    delivered: tuple[str, ...] | None,
) -> tuple[tuple[Violation, ...], tuple[tuple[str, int], ...], tuple[str, ...]]:
    evidence = Evidence(
        traits=rig.traits,
        history=tuple(case.book.history),
        moments=_moments(case),
        delivered=delivered,
        read_back=read_back[0],
        read_by_others=read_back[1:],
        logs=tuple(case.book.logs),
        secrets=SECRETS,
        latency_bound_ms=case.latency_bound_ms,
        malformed=program.malformed,
        leases_ended=case.leases_are_short,
        given_up=_given_up(rig, program, case, read_back[0], delivered or ()),
    )
    violations, observations, crashed = [], [], []
    for invariant in INVARIANTS.values():
        if invariant.why_not(rig.traits) or (program.malformed and not invariant.on_malformed):
            continue
        try:
            judgement = invariant.check(evidence)
        except Exception as error:  # a checker that crashes is unknown, whatever it raised
            crashed.append(f"{invariant.id} crashed: {type(error).__name__}: {error}")
            continue
        observations.append((invariant.id, judgement.observations))
        if judgement.violations:
            violations.append(Violation(invariant.id, judgement.violations))
    return tuple(violations), tuple(observations), tuple(crashed)


def _moments(case: Judgeable) -> tuple[Moment, ...]:
    """Return the tables at the start, after each command that changed something, and once all is quiet."""
    places = {0: "the start", len(case.book.states) - 1: "the end"}
    for entry in case.book.entries:
        if isinstance(entry, Stepped | Arrived) and entry.after != entry.before:
            position = entry.step.event.position
            word = "late " if isinstance(entry, Arrived) else ""
            places[entry.after] = f"{word}{position} ({entry.step.event.name})"
        if isinstance(entry, Restarted) and entry.after != entry.before:
            places[entry.after] = "the server came back"
    return tuple(
        Moment(places.get(number, f"state {number}"), tables_of(state))
        for number, state in enumerate(case.book.states)
    )
