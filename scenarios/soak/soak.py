"""A whole soak: segment after segment on one server, with the same processes, until all jobs are accounted for.

The server runs with ``appendfsync always``, so everything that was acknowledged has to survive a kill of the server.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.opening import ServerSpec, open_server
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.servers.server import Server
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.latency.figures import percentiles_of
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.soak.checker import MAX_SUSPECTS, Tally, milliseconds, records_of
from midpipe.scenarios.soak.load_processes import LoadProcess
from midpipe.scenarios.soak.plan import OVERSTAY, SoakPlan, kinds_of
from midpipe.scenarios.soak.progress import ProgressMeter
from midpipe.scenarios.soak.record_text import record_text
from midpipe.scenarios.soak.results import (
    CallLatency,
    FaultCount,
    Progress,
    SegmentResult,
    SoakResult,
    Suspect,
    judged,
)
from midpipe.scenarios.soak.segment import Segment
from midpipe.scenarios.soak.starting import start_processes
from midpipe.scenarios.soak.workload import Taking, taking_of
from midpipe.scenarios.subjects.load import COMPLETED, ENQUEUED, HANDED_OUT, job_id_of

_HANG_MARGIN_S = 15.0
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
        UsageError: there is no way to take jobs from the subject.
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
        self._asked_to_stop = False
        self.is_partial = False
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
            self.server: Server = open_server(server, self._run, Persistence.AOF_ALWAYS)
            self._rig = Rig(self.server, subject, self._run, self._loop)
            self.taking = taking_of(self._rig.traits, subject.text)
            self._processes = start_processes(self._rig, plan, self.taking)
            # A step ends with the call in progress; a worker's may be a claim, and a completion retried for a lease.
            bound_s = max(bound_s, *(process.bound_s for process in self._processes))
            self._hang_s = 2 * bound_s + 2 * plan.lease_s + _HANG_MARGIN_S
        except BaseException:
            self.close()
            raise
        self._begun_s = self._loop.clock()

    def stop(self) -> None:
        """Stop enqueueing; ``run`` then drains, checks what there is, and ends."""
        self._asked_to_stop = self.is_partial = True

    def run(self) -> Iterator[Progress]:
        """Run the segments; yields progress reports."""
        shutil.rmtree(self._folder, ignore_errors=True)
        meter = ProgressMeter(self, self._plan, self._loop)
        for number in self._plan.segments:
            if self._should_stop():
                break
            folder = self._folder / f"segment-{number:04}"
            folder.mkdir(parents=True)
            self._empty_server()
            segment = Segment(
                self._rig,
                self._plan,
                self._processes,
                number=number,
                folder=folder,
                taking=self.taking,
                hang_s=self._hang_s,
                should_stop=self._should_stop,
            )
            for _ in segment.run():
                if meter.is_due(segment.phase):
                    yield meter.report(segment)
            self._add(segment)
            meter.segment_ended()

    def result(self) -> SoakResult:
        """Return the result so far, of the segments that were checked."""
        plan = self._plan
        faults = self._fault_counts()
        outcome, reasons = judged(self._tally, faults, self._segments, self._incidents)
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
                if counted
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
        self._run.close()

    def _should_stop(self) -> bool:
        budget_s = self._plan.time_budget_s
        spent = budget_s is not None and self._loop.clock() - self._begun_s > budget_s
        return self._asked_to_stop or spent

    def _empty_server(self) -> None:
        """Empty the server and its append-only file, so that a restart takes no longer than it did at first."""
        self._rig.reset()
        if not self.server.is_ours:
            return
        self._rig.control.call("BGREWRITEAOF")
        until_s = self._loop.clock() + _REWRITTEN_WITHIN_S
        while not self._has_rewritten() and self._loop.clock() < until_s:
            self._loop.run_until(lambda: False, _POLL_S)

    def _has_rewritten(self) -> bool:
        info = self._rig.control.call("INFO", "persistence")
        text = info.decode("utf-8", "replace") if isinstance(info, bytes) else str(info)
        return "aof_rewrite_in_progress:0" in text and "aof_rewrite_scheduled:0" in text

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
        kinds = kinds_of(chaos, own_server=self.server.is_ours, leases=leases)
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
