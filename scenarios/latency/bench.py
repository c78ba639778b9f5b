"""The bench: measures every entrant in every round, in random order, on one server and through one network.

Rounds are interleaved, so that noise of the machine affects all entrants alike; only ratios within one run are
meaningful. A call is timed inside the subject's process. All traffic goes through midpipe's own forwarder, which costs
every round trip the same; the floor's row shows how much.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from midpipe.faultinject.net.loop import Loop
from midpipe.faultinject.net.shaper import Shaper
from midpipe.faultinject.reaper import RunDirectory
from midpipe.faultinject.servers.opening import ServerSpec, open_server, origin_of
from midpipe.faultinject.servers.sentinel import SentinelGroup
from midpipe.faultinject.servers.server import Server
from midpipe.scenarios.case.answered import answered_from
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.latency.entrants import Entrant
from midpipe.scenarios.latency.figures import percentiles, ratio_of
from midpipe.scenarios.latency.load import answers_of, connect
from midpipe.scenarios.latency.networks import NETWORKS, Network, delays
from midpipe.scenarios.latency.outages import through_failover, through_outage
from midpipe.scenarios.latency.results import CLOSED, Outage, Ratio, Row
from midpipe.scenarios.latency.workload import Arguments, one_round
from midpipe.scenarios.model.history import Json

_LEAST_CALLS, _SECONDS_OF_NETWORK = 10, 0.3
_OUTAGE_ENTRANTS = 2
"""The subject and the baseline are measured through an outage."""


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """What to measure.

    Args:
        entrants: the subject first, the baseline second.
        networks: names in NETWORKS.
        rates: of the open-loop load, in calls per second; if empty, only the closed loop is measured.
        rounds: how often each entrant is measured.
        calls: enqueues in a round; fewer on a slow network.
        max_p99_ratio: the highest allowed ratio of the subject's p99 to the baseline's; None is no limit.
        outage_s: how long the server is unreachable in an outage; 0 measures none.
        failover: measure through a failover as well.
        seed: of the order of the entrants and of the networks' delays.
    """

    entrants: tuple[Entrant, ...]
    networks: tuple[str, ...]
    rates: tuple[float, ...]
    rounds: int
    calls: int
    max_p99_ratio: float | None
    outage_s: float
    failover: bool = False
    seed: int = 0


@dataclass(slots=True)
class _Measured:
    """The latencies of one row, round by round."""

    rounds: list[list[float]] = field(default_factory=list)
    calls: int = 0
    errors: int = 0
    round_trips: int = 0


class LatencyBench:
    """Measures a plan's entrants on one server. Close it with ``close``.

    Attributes:
        outages: that were measured so far.
    """

    def __init__(self, server: ServerSpec, plan: BenchPlan) -> None:
        self._plan = plan
        self._spec = server
        self._run = RunDirectory()
        self._rigs: dict[str, Rig] = {}
        self._loop = Loop(precise=True)
        self._measured: defaultdict[tuple[str, str, str, str], _Measured] = defaultdict(_Measured)
        self.outages: list[Outage] = []
        try:
            if plan.failover:
                # If there can be no failover here, this fails before anything was measured.
                origin_of(server, self._run).close()
            self.server: Server = open_server(server, self._run, has_other_clients=True)
            self._shaper = Shaper(self._loop, self.server.address, delays(NETWORKS["loopback"], 0))
            for entrant in plan.entrants:
                self._rigs[entrant.name] = Rig(
                    self.server, entrant.subject, self._run, self._loop, invariants=()
                )
        except BaseException:
            self._run.close()
            raise

    @property
    def rounds(self) -> int:
        """How many rounds and outages there are in all, for a progress bar."""
        kinds = bool(self._plan.outage_s) + self._plan.failover
        through = kinds * len(self._plan.entrants[:_OUTAGE_ENTRANTS])
        return len(self._plan.networks) * self._plan.rounds + through

    def run(self) -> Iterator[str]:
        """Measure; yields a description after each round. May be abandoned early: ``rows`` has what was measured."""
        rng = Random(self._plan.seed)
        for name in self._plan.networks:
            network = NETWORKS[name]
            self._shaper.delay_s = delays(network, self._plan.seed)
            for number in range(self._plan.rounds + 1):
                for entrant in rng.sample(self._plan.entrants, len(self._plan.entrants)):
                    self._round(entrant.name, network, is_warm_up=number == 0)
                if number:
                    yield f"{name}, round {number} of {self._plan.rounds}"
        self._shaper.delay_s = delays(NETWORKS["loopback"], self._plan.seed)
        for entrant in self._plan.entrants[:_OUTAGE_ENTRANTS]:
            if self._plan.outage_s:
                rig = self._rigs[entrant.name]
                rig.reset()
                self.outages.append(
                    through_outage(self._loop, entrant.name, rig, self._shaper, self._plan.outage_s)
                )
                yield f"{entrant.name}, an outage"
            if self._plan.failover:
                self.outages.append(self._failover(entrant.name))
                yield f"{entrant.name}, a failover"

    def rows(self) -> tuple[Row, ...]:
        """Return a row for each entrant, network, operation and kind of load, in the order of the entrants."""
        order = [entrant.name for entrant in self._plan.entrants]
        return tuple(
            Row(
                subject=name,
                network=network,
                operation=operation,
                mode=mode,
                round_trips=round(measured.round_trips / measured.calls, 2)
                if measured.calls
                else 0.0,
                errors=measured.errors,
                percentiles=percentiles([ms for one in measured.rounds for ms in one]),
            )
            for (name, network, operation, mode), measured in sorted(
                self._measured.items(), key=lambda item: order.index(item[0][0])
            )
        )

    def ratios(self) -> tuple[Ratio, ...]:
        """Return the ratios of the subject to the baseline, for each operation that both have."""
        subject, baseline = (entrant.name for entrant in self._plan.entrants[:2])
        found = []
        for (name, network, operation, mode), measured in self._measured.items():
            other = self._measured.get((baseline, network, operation, mode))
            if name != subject or other is None or not all((*measured.rounds, *other.rounds)):
                continue
            for percent, limit in ((50.0, None), (99.0, self._plan.max_p99_ratio)):
                found.append(
                    ratio_of(
                        measured.rounds,
                        other.rounds,
                        percent,
                        network=network,
                        operation=operation,
                        mode=mode,
                        limit=limit,
                    )
                )
        return tuple(found)

    def close(self) -> None:
        """Stop everything that was started."""
        for rig in self._rigs.values():
            rig.close()
        self._shaper.close()
        self._loop.close()
        self.server.stop()
        self._run.close()

    # --- one round -----------------------------------------------------------------------------------

    def _round(self, name: str, network: Network, *, is_warm_up: bool) -> None:
        """Measure one entrant once in a closed loop and once at each rate."""
        for rate in (None, *self._plan.rates):
            mode = CLOSED if rate is None else f"open at {rate:g}/s"
            rig = self._fresh_rig(name)

            def operate(
                operation: str,
                calls: Sequence[Arguments],
                rate: float | None = rate,
                mode: str = mode,
                rig: Rig = rig,
            ) -> list[Json]:
                latencies: list[float] = []
                answers: list[Json] = []
                errors = 0
                turns = self._shaper.round_trips
                for late_ms, message in answers_of(self._loop, rig, operation, calls, rate):
                    answered = answered_from(message)
                    answers.append(answered.value)
                    errors += answered.error is not None
                    if answered.error is None:
                        latencies.append(late_ms + answered.ms)
                if not is_warm_up:
                    measured = self._measured[name, network.name, operation, mode]
                    measured.rounds.append(latencies)
                    measured.calls += len(calls)
                    measured.errors += errors
                    measured.round_trips += self._shaper.round_trips - turns
                return answers

            one_round(rig.traits.methods, self._size(network, is_warm_up=is_warm_up), operate)

    def _size(self, network: Network, *, is_warm_up: bool) -> int:
        if is_warm_up:
            return _LEAST_CALLS
        trip_s = network.round_trip_ms / 1000
        fitting = int(_SECONDS_OF_NETWORK / trip_s) if trip_s else self._plan.calls
        return max(_LEAST_CALLS, min(self._plan.calls, fitting))

    def _fresh_rig(self, name: str) -> Rig:
        rig = self._rigs[name]
        rig.reset()
        connect(rig, self._shaper.port)
        return rig

    def _failover(self, name: str) -> Outage:
        group = SentinelGroup(origin_of(self._spec, self._run))
        try:
            no_delay = delays(NETWORKS["loopback"], self._plan.seed)
            shaper = Shaper(self._loop, group.primary.address, no_delay)
            try:
                return through_failover(self._loop, name, self._rigs[name], shaper, group)
            finally:
                shaper.close()
        finally:
            group.stop()
