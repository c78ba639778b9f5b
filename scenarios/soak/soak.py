"""A whole soak: leg after leg on one server, with the same processes, until all jobs are accounted for.

The server keeps an append-only file that is synced at every write, so what was acknowledged has to survive its death.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from midpipe.faultinject.errors import SubjectError
from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.triggered_proxy import TriggeredProxy
from midpipe.faultinject.servers.opening import ServerSpec, open_server
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.servers.reaper import RunDirectory
from midpipe.faultinject.servers.server import Server
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.latency.figures import percentiles_of
from midpipe.scenarios.model.history import Json
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.soak.checker import MOST_SUSPECTS, Tally, milliseconds, story_of
from midpipe.scenarios.soak.load_processes import LoadProcess
from midpipe.scenarios.soak.look import Looks
from midpipe.scenarios.soak.plan import OVERSTAY, SoakPlan, kinds_of
from midpipe.scenarios.soak.reading import told
from midpipe.scenarios.soak.results import (
    CallLatency,
    FaultCount,
    LegResult,
    Progress,
    SoakResult,
    Suspect,
    judged,
)
from midpipe.scenarios.soak.segment import Segment
from midpipe.scenarios.soak.workload import Taking, producing, taking_of, working
from midpipe.scenarios.subjects.load import COMPLETED, ENQUEUED, HANDED_OUT, job_id_of

_HUNG_OVER_BOUND_S = 15.0
_REWRITTEN_WITHIN_S, _POLL_S = 30.0, 0.01


class Soak:
    """Soaks by plan. Close it with ``close``.

    Args:
        folder: for the history; what is in it of an earlier soak goes.
        bound_s: how long any call may take, if the subject declares no bound.
    """

    def __init__(
        self, server: ServerSpec, subject: SubjectSpec, plan: SoakPlan, folder: Path, bound_s: float
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._subject = subject
        self._run = RunDirectory()
        self._loop = Loop()
        self.hands: list[LoadProcess] = []
        self._asked_to_stop = False
        self.is_partial = False
        self._tally = Tally()
        self._durations: dict[int, Counter[int]] = {
            kind: Counter() for kind in (ENQUEUED, HANDED_OUT, COMPLETED)
        }
        self._world_fired: Counter[str] = Counter()
        self._world_planned: Counter[str] = Counter()
        self._legs: list[LegResult] = []
        self._suspects: list[Suspect] = []
        self._invalid_reason: list[str] = []
        try:
            self.server: Server = open_server(server, self._run, Persistence.AOF_ALWAYS)
            self._rig = Rig(self.server, subject, self._run, self._loop)
            self.taking = taking_of(self._rig.traits, subject.text)
            self._engage()
            # A step ends with the call under way; a worker's may be a claim and a completion, tried for a lease.
            bound_s = max(bound_s, *(hand.bound_s for hand in self.hands))
            self._hang_s = 2 * bound_s + 2 * plan.lease_s + _HUNG_OVER_BOUND_S
        except BaseException:
            self.close()
            raise
        self._begun_s = self._loop.clock()

    def stop(self) -> None:
        """Come to an end: enqueue no more, drain, and check what there is."""
        self._asked_to_stop = self.is_partial = True

    def run(self) -> Iterator[Progress]:
        """Soak; yields a look now and then."""
        shutil.rmtree(self._folder, ignore_errors=True)
        looks = Looks(self, self._plan, self._loop)
        for number in self._plan.legs:
            if self._is_over():
                break
            folder = self._folder / f"leg-{number:04}"
            folder.mkdir(parents=True)
            self._empty_server()
            leg = Segment(
                self._rig,
                self._plan,
                number,
                self.hands,
                folder,
                self.taking,
                self._hang_s,
                self._is_over,
            )
            for _ in leg.run():
                if looks.is_due(leg.phase):
                    yield looks.at(leg)
            self._keep(leg)
            looks.leg_ended()

    def result(self) -> SoakResult:
        """Return what was found so far."""
        plan = self._plan
        faults = self._fault_counts()
        outcome, reasons = judged(self._tally, faults, self._legs, self._invalid_reason)
        counts = self.counts()
        return SoakResult(
            subject=self._subject.text,
            server=self.server.name,
            chaos=plan.chaos.name,
            seed=plan.seed,
            jobs_total=plan.jobs,
            clients=plan.clients,
            workers=plan.workers if self.taking is not Taking.DRAINED else 0,
            leg_jobs=plan.leg_jobs,
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
            legs=tuple(self._legs),
            invalid_reason=tuple(self._invalid_reason),
        )

    def counts(self) -> Counter[str]:
        """Return what all processes counted."""
        total: Counter[str] = Counter()
        for hand in self.hands:
            total.update(hand.counts)
        return total

    @property
    def tally(self) -> Tally:
        """Of the legs that were checked."""
        return self._tally

    @property
    def fired(self) -> Counter[str]:
        """How often each kind of fault fired, in the legs that are over and in the one that runs."""
        fired = Counter(self._world_fired)
        for hand in self.hands:
            fired.update(hand.passage.fired)
        fired[OVERSTAY] += self.counts()["overstay"]
        return fired

    def close(self) -> None:
        """End every process and the server."""
        for hand in self.hands:
            hand.close()
        if hasattr(self, "_rig"):
            self._rig.close()
        self._loop.close()
        if hasattr(self, "server"):
            self.server.stop()
        self._run.close()

    def _is_over(self) -> bool:
        budget_s = self._plan.time_budget_s
        spent = budget_s is not None and self._loop.clock() - self._begun_s > budget_s
        return self._asked_to_stop or spent

    def _engage(self) -> None:
        """Start every process at once, and wait for all."""
        plan = self._plan
        requests = [(f"P{n}", producing()) for n in range(1, plan.clients + 1)]
        if self.taking is not Taking.DRAINED:
            every = plan.chaos.overstays_every
            # Each worker gets through its share of the jobs, and is to overstay once at least.
            every = min(every, max(2, min(plan.jobs, plan.leg_jobs) // plan.workers // 2))
            requests += [
                (f"W{n}", working(self.taking, f"W{n}", plan.lease_s, every))
                for n in range(1, plan.workers + 1)
            ]
        for name, request in requests:
            passage = TriggeredProxy(self._loop, self.server.address, self._rig.table)
            url = self._rig.url_at(passage.port, plan.time_out_ms)
            self.hands.append(LoadProcess(self._rig.new_host, passage, name, request, url))
        for hand in self.hands:
            hand.wait_until_open()
        self._try_out()

    def _try_out(self) -> None:
        """Take the probe's job without faults, so that a call that can never work is told at once."""
        if self.taking is Taking.DRAINED:
            return
        request = working(self.taking, "midpipe", self._plan.lease_s, 0)
        asked = request["arguments"]
        assert isinstance(asked, dict)
        job = self._called(str(request["work"]), dict(asked))
        if self.taking is Taking.LEASED and isinstance(job, dict):
            taken, completion = request["taken"], request["completion"]
            assert isinstance(taken, dict)
            assert isinstance(completion, dict)
            fields = {name: job.get(field) for name, field in taken.items()}
            self._called("complete", {**completion, **fields})

    def _called(self, method: str, arguments: dict[str, Json]) -> Json:
        answered = self._rig.recovery_call(method, arguments)
        if answered.error is not None:
            raise SubjectError(
                f"{self._subject.text} can't {method} without any fault: {answered.error.type}: "
                f"{answered.error.message}. Its calls must have the signature that the README shows."
            )
        return answered.value

    def _empty_server(self) -> None:
        """Empty the server, and its append-only file with it, so that it starts as fast as at first."""
        self._rig.reset()
        if not self.server.is_ours:
            return
        self._rig.control.call("BGREWRITEAOF")
        until_s = self._loop.clock() + _REWRITTEN_WITHIN_S
        while not self._has_rewritten() and self._loop.clock() < until_s:
            self._loop.run_until(lambda: False, _POLL_S)

    def _has_rewritten(self) -> bool:
        info = self._rig.control.call("INFO", "persistence")
        text = info.decode() if isinstance(info, bytes) else str(info)
        return "aof_rewrite_in_progress:0" in text and "aof_rewrite_scheduled:0" in text

    def _keep(self, leg: Segment) -> None:
        checked = leg.checked
        self._tally += checked.tally
        for kind, counted in checked.durations.items():
            self._durations[kind].update(counted)
        self._world_fired.update(leg.world.fired)
        self._world_planned.update(fault.fault for fault in leg.planned)
        self._invalid_reason += leg.invalid_reason
        plan = tuple(
            f"{fault.fault} when {fault.due_jobs} jobs are acknowledged" for fault in leg.planned
        )
        self._legs.append(
            LegResult(
                leg.leg,
                plan,
                checked.tally,
                leg.drained,
                round(leg.load_s, 2),
                round(leg.drain_s, 2),
                round(leg.check_s, 2),
            )
        )
        room = MOST_SUSPECTS - len(self._suspects)
        violated_invariants = dict.fromkeys(checked.lost, "lost")
        violated_invariants.update(dict.fromkeys(checked.doubled, "doubled"))
        chosen = dict(sorted(violated_invariants.items())[:room])
        if chosen:
            names = leg.files.names
            for job, known in story_of(leg.files.records(), frozenset(chosen)).items():
                lines = tuple(told(record, names) for record in known)
                self._suspects.append(Suspect(job_id_of(job), leg.leg, chosen[job], lines))

    def _fault_counts(self) -> tuple[FaultCount, ...]:
        kinds = kinds_of(
            self._plan.chaos,
            own_server=self.server.is_ours,
            leases=self.taking is Taking.LEASED,
        )
        fired = self.fired
        return tuple(
            FaultCount(
                kind,
                self._world_planned[kind] if kind in self._plan.chaos.every else None,
                fired[kind],
            )
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
