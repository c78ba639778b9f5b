"""A whole soak: segment after segment on one server, with the same processes, until all jobs are accounted for.

The server runs with ``appendfsync always``, so everything that was acknowledged has to survive a kill of the server. In
a soak of simulated days it and the load are on a stepped clock, it has a replica that takes over now and then, and it
keeps its data from one segment to the next.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from midpipe.faultinject.clock.opening import open_clock
from midpipe.faultinject.clock.port import Clock
from midpipe.faultinject.clock.wall import WallClock
from midpipe.faultinject.errors import UsageError
from midpipe.faultinject.faults.failover import FAILOVER
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.embedded import binary_of
from midpipe.faultinject.servers.opening import EMBEDDED, ServerSpec, open_server
from midpipe.faultinject.servers.origins import FromBinary
from midpipe.faultinject.servers.pair import Pair
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.servers.server import Server, fields_of
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.latency.figures import percentiles_of
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.soak.checker import MAX_SUSPECTS, Tally, milliseconds, records_of
from midpipe.scenarios.soak.daily_load import HOURS_A_SEGMENT, jobs_before
from midpipe.scenarios.soak.expired_keys import ExpiredKeys
from midpipe.scenarios.soak.load_processes import LoadProcess
from midpipe.scenarios.soak.pace import Pace, RealTime, TimeLapse
from midpipe.scenarios.soak.plan import KILL, OVERSTAY, SoakPlan, kinds_of
from midpipe.scenarios.soak.progress import ProgressMeter
from midpipe.scenarios.soak.record_text import record_text
from midpipe.scenarios.soak.repeats import Repeats
from midpipe.scenarios.soak.results import (
    CallLatency,
    FaultCount,
    Progress,
    Repeated,
    SegmentResult,
    SimulatedDays,
    SoakResult,
    Suspect,
    judged,
)
from midpipe.scenarios.soak.segment import Segment
from midpipe.scenarios.soak.starting import start_processes
from midpipe.scenarios.soak.workload import Taking, taking_of
from midpipe.scenarios.subjects.load import COMPLETED, ENQUEUED, HANDED_OUT, job_id_of

_HANG_MARGIN_S = 15.0
_LONGEST_REAL_LEASE_S = 30.0
"""A longer lease is one on a stepped clock."""
_REWRITTEN_WITHIN_S, _POLL_S = 30.0, 0.01


class Soak:
    """Runs the segments of a plan. Close it with ``close``.

    Args:
        folder: for the history; the files of an earlier soak in it are deleted.
        bound_s: how long any call may take, if the subject declares no bound.

    Attributes:
        is_partial: it was interrupted.

    Raises:
        SubjectError: the subject can't be loaded, or one of its calls fails without any fault.
        UsageError: there is no way to take jobs from the subject, or days can't be simulated here.
        NotFollowedError: days can't be simulated with this subject.
    """

    def __init__(
        self, server: ServerSpec, subject: SubjectSpec, plan: SoakPlan, folder: Path, bound_s: float
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._subject = subject
        self._run = RunDirectory()
        self._loop = Loop()
        self._processes: list[LoadProcess] = []
        self._is_interrupted: Callable[[], bool] = lambda: False
        self.is_partial = False
        self._passed_days = 0.0
        self._tally = Tally()
        self._durations: dict[int, Counter[int]] = {
            kind: Counter() for kind in (ENQUEUED, HANDED_OUT, COMPLETED)
        }
        self._fired: Counter[str] = Counter()
        self._planned: Counter[str] = Counter()
        self._segments: list[SegmentResult] = []
        self._suspects: list[Suspect] = []
        self._incidents: list[str] = []
        try:
            self._clock = (
                _stepped_clock(server, self._run) if plan.days else WallClock("not asked for")
            )
            self.server: Server = (
                _pair_on(self._clock, server, self._run)
                if plan.days
                else open_server(server, self._run, Persistence.AOF_ALWAYS)
            )
            self._rig = Rig(
                self.server, subject, self._run, self._loop, invariants=(), clock=self._clock
            )
            self.taking = taking_of(self._rig.traits, subject.text)
            self._processes = start_processes(self._rig, plan, self.taking)
            self._pace = self._new_pace()
            self._repeats = Repeats(self._rig, plan.jobs) if plan.days else None
            self._expired_keys = ExpiredKeys(self._rig)
            # A step ends with the call in progress; a worker's may be a claim, and a completion retried for a lease.
            bound_s = max(bound_s, *(process.bound_s for process in self._processes))
            self._hang_s = (
                2 * bound_s + 2 * min(plan.lease_s, _LONGEST_REAL_LEASE_S) + _HANG_MARGIN_S
            )
        except BaseException:
            self.close()
            raise
        self._begun_s = self._loop.clock()

    def run(self, is_interrupted: Callable[[], bool] = lambda: False) -> Iterator[Progress]:
        """Run the segments; yields progress reports.

        Args:
            is_interrupted: called often; once it returns true, the soak stops enqueueing, drains, checks what there is,
                and ends.
        """
        self._is_interrupted = is_interrupted
        shutil.rmtree(self._folder, ignore_errors=True)
        meter = ProgressMeter(self, self._plan, self._loop, self._pace.passed_days)
        for number in self._plan.segments:
            if self._should_stop():
                break
            folder = self._folder / f"segment-{number:04}"
            folder.mkdir(parents=True)
            self._prepare_server(number)
            segment = Segment(
                self._rig,
                self._plan,
                self._pace,
                self._processes,
                number=number,
                folder=folder,
                taking=self.taking,
                hang_s=self._hang_s,
                should_stop=self._should_stop,
                repeats=self._repeats,
                expired_keys=self._expired_keys,
            )
            for _ in segment.run():
                if meter.is_due(segment.phase):
                    yield meter.report(segment)
            self._add(segment)
            meter.segment_ended(segment)
        if not self._should_stop():
            self._pace.finish(self._plan)
            self._passed_days = self._pace.passed_days()
            self._expired_keys.read()

    def result(self) -> SoakResult:
        """Return the result so far, of the segments that were checked."""
        plan = self._plan
        faults = self._fault_counts()
        repeated = self._repeats.counts if self._repeats else Repeated()
        outcome, reasons = judged(
            self._tally, faults, self._segments, self._incidents, repeated=repeated
        )
        counts = self.counts()
        return SoakResult(
            subject=self._subject.name,
            server=self.server.name,
            chaos=plan.chaos.name,
            seed=plan.seed,
            jobs_total=plan.jobs,
            clients=plan.clients,
            workers=plan.workers if self.taking is not Taking.DRAINED else 0,
            segment_jobs=plan.segment_jobs,
            taking=str(self.taking),
            outcome=outcome,
            reasons=reasons,
            is_partial=self.is_partial,
            seconds=round(self._loop.clock() - self._begun_s, 1),
            tally=self._tally,
            faults=faults,
            latencies=tuple(
                CallLatency(name, percentiles_of(counted))
                for name, counted in self._latencies().items()
                # On a clock that is moved, a call may take minutes.
                if counted and not plan.days
            ),
            suspects=tuple(self._suspects),
            raised=tuple(
                sorted(
                    (name.removeprefix("raised "), count)
                    for name, count in counts.items()
                    if name.startswith("raised ")
                )
            ),
            segments=tuple(self._segments),
            incidents=tuple(self._incidents),
            days=self._simulated_days(repeated) if plan.days else None,
        )

    def counts(self) -> Counter[str]:
        """Return the sum of what the processes have counted."""
        total: Counter[str] = Counter()
        for process in self._processes:
            total.update(process.counts)
        return total

    @property
    def tally(self) -> Tally:
        """Of the segments that were checked."""
        return self._tally

    @property
    def fired(self) -> Counter[str]:
        """How often each kind of fault was injected; without the running segment's server and process faults."""
        fired = Counter(self._fired)
        for process in self._processes:
            fired.update(process.proxy.fired)
        fired[OVERSTAY] += self.counts()["overstay"]
        return fired

    def close(self) -> None:
        """End every process and stop the server."""
        for process in self._processes:
            process.close()
        if hasattr(self, "_rig"):
            self._rig.close()
        self._loop.close()
        if hasattr(self, "server"):
            self.server.stop()
        if hasattr(self, "_clock"):
            self._clock.close()
        self._run.close()

    def _should_stop(self) -> bool:
        budget_s = self._plan.time_budget_s
        spent = budget_s is not None and self._loop.clock() - self._begun_s > budget_s
        self.is_partial |= self._is_interrupted()
        return self.is_partial or spent

    def _new_pace(self) -> Pace:
        if not self._plan.days:
            return RealTime(self._loop)
        processes = self._processes
        return TimeLapse(
            self._clock,
            self._rig.time,
            lambda: [process.host.pid for process in processes],
            lambda: self.server.pids,
        )

    def _simulated_days(self, repeated: Repeated) -> SimulatedDays:
        return SimulatedDays(
            planned=self._plan.days,
            passed=round(self._passed_days, 3),
            expired_keys=self._expired_keys.count,
            ended_leases=self._tally.ended_leases,
            restarts=self._fired[KILL],
            failovers=self._fired[FAILOVER.name],
            repeated=repeated,
        )

    def _prepare_server(self, segment: int) -> None:
        """Empty the server, unless it keeps its data, and compact its append-only file, so that it restarts fast."""
        if segment == 1 or not self._plan.days:
            self._rig.reset()
        if not self.server.is_ours:
            return
        self._rig.control.call("BGREWRITEAOF")
        until_s = self._loop.clock() + _REWRITTEN_WITHIN_S
        while not self._has_rewritten() and self._loop.clock() < until_s:
            self._loop.run_until(lambda: False, _POLL_S)

    def _has_rewritten(self) -> bool:
        state = fields_of(self._rig.control.call("INFO", "persistence"))
        running = (state["aof_rewrite_in_progress"], state["aof_rewrite_scheduled"])
        return running == ("0", "0")

    def _add(self, segment: Segment) -> None:
        """Add a checked segment to the result."""
        checked = segment.checked
        self._tally += checked.tally
        for kind, counted in checked.durations.items():
            self._durations[kind].update(counted)
        self._fired.update(segment.chaos_driver.fired)
        self._planned.update(fault.fault for fault in segment.planned)
        self._incidents += segment.incidents
        self._segments.append(
            SegmentResult(
                segment.number,
                tuple(
                    f"{fault.fault} when {fault.due_jobs} jobs are acknowledged"
                    for fault in segment.planned
                ),
                checked.tally,
                drained=segment.drained,
                load_s=round(segment.load_s, 2),
                drain_s=round(segment.drain_s, 2),
                check_s=round(segment.check_s, 2),
            )
        )
        self._add_suspects(segment)
        self._expired_keys.read()
        self._passed_days = self._pace.passed_days()
        if self._repeats is not None:
            hours = range((segment.number - 1) * HOURS_A_SEGMENT, segment.number * HOURS_A_SEGMENT)
            plan = self._plan
            jobs = frozenset(jobs_before(hour, plan.jobs, plan.days) for hour in hours)
            self._repeats.add(segment.files.records(), jobs, segment.zero_s)

    def _add_suspects(self, segment: Segment) -> None:
        """Add the histories of the segment's lost and duplicated jobs, as long as there is room in the result."""
        violated = dict.fromkeys(segment.checked.lost, "lost")
        violated.update(dict.fromkeys(segment.checked.duplicated, "duplicated"))
        room = MAX_SUSPECTS - len(self._suspects)
        chosen = dict(sorted(violated.items())[:room])
        if not chosen:
            return
        names = segment.files.names
        for job, records in records_of(segment.files.records(), frozenset(chosen)).items():
            lines = tuple(record_text(record, names) for record in records)
            self._suspects.append(Suspect(job_id_of(job), segment.number, chosen[job], lines))

    def _fault_counts(self) -> tuple[FaultCount, ...]:
        chaos, fired = self._plan.chaos, self.fired
        leases = self.taking is Taking.LEASED
        kinds = kinds_of(
            chaos, own_server=self.server.is_ours, leases=leases, is_stepped=self._plan.days > 0
        )
        return tuple(
            FaultCount(kind, self._planned[kind] if kind in chaos.every else None, fired[kind])
            for kind in kinds
        )

    def _latencies(self) -> dict[str, dict[float, int]]:
        names = {ENQUEUED: "enqueue", HANDED_OUT: "claim", COMPLETED: "complete"}
        if self.taking is Taking.DRAINED:
            names = {ENQUEUED: "enqueue"}
        if self.taking is Taking.DEQUEUED:
            names = {ENQUEUED: "enqueue", HANDED_OUT: "dequeue"}
        return {
            name: {
                milliseconds(ticks): count for ticks, count in sorted(self._durations[kind].items())
            }
            for kind, name in names.items()
        }


def _pair_on(clock: Clock, server: ServerSpec, run: RunDirectory) -> Pair:
    """Return a server on that clock with a replica; both keep an append-only file."""
    origin = FromBinary(server.where, run, clock.environment())
    return Pair(origin, Persistence.REPLICA, appends=True)


def _stepped_clock(server: ServerSpec, run: RunDirectory) -> Clock:
    """Return a stepped clock. Raises UsageError if there can't be one."""
    if server.kind != EMBEDDED:
        raise UsageError(
            "--days takes the embedded server, because midpipe has to start what reads the clock. "
            "Leave --redis out, or name a binary: --redis embedded:redis-server."
        )
    clock = open_clock(run.subdirectory("clock"), binary_of(server.where))
    if not clock.is_stepped:
        raise UsageError(
            f"--days is not possible here, because the clock can't be stepped: {clock.reason}."
        )
    return clock
