"""One segment of a soak: load under faults; workers alone until the queue is empty; a read of the jobs still open."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from midpipe.faultinject.errors import SubjectError
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.model.state import PENDING_KEY
from midpipe.scenarios.programs.calls import get
from midpipe.scenarios.soak.chaos_driver import ChaosDriver
from midpipe.scenarios.soak.checker import CheckResult, check
from midpipe.scenarios.soak.expired_keys import ExpiredKeys
from midpipe.scenarios.soak.history import TICKS_PER_S, SegmentFiles, next_job, read_records
from midpipe.scenarios.soak.load_processes import Assignment, LoadProcess
from midpipe.scenarios.soak.pace import Pace
from midpipe.scenarios.soak.pending_list import take_pending
from midpipe.scenarios.soak.plan import SoakPlan, kinds_of, planned_faults, wire_triggers
from midpipe.scenarios.soak.quiet import Quiet
from midpipe.scenarios.soak.repeats import Repeats
from midpipe.scenarios.soak.workload import Taking
from midpipe.scenarios.subjects.load import (
    BEGUN,
    EMPTY,
    ENQUEUED,
    GIVEN_UP,
    HANDED_OUT,
    NO,
    RAISED,
    READ,
    RECORD,
    TICK_NS,
    WAITING,
    YES,
    job_id_of,
    number_of,
)

OWN = "midpipe"
"""Name of the history file to which midpipe itself writes."""
_MAX_READS = 20_000
_TURN_S = 0.05
_SMALL_SEGMENT = 10_000
_STEP_OF_DAYS_S, _TURN_OF_DAYS_S = 0.01, 0.02
"""Shorter than a turn: a process that did something in a turn has reported it at the end of the next one."""
_DRAINS_WITHIN_S = 60.0
_MAX_INCIDENTS = 20
_DEEPEST, _SHALLOWEST = 1_000, 100
_PAUSE_OVER_TIME_OUT = 1.6
_CLOCK_SLACK_S = 0.005
"""The server counts a lease in whole milliseconds on another clock."""


class Segment:
    """One segment. Use once; after ``run``, ``checked`` says what became of its jobs.

    Args:
        pace: how time passes.
        number: from 1.
        folder: for its history files.
        hang_s: how long a step may take before its process counts as hung.
        should_stop: whether the user or the time budget has ended the load.
        repeats: the requests that are made again; None if none are.
        expired_keys: counts them over each kill of the server.

    Attributes:
        phase: ``load``, ``drain`` or ``check``.
        depth: how many jobs wait in the queue.
        incidents: what happened to a process or a connection without being planned.
        drained: workers went on until the queue was empty.
    """

    def __init__(
        self,
        rig: Rig,
        plan: SoakPlan,
        pace: Pace,
        processes: Sequence[LoadProcess],
        *,
        number: int,
        folder: Path,
        taking: Taking,
        hang_s: float,
        should_stop: Callable[[], bool],
        repeats: Repeats | None,
        expired_keys: ExpiredKeys,
    ) -> None:
        self._rig = rig
        self._plan = plan
        self._pace = pace
        self._repeats = repeats
        self.number = number
        self._jobs = plan.jobs_of(number)
        self._processes = processes
        self._folder = folder
        self._taking = taking
        self._hang_s = hang_s
        self._should_stop = should_stop
        self._names: list[str] = []
        self._zero_ns = self._now_ns()
        self._step_s = 0.2 if len(self._jobs) >= _SMALL_SEGMENT else 0.05
        self._turn_s = _TURN_S
        if plan.days:
            self._step_s, self._turn_s = _STEP_OF_DAYS_S, _TURN_OF_DAYS_S
        self._before_turn: tuple[int, ...] = ()
        kinds = kinds_of(
            plan.chaos, own_server=rig.server.is_ours, leases=True, is_stepped=plan.days > 0
        )
        self.planned = planned_faults(plan, number, kinds)
        self.chaos_driver = ChaosDriver(
            rig,
            pace,
            processes,
            self.planned,
            expired_keys=expired_keys,
            on_crash=self._assign_successor,
            pause_s=plan.time_out_ms / 1000 * _PAUSE_OVER_TIME_OUT,
            freeze_s=plan.lease_s * 1.25,
        )
        self.incidents: list[str] = []
        self.phase = "load"
        self.drained = False
        self.load_s = self.drain_s = self.check_s = 0.0
        self.depth = 0
        self._drained_jobs = 0
        self._delivered_before = self._delivered()
        self._last_handed_out = -1

    @property
    def files(self) -> SegmentFiles:
        return SegmentFiles(self._folder, tuple(self._names))

    @property
    def zero_s(self) -> float:
        """When the segment's history began, in seconds on the clock of its processes."""
        return self._zero_ns / 1e9

    @property
    def acknowledged(self) -> int:
        """How many of the segment's jobs are acknowledged, as far as the producers have reported."""
        work = [one.assignment for one in self._processes if one.is_producer and one.assignment]
        return sum((w.job - self._jobs.start - n) // w.step for n, w in enumerate(work))

    def run(self) -> Iterator[None]:
        """Run the segment; yields several times a second, so that the caller can show progress."""
        clock = self._rig.loop.clock
        self._own_file = self._open_own_file()
        try:
            begun_s = clock()
            self._begin()
            yield from self._load()
            loaded_s = clock()
            self.load_s = loaded_s - begun_s
            self.phase = "drain"
            yield from self._drain()
            self.drain_s = clock() - loaded_s
            self.phase = "check"
            yield
            self.checked = self._check()
            self.check_s = clock() - loaded_s - self.drain_s
        finally:
            os.close(self._own_file)

    # --- the load ------------------------------------------------------------------------------------

    def _begin(self) -> None:
        producers = [process.name for process in self._processes if process.is_producer]
        for number, process in enumerate(self._processes):
            self._assign(process, process.name)
            if process.is_producer and process.assignment:
                process.assignment.job = self._jobs.start + producers.index(process.name)
            process.proxy.place(wire_triggers(self._plan, self.number, number))
            process.works = True
            process.begin_step()

    def _assign(self, process: LoadProcess, file_name: str) -> None:
        self._names.append(file_name)
        process.assignment = Assignment(
            str(self.files.path(file_name).resolve()),
            number=len(self._names) - 1,
            zero_ns=self._zero_ns,
            step_s=self._step_s,
            end=self._end_of_due()[0],
            step=self._plan.clients,
        )

    def _assign_successor(self, process: LoadProcess) -> None:
        """Give the successor of a killed process a history file of its own, and the job that has no answer yet."""
        previous = process.assignment
        assert previous is not None
        runs = sum(name.partition(".")[0] == process.name for name in self._names)
        self._assign(process, f"{process.name}.{runs + 1}")
        assert process.assignment is not None
        records = tuple(read_records(Path(previous.path)))
        process.assignment.job = next_job(records, previous.step, previous.job)

    def _load(self) -> Iterator[None]:
        producers = [process for process in self._processes if process.is_producer]
        deepest = min(_DEEPEST, max(_SHALLOWEST, len(self._jobs) // 20))
        ends_s = self._pace.end_of(self.number)
        while not self._should_stop():
            end, more_at_s = self._end_of_due()
            for process in producers:
                if process.assignment is not None:
                    process.assignment.end = end
            is_over = self._pace.now_s() >= ends_s
            are_done = end == self._jobs.stop and all(process.is_done for process in producers)
            if is_over and are_done:
                break
            # Producers wait for workers, so that every call of a job meets faults and the drain is short.
            self._measure_depth()
            for process in producers:
                process.works = self.depth <= deepest
                process.begin_step()
            self._turn(min(more_at_s, self._ask_again(), math.inf if is_over else ends_s))
            self.chaos_driver.inject_due(self.acknowledged)
            yield
        if self._should_stop():
            self.chaos_driver.cancel_pending()
        for process in producers:
            process.works = False

    def _end_of_due(self) -> tuple[int, float]:
        """Return the number after the segment's last job that is due, and when more are; infinite if all are."""
        due, more_at_s = self._pace.jobs_due(self._plan)
        end = min(self._jobs.stop, max(self._jobs.start, due))
        return end, more_at_s if end < self._jobs.stop else math.inf

    def _ask_again(self) -> float:
        """Make the requests again that are due for it; return when the next one is."""
        repeats = self._repeats
        if repeats is None or self.chaos_driver.server_is_paused:
            return math.inf
        for job in repeats.ask_due():
            now = self._now()
            for kind in (BEGUN, ENQUEUED):
                self._record(kind, YES, job, now, now)
        return repeats.next_due_s()

    def _turn(self, until_s: float = math.inf) -> None:
        """Run the load for a moment, and supervise the processes.

        Args:
            until_s: when the next thing is due that only the caller knows.
        """
        self._rig.loop.run_until(lambda: False, self._turn_s)
        for process in self._processes:
            process.open_when_ready()
            if process.has_exited:
                self._restart(process, f"{process.name} {process.host.failure} by itself")
            elif process.failure:
                raise SubjectError(
                    f"A process of {self._rig.subject.name} could not run its load: {process.failure}. "
                    "A subject that is a command has to implement the protocol's load, "
                    "as scenarios/subjects/load.py does."
                )
            if process.proxy.invalid_reason:
                self.incidents.append(process.proxy.invalid_reason)
                process.proxy.invalid_reason = ""
            if process.busy_for_s() > self._hang_s and not process.is_frozen:
                self._restart(process, f"{process.name} hung for {process.busy_for_s():.0f} s")
        if self._taking is Taking.DRAINED and not self.chaos_driver.server_is_paused:
            self._drain_pending_list()
        self._pace.pass_time(until_s, is_idle=self._is_idle())

    def _is_idle(self) -> bool:
        """Whether nothing has become of any job since this was asked last, and no process is starting."""
        counted = (self.acknowledged, self._handed_out(), self._delivered())
        before, self._before_turn = self._before_turn, counted
        return counted == before and all(process.is_open for process in self._processes)

    def _restart(self, process: LoadProcess, why: str) -> None:
        """Replace a process that exited or hung on its own. Raises SubjectError after too many of these."""
        self.incidents.append(why)
        if len(self.incidents) > _MAX_INCIDENTS:
            raise SubjectError(
                f"The processes of {self._rig.subject.name} keep failing: {'; '.join(self.incidents[-3:])}. "
                f"The last one printed: {process.host.printed()[-400:] or 'nothing'}"
            )
        process.crash()
        self._assign_successor(process)

    # --- the drain -----------------------------------------------------------------------------------

    def _drain(self) -> Iterator[None]:
        """End the faults; let workers go on until no job was handed out for longer than a lease; then stop them."""
        clock = self._pace.now_s
        while not self.chaos_driver.is_done:
            self.chaos_driver.inject_due(len(self._jobs))
            self._turn()
            yield
        for process in self._processes:
            process.proxy.place(iter(()))
        workers = [process for process in self._processes if not process.is_producer]
        quiet_s = 1.25 * self._plan.lease_s + 0.5 if self._taking is Taking.LEASED else 0.5
        quiet = Quiet(workers, clock, quiet_s)
        stopped_within_s = max(_DRAINS_WITHIN_S, 8 * quiet_s)
        within_s = max(stopped_within_s, len(self._jobs) / 200)
        begun_s = clock()
        while clock() - begun_s < (stopped_within_s if self._should_stop() else within_s):
            self._turn(quiet.due_s)
            self._measure_depth()
            self.drained = quiet.has_come(self._handed_out(), is_pending=self._has_pending_work())
            if self.drained:
                break
            yield
        for process in self._processes:
            process.works = False
        while any(process.is_busy for process in self._processes):
            self._turn()
            yield

    def _measure_depth(self) -> None:
        """Ask the server how many jobs wait; estimate it if they wait under a key that midpipe does not know."""
        if not self._rig.traits.white_box:
            # What a killed worker had not reported is missing from the estimate. So it counts as 0 once no job is
            # handed out any more, or producers would wait for ever.
            handed_out = self._handed_out()
            is_moving = handed_out != self._last_handed_out
            self._last_handed_out = handed_out
            delivered = self._delivered() - self._delivered_before
            self.depth = max(0, self.acknowledged - delivered) if is_moving else 0
        elif not self.chaos_driver.server_is_paused:
            depth = self._rig.control.call("LLEN", PENDING_KEY)
            self.depth = depth if isinstance(depth, int) else 0

    def _delivered(self) -> int:
        count = "completed" if self._taking is Taking.LEASED else "handed_out"
        return sum(process.counts[count] for process in self._processes)

    def _handed_out(self) -> int:
        return self._drained_jobs + sum(one.counts["handed_out"] for one in self._processes)

    def _has_pending_work(self) -> bool:
        """Whether a command is held, a process is starting, or a producer is in its last step."""
        return any(
            process.proxy.late or not process.is_open or (process.is_producer and process.is_busy)
            for process in self._processes
        )

    def _drain_pending_list(self) -> None:
        begun = self._now()
        taken = take_pending(self._rig.control)
        ended = self._now()
        for job, has_data in taken:
            self._record(HANDED_OUT, YES if has_data else EMPTY, number_of(job), begun, ended)
        self._drained_jobs += len(taken)

    # --- the check -----------------------------------------------------------------------------------

    def _check(self) -> CheckResult:
        """Check the history; read each job of which it leaves the end open, and check again."""
        checked = self._check_history()
        if not checked.unresolved:
            return checked
        for number in checked.unresolved[:_MAX_READS]:
            outcome, now = self._read(number), self._now()
            self._record(READ, outcome, number, now, now)
        return self._check_history()

    def _check_history(self) -> CheckResult:
        is_leased = self._taking is Taking.LEASED
        lease = int((self._plan.lease_s - _CLOCK_SLACK_S) * TICKS_PER_S) if is_leased else None
        return check(self.files.records(), completes=is_leased, lease=lease, drained=self.drained)

    def _read(self, number: int) -> int:
        """Return what the subject, without faults, says of a job."""
        if "get_job" not in self._rig.traits.methods:
            return RAISED
        call = get(job_id_of(number))
        answered = self._rig.recovery.call(call.method, call.given())
        if answered.error is not None:
            return RAISED
        job = answered.value
        if not isinstance(job, dict):
            return NO
        return {"completed": YES, "failed": GIVEN_UP}.get(str(job.get("status")), WAITING)

    def _open_own_file(self) -> int:
        self._own_number = len(self._names)
        self._names.append(OWN)
        return os.open(self.files.path(OWN), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def _record(self, kind: int, outcome: int, job: int, begun: int, ended: int) -> None:
        """Write an event to midpipe's own file."""
        os.write(self._own_file, RECORD.pack(kind, outcome, self._own_number, job, begun, ended))

    def _now(self) -> int:
        return (self._now_ns() - self._zero_ns) // TICK_NS

    def _now_ns(self) -> int:
        return round(self._pace.now_s() * 1e9)
