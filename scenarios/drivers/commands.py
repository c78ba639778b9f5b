"""Measures what a driver does with a command whose connection is lost: how often it runs, what its caller learns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, replace
from itertools import chain

from midpipe.faultinject.decide.schedule import Schedule, replay_string
from midpipe.faultinject.decide.sweep import Sweep
from midpipe.faultinject.errors import MidpipeError, ServerError, SubjectError
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.one_node_cluster import OneNodeCluster
from midpipe.faultinject.servers.opening import ServerSpec, origin_of, parse_server_spec
from midpipe.faultinject.vocabulary import Executed
from midpipe.scenarios.drivers.registry import FAULTS, Constructor, Driver, Way
from midpipe.scenarios.explore.explore import run_end_of
from midpipe.scenarios.explore.fault_selection import selected
from midpipe.scenarios.explore.running import run_schedule, warm_up
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.evidence import DEFAULT_LATENCY_BOUND_MS
from midpipe.scenarios.model.history import Operation, Phase
from midpipe.scenarios.model.record import CaseRecord
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.calls import enqueue, once
from midpipe.scenarios.programs.program import Call, Program, Retry
from midpipe.scenarios.subjects.environments import install

PATIENCE_S = 60.0
_JOBS = 3


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What one fault led to.

    Args:
        fault: what happened to the command, by a key of ``FAULTS``.
        applied: how often the server ran the command that met the fault, or the transaction that it belongs to.
        answered: the call returned.
        raised: it raised; if it did neither, it was still under way when midpipe gave up.
        answer_is_right: what the call returned is what the first run of the command answered.
        replay: the case.
    """

    fault: str
    applied: int
    _: KW_ONLY
    answered: bool
    raised: bool
    answer_is_right: bool
    replay: str

    @property
    def deceives(self) -> bool:
        """Whether the caller believes what is not so: it has an answer, and the command did not run once."""
        return self.answered and (self.applied != 1 or not self.answer_is_right)


@dataclass(frozen=True, slots=True)
class InvalidCase:
    """A case that shows nothing, such as one whose fault did not fire.

    Args:
        fault: as in Behaviour.
        reason: a sentence that names the case.
    """

    fault: str
    reason: str


@dataclass(frozen=True, slots=True)
class DriverRow:
    """One constructor and one way of calling, in one release.

    Args:
        behaviours: the worst case of each fault that was measured.
        reason: why a fault was not; empty if each was.
    """

    driver: str
    version: str
    constructor: str
    way: str
    _: KW_ONLY
    behaviours: tuple[Behaviour, ...]
    reason: str = ""


@contextmanager
def cluster_worker(spec: ServerSpec) -> Iterator[Worker]:
    """Yield a worker on a Cluster of one node, of the kind of server that a spec names.

    Raises:
        NotApplicableError: midpipe does not start that server.
        ServerError: it does not become a Cluster.
    """
    run = RunDirectory()
    try:
        cluster = OneNodeCluster(origin_of(spec, run))
        try:
            worker = Worker(parse_server_spec(cluster.url))
            try:
                yield worker
            finally:
                worker.close()
        finally:
            cluster.stop()
    finally:
        run.close()


def measure_releases(
    worker: Worker, driver: Driver, versions: Sequence[str]
) -> Iterator[DriverRow]:
    """Measure every constructor and way of calling of releases of a driver."""
    for version, constructor in driver.constructors_of(versions):
        for way in driver.ways:
            yield measure_driver(worker, driver, version, constructor, way)


def planned_rows(driver: Driver, versions: Sequence[str], reason: str) -> Iterator[DriverRow]:
    """Yield the rows of releases of a driver, in order, as if none could be measured for this reason."""
    for version, constructor in driver.constructors_of(versions):
        for way in driver.ways:
            yield DriverRow(
                driver.name, version, constructor.name, way.name, behaviours=(), reason=reason
            )


def measure_cluster(
    spec: ServerSpec, driver: Driver, versions: Sequence[str]
) -> Iterator[DriverRow]:
    """Measure every constructor and way of calling of releases of a driver on a Cluster of one node."""
    try:
        with cluster_worker(spec) as worker:
            yield from measure_releases(worker, driver, versions)
    except ServerError as error:
        yield from planned_rows(driver, versions, str(error))


def measure_driver(
    worker: Worker, driver: Driver, version: str, constructor: Constructor, way: Way
) -> DriverRow:
    """Measure one constructor and one way of calling of a release of a driver."""
    row = DriverRow(driver.name, version, constructor.name, way.name, behaviours=())
    try:
        subject = subject_of(driver, version, constructor, way)
        cases = tuple(_cases(worker, subject, way))
    except MidpipeError as error:
        return replace(row, reason=str(error))
    return worst_of(row, cases)


def worst_of(row: DriverRow, cases: Sequence[Behaviour | InvalidCase]) -> DriverRow:
    """Return the row with the worst case of each fault; without a fault of which the worst case is not known."""
    behaviours, reasons = [], []
    for name, faults in FAULTS.items():
        found = [case for case in cases if case.fault in faults]
        valid = [case for case in found if isinstance(case, Behaviour)]
        reasons += [case.reason for case in found if isinstance(case, InvalidCase)]
        if len(valid) < len(found):
            continue
        if not valid:
            reasons.append(f"No command of the call met {name}.")
            continue
        behaviours.append(replace(max(valid, key=_badness), fault=name))
    return replace(row, behaviours=tuple(behaviours), reason=next(iter(reasons), ""))


def _badness(case: Behaviour) -> tuple[bool, bool, bool, int]:
    """Return what orders cases: a right answer, an error, no answer, a caller who believes what is not so."""
    return case.deceives, not case.answered, not (case.answered or case.raised), case.applied


def subject_of(driver: Driver, version: str, constructor: Constructor, way: Way) -> SubjectSpec:
    """Return the subject that calls a release of a driver in one way. Raises UsageError if it can't be installed."""
    release = install(driver.target(constructor, way), version)
    return SubjectSpec(
        release.subject,
        python=release.python,
        environment=(("MIDPIPE_CONSTRUCTOR", constructor.variable),),
        patience_s=PATIENCE_S,
    )


def _cases(worker: Worker, subject: SubjectSpec, way: Way) -> Iterator[Behaviour | InvalidCase]:
    """Run a call with each fault at each of its commands; yields what came of each case.

    Raises:
        SubjectError: the call does not even succeed without a fault.
    """
    rig = worker.rig(subject)
    program = _program(way)
    warm_up(rig, program, DEFAULT_LATENCY_BOUND_MS)
    sweep = Sweep(1, faults=selected(worker.server.is_ours, tuple(chain(*FAULTS.values()))))
    while sweep.begin():
        record = run_schedule(rig, program, sweep, DEFAULT_LATENCY_BOUND_MS)
        schedule = sweep.current
        sweep.end(run_end_of(record))
        if schedule.placed:
            yield _came_of(record, way, schedule)
        elif not record.is_valid:
            raise SubjectError(f"Without a fault the call can't be run: {record.invalid_reason}.")
        elif error := _call_of(record).error:
            raise SubjectError(f"The call fails without a fault: {error.type}: {error.message}.")


def _program(way: Way) -> Program:
    """Return a program of one call; one that takes a job finds several."""
    if not way.takes:
        return Program("enqueue-without-retry", "A job is enqueued.", {"A": (once(enqueue()),)})
    take = Call("dequeue", {}, Retry.NONE)
    jobs = tuple(enqueue(f"job-{number}") for number in range(1, _JOBS + 1))
    return Program("take-one", "A job is taken.", {"A": (take,)}, prepare=jobs)


def _came_of(record: CaseRecord, way: Way, schedule: Schedule) -> Behaviour | InvalidCase:
    """Return what came of the case of a schedule with one fault."""
    (step,) = schedule.faults
    assert step.fault is not None
    fault, replay = step.fault.name, replay_string(record.program, schedule)
    if not record.is_valid:
        return InvalidCase(fault, f"{replay} is invalid: {record.invalid_reason}.")
    call = _call_of(record)
    left = record.delivered or ()
    applied = _JOBS - len(left) if way.takes else len(left)
    if way.leaves_no_job or step.command == way.before:
        applied = sum(
            ran.event.name == step.command and ran.executed is Executed.YES for ran in record.steps
        )
    is_right = not way.takes or call.value == "job-1"
    raised = call.error is not None and not call.error.is_hang
    return Behaviour(
        fault,
        applied,
        answered=call.answered,
        raised=raised,
        answer_is_right=is_right,
        replay=replay,
    )


def _call_of(record: CaseRecord) -> Operation:
    return next(call for call in record.history if call.phase is Phase.PROGRAM)
