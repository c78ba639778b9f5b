"""Sweeps one program: every fault at every position."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass

from midpipe.faultinject.decide.sweep import Sweep, SweepFrontier
from midpipe.faultinject.errors import NotApplicableError
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.scenarios.explore.explore import explore
from midpipe.scenarios.explore.fault_selection import ANYWHERE, Aim, selected
from midpipe.scenarios.explore.preparing import prepared, with_progress
from midpipe.scenarios.explore.worker import Worker
from midpipe.scenarios.model.messages import CaseEnded, ExplorationDone, Message
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.program import Program
from midpipe.scenarios.programs.registry import program_named

_KILLS = ("kill", "kill-before", "readdress")
_ENDS = {
    Persistence.POWER_LOSS: ("power-loss",),
    Persistence.REPLICA: ("failover", "lag"),
    Persistence.REPLICA_BEHIND: ("failover-behind",),
}


@dataclass(frozen=True, slots=True)
class SweepTask:
    """Sweep one program of a subject, or one shard of it.

    Args:
        program: its name, or one that is not registered.
        shard: (index, count): the share of all first faults that is placed, by a hash of the case.
        max_faults: faults per case.
        latency_bound_ms: for a subject that declares none.
        deadline_s: on the monotonic clock, which all processes share; no case begins after it.
        persistence: of a server that is killed at every position, instead of all other faults; None does not kill it.
        until_round: no case of a later round begins.
        frontier: where an earlier task stopped; this one resumes there.
        aim: which faults to place, and at which commands.
        samples: one case of each kind of fault is run in the first round.
    """

    subject: SubjectSpec
    program: str | Program
    _: KW_ONLY
    shard: tuple[int, int]
    max_faults: int
    latency_bound_ms: float
    deadline_s: float = math.inf
    persistence: Persistence | None = None
    until_round: int = sys.maxsize
    frontier: SweepFrontier | None = None
    aim: Aim = ANYWHERE
    samples: bool = False

    def run(self, worker: Worker) -> Iterator[Message]:
        try:
            rig = worker.rig(self.subject, self.persistence)
        except NotApplicableError as error:
            yield ExplorationDone((), not_tried=str(error))
            return
        before = prepared(
            rig,
            program_named(self.program),
            self.latency_bound_ms,
            is_resumed=self.frontier is not None,
        )
        if isinstance(before, ExplorationDone):
            yield before
            return
        deaths = _ENDS.get(self.persistence, _KILLS) if self.persistence else ()
        faults = selected(
            worker.server.is_ours,
            deaths,
            self.aim,
            persistence=self.persistence,
            is_stepped=rig.time.is_stepped,
        )
        sweep = Sweep(
            self.max_faults,
            self.shard,
            faults=faults,
            frontier=self.frontier,
            by_label=not before.is_ordered,
            samples=self.samples,
        )
        stopped = False
        cases = explore(
            rig,
            before.program,
            sweep,
            latency_bound_ms=self.latency_bound_ms,
            is_over=lambda: worker.may_not_confirm(self.deadline_s),
            first=before.without_faults,
        )
        for message in with_progress(cases, sweep.frontier):
            if _is_reported(message, sweep):
                yield message
            next_round = sweep.next_round
            if next_round is None or next_round > self.until_round:
                break
            if stopped := worker.is_over(self.deadline_s):
                break
        yield ExplorationDone(
            sweep.ledger.rows(before.program.name),
            stopped=stopped,
            nondeterministic=before.unlike,
            frontier=sweep.frontier(),
        )


def _is_reported(message: Message, sweep: Sweep) -> bool:
    """Whether a message is for this shard to report: not a valid run without faults, which shard 0 reports."""
    if not isinstance(message, CaseEnded):
        return True
    return sweep.counts_current or not message.valid
