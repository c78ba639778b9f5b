"""A worker: one server, one rig at a time, tasks in and messages out. Runs in this process or in one of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from midpipe.faultinject.decide.interleave import Frontier, Interleave
from midpipe.faultinject.decide.ledger import NO_FAULT
from midpipe.faultinject.decide.pruning import Independence
from midpipe.faultinject.decide.replay import Replay
from midpipe.faultinject.decide.schedule import Schedule, parse_replay_string, replay_string
from midpipe.faultinject.decide.sweep import Sweep
from midpipe.faultinject.errors import NotApplicableError, SubjectError, UsageError
from midpipe.faultinject.faults import (
    CATALOGUE,
    Pace,
    is_for_any_server,
    needs_persistence,
    needs_replica,
)
from midpipe.faultinject.servers.embedded import EmbeddedServer
from midpipe.faultinject.servers.opening import ServerSpec, open_server
from midpipe.faultinject.servers.persistence import Persistence
from midpipe.faultinject.servers.reaper import RunDirectory
from midpipe.faultinject.servers.server import Server
from midpipe.scenarios.case.requirements import missing_for
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.case.story import story_of
from midpipe.scenarios.explore.explore import (
    dry_run,
    ended_from,
    explore,
    run_schedule,
    selected,
    warm_up,
)
from midpipe.scenarios.explore.interleaving import Interleaving
from midpipe.scenarios.explore.orders import Orders
from midpipe.scenarios.explore.power_loss import power_losses
from midpipe.scenarios.explore.smallest import smallest
from midpipe.scenarios.explore.tasks import (
    Caught,
    ExplorationDone,
    FuzzBatch,
    FuzzTask,
    HuntDone,
    HuntTask,
    InterleaveTask,
    Message,
    PowerLossDone,
    PowerLossTask,
    Probed,
    ProbeTask,
    SourceDone,
    SourceTask,
    StoryTask,
    StoryTold,
    SweepTask,
    Task,
)
from midpipe.scenarios.model.messages import CaseEnded
from midpipe.scenarios.model.record import CaseRecord, first_difference
from midpipe.scenarios.model.spec import SubjectSpec
from midpipe.scenarios.programs.fleets import has_part
from midpipe.scenarios.programs.program import Program
from midpipe.scenarios.programs.registry import SUITES, program_named
from midpipe.scenarios.programs.written import PREFIX

INTERLEAVED_FAULTS = ("cut-before", "lost-reply")
"""With several clients the order is what counts; these two say whether the command ran or not."""

KILLS = ("kill", "kill-before", "readdress")
TAKE_OVERS = {
    Persistence.REPLICA: ("failover", "lag"),
    Persistence.REPLICA_BEHIND: ("failover-behind",),
}


@dataclass(frozen=True, slots=True)
class Replayed:
    """A replay with its whole record."""

    record: CaseRecord
    unplaced: tuple[str, ...]
    replay: str


class Worker:
    """Does tasks one after the other.

    Args:
        server: which server to break.
        is_called_off: asked between cases; a task with a deadline then ends as if that had come. Without it: never.
    """

    def __init__(self, server: ServerSpec, is_called_off: Callable[[], bool] = bool) -> None:
        self._is_called_off = is_called_off
        self._run = RunDirectory()
        self._spec = server
        self._durable: dict[Persistence, Server] = {}
        try:
            self.server: Server = open_server(server, self._run)
        except BaseException:
            self._run.close()
            raise
        self._rig: Rig | None = None

    def do(self, task: Task) -> Iterator[Message]:
        """Do a task; yields a message per case, the result last. Raises MidpipeError."""
        if isinstance(task, ProbeTask):
            rig = self.rig(task.subject, task.persistence)
            yield Probed(rig.traits, rig.server.name)
        elif isinstance(task, SweepTask | InterleaveTask):
            yield from self._explore(task)
        elif isinstance(task, FuzzTask):
            yield from self._fuzz(task)
        elif isinstance(task, PowerLossTask):
            yield self._lose_power(task)
        elif isinstance(task, HuntTask):
            yield from self._hunt(task)
        elif isinstance(task, SourceTask):
            found = self.rig(task.subject).sources()
            yield SourceDone(tuple((name, *where) for name, where in sorted(found.items())))
        else:
            yield self._tell(task)

    def rig(self, subject: SubjectSpec, persistence: Persistence | None = None) -> Rig:
        """Return the rig of a subject; the last one is closed.

        Args:
            persistence: of the server; None takes the worker's own, which keeps nothing.
        """
        server = self.server if persistence is None else self._keeping(persistence)
        if self._rig is None or self._rig.subject != subject or self._rig.server is not server:
            if self._rig is not None:
                self._rig.close()
                self._rig = None
            self._rig = Rig(server, subject, self._run)
        return self._rig

    def _keeping(self, persistence: Persistence) -> Server:
        """Return a server of ours that keeps its data so, started at first use; the one before it is stopped."""
        if persistence not in self._durable:
            if not self.server.is_ours:
                raise UsageError(
                    f"{self.server.name} is not midpipe's to kill. Leave --redis out to use the embedded one."
                )
            self._stop_durable()
            self._durable[persistence] = open_server(self._spec, self._run, persistence)
        return self._durable[persistence]

    def _stop_durable(self) -> None:
        while self._durable:
            self._durable.popitem()[1].stop()

    def replay(
        self,
        subject: SubjectSpec,
        text: str,
        latency_bound_ms: float,
        persistence: Persistence = Persistence.AOF_ALWAYS,
        *,
        warms_up: bool = True,
    ) -> Replayed:
        """Run the case that a replay string names.

        Args:
            warms_up: first let the server learn the scripts that the case needs.
            persistence: of the server, if the case kills it.

        Raises:
            UsageError: the string is malformed, or names what does not exist.
        """
        name, schedule = parse_replay_string(text, CATALOGUE)
        program = program_named(name)
        before = self._rig
        rig = self.rig(subject, _kept_for(schedule, persistence))
        for step in schedule.faults:
            if step.fault and not is_for_any_server(step.fault) and not self.server.is_ours:
                raise UsageError(
                    f"The fault {step.fault.name} changes the server, and {self.server.name} is not midpipe's. "
                    "Leave --redis out to replay it on the embedded one."
                )
        missing = missing_for(program, subject, rig.traits)
        if missing:
            raise SubjectError(
                f"{subject.text} has no {', '.join(missing)}, which the program {name} needs."
            )
        # A fault may call for scripts that the program alone does not need, and may have the server forget all.
        if warms_up or rig is not before:
            warm_up(rig, program, latency_bound_ms, Schedule(), schedule, Schedule())
        replays: list[Replay] = []

        def fresh() -> Replay:
            replays.append(Replay(schedule))
            return replays[-1]

        record = run_schedule(rig, program, fresh, latency_bound_ms)
        if any(CATALOGUE[fault.name].forgets_scripts for _, fault in schedule.placed):
            warm_up(rig, program, latency_bound_ms)
        return Replayed(record, replays[-1].unplaced, replay_string(name, schedule))

    def close(self) -> None:
        """End the rig, the server and everything that belongs to them."""
        if self._rig is not None:
            self._rig.close()
        self._stop_durable()
        self.server.stop()
        self._run.close()

    def _explore(self, task: SweepTask | InterleaveTask) -> Iterator[Message]:
        persistence = task.persistence if isinstance(task, SweepTask) else None
        try:
            rig = self.rig(task.subject, persistence)
        except NotApplicableError as error:
            yield ExplorationDone((), not_tried=str(error))
            return
        program = program_named(task.program)
        missing = missing_for(program, task.subject, rig.traits)
        if missing:
            yield ExplorationDone((), missing)
            return
        if isinstance(task, InterleaveTask):
            faults = selected(self.server.is_ours, INTERLEAVED_FAULTS)
            is_over = partial(self._is_over, task)
            yield from Interleaving(rig, program, task, faults, is_over).messages()
            return
        rehearsed = dry_run(rig, program, task.latency_bound_ms)
        if rehearsed.misfit:
            yield ExplorationDone((), (rehearsed.misfit,))
            return
        kept = task.persistence
        deaths = TAKE_OVERS.get(kept, KILLS) if kept else ()
        faults = selected(self.server.is_ours, deaths, persistence=kept)
        sweep = Sweep(task.max_faults, task.shard, faults=faults)
        stopped = False
        for ended in explore(rig, program, sweep, latency_bound_ms=task.latency_bound_ms):
            yield ended
            if stopped := self._is_over(task):
                break
        rows = sweep.ledger.rows(task.program)
        yield ExplorationDone(rows, stopped=stopped, nondeterministic=rehearsed.nondeterministic)

    def _is_over(self, task: SweepTask | InterleaveTask | FuzzTask) -> bool:
        return self._is_called_off() or time.monotonic() > task.deadline_s

    def _fuzz(self, task: FuzzTask) -> Iterator[Message]:
        # Hypothesis takes a third of a second to load, and only this needs it.
        from midpipe.scenarios.fuzz.fuzzing import PERSISTENCE, Fuzzing

        def durable() -> Rig:
            return Rig(self._keeping(PERSISTENCE), task.subject, self._run)

        tried = FuzzBatch(task.seed)
        for line in task.examples:
            if self._is_over(task):
                break
            try:
                replayed = self.replay(task.subject, line, task.latency_bound_ms)
            except (SubjectError, UsageError):
                tried.stale.append(line)
                continue
            if replayed.unplaced:
                tried.stale.append(line)
            else:
                yield ended_from(replayed.record, parse_replay_string(line, CATALOGUE)[1])
        yield tried
        may_kill = durable if self.server.is_ours else None
        yield from Fuzzing(self.rig(task.subject), task, may_kill, self._is_called_off).run()

    def _hunt(self, task: HuntTask) -> Iterator[Message]:
        rig = self.rig(task.subject)
        begun_s = time.monotonic()
        caught: dict[str, Caught] = {}
        cases = invalid = 0
        named = [program_named(name) for name in task.programs or SUITES.get(task.suite, ())]
        programs = tuple(
            program for program in named if not missing_for(program, task.subject, rig.traits)
        )
        for ended in self._hunted(task, programs):
            cases += 1
            invalid += not ended.valid
            takes_part = not task.part or has_part(task.part, program_named(ended.program))
            for violation in ended.violations if takes_part else ():
                counting = [b.seen for b in violation.evidence if b.lasts or not task.lasting]
                if counting:
                    seconds = time.monotonic() - begun_s
                    first = Caught(violation.invariant, ended.replay, cases, seconds, counting[0])
                    caught.setdefault(violation.invariant, first)
            if task.invariants and caught.keys() >= set(task.invariants):
                break
        yield HuntDone(tuple(caught.values()), cases, invalid, len(programs))

    def _hunted(self, task: HuntTask, programs: tuple[Program, ...]) -> Iterator[CaseEnded]:
        """Run the cases of a hunt on every program: without faults, with quick ones, with those that wait."""
        rig = self.rig(task.subject)
        bound_ms = task.latency_bound_ms
        if task.suite == "fuzz":
            up_s = time.monotonic() + task.budget_s
            alone = () if task.part else task.invariants
            for message in self._fuzz(FuzzTask(task.subject, task.seed, bound_ms, up_s, alone)):
                if isinstance(message, CaseEnded):
                    yield message
            return
        if task.suite != "sweep":
            for program in programs:
                yield from Orders(rig, program, _all_orders, bound_ms).cases()
            return
        for program in programs:
            yield from explore(rig, program, Sweep(0), latency_bound_ms=bound_ms)
        if task.faults == (NO_FAULT,):
            return
        for commands in (task.commands, ()) if task.commands else ((),):
            placed = False
            for pace, program in _in_order_of_cost(programs):
                faults = selected(self.server.is_ours, task.faults, commands, pace)
                sweep = Sweep(1, faults=faults)
                for ended in explore(rig, program, sweep, latency_bound_ms=bound_ms):
                    if ended.faults:
                        placed = True
                        yield ended
            if placed:
                return

    def _lose_power(self, task: PowerLossTask) -> PowerLossDone:
        server = self._keeping(Persistence.AOF_EVERYSEC)
        rig = self.rig(task.subject, Persistence.AOF_EVERYSEC)
        program = program_named(task.program)
        missing = missing_for(program, task.subject, rig.traits)
        if missing:
            return PowerLossDone((), f"the subject has no {', '.join(missing)}")
        if not rig.traits.white_box:
            return PowerLossDone((), "the subject has no keys that midpipe can read")
        if not isinstance(server, EmbeddedServer):
            return PowerLossDone((), "the files of a server in a container are not at hand")
        return PowerLossDone(tuple(power_losses(rig, server, program, task.latency_bound_ms)))

    def _tell(self, task: StoryTask) -> StoryTold:
        replay = self._smallest(task) if task.shrinks_for else task.replay
        runs = [
            self.replay(task.subject, replay, task.latency_bound_ms, warms_up=not number)
            for number in range(task.runs)
        ]
        replayed = runs[-1]
        record = replayed.record
        shapes = [run.record.shape() for run in runs]
        return StoryTold(
            story=story_of(record, replayed.replay),
            nondeterministic=next(
                filter(None, (first_difference(shapes[0], s) for s in shapes[1:])), ""
            ),
            violated_invariants=tuple(violation.invariant for violation in record.violations),
            unplaced=replayed.unplaced,
            invalid_reason=record.invalid_reason,
            shape=record.shape(),
        )

    def _smallest(self, task: StoryTask) -> str:
        warm: set[str] = set()

        def replays(text: str) -> tuple[CaseRecord, tuple[str, ...]]:
            program, schedule = parse_replay_string(text, CATALOGUE)
            forgets = any(CATALOGUE[fault.name].forgets_scripts for _, fault in schedule.placed)
            # A written program is made smaller by taking calls out: it needs no script that the first did not.
            taught = program in warm or (program.startswith(PREFIX) and warm)
            replayed = self.replay(
                task.subject,
                text,
                task.latency_bound_ms,
                warms_up=forgets or not taught,
            )
            warm.add(program)
            return replayed.record, replayed.unplaced

        return smallest(task.replay, task.shrinks_for, replays, task.shrinks_s)


def _all_orders(independence: Independence, frontier: Frontier | None) -> Interleave:
    return Interleave(independence=independence, frontier=frontier)


def _in_order_of_cost(programs: tuple[Program, ...]) -> tuple[tuple[Pace, Program], ...]:
    """Return what to sweep: program by program, the quick faults first; what starts processes in the end."""
    on_the_wire = (Pace.QUICK, Pace.WAITS_FOR_TIME_OUT)
    return (
        *((pace, program) for program in programs for pace in on_the_wire),
        *((Pace.STARTS_A_PROCESS, program) for program in programs),
    )


def _kept_for(schedule: Schedule, persistence: Persistence) -> Persistence | None:
    """Return how the server keeps its data in a case of that schedule; None if nothing happens to it."""
    faults = [step.fault for step in schedule.faults if step.fault]
    if any(map(needs_replica, faults)):
        return Persistence.REPLICA
    return persistence if any(map(needs_persistence, faults)) else None
