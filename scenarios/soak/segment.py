"""One leg of a soak: load under faults, then workers alone until all is quiet, then what nobody knows is read."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from midpipe.faultinject.errors import SubjectError
from midpipe.scenarios.case.rig import Rig
from midpipe.scenarios.model.state import PENDING_KEY
from midpipe.scenarios.programs.single import WORKSPACE, get
from midpipe.scenarios.soak.chaos_driver import ChaosDriver
from midpipe.scenarios.soak.checker import Checked, check
from midpipe.scenarios.soak.history import TICKS_PER_S, LegFiles, next_job, read_records
from midpipe.scenarios.soak.load_processes import Assignment, LoadProcess
from midpipe.scenarios.soak.plan import SoakPlan, kinds_of, planned, spots
from midpipe.scenarios.soak.workload import Taking
from midpipe.scenarios.subjects.load import (
    EMPTY,
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

DRAIN = """
local ids = redis.call('LRANGE', KEYS[1], 0, ARGV[1] - 1)
if #ids > 0 then redis.call('LTRIM', KEYS[1], #ids, -1) end
local out = {}
for i, id in ipairs(ids) do
  out[2 * i - 1] = id
  out[2 * i] = redis.call('EXISTS', 'ai:jobs:' .. id, 'ai:job:' .. ARGV[2] .. ':' .. id)
end
return out
"""
OWN = "midpipe"
_DRAINED_AT_ONCE = 2_000
_MOST_READS = 20_000
_TICK_S = 0.05
_SMALL_LEG = 10_000
_PATIENCE_S = 60.0
_MOST_TROUBLE = 20
_DEEPEST, _SHALLOWEST = 1_000, 100
_PAUSE_OVER_TIME_OUT = 1.6
_CLOCK_SLACK_S = 0.005
"""The server counts a lease in whole milliseconds on another clock."""


class Segment:
    """A leg. Use once; after ``run``, ``checked`` says what became of its jobs.

    Args:
        hang_s: how long a step may take before its process counts as hung.
        stops: whether the user, or the time, asked to come to an end.
    """

    def __init__(
        self,
        rig: Rig,
        plan: SoakPlan,
        leg: int,
        hands: Sequence[LoadProcess],
        folder: Path,
        taking: Taking,
        hang_s: float,
        stops: Callable[[], bool],
    ) -> None:
        self._rig = rig
        self._plan = plan
        self.leg = leg
        self._jobs = plan.jobs_of(leg)
        self._hands = hands
        self._folder = folder
        self._taking = taking
        self._hang_s = hang_s
        self._stops = stops
        self._names: list[str] = []
        self._zero_ns = time.monotonic_ns()
        self.step_s = 0.2 if len(self._jobs) >= _SMALL_LEG else 0.05
        kinds = kinds_of(plan.chaos, own_server=rig.server.is_ours, leases=True)
        self.planned = planned(plan, leg, kinds)
        self.world = ChaosDriver(
            rig,
            hands,
            self.planned,
            self._restarted,
            plan.time_out_ms / 1000 * _PAUSE_OVER_TIME_OUT,
            plan.lease_s * 1.25,
        )
        self.invalid_reason: list[str] = []
        self.phase = "load"
        self.drained = False
        self.load_s = self.drain_s = self.check_s = 0.0
        self._taken_by_us = 0
        self._delivered_before = self._delivered_by_hands()
        self._given_at_last_look = -1
        self.depth = 0

    @property
    def files(self) -> LegFiles:
        return LegFiles(self._folder, tuple(self._names))

    @property
    def acknowledged(self) -> int:
        """Jobs of the leg that are acknowledged, as far as the producers have told."""
        posts = [hand.post for hand in self._hands if hand.produces and hand.post]
        return sum((post.job - self._jobs.start - n) // post.step for n, post in enumerate(posts))

    def run(self) -> Iterator[None]:
        """Run the leg; yields now and then, for whoever shows progress."""
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
        for number, hand in enumerate(self._hands):
            self._post(hand, hand.name)
            if hand.produces and hand.post:
                hand.post.job = self._jobs.start + self._place(hand)
            hand.passage.place(spots(self._plan, self.leg, number))
            hand.works = True
            hand.go_on_working()

    def _place(self, hand: LoadProcess) -> int:
        return [other.name for other in self._hands if other.produces].index(hand.name)

    def _post(self, hand: LoadProcess, name: str) -> None:
        self._names.append(name)
        path = str(self.files.path(name).resolve())
        hand.post = Assignment(path, len(self._names) - 1, self._zero_ns, self.step_s)
        hand.post.end, hand.post.step = self._jobs.stop, self._plan.clients

    def _restarted(self, hand: LoadProcess) -> None:
        """A hand's process was killed: its next one writes into a file of its own, and goes on with the job at hand."""
        known = hand.post
        assert known is not None
        runs = sum(name.partition(".")[0] == hand.name for name in self._names)
        self._post(hand, f"{hand.name}.{runs + 1}")
        assert hand.post is not None
        hand.post.job = next_job(tuple(read_records(Path(known.path))), known.step, known.job)

    def _load(self) -> Iterator[None]:
        producers = [hand for hand in self._hands if hand.produces]
        deepest = min(_DEEPEST, max(_SHALLOWEST, len(self._jobs) // 20))
        while not all(hand.is_done for hand in producers) and not self._stops():
            # Producers wait for workers, so that jobs meet faults all their way and the drain is short.
            self._measure_depth()
            for hand in producers:
                hand.works = self.depth <= deepest
                hand.go_on_working()
            self._turn()
            self.world.carry_out_due(self.acknowledged)
            yield
        if self._stops():
            self.world.forget_the_rest()
        for hand in producers:
            hand.works = False

    def _turn(self) -> None:
        """Let the load go on for a moment, and look after the processes."""
        self._rig.loop.run_until(lambda: False, _TICK_S)
        for hand in self._hands:
            hand.open_when_ready()
            if hand.has_died:
                self._start_again(hand, f"{hand.name} {hand.host.invalid_reason} by itself")
            elif hand.invalid_reason:
                raise SubjectError(
                    f"A process of {self._rig.subject.text} did not do its load: {hand.invalid_reason}. "
                    "A subject that is a command has to answer the protocol's load, as scenarios/subjects/load.py does."
                )
            if hand.passage.invalid_reason:
                self.invalid_reason.append(hand.passage.invalid_reason)
                hand.passage.invalid_reason = ""
            if hand.busy_for_s() > self._hang_s and not hand.is_frozen:
                self._start_again(hand, f"{hand.name} hung for {hand.busy_for_s():.0f} s")
        if self._taking is Taking.DRAINED and not self.world.stands_still:
            self._take_pending()

    def _start_again(self, hand: LoadProcess, why: str) -> None:
        """Replace a process that nobody planned to lose; raises SubjectError if that goes on and on."""
        self.invalid_reason.append(why)
        if len(self.invalid_reason) > _MOST_TROUBLE:
            raise SubjectError(
                f"The processes of {self._rig.subject.text} don't stay: {'; '.join(self.invalid_reason[-3:])}. "
                f"The last one printed: {hand.host.printed()[-400:] or 'nothing'}"
            )
        hand.crash()
        self._restarted(hand)

    # --- the end -------------------------------------------------------------------------------------

    def _drain(self) -> Iterator[None]:
        """End the faults, let workers go on until nothing was handed out for longer than a lease, then stop them."""
        clock = self._rig.loop.clock
        begun_s = clock()
        patience_s = max(_PATIENCE_S, len(self._jobs) / 200)
        while not self.world.is_over:
            self.world.carry_out_due(len(self._jobs))
            self._turn()
            yield
        for hand in self._hands:
            hand.passage.place(iter(()))
        quiet_s = 1.25 * self._plan.lease_s + 0.5 if self._taking is Taking.LEASED else 0.5
        given, since_s = -1, clock()
        while clock() - begun_s < (_PATIENCE_S if self._stops() else patience_s):
            self._turn()
            now_given = self._given()
            self._measure_depth()
            if now_given != given or self._is_late():
                given, since_s = now_given, clock()
            if clock() - since_s > quiet_s:
                self.drained = True
                break
            yield
        for hand in self._hands:
            hand.works = False
        while any(hand.is_busy for hand in self._hands):
            self._turn()
            yield

    def _measure_depth(self) -> None:
        """Ask the server how many jobs wait, or reckon it, if they are kept in a place that midpipe doesn't know."""
        if not self._rig.traits.white_box:
            # What a killed worker had not told is missing; so this is not to be what producers wait for in the end.
            given = self._given()
            is_moving = given != self._given_at_last_look
            self._given_at_last_look = given
            gone = self._delivered_by_hands() - self._delivered_before
            self.depth = max(0, self.acknowledged - gone) if is_moving else 0
        elif not self.world.stands_still:
            depth = self._rig.control.call("LLEN", PENDING_KEY)
            self.depth = depth if isinstance(depth, int) else 0

    def _delivered_by_hands(self) -> int:
        what = "completed" if self._taking is Taking.LEASED else "handed_out"
        return sum(hand.counts[what] for hand in self._hands)

    def _given(self) -> int:
        return self._taken_by_us + sum(hand.counts["handed_out"] for hand in self._hands)

    def _is_late(self) -> bool:
        """Something of the faults is under way still: a held command, a process that starts, a producer's last step."""
        return any(
            hand.passage.late or not hand.is_up or (hand.produces and hand.is_busy)
            for hand in self._hands
        )

    def _take_pending(self) -> None:
        begun = self._now()
        answer = self._rig.control.call("EVAL", DRAIN, 1, PENDING_KEY, _DRAINED_AT_ONCE, WORKSPACE)
        if not isinstance(answer, tuple) or not answer:
            return
        ended = self._now()
        records = []
        for job, has_data in zip(answer[::2], answer[1::2], strict=True):
            text = job.decode("utf-8", "replace") if isinstance(job, bytes) else str(job)
            outcome = YES if has_data else EMPTY
            records.append(
                RECORD.pack(HANDED_OUT, outcome, self._own_number, number_of(text), begun, ended)
            )
        os.write(self._own_file, b"".join(records))
        self._taken_by_us += len(records)

    # --- the check -----------------------------------------------------------------------------------

    def _check(self) -> Checked:
        checked = self._checked()
        if not checked.unresolved:
            return checked
        for number in checked.unresolved[:_MOST_READS]:
            outcome, now = self._read(number), self._now()
            os.write(self._own_file, RECORD.pack(READ, outcome, self._own_number, number, now, now))
        return self._checked()

    def _checked(self) -> Checked:
        is_leased = self._taking is Taking.LEASED
        lease = int((self._plan.lease_s - _CLOCK_SLACK_S) * TICKS_PER_S) if is_leased else None
        return check(self.files.records(), completes=is_leased, lease=lease, drained=self.drained)

    def _read(self, number: int) -> int:
        """Ask the subject, without faults, what became of a job."""
        if "get_job" not in self._rig.traits.methods:
            return RAISED
        call = get(job_id_of(number))
        answered = self._rig.recovery_call(call.method, call.given())
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

    def _now(self) -> int:
        return (time.monotonic_ns() - self._zero_ns) // TICK_NS
